"""Vonage: the adapter contract, the form it posts, and its signed callbacks."""

from __future__ import annotations

import base64
import itertools
import json
import time
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest

from notifications.enums import Channel
from notifications.exceptions import WebhookRejected
from notifications.messages import Content, WebhookRequest
from notifications.providers.vonage import VonageAdapter
from notifications.providers.vonage_answers import ANSWERS, CALLBACK_ANSWERS
from notifications.providers.vonage_receipts import signature
from tests.contracts.adapter import AdapterContract, Make
from tests.contracts.payloads import HOME, pytest_generate_tests  # noqa: F401 - pytest finds the hook
from tests.contracts.server import Received, Reply, ScriptedProvider

SECRET = "s3cret-of-vonage"
SIGNS = "signs-of-vonage"


def form_of(request: Received) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.body.decode()).items()}


def signed(fields: dict[str, str], age: int = 0, secret: str = SIGNS) -> dict[str, str]:
    fields = {**fields, "timestamp": str(int(time.time()) - age), "nonce": "4e9c0d2a"}
    return {**fields, "sig": signature(fields, secret)}


def callback(fields: dict[str, str], *, as_json: bool = False, **changes: Any) -> WebhookRequest:
    kind, body = "application/x-www-form-urlencoded", urlencode(fields).encode()
    if as_json:
        kind, body = "application/json", json.dumps(fields).encode()
    values: dict[str, Any] = {
        "url": "https://example.com/webhooks/vonage/",
        "method": "POST",
        "headers": {"Content-Type": kind},
        "body": body,
    }
    return WebhookRequest(**(values | changes))


def recorded_form(name: str) -> dict[str, str]:
    form: dict[str, str] = json.loads((HOME / f"vonage/webhook_{name}.json").read_text())["form"]
    return form


class TestVonage(AdapterContract):
    provider = "vonage"
    channel = Channel.SMS

    def build(self, server: ScriptedProvider, base_url: str, **options: object) -> VonageAdapter:
        own = {"api_key": "abcd1234", "api_secret": SECRET, "from_number": "+15005550006", "signature_secret": SIGNS}
        return VonageAdapter("vonage", {**own, "base_url": base_url, **options})

    def address(self, number: int) -> str:
        return f"+1555867{5310 + number}"

    def carried_id(self, request: Received) -> str:
        return form_of(request)["client-ref"]

    def accepted(self, number: int) -> Reply:
        part = {"to": "15558675310", "message-id": f"0C00000021{number:06d}", "status": "0"}
        return Reply(200, json.dumps({"message-count": "1", "messages": [part]}).encode())

    def test_the_form_is_what_vonage_documents(self, make: Make, server: ScriptedProvider) -> None:
        message = self.message()
        assert make().send(message).accepted
        request = server.requests[0]
        form = form_of(request)
        assert request.path == "/sms/json"
        assert request.headers["authorization"] == "Basic " + base64.b64encode(f"abcd1234:{SECRET}".encode()).decode()
        assert 3_500_000 < int(form.pop("ttl")) <= 3_600_000
        assert form == {
            "from": "15005550006",
            "to": message.address.removeprefix("+"),
            "text": "Hello Ada",
            "type": "text",
            "client-ref": message.carillon_id,
            "callback": "https://example.com/webhooks/x/",
        }

    @pytest.mark.parametrize(("text", "kind"), [("Für 5 €", "text"), ("Привет", "unicode"), ("🎁", "unicode")])
    def test_text_beyond_gsm_goes_as_unicode(self, make: Make, server: ScriptedProvider, text: str, kind: str) -> None:
        assert make().send(self.message(content=Content(text=text))).accepted
        form = form_of(server.requests[0])
        assert (form["text"], form["type"]) == (text, kind)

    def test_a_callback_address_that_vonage_would_refuse_is_left_out(
        self, make: Make, server: ScriptedProvider
    ) -> None:
        assert make().send(self.message(callback_url="https://example.com/" + "x" * 100)).accepted
        assert "callback" not in form_of(server.requests[0])

    def test_a_message_of_three_parts_is_one_message(self, make: Make, server: ScriptedProvider) -> None:
        body = json.loads((HOME / "vonage/answer_accepted_in_three_parts.json").read_text())["body"]
        server.script = lambda request: Reply(200, json.dumps(body).encode())
        [result] = list(make().send_many([self.message()]))
        assert result.provider_message_id == "0C000000217B7F02"

    def test_webhook(self, make: Make, webhook: dict[str, Any]) -> None:
        adapter = make()
        for as_json in (False, True):
            request = callback(signed(webhook["form"]), as_json=as_json)
            adapter.verify(request)
            [event] = adapter.parse(request)
            assert {name: getattr(event, name) for name in webhook["expect"]} == webhook["expect"]

    def test_the_signature_is_vonages(self) -> None:
        # As vonage-http-client 1.5.2 signs with SHA-256 HMAC.
        fields = {"a": "1", "text": "x&y=z", "timestamp": "1461605396"}
        assert signature(fields, "abc") == "77fc006b4e154eee75d10e971790493769f2312c5acd085e1895db90d84ce5f9"

    def test_a_forged_callback_is_refused(self, make: Make) -> None:
        form = recorded_form("delivered")
        genuine, adapter = signed(form), make()
        adapter.verify(callback(genuine))
        adapter.verify(callback({**genuine, "sig": genuine["sig"].upper()}))
        unsigned = {name: value for name, value in genuine.items() if name != "sig"}
        forged = [
            callback({**genuine, "status": "failed"}),
            callback({**genuine, "extra": "1"}),
            callback({**genuine, "timestamp": str(int(time.time()) + 1)}),
            callback(signed(form, secret="wrong")),
            callback({**genuine, "sig": ""}),
            callback({**genuine, "sig": "é"}),
            callback(unsigned),
            callback({**form, "sig": signature(form, SIGNS)}),  # without a timestamp
            callback(signed(form, age=100_000)),
            callback(signed(form, age=-1_000)),
            callback(genuine, method="GET"),
            callback(genuine, body=b"\xff\xfe"),
            callback(genuine, as_json=True, body=b"["),
            callback(genuine, as_json=True, body=b"[" * 100_000),
            callback(genuine, body=b"&".join(b"a%d=1" % number for number in range(2_000))),
        ]
        for request in forged:
            with pytest.raises(WebhookRejected):
                adapter.verify(request)
        with pytest.raises(WebhookRejected):
            make(signature_secret=None).verify(callback(genuine))

    def test_a_callback_repeated_within_a_day_is_taken(self, make: Make) -> None:
        make().verify(callback(signed(recorded_form("delivered"), age=86_400)))

    def test_without_a_signature_secret_the_check_says_so(self, make: Make) -> None:
        assert any("signature_secret" in problem.what for problem in make(signature_secret=None).check())

    def test_a_callback_without_a_message_is_refused(self, make: Make) -> None:
        with pytest.raises(WebhookRejected):
            make().parse(callback({"status": "delivered"}))

    def test_every_row_is_recorded_and_names_its_page(self) -> None:
        answers = [json.loads(path.read_text())["body"] for path in (HOME / "vonage").glob("answer_status_*.json")]
        callbacks = [json.loads(path.read_text())["form"] for path in (HOME / "vonage").glob("webhook_err_*.json")]
        assert set(ANSWERS) <= {body["messages"][0]["status"] for body in answers}
        assert set(CALLBACK_ANSWERS) <= {form["err-code"] for form in callbacks}
        for row in itertools.chain(ANSWERS.values(), CALLBACK_ANSWERS.values()):
            assert row.page.startswith("https://developer.vonage.com/")
