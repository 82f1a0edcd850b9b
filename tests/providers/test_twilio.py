"""Twilio: the adapter contract, the form it posts, and its signed callbacks."""

from __future__ import annotations

import itertools
import json
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

import pytest
from twilio.request_validator import RequestValidator

from notifications.enums import Channel
from notifications.exceptions import PermanentFailure, ProviderError, ProviderMisconfigured, WebhookRejected
from notifications.messages import WebhookRequest
from notifications.providers.twilio import ANSWERS, CALLBACK_ANSWERS, TwilioAdapter
from tests.contracts.adapter import AdapterContract, Make
from tests.contracts.payloads import HOME, pytest_generate_tests  # noqa: F401 - pytest finds the hook
from tests.contracts.server import Received, Reply, ScriptedProvider

SID = "AC" + "0" * 32
SECRET = "s3cret-of-twilio"


def form_of(request: Received) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.body.decode()).items()}


def callback(webhook: dict[str, Any], **changes: Any) -> WebhookRequest:
    signature = RequestValidator(SECRET).compute_signature(webhook["url"], webhook["form"])
    values: dict[str, Any] = {
        "url": webhook["url"],
        "method": "POST",
        "headers": {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"},
        "body": urlencode(webhook["form"]).encode(),
    }
    return WebhookRequest(**(values | changes))


class TestTwilio(AdapterContract):
    provider = "twilio"
    channel = Channel.SMS

    def build(self, server: ScriptedProvider, base_url: str, **options: object) -> TwilioAdapter:
        own = {"account_sid": SID, "auth_token": SECRET, "from_number": "+15005550006", "base_url": base_url}
        return TwilioAdapter("twilio", {**own, **options})

    def address(self, number: int) -> str:
        return f"+1555867{5310 + number}"

    def carried_id(self, request: Received) -> str:
        return parse_qs(urlsplit(form_of(request)["StatusCallback"]).query)["carillon_id"][0]

    def accepted(self, number: int) -> Reply:
        return Reply(201, json.dumps({"sid": f"SM{uuid4().hex}", "status": "queued"}).encode())

    def test_the_form_is_what_twilio_documents(self, make: Make, server: ScriptedProvider) -> None:
        message = self.message()
        assert make().send(message).accepted
        request = server.requests[0]
        form = form_of(request)
        assert request.path == f"/2010-04-01/Accounts/{SID}/Messages.json"
        assert 3_500 < int(form.pop("ValidityPeriod")) <= 3_600
        assert form == {
            "To": message.address,
            "From": "+15005550006",
            "Body": "Hello Ada",
            "StatusCallback": f"https://example.com/webhooks/x/?carillon_id={message.carillon_id}",
        }

    def test_a_messaging_service_chooses_the_sender(self, make: Make, server: ScriptedProvider) -> None:
        adapter = make(from_number=None, messaging_service_sid="MG1")
        assert adapter.check() == []
        assert adapter.send(self.message(callback_url="")).accepted
        form = form_of(server.requests[0])
        assert form["MessagingServiceSid"] == "MG1"
        assert "From" not in form
        assert "StatusCallback" not in form

    def test_a_sender_is_needed(self, make: Make) -> None:
        assert any("messaging_service_sid" in problem.what for problem in make(from_number=None).check())

    @pytest.mark.parametrize(("sender", "kind"), [("+15005550006", ProviderMisconfigured), ("55500", PermanentFailure)])
    def test_a_sender_that_is_not_twilios(
        self, make: Make, server: ScriptedProvider, sender: str, kind: type[ProviderError]
    ) -> None:
        """A short code has the same answer for a number of another country; a whole number has it for everybody."""
        body = json.dumps({"code": 21659, "message": "x", "status": 400}).encode()
        server.script = lambda request: Reply(400, body, {"Content-Type": "application/json"})
        error = make(from_number=sender).send(self.message()).error
        assert (type(error), error and error.code) == (kind, "21659")

    def test_webhook(self, make: Make, webhook: dict[str, Any]) -> None:
        adapter, request = make(), callback(webhook)
        adapter.verify(request)
        [event] = adapter.parse(request)
        assert {name: getattr(event, name) for name in webhook["expect"]} == webhook["expect"]

    def test_a_forged_callback_is_refused(self, make: Make) -> None:
        webhook = json.loads((HOME / "twilio/webhook_delivered.json").read_text())
        genuine, adapter = callback(webhook), make()
        adapter.verify(genuine)
        forged = [
            callback(webhook, body=genuine.body.replace(b"delivered", b"failed")),
            callback(webhook, body=genuine.body + b"&Extra=1"),
            callback(webhook, url=webhook["url"].replace("a6.2", "a6.3")),
            callback(webhook, url=webhook["url"].replace("example.com", "evil.example")),
            callback(webhook, headers={}),
            callback(webhook, headers={"X-Twilio-Signature": ""}),
            callback(webhook, headers={"X-Twilio-Signature": "é"}),
            callback(webhook, method="GET"),
            callback(webhook, body=b"\xff\xfe"),
            callback(webhook, body=b"&".join(b"a%d=1" % number for number in range(2_000))),
        ]
        for request in forged:
            with pytest.raises(WebhookRejected):
                adapter.verify(request)
        with pytest.raises(WebhookRejected):
            make(auth_token="").verify(genuine)

    def test_header_names_may_have_any_case(self, make: Make) -> None:
        webhook = json.loads((HOME / "twilio/webhook_delivered.json").read_text())
        headers = {"x-twilio-signature": callback(webhook).headers["X-Twilio-Signature"]}
        make().verify(callback(webhook, headers=headers))

    def test_a_callback_without_a_message_is_refused(self, make: Make) -> None:
        with pytest.raises(WebhookRejected):
            make().parse(WebhookRequest("https://example.com/", "POST", {}, b"a=1"))

    def test_every_row_is_recorded_and_names_its_page(self) -> None:
        answers = {str(json.loads(path.read_text())["body"].get("code")) for path in self.files("answer")}
        callbacks = {json.loads(path.read_text())["form"].get("ErrorCode") for path in self.files("webhook")}
        assert {code.partition("<")[0] for code in ANSWERS} <= answers
        assert set(CALLBACK_ANSWERS) <= callbacks
        for code, row in itertools.chain(ANSWERS.items(), CALLBACK_ANSWERS.items()):
            assert row.page.endswith(code.partition("<")[0])

    @staticmethod
    def files(kind: str) -> list[Any]:
        return [path for path in (HOME / "twilio").glob(f"{kind}_*.json") if "html" not in path.name]
