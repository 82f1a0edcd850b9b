"""anymail: the adapter contract with Postmark, what goes into a message, and its guarded webhooks."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import uuid4

import pytest
from anymail.signals import post_send, pre_send

from notifications.enums import Channel
from notifications.exceptions import (
    InvalidRecipient,
    PermanentFailure,
    ProviderError,
    ProviderMisconfigured,
    RateLimited,
    WebhookRejected,
)
from notifications.messages import Content, OutboundMessage, WebhookRequest
from notifications.providers.anymail import AnymailAdapter
from notifications.providers.anymail_answers import MANDRILL_ANSWERS
from tests.contracts.adapter import AdapterContract, Make
from tests.contracts.payloads import HOME, pytest_generate_tests  # noqa: F401 - pytest finds the hook
from tests.contracts.server import Received, Reply, ScriptedProvider, scripted

SECRET = "hook:s3cret-of-some-length"


def basic(secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(secret.encode()).decode(), "Content-Type": "application/json"}


def callback(webhook: dict[str, Any], **changes: Any) -> WebhookRequest:
    values: dict[str, Any] = {
        "url": webhook["url"],
        "method": "POST",
        "headers": basic(SECRET),
        "body": json.dumps(webhook["json"]).encode(),
    }
    return WebhookRequest(**(values | changes))


def delivery() -> dict[str, Any]:
    webhook: dict[str, Any] = json.loads((HOME / "postmark/webhook_delivery.json").read_text())
    return webhook


class TestPostmark(AdapterContract):
    provider = "postmark"
    channel = Channel.EMAIL

    def build(self, server: ScriptedProvider, base_url: str, **options: object) -> AnymailAdapter:
        own: dict[str, object] = {
            "esp": "postmark",
            "from_email": "Carillon <noreply@example.com>",
            "esp_options": {"server_token": "t0ken"},
            "webhook_secret": SECRET,
            "base_url": base_url,
        }
        return AnymailAdapter("postmark", {**own, **options})

    @pytest.fixture
    def server(self) -> Any:
        def script(request: Received) -> Reply:
            return self.taken(json.loads(request.body)["To"])

        with scripted(script) as server:
            yield server

    def message(self, number: int = 0, **changes: Any) -> OutboundMessage:
        """Urgent messages go alone, so that the contract sees one request for each."""
        return super().message(number, **({"high_priority": True} | changes))

    def address(self, number: int) -> str:
        return f"ada{number}@example.com"

    def carried_id(self, request: Received) -> str:
        return str(json.loads(request.body)["Metadata"]["carillon_id"])

    def accepted(self, number: int) -> Reply:
        return self.taken("ada0@example.com, " + ", ".join(self.address(n) for n in range(1, 60)))

    @staticmethod
    def taken(address: str) -> Reply:
        body = {"To": address, "MessageID": str(uuid4()), "ErrorCode": 0, "Message": "OK"}
        return Reply(200, json.dumps(body).encode())

    def test_the_request_is_what_postmark_documents(self, make: Make, server: ScriptedProvider) -> None:
        headers = {"List-Unsubscribe": "<https://e.example/u>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
        content = Content(subject="Your\n order", text="Hello", html="<p>Hello</p>")
        message = self.message(content=content, headers=headers, tags=("orders", "x"))
        assert make().send(message).accepted
        request = server.requests[0]
        sent = json.loads(request.body)
        assert request.path == "/email"
        assert request.headers["x-postmark-server-token"] == "t0ken"
        assert sent["To"] == "ada0@example.com"
        assert sent["From"] == "Carillon <noreply@example.com>"
        assert (sent["Subject"], sent["TextBody"], sent["HtmlBody"]) == ("Your order", "Hello", "<p>Hello</p>")
        assert {header["Name"]: header["Value"] for header in sent["Headers"]} == headers
        assert sent["Tag"] == "orders"
        assert sent["Metadata"] == {"carillon_id": message.carillon_id}

    def test_a_failing_receiver_of_anymails_signal_does_not_unsend(self, make: Make) -> None:
        def fail(**_: object) -> None:
            raise LookupError

        post_send.connect(fail)
        try:
            assert make().send(self.message()).accepted
        finally:
            post_send.disconnect(fail)

    def test_a_failing_receiver_before_the_send_is_certainly_unsent(self, make: Make, server: ScriptedProvider) -> None:
        def fail(**_: object) -> None:
            raise LookupError

        adapter = make(send_window=1)
        assert next(iter(adapter.send_many([self.message()]))).accepted
        pre_send.connect(fail)
        try:
            result = next(iter(adapter.send_many([self.message()])))
        finally:
            pre_send.disconnect(fail)
        assert type(result.error).__name__ == "PermanentFailure"
        assert len(server.requests) == 1

    def test_an_impossible_address(self, make: Make, server: ScriptedProvider) -> None:
        error = make().send(self.message(address="not an address <<")).error
        assert type(error) is InvalidRecipient
        assert not error.suppress
        assert not server.requests

    def test_an_address_in_another_alphabet_is_known_again(self, make: Make) -> None:
        result = make().send(self.message(address="ada@bücher.example"))
        assert result.accepted
        assert result.provider_message_id

    def test_a_sender_that_is_no_address_costs_no_device(self, make: Make, server: ScriptedProvider) -> None:
        adapter = make(from_email="nobody at all")
        assert type(adapter.send(self.message()).error) is ProviderMisconfigured
        assert any("from_email" in problem.what for problem in adapter.check())
        assert not server.requests

    def test_missing_esp_options(self, make: Make) -> None:
        adapter = make(esp_options={})
        assert type(adapter.send(self.message()).error) is ProviderMisconfigured
        assert adapter.check()

    def test_an_unknown_esp(self, make: Make) -> None:
        adapter = make(esp="pigeon")
        assert type(adapter.send(self.message()).error) is ProviderMisconfigured
        assert adapter.check()

    def test_webhook(self, make: Make, webhook: dict[str, Any]) -> None:
        adapter, request = make(), callback(webhook)
        adapter.verify(request)
        [event] = adapter.parse(request)
        assert {name: getattr(event, name) for name in webhook["expect"]} == webhook["expect"]
        assert adapter.parse(request)[0].event_key == event.event_key

    def test_two_events_have_two_keys(self, make: Make) -> None:
        adapter, one, two = make(), delivery(), delivery()
        two["json"]["DeliveredAt"] = "2026-11-05T16:33:55.9070259Z"
        assert adapter.parse(callback(one))[0].event_key != adapter.parse(callback(two))[0].event_key

    def test_a_forged_callback_is_refused(self, make: Make) -> None:
        adapter, webhook = make(), delivery()
        for headers in ({}, basic("hook:wrong"), basic("hook"), {"Authorization": "Bearer x"}, {"Authorization": ""}):
            with pytest.raises(WebhookRejected):
                adapter.verify(callback(webhook, headers=headers))
        with pytest.raises(WebhookRejected):
            adapter.verify(callback(webhook, method="GET"))

    @pytest.mark.parametrize("secret", [None, "", "no-colon"])
    def test_without_a_secret_all_callbacks_are_refused(self, make: Make, secret: str | None) -> None:
        adapter = make(webhook_secret=secret)
        assert any("webhook_secret" in problem.what for problem in adapter.check())
        for headers in ({}, basic(""), basic(":"), basic("None"), basic(str(secret))):
            with pytest.raises(WebhookRejected):
                adapter.verify(callback(delivery(), headers=headers))

    @pytest.mark.parametrize("body", [b"", b"not json", b"[]", b"null", b"3", b"\xff", b'{"RecordType": "Inbound"}'])
    def test_an_unreadable_callback_is_refused(self, make: Make, body: bytes) -> None:
        with pytest.raises(WebhookRejected):
            make().parse(callback(delivery(), body=body))

    def test_an_esp_whose_package_is_missing_says_what_to_install(self, make: Make) -> None:
        """boto3 is not among what the suite installs."""
        adapter = make(esp="amazon_ses", esp_options={}, base_url=None)
        assert "pip install 'django-anymail[amazon-ses]'" in [problem.hint for problem in adapter.check()]
        assert type(adapter.send(self.message()).error) is ProviderMisconfigured

    @pytest.mark.parametrize(("status", "kind"), [(402, ProviderMisconfigured), (420, RateLimited)])
    def test_an_account_that_may_not_send_now(
        self, make: Make, server: ScriptedProvider, status: int, kind: type[ProviderError]
    ) -> None:
        """Brevo without credits, SparkPost beyond the day's limit: no message is refused for good."""
        server.script = lambda request: Reply(status, b'{"code": "not_enough_credits", "message": "x"}')
        error = make().send(self.message()).error
        assert (type(error), error and error.code) == (kind, str(status))

    @pytest.mark.parametrize(
        ("reason", "kind"),
        [
            ("hard-bounce", InvalidRecipient),
            ("spam", InvalidRecipient),
            ("unsub", InvalidRecipient),
            ("unsigned", ProviderMisconfigured),
            ("invalid-sender", ProviderMisconfigured),
            ("test-mode-limit", ProviderMisconfigured),
            ("soft-bounce", PermanentFailure),
            ("custom", PermanentFailure),
            ("rule", PermanentFailure),
            ("unheard-of", PermanentFailure),
            (None, PermanentFailure),
        ],
    )
    def test_what_mandrill_rejects_it_for_decides(
        self, make: Make, server: ScriptedProvider, reason: str | None, kind: type[ProviderError]
    ) -> None:
        """While the domain's DKIM lapses, everybody is rejected: that says nothing about anybody's address."""
        item = {"email": "ada0@example.com", "status": "rejected", "reject_reason": reason, "_id": "1"}
        server.script = lambda request: Reply(200, json.dumps([item]).encode())
        error = make(esp="mandrill", esp_options={"api_key": "k"}).send(self.message()).error
        assert error is not None
        assert type(error) is kind
        assert getattr(error, "suppress", False) is (kind is InvalidRecipient)
        assert error.code == (reason if reason in MANDRILL_ANSWERS else "rejected")

    def test_an_address_that_mandrill_finds_invalid(self, make: Make, server: ScriptedProvider) -> None:
        item = {"email": "ada0@example.com", "status": "invalid", "reject_reason": None, "_id": "1"}
        server.script = lambda request: Reply(200, json.dumps([item]).encode())
        error = make(esp="mandrill", esp_options={"api_key": "k"}).send(self.message()).error
        assert type(error) is InvalidRecipient
        assert (error.code, error.suppress) == ("invalid", False)

    def test_it_honours_no_key(self, make: Make) -> None:
        assert make().idempotency_key_lifetime is None

    def test_an_esp_that_signs_is_verified_by_its_key(self, make: Make) -> None:
        adapter = make(esp="mailgun", esp_options={"api_key": "k", "sender_domain": "e.example"}, webhook_secret="key")
        body = {"signature": {"timestamp": "1", "token": "t", "signature": "0" * 64}, "event-data": {"event": "opened"}}
        with pytest.raises(WebhookRejected):
            adapter.verify(callback({"url": "https://example.com/", "json": body}))
