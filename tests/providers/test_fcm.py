"""FCM: the adapter contract, the payload, and the OAuth token's life."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from notifications.enums import Channel
from notifications.exceptions import ProviderMisconfigured, ProviderUnavailable, WebhookRejected
from notifications.messages import Content, WebhookRequest
from notifications.providers.fcm import FCMAdapter
from notifications.sandbox.credentials import FCM_PROJECT_ID, write_service_account
from tests.contracts.adapter import AdapterContract, Make
from tests.contracts.payloads import pytest_generate_tests  # noqa: F401 - pytest finds the hook
from tests.contracts.server import Received, Reply, ScriptedProvider

TOKEN = Reply(200, json.dumps({"access_token": "ya29.x", "expires_in": 3599, "token_type": "Bearer"}).encode())


class TestFCM(AdapterContract):
    provider = "fcm"
    channel = Channel.PUSH

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path, server: ScriptedProvider) -> None:
        self.key_file = tmp_path / "key.json"
        self.token_requests: list[Received] = []
        self.token_reply = TOKEN
        server.routes["/token"] = self.give_token
        write_service_account(self.key_file, f"{server.url}/token")

    def give_token(self, request: Received) -> Reply:
        self.token_requests.append(request)
        return self.token_reply

    def build(self, server: ScriptedProvider, base_url: str, **options: object) -> FCMAdapter:
        return FCMAdapter("fcm", {"service_account_file": str(self.key_file), "base_url": base_url, **options})

    def address(self, number: int) -> str:
        return f"token-of-device-{number}"

    def carried_id(self, request: Received) -> str:
        return str(json.loads(request.body)["message"]["data"]["carillon_id"])

    def accepted(self, number: int) -> Reply:
        return Reply(200, json.dumps({"name": f"projects/{FCM_PROJECT_ID}/messages/{uuid4()}"}).encode())

    def test_the_request_is_what_fcm_documents(self, make: Make, server: ScriptedProvider) -> None:
        content = Content(
            title="Hi", body="Ada", image="https://i.example/x.png", url="https://e.example/", data={"n": "1"}
        )
        message = self.message(content=content, collapse_key="k" * 70, high_priority=True, platform="android")
        assert make().send(message).accepted
        request = server.requests[0]
        sent = json.loads(request.body)["message"]
        assert request.path == f"/v1/projects/{FCM_PROJECT_ID}/messages:send"
        assert request.headers["authorization"] == "Bearer ya29.x"
        assert sent["token"] == message.address
        assert sent["notification"] == {"title": "Hi", "body": "Ada", "image": "https://i.example/x.png"}
        assert sent["data"] == {"n": "1", "url": "https://e.example/", "carillon_id": message.carillon_id}
        assert sent["android"]["priority"] == "high"
        assert sent["android"]["collapse_key"] == "k" * 70
        assert 3_500 < int(sent["android"]["ttl"].removesuffix("s")) <= 3_600
        assert message.expires_at is not None
        assert sent["apns"]["headers"] == {
            "apns-priority": "10",
            "apns-collapse-id": "k" * 64,
            "apns-expiration": str(int(message.expires_at.timestamp())),
        }

    def test_one_token_serves_all(self, make: Make) -> None:
        results = list(make().send_many([self.message(number) for number in range(50)]))
        assert all(result.accepted for result in results)
        assert len(self.token_requests) == 1

    def test_no_token_endpoint_means_nothing_was_sent(self, make: Make, server: ScriptedProvider) -> None:
        for reply in (Reply(how="reset"), Reply(503, b"no"), Reply(200, b"garbage"), Reply(200, b"{}")):
            self.token_reply = reply
            self.token_requests.clear()
            error = make().send(self.message()).error
            assert type(error) is ProviderUnavailable
            assert len(self.token_requests) == 1
        assert not server.requests

    @pytest.mark.parametrize(
        ("status", "code"), [(400, "invalid_grant"), (401, "invalid_client"), (403, "access_denied")]
    )
    def test_an_oauth_refusal_holds_the_provider(
        self, make: Make, server: ScriptedProvider, status: int, code: str
    ) -> None:
        self.token_reply = Reply(status, json.dumps({"error": code, "error_description": "x"}).encode())
        error = make().send(self.message()).error
        assert type(error) is ProviderMisconfigured
        assert error.code == code
        assert len(self.token_requests) == 1
        assert not server.requests

    def test_a_hanging_token_endpoint_has_a_deadline(self, make: Make, server: ScriptedProvider) -> None:
        self.token_reply = Reply(how="hang")
        results = list(make(timeout=1.0).send_many([self.message(number) for number in range(8)]))
        assert {type(result.error) for result in results} == {ProviderUnavailable}
        assert not server.requests

    def test_a_refused_token_is_fetched_anew_next_time(self, make: Make, server: ScriptedProvider) -> None:
        adapter = make()
        server.script = lambda request: Reply(401, b'{"error": {"code": 401, "status": "UNAUTHENTICATED"}}')
        assert type(adapter.send(self.message()).error) is ProviderMisconfigured
        server.script = lambda request: self.accepted(0)
        assert adapter.send(self.message()).accepted
        assert len(self.token_requests) == 2

    def test_a_short_token_is_renewed_before_it_ends(self, make: Make) -> None:
        self.token_reply = Reply(200, json.dumps({"access_token": "a", "expires_in": 1}).encode())
        adapter = make()
        assert adapter.send(self.message()).accepted
        assert adapter.send(self.message()).accepted
        assert len(self.token_requests) == 2

    @pytest.mark.parametrize("text", ["", "{}", "not json", '{"type": "service_account"}'])
    def test_an_unusable_key_file(self, make: Make, text: str) -> None:
        self.key_file.write_text(text)
        adapter = make()
        assert type(adapter.send(self.message()).error) is ProviderMisconfigured
        if "service_account" not in text:
            assert adapter.check()

    def test_a_missing_key_file(self, make: Make) -> None:
        adapter = make(service_account_file="/nowhere/key.json")
        assert type(adapter.send(self.message()).error) is ProviderMisconfigured
        assert adapter.check()

    def test_threads_share_one_adapter(self, make: Make, server: ScriptedProvider) -> None:
        adapter, accepted = make(), []

        def work() -> None:
            accepted.extend(result.accepted for result in adapter.send_many(self.message(n) for n in range(20)))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert accepted == [True] * 80
        assert len(self.token_requests) == 1

    def test_it_has_no_callbacks(self, make: Make) -> None:
        request = WebhookRequest("https://example.com/", "POST", {}, b"")
        with pytest.raises(WebhookRejected):
            make().verify(request)
        with pytest.raises(WebhookRejected):
            make().parse(request)

    @pytest.mark.parametrize(("token_type", "can"), [("fcm", True), ("", True), ("apns", False)])
    def test_it_serves_fcm_tokens(self, make: Make, token_type: str, can: Any) -> None:
        assert make().can_serve("ios", token_type) is can
        assert not make().reports_delivery
