"""Callbacks to a whole deployment: through a proxy with TLS, in a flood of unsigned ones, and a thousand at once."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import local
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

import pytest
from twilio.request_validator import RequestValidator

from notifications.messages import WebhookRequest
from notifications.providers import svix
from notifications.providers.vonage_receipts import signature
from notifications.sandbox import credentials
from project import embedded
from project.demo.stack import Stack
from tests.contracts.tls_proxy import tls_proxy

pytestmark = pytest.mark.long
#: What the providers were told: nothing in this deployment has this scheme, host or port.
PUBLIC_URL = "https://bells.example:8443"
#: Without it, the project sends whoever comes without TLS to the public address.
THROUGH_TLS = {"X-Forwarded-Proto": "https"}
FORM = "application/x-www-form-urlencoded"
ALIASES = ("twilio", "vonage", "email", "resend")
Connect = Callable[[], http.client.HTTPConnection]


@pytest.fixture
def deployed(tmp_path: Path, database_url: str, valkey: embedded.Services) -> Iterator[Stack]:
    """A deployment whose web process is up, and no worker."""
    env = {"CARILLON_PUBLIC_URL": PUBLIC_URL, "DJANGO_BEHIND_PROXY": "true"}
    providers = ("fcm", "twilio", "vonage", "postmark", "resend")
    with Stack(tmp_path / "stack", database_url, valkey.redis_url, extra_env=env, providers=providers) as made:
        made.manage("migrate", "--verbosity", "0")
        made.start_web()
        yield made


def callback(alias: str, number: int, base: str = PUBLIC_URL) -> WebhookRequest:
    """Return a provider's report that a message arrived, signed for an address under `base`."""
    url, body, headers = f"{base}/webhooks/{alias}/", "", {"Content-Type": FORM}
    if alias == "twilio":
        url += f"?carillon_id={uuid4()}.1"
        form = {"MessageSid": f"SM{number:032}", "MessageStatus": "delivered", "To": "+15558675310"}
        body = urlencode(form)
        headers["X-Twilio-Signature"] = RequestValidator(credentials.TWILIO_AUTH_TOKEN).compute_signature(url, form)
    elif alias == "vonage":
        form = {"messageId": f"0C{number:014}", "status": "delivered", "timestamp": str(int(time.time()))}
        body = urlencode({**form, "sig": signature(form, credentials.VONAGE_SIGNATURE_SECRET)})
    elif alias == "email":
        told = {"RecordType": "Delivery", "MessageID": str(uuid4()), "DeliveredAt": "2026-11-22T12:00:00Z"}
        body = json.dumps({**told, "Recipient": "ada@example.com", "Number": number})
        secret = b64encode(credentials.WEBHOOK_SECRET.encode()).decode()
        headers = {"Content-Type": "application/json", "Authorization": f"Basic {secret}"}
    else:
        body = json.dumps({"type": "email.delivered", "created_at": "2026-11-22T12:00:00Z", "data": {"email_id": "x"}})
        stamp, identity = str(int(time.time())), f"msg_{number}"
        proof = svix.sign(body.encode(), identity, stamp, credentials.RESEND_SIGNING_SECRET)
        signed = {"Svix-Id": identity, "Svix-Timestamp": stamp, "Svix-Signature": f"v1,{proof}"}
        headers = {"Content-Type": "application/json", **signed}
    return WebhookRequest(url, "POST", headers, body.encode())


def unsigned(alias: str, number: int) -> WebhookRequest:
    """Return the same without its proof."""
    made = callback(alias, number)
    body = made.body + b"0" if alias == "vonage" else made.body
    return WebhookRequest(made.url, "POST", {"Content-Type": made.headers["Content-Type"]}, body)


