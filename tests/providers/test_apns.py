"""APNs: the adapter contract over HTTP/2, the request, and what its answers lead to."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import UUID, uuid4

import pytest

from notifications.enums import BreakerEffect, Channel
from notifications.exceptions import (
    InvalidRecipient,
    ProviderMisconfigured,
    ProviderUnavailable,
    RateLimited,
    TemporaryFailure,
    UnknownOutcome,
    WebhookRejected,
)
from notifications.messages import Content, WebhookRequest
from notifications.providers import apns_token, http2_connection
from notifications.providers.apns import APNsAdapter, collapse_id
from notifications.sandbox.credentials import APNS_KEY_ID, APNS_TEAM_ID, APNS_TOPIC, write_apns_key
from notifications.sandbox.process import SandboxProcess, launch
from notifications.sandbox.server import SandboxOptions
from tests.contracts.adapter import AdapterContract, Make
from tests.contracts.http2_server import ScriptedHttp2, scripted_http2
from tests.contracts.payloads import pytest_generate_tests  # noqa: F401 - pytest finds the hook
from tests.contracts.server import Received, Reply, ScriptedProvider, scripted

EXPIRED = Reply(403, b'{"reason": "ExpiredProviderToken"}')


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    file = tmp_path_factory.mktemp("apns") / "sandbox.jsonl"
    with launch(SandboxOptions(file=file, port=0, apns_port=0, smtp_port=0)) as sandbox:
        yield sandbox


def test_tokens_are_neither_too_old_nor_too_new(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """However workers start and idle: Apple takes no token beyond an hour, and no two new ones in 20 minutes."""
    key_file, draw, clock = str(write_apns_key(tmp_path / "key.p8")), random.Random(1), [0]
    monkeypatch.setattr(apns_token, "signed", lambda key, key_id, team_id, moment: str(moment))
    monkeypatch.setattr(apns_token.time, "time", lambda: float(clock[0]))
    for _ in range(200):
        clock[0] = draw.randrange(10**9, 2 * 10**9)
        token = apns_token.ProviderToken("apns", key_file, "KEY", "TEAM")
        first_seen: dict[int, int] = {}
        for _ in range(40):
            issued = int(token.bearer().removeprefix("bearer "))
            assert 0 <= clock[0] - issued < 3_300
            first_seen.setdefault(issued, clock[0])
            clock[0] += draw.choice([1, 60, 600, 1_199, 1_800, 3_000, 5_900])
        assert all(later - earlier >= 1_200 for earlier, later in pairwise(first_seen))
        assert all(later - earlier >= 1_200 for earlier, later in pairwise(first_seen.values()))


class TestAPNs(AdapterContract):
    provider = "apns"
    channel = Channel.PUSH
    idle_modules = (http2_connection,)

    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[ScriptedHttp2]:
        self.key_file = write_apns_key(tmp_path / "key.p8")
        with scripted_http2(lambda request: self.accepted(0), tmp_path) as server:
            yield server

    def build(self, server: ScriptedProvider, base_url: str, **options: object) -> APNsAdapter:
        assert isinstance(server, ScriptedHttp2)
        usual = {
            "key_file": str(self.key_file),
            "key_id": APNS_KEY_ID,
            "team_id": APNS_TEAM_ID,
            "topic": APNS_TOPIC,
            "ca_file": str(server.ca_file),
            "base_url": base_url.replace("http:", "https:"),
        }
        return APNsAdapter("apns", usual | options)

    def address(self, number: int) -> str:
        return f"{number:064x}"

    def carried_id(self, request: Received) -> str:
        return str(json.loads(request.body)["carillon_id"])

    def accepted(self, number: int) -> Reply:
        return Reply(200, b"", {"apns-id": str(uuid4()).upper()})

    def test_failed_tls_was_certainly_not_sent(self, make: Make, server: ScriptedProvider) -> None:
        with scripted(lambda request: self.accepted(0)) as plain:
            assert type(make(plain.url).send(self.message()).error) is ProviderUnavailable
            assert not plain.requests
        stranger = make(ca_file="").send(self.message()).error
        assert type(stranger) is ProviderUnavailable
        assert stranger.code == "SSLCertVerificationError"
        assert not server.requests

    def test_every_recorded_answer(self, make: Make, server: ScriptedProvider, answer: dict[str, Any]) -> None:
        expect = dict(answer["expect"])
        if expect.get("since"):
            expect["since"] = datetime.fromisoformat(expect["since"])
        super().test_every_recorded_answer(make, server, answer | {"expect": expect})

    # the request

    def test_the_request_is_what_apple_documents(self, make: Make, server: ScriptedProvider) -> None:
        content = Content(
            title="Hällo", body="Ada", image="https://i.example/x.png", url="https://e.example/", data={"n": "1"}
        )
        message = self.message(content=content, collapse_key="offers", high_priority=True, platform="ios")
        assert make().send(message).accepted
        request = server.requests[0]
        assert (request.method, request.path) == ("POST", f"/3/device/{message.address}")
        assert message.expires_at is not None
        wanted = {
            "apns-topic": APNS_TOPIC,
            "apns-push-type": "alert",
            "apns-priority": "10",
            "apns-expiration": str(int(message.expires_at.timestamp())),
            "apns-collapse-id": "offers",
        }
        assert {name: request.headers.get(name) for name in wanted} == wanted
        assert UUID(request.headers["apns-id"])
        assert json.loads(request.body) == {
            "aps": {"alert": {"title": "Hällo", "body": "Ada"}, "sound": "default", "mutable-content": 1},
            "n": "1",
            "url": "https://e.example/",
            "image": "https://i.example/x.png",
            "carillon_id": message.carillon_id,
        }

    def test_a_quiet_message_has_no_sound_and_low_priority(self, make: Make, server: ScriptedProvider) -> None:
        assert make().send(self.message(expires_at=None)).accepted
        headers = server.requests[0].headers
        assert headers["apns-priority"] == "5"
        assert not {"apns-expiration", "apns-collapse-id"} & headers.keys()
        assert set(json.loads(server.requests[0].body)["aps"]) == {"alert"}

    def test_data_never_replaces_what_is_apples_or_ours(self, make: Make, server: ScriptedProvider) -> None:
        content = Content(
            title="Hi", body="Ada", data={"aps": "x", "carillon_id": "y", "url": "mine"}, url="https://e/"
        )
        message = self.message(content=content)
        assert make().send(message).accepted
        body = json.loads(server.requests[0].body)
        assert body["aps"]["alert"]["title"] == "Hi"
        assert body["carillon_id"] == message.carillon_id
        assert body["url"] == "mine"

    def test_the_same_attempt_has_the_same_id(self, make: Make, server: ScriptedProvider) -> None:
        message = self.message()
        again = self.message(delivery_id=message.delivery_id, attempt=2)
        adapter = make()
        assert all(adapter.send(each).accepted for each in (message, message, again))
        first, second, third = (request.headers["apns-id"] for request in server.requests)
        assert first == second != third

    def test_an_odd_token_stays_one_part_of_the_path(self, make: Make, server: ScriptedProvider) -> None:
        odd = "../../x?y=1\r\nz: ü"
        assert make().send(self.message(address=odd)).accepted
        head, _, tail = server.requests[0].path.rpartition("/")
        assert head == "/3/device"
        assert unquote(tail) == odd

    @pytest.mark.parametrize("key", ["k" * 65, "two\nlines", "ключ"])
    def test_a_collapse_key_that_apns_cannot_take_is_hashed(self, key: str) -> None:
        assert len(collapse_id(key)) == 64
        assert collapse_id(key) != collapse_id(key + "x")

    # the provider token

    def test_one_token_serves_all_and_survives_a_restart(self, make: Make, server: ScriptedProvider) -> None:
        for _ in range(2):
            results = list(make().send_many([self.message(number) for number in range(20)]))
            assert all(result.accepted for result in results)
        assert len({request.headers["authorization"] for request in server.requests}) == 1

    def test_an_old_token_is_renewed_and_the_send_tried_again(
        self, make: Make, server: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # A worker began late in a half-hour, and uses its token into the next.
        now = time.time() // apns_token.LIFE_SECONDS * apns_token.LIFE_SECONDS + apns_token.LIFE_SECONDS - 60
        monkeypatch.setattr(apns_token.time, "time", lambda: now)
        adapter = make()
        assert adapter.send(self.message()).accepted
        now += 900
        server.script = lambda request: EXPIRED
        errors = [result.error for result in adapter.send_many([self.message(number) for number in range(5)])]
        assert {type(error) for error in errors} == {TemporaryFailure}
        assert all(error and error.breaker is BreakerEffect.NEUTRAL for error in errors)
        assert all(isinstance(error, TemporaryFailure) and error.retry_after == 0 for error in errors)
        server.script = lambda request: self.accepted(0)
        assert adapter.send(self.message()).accepted
        assert len({request.headers["authorization"] for request in server.requests}) == 2
        server.script = lambda request: EXPIRED
        error = adapter.send(self.message()).error
        assert type(error) is ProviderMisconfigured, "a new token that is too old means a wrong clock"
        assert error.code == "ExpiredProviderToken"
        assert len(server.requests) == 8, "exactly one request per attempt"

    @pytest.mark.parametrize(
        ("asked", "expected", "account"), [("7", 900, False), ("3600", 3_600, True), ("", 900, False)]
    )
    @pytest.mark.parametrize("body", [b'{"reason": "ServiceUnavailable"}', b"<html>"])
    def test_after_a_fault_of_apns_the_later_wait_counts(
        self, make: Make, server: ScriptedProvider, body: bytes, asked: str, expected: float, *, account: bool
    ) -> None:
        """A quarter of an hour is what Apple asks for; a proxy's shorter Retry-After does not undercut it."""
        server.script = lambda request: Reply(503, body, {"Retry-After": asked} if asked else {})
        error = make().send(self.message()).error
        assert isinstance(error, TemporaryFailure)
        assert (error.retry_after, error.whole_account, error.maybe_sent) == (expected, account, True)

    @pytest.mark.parametrize("text", ["", "not a key"])
    def test_an_unusable_key_file(self, make: Make, text: str) -> None:
        self.key_file.write_text(text)
        adapter = make()
        assert type(adapter.send(self.message()).error) is ProviderMisconfigured
        assert adapter.check()

    def test_a_missing_key_file(self, make: Make) -> None:
        adapter = make(key_file="/nowhere/key.p8")
        assert type(adapter.send(self.message()).error) is ProviderMisconfigured
        assert adapter.check()

    def test_options_that_cannot_work(self, make: Make, server: ScriptedProvider) -> None:
        plain = APNsAdapter("apns", make().options | {"base_url": "http://127.0.0.1"})
        assert plain.check()[0].what == "base_url is not https"
        assert make(ca_file=str(self.key_file)).check()[0].what == "ca_file holds no certificates"

    # the rest

    @pytest.mark.parametrize(
        ("platform", "token_type", "can"),
        [("ios", "apns", True), ("ios", "fcm", False), ("ios", "", False), ("android", "apns", False)],
    )
    def test_it_serves_ios_tokens(self, make: Make, platform: str, token_type: str, *, can: bool) -> None:
        assert make().can_serve(platform, token_type) is can
        assert not make().reports_delivery

    def test_it_has_no_callbacks(self, make: Make) -> None:
        request = WebhookRequest("https://example.com/", "POST", {}, b"")
        with pytest.raises(WebhookRejected):
            make().verify(request)


