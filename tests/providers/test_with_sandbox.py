"""The adapters against the sandbox over real sockets, its signed webhooks included: the two agree on the wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from notifications.enums import Channel, ReceiptKind
from notifications.exceptions import UnknownOutcome
from notifications.messages import Content, OutboundMessage, ReceiptEvent, WebhookRequest
from notifications.providers import Adapter
from notifications.providers.anymail import AnymailAdapter
from notifications.providers.vonage import VonageAdapter
from notifications.sandbox import credentials
from notifications.sandbox.process import SandboxProcess, launch, with_webhook_secret
from notifications.sandbox.server import SandboxOptions
from tests.contracts.server import Received, Reply, ScriptedProvider, scripted, until

ADDRESSES = {"vonage": "+15558675310", "postmark": "ada@example.com", "resend": "ada@example.com"}


@pytest.fixture(scope="module")
def listener() -> Iterator[ScriptedProvider]:
    """Where the webhooks go."""
    with scripted(lambda request: Reply()) as listener:
        yield listener


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory, listener: ScriptedProvider) -> Iterator[SandboxProcess]:
    options = SandboxOptions(
        file=tmp_path_factory.mktemp("sandbox") / "sandbox.jsonl",
        port=0,
        postmark_webhook=with_webhook_secret(f"{listener.url}/postmark"),
        vonage_webhook=f"{listener.url}/vonage",
        resend_webhook=f"{listener.url}/resend",
    )
    with launch(options) as sandbox:
        yield sandbox


@pytest.fixture
def make(sandbox: SandboxProcess, listener: ScriptedProvider) -> Iterator[Callable[..., Adapter]]:
    sandbox.client.reset()
    listener.requests.clear()
    common: dict[str, Any] = {"from_email": "Carillon <noreply@example.com>", "timeout": 10.0}
    own: dict[str, dict[str, Any]] = {
        "postmark": {
            "esp_options": {"server_token": credentials.POSTMARK_SERVER_TOKEN},
            "webhook_secret": credentials.WEBHOOK_SECRET,
        },
        "resend": {
            "esp_options": {"api_key": credentials.RESEND_API_KEY},
            "webhook_secret": credentials.RESEND_SIGNING_SECRET,
        },
        "vonage": {
            "api_key": credentials.VONAGE_API_KEY,
            "api_secret": credentials.VONAGE_API_SECRET,
            "signature_secret": credentials.VONAGE_SIGNATURE_SECRET,
            "from_number": credentials.VONAGE_FROM,
        },
    }
    with ExitStack() as stack:

        def build(provider: str, **options: object) -> Adapter:
            given = {**own[provider], "base_url": f"{sandbox.base_url}/{provider}", **options}
            adapter: Adapter
            if provider == "vonage":
                adapter = VonageAdapter(provider, given)
            else:
                adapter = AnymailAdapter(provider, {**common, "esp": provider, **given})
            stack.callback(adapter.close)
            assert adapter.check() == []
            return adapter

        yield build


Make = Callable[..., Adapter]


def message(provider: str, address: str = "", **changes: Any) -> OutboundMessage:
    values: dict[str, Any] = {
        "delivery_id": uuid4(),
        "attempt": 1,
        "generation": 1,
        "channel": Channel.SMS if provider == "vonage" else Channel.EMAIL,
        "address": address or ADDRESSES[provider],
        "content": Content(text="Hello Ada", subject="Hello", html="<p>Hello</p>"),
    }
    return OutboundMessage(**(values | changes))


def event_of(adapter: Adapter, request: Received) -> ReceiptEvent:
    """Return the event of a webhook, verified as the adapter verifies it."""
    webhook = WebhookRequest(f"https://example.com{request.path}", request.method, request.headers, request.body)
    adapter.verify(webhook)
    [event] = adapter.parse(webhook)
    return event


@pytest.mark.parametrize("provider", ADDRESSES)
def test_what_is_sent_is_reported_as_delivered(make: Make, listener: ScriptedProvider, provider: str) -> None:
    adapter, sent = make(provider), message(provider)
    result = adapter.send(sent)
    assert result.accepted

    def delivered() -> list[ReceiptEvent]:
        events = [event_of(adapter, request) for request in list(listener.requests)]
        return [event for event in events if event.kind is ReceiptKind.DELIVERED]

    until(lambda: bool(delivered()), "a webhook that says delivered")
    event = delivered()[0]
    assert event.carillon_id == sent.carillon_id
    assert event.provider_message_id == result.provider_message_id
    assert event.address == sent.address


def test_postmark_takes_the_same_words_in_few_requests(make: Make, sandbox: SandboxProcess) -> None:
    adapter = make("postmark", send_window=64)
    messages = [message("postmark", f"batch{number}@example.com") for number in range(64)]
    assert all(result.accepted for result in adapter.send_many(messages))
    kept = [item for item in sandbox.client.messages(provider="postmark") if item.to.startswith("batch")]
    assert sorted(str(item.delivery) for item in kept) == sorted(str(item.delivery_id) for item in messages)


@pytest.mark.parametrize("how", ["reset_after_accept", "error_after_accept"])
def test_resend_takes_a_retry_under_the_same_key_once(make: Make, sandbox: SandboxProcess, how: str) -> None:
    adapter, first = make("resend"), message("resend", f"{how}@example.com", keyed=True)
    sandbox.client.fault("resend", how)
    assert not adapter.send(first).accepted
    sandbox.client.fault("resend", "ok")
    result = adapter.send(replace(first, attempt=2))
    assert result.accepted
    [kept] = sandbox.client.messages(provider="resend", to=first.address)
    assert kept.provider_message_id == result.provider_message_id


def test_resend_refuses_another_request_under_a_key(make: Make, sandbox: SandboxProcess) -> None:
    adapter, first = make("resend"), message("resend", "other@example.com", keyed=True)
    assert adapter.send(first).accepted
    error = adapter.send(replace(first, content=Content(subject="Other", text="words"))).error
    assert type(error) is UnknownOutcome
    assert error.code == "invalid_idempotent_request"
    assert len(sandbox.client.messages(provider="resend", to=first.address)) == 1
