"""anymail with Resend: the adapter contract, requests under its idempotency key, and its signed webhooks."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from notifications.enums import Channel
from notifications.exceptions import WebhookRejected
from notifications.messages import WebhookRequest
from notifications.providers import svix
from notifications.providers.anymail import AnymailAdapter
from tests.contracts.adapter import AdapterContract, Make
from tests.contracts.payloads import HOME, pytest_generate_tests  # noqa: F401 - pytest finds the hook
from tests.contracts.server import Received, Reply, ScriptedProvider

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def callback(webhook: dict[str, Any], age: int = 0, **changes: Any) -> WebhookRequest:
    body, stamp = json.dumps(webhook["json"]).encode(), str(int(time.time()) - age)
    headers = {
        "Svix-Id": "msg_1",
        "Svix-Timestamp": stamp,
        "Svix-Signature": f"v1,bm90IGl0 v1,{svix.sign(body, 'msg_1', stamp, SECRET)}",
        "Content-Type": "application/json",
    }
    values: dict[str, Any] = {"url": webhook["url"], "method": "POST", "headers": headers, "body": body}
    return WebhookRequest(**(values | changes))


class TestResend(AdapterContract):
    provider = "resend"
    channel = Channel.EMAIL

    def build(self, server: ScriptedProvider, base_url: str, **options: object) -> AnymailAdapter:
        own: dict[str, object] = {
            "esp": "resend",
            "from_email": "Carillon <noreply@example.com>",
            "esp_options": {"api_key": "re_1"},
            "webhook_secret": SECRET,
            "base_url": base_url,
        }
        return AnymailAdapter("resend", {**own, **options})

    def address(self, number: int) -> str:
        return f"ada{number}@example.com"

    def carried_id(self, request: Received) -> str:
        return str(json.loads(json.loads(request.body)["headers"]["X-Metadata"])["carillon_id"])

    def accepted(self, number: int) -> Reply:
        return Reply(200, json.dumps({"id": str(uuid4())}).encode())

    def test_the_key_lives_for_a_day(self, make: Make) -> None:
        assert make().idempotency_key_lifetime == timedelta(hours=24)

    def test_a_retry_under_the_same_key_is_the_same_request(self, make: Make, server: ScriptedProvider) -> None:
        first = self.message(
            keyed=True, attempt=1, tags=("orders",), headers={"List-Unsubscribe": "<https://e.example/u>"}
        )
        assert make().send(first).accepted
        assert make().send(replace(first, attempt=2)).accepted
        one, two = server.requests
        assert one == two, "method, path, every header and every byte of the body"
        assert one.headers["idempotency-key"] == first.provider_key == f"{first.delivery_id}.1"
        assert self.carried_id(one) == f"{first.delivery_id}.g1"

    def test_a_replay_has_a_key_of_its_own(self, make: Make, server: ScriptedProvider) -> None:
        message = self.message(keyed=True)
        adapter = make()
        assert adapter.send(message).accepted
        assert adapter.send(replace(message, generation=2)).accepted
        assert len({request.headers["idempotency-key"] for request in server.requests}) == 2

    def test_no_message_goes_under_anothers_key(self, make: Make, server: ScriptedProvider) -> None:
        keyed = [self.message(number, keyed=True) for number in range(20)]
        plain = [self.message(number) for number in range(20, 30)]
        adapter = make(send_window=4)
        assert all(result.accepted for result in adapter.send_many([*keyed, *plain]))
        keys = {self.carried_id(request): request.headers.get("idempotency-key") for request in server.requests}
        assert keys == {message.carillon_id: message.provider_key for message in keyed} | {
            message.carillon_id: None for message in plain
        }

    def test_the_same_words_go_one_by_one(self, make: Make, server: ScriptedProvider) -> None:
        """A key is of one request, and so of one message."""
        content = self.message().content
        messages = [self.message(number, keyed=True, content=content) for number in range(8)]
        assert len(list(make().send_many(messages))) == 8
        assert {request.path for request in server.requests} == {"/emails"}
        assert len(server.requests) == 8

    def test_webhook(self, make: Make, webhook: dict[str, Any]) -> None:
        adapter, request = make(), callback(webhook)
        adapter.verify(request)
        [event] = adapter.parse(request)
        assert {name: getattr(event, name) for name in webhook["expect"]} == webhook["expect"]
        assert event.event_key.endswith(":msg_1")

    def test_a_forged_callback_is_refused(self, make: Make) -> None:
        webhook = json.loads((HOME / "resend/webhook_delivered.json").read_text())
        genuine, adapter = callback(webhook), make()
        adapter.verify(genuine)
        headers = dict(genuine.headers)
        forged = [
            callback(webhook, body=genuine.body + b" "),
            callback(webhook, age=400),
            callback(webhook, age=-400),
            callback(webhook, headers={}),
            callback(webhook, headers={**headers, "Svix-Id": "msg_2"}),
            callback(webhook, headers={**headers, "Svix-Timestamp": str(int(time.time()) - 1_000)}),
            callback(webhook, headers={**headers, "Svix-Timestamp": "now"}),
            callback(webhook, headers={**headers, "Svix-Signature": headers["Svix-Signature"].replace("v1,", "v2,")}),
            callback(webhook, headers={**headers, "Svix-Signature": "é"}),
            callback(webhook, method="GET"),
        ]
        for request in forged:
            with pytest.raises(WebhookRejected):
                adapter.verify(request)
        with pytest.raises(WebhookRejected):
            make(webhook_secret="whsec_b3RoZXI=").verify(genuine)

    @pytest.mark.parametrize("secret", [None, "whsec_", "whsec_***", "re_123"])
    def test_what_is_no_signing_key_is_told(self, make: Make, secret: str | None) -> None:
        adapter = make(webhook_secret=secret)
        assert any("webhook_secret" in problem.what for problem in adapter.check())
        with pytest.raises(WebhookRejected):
            adapter.verify(callback(json.loads((HOME / "resend/webhook_delivered.json").read_text())))