class TestAgainstTheSandbox:
    """The same adapter against a server that somebody else wrote."""

    @pytest.fixture
    def adapter(self, sandbox: SandboxProcess) -> Iterator[APNsAdapter]:
        options = {
            "key_file": sandbox.apns_key_file,
            "key_id": APNS_KEY_ID,
            "team_id": APNS_TEAM_ID,
            "topic": APNS_TOPIC,
            "ca_file": sandbox.ca_file,
            "base_url": sandbox.apns_url,
            "timeout": 5.0,
        }
        adapter = APNsAdapter("apns", options)
        yield adapter
        adapter.close()
        sandbox.client.reset()

    def message(self, address: str) -> Any:
        return TestAPNs.message(TestAPNs(), address=address)

    def test_it_accepts_a_batch(self, adapter: APNsAdapter, sandbox: SandboxProcess) -> None:
        messages = [self.message(f"{number:064x}") for number in range(300)]
        results = list(adapter.send_many(messages))
        assert all(result.accepted for result in results)
        kept = sandbox.client.messages(provider="apns")
        assert {each.delivery for each in kept} >= {str(each.delivery_id) for each in messages}

    @pytest.mark.parametrize(
        ("prefix", "kind"),
        [
            ("dead-", InvalidRecipient),
            ("returned-", InvalidRecipient),
            ("invalid-", InvalidRecipient),
            ("quota-", RateLimited),
            ("jwtold-", (TemporaryFailure, ProviderMisconfigured)),
            ("auth-", ProviderMisconfigured),
            ("down-", TemporaryFailure),
        ],
    )
    def test_its_refusals_are_understood(self, adapter: APNsAdapter, prefix: str, kind: Any) -> None:
        error = adapter.send(self.message(prefix + uuid4().hex)).error
        assert isinstance(error, kind)
        if prefix in ("dead-", "returned-"):
            assert isinstance(error, InvalidRecipient)
            assert error.since is not None
            assert (error.since < datetime(2021, 1, 1, tzinfo=UTC)) is (prefix == "returned-")

    def test_goaways_lose_nothing_and_double_nothing(self, adapter: APNsAdapter, sandbox: SandboxProcess) -> None:
        """What a GOAWAY leaves out is certainly unsent: sent again, everything arrives exactly once."""
        waiting = [self.message(f"{number:064x}") for number in range(200)]
        wanted = {str(message.delivery_id) for message in waiting}
        assert adapter.send(self.message("0" * 64)).accepted
        for _ in range(20):
            sandbox.client.apns(goaway_after=20)
            results = list(adapter.send_many(waiting))
            refused = [result for result in results if not result.accepted]
            assert {type(result.error) for result in refused} <= {ProviderUnavailable}
            waiting = [result.message for result in refused]
            if not waiting:
                break
        taken = [each.delivery for each in sandbox.client.messages(provider="apns") if each.delivery in wanted]
        assert len(taken) == len(set(taken)) == 200

    def test_a_cut_leaves_what_was_under_way_in_doubt(self, adapter: APNsAdapter, sandbox: SandboxProcess) -> None:
        assert adapter.send(self.message("0" * 64)).accepted
        sandbox.client.apns(cut_after=20)
        messages = [self.message(f"{number:064x}") for number in range(60)]
        results = list(adapter.send_many(messages))
        outcomes = {type(result.error) for result in results if not result.accepted}
        assert UnknownOutcome in outcomes
        assert outcomes <= {UnknownOutcome, ProviderUnavailable}
        refused = {str(result.message.delivery_id) for result in results if type(result.error) is ProviderUnavailable}
        taken = {each.delivery for each in sandbox.client.messages(provider="apns")}
        assert {str(result.message.delivery_id) for result in results if result.accepted} <= taken
        assert not refused & taken

    @pytest.mark.parametrize("mode", ["reset", "reset_after_accept", "garbage"])
    def test_no_trustworthy_answer(self, adapter: APNsAdapter, sandbox: SandboxProcess, mode: str) -> None:
        sandbox.client.fault("apns", mode)
        assert type(adapter.send(self.message(f"{7:064x}")).error) is UnknownOutcome