def send_all(connect: Connect, requests: Sequence[WebhookRequest], at_once: int) -> tuple[Counter[int], list[float]]:
    """Send requests over so many connections at once; return how often each status came, and each one's seconds."""
    own, seconds = local(), list[float]()

    def send(request: WebhookRequest) -> int:
        if not hasattr(own, "connection"):
            own.connection = connect()
        parts = urlsplit(request.url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        began = time.perf_counter()
        for is_last in (False, True):
            try:
                own.connection.request("POST", path, request.body, {**request.headers, **THROUGH_TLS})
                answer = own.connection.getresponse()
                answer.read()
                break
            except (http.client.RemoteDisconnected, ConnectionError):
                if is_last:  # the server closes a connection that rests for a while, as any client knows
                    raise
                own.connection.close()
        seconds.append(time.perf_counter() - began)
        return int(answer.status)

    with ThreadPoolExecutor(at_once) as pool:
        return Counter(pool.map(send, requests)), sorted(seconds)


def in_chunks(stack: Stack, requests: Sequence[WebhookRequest]) -> Counter[int]:
    """Send requests without a length, in two chunks each; return how often each status came."""
    found = Counter[int]()
    for request in requests:
        parts = urlsplit(request.url)
        connection = straight(stack)()
        body = iter([request.body[:20], request.body[20:]])
        connection.request(
            "POST", parts.path + (f"?{parts.query}" if parts.query else ""), body, {**request.headers, **THROUGH_TLS}
        )
        found[connection.getresponse().status] += 1
        connection.close()
    return found


def with_a_bad_trailer(stack: Stack, path: str) -> int:
    """Send chunks that end in what is no header; return the status."""
    head = {"Host": "bells.example", "Content-Type": "application/json", "Transfer-Encoding": "chunked", **THROUGH_TLS}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", "0", "nocolon", "", ""]
    with socket.create_connection(("127.0.0.1", stack.web_port), timeout=120) as connection:
        connection.sendall("\r\n".join(lines).encode())
        return int(connection.recv(65_536).split()[1])


def stored(stack: Stack) -> list[int]:
    """Return how many receipts, alerts, suppressions and refused requests there are."""
    counted = "Receipt, Alert, Suppression, RefusedRequest"
    code = f"from notifications.models import {counted}; print(*[m.objects.count() for m in ({counted})])"
    return [int(word) for word in stack.manage("shell", "-v", "0", "-c", code).split()]


def straight(stack: Stack) -> Connect:
    """Connect to the web process itself."""
    return lambda: http.client.HTTPConnection("127.0.0.1", stack.web_port, timeout=120)


def test_what_is_signed_for_the_public_url_comes_through_a_proxy(deployed: Stack, tmp_path: Path) -> None:
    with tls_proxy(deployed.url, tmp_path) as (port, certificate):
        context = ssl.create_default_context(cafile=str(certificate))
        connect: Connect = lambda: http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=120)  # noqa: E731
        genuine = [callback(alias, number) for number in range(50) for alias in ALIASES]
        assert send_all(connect, genuine, 8)[0] == {200: 200}
        assert stored(deployed) == [200, 0, 0, 0]
        # What the proxy says of itself, where it listens, or what lies behind it, is no address of ours.
        for base in (
            f"https://127.0.0.1:{port}",
            "http://inside.example:8000",
            deployed.url,
            "https://bells.example:9443",
        ):
            forged = [callback("twilio", 1_000 + number, base) for number in range(10)]
            assert send_all(connect, forged, 2)[0] == {403: 10}
        assert stored(deployed) == [200, 0, 0, 0]


def test_a_flood_writes_nothing_and_a_thousand_signed_callbacks_at_once_are_all_kept(deployed: Stack) -> None:
    """How long it took is printed: what it may take depends on the machine."""
    flood = [unsigned(alias, number) for number in range(500) for alias in ALIASES]
    assert send_all(straight(deployed), flood, 32)[0] == {403: 2_000}
    assert stored(deployed) == [0, 0, 0, 0]
    burst = [callback(ALIASES[number % 4], number) for number in range(1_000)]
    began = time.perf_counter()
    statuses, seconds = send_all(straight(deployed), burst, 64)
    took = time.perf_counter() - began
    assert statuses == {200: 1_000}
    assert stored(deployed) == [1_000, 0, 0, 0]
    assert send_all(straight(deployed), burst[::10], 64)[0] == {200: 100}
    assert stored(deployed) == [1_000, 0, 0, 0]
    assert in_chunks(deployed, [callback(alias, 5_000) for alias in ALIASES]) == {200: 4}
    assert in_chunks(deployed, [unsigned(alias, 5_001) for alias in ALIASES]) == {403: 4}
    assert stored(deployed) == [1_004, 0, 0, 0]
    assert [with_a_bad_trailer(deployed, f"/webhooks/{alias}/") for alias in ALIASES] == [413] * 4
    assert with_a_bad_trailer(deployed, "/api/v1/receipts/x/") == 400
    assert stored(deployed) == [1_004, 0, 0, 0]
    p50, p99 = seconds[500], seconds[990]
    print(f"\n1,000 callbacks over 64 connections: {took:.1f} s, p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms")
