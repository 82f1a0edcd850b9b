"""Every recorded answer, from a socket through its adapter to what follows: retry, device, breaker and hold.

What must follow is written in `recorded.py`, in the product's own words; here it is looked at.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from notifications.enums import BreakerEffect, Channel, Reason, ReceiptKind, State
from notifications.exceptions import InvalidRecipient, ProviderMisconfigured, RateLimited
from notifications.messages import ReceiptEvent, SendResult
from notifications.providers import Adapter, apns_token
from notifications.providers.anymail_answers import ANSWERS as ESP_ANSWERS
from notifications.rules.outcomes import after_send
from notifications.rules.standing import Standing
from notifications.rules.undelivered import Row, limit_of, tried_again
from notifications.sandbox.credentials import write_apns_key, write_service_account
from tests.contracts.adapter import WireContract
from tests.contracts.http2_server import scripted_http2
from tests.contracts.payloads import HOME, load
from tests.contracts.server import Reply, ScriptedProvider, closed_port, scripted
from tests.contracts.smtp_server import scripted_smtp
from tests.providers import test_anymail, test_anymail_resend, test_apns, test_fcm, test_smtp, test_twilio, test_vonage

from .recorded import ALL, ANSWERS, CALLBACKS, Means, Reports

WAIT = timedelta(seconds=15)
CONTRACTS: dict[str, type[WireContract]] = {
    "fcm": test_fcm.TestFCM,
    "apns": test_apns.TestAPNs,
    "twilio": test_twilio.TestTwilio,
    "vonage": test_vonage.TestVonage,
    "postmark": test_anymail.TestPostmark,
    "resend": test_anymail_resend.TestResend,
    "smtp": test_smtp.TestSMTP,
}


@dataclass
class Far:
    """A provider's far end, and the way to an adapter that speaks to it."""

    contract: Any
    server: ScriptedProvider
    stack: ExitStack

    def send(self, base_url: str = "", **options: object) -> SendResult:
        """Send one message, whose device runs Android, and return what became of it."""
        adapter: Adapter = self.contract.build(
            self.server, base_url or self.server.url, **({"timeout": 10.0} | options)
        )
        self.stack.callback(adapter.close)
        return adapter.send(self.contract.message(platform="android"))


@contextmanager
def far_end(provider: str, folder: Path) -> Iterator[Far]:
    """Set up what a provider's own tests set up in their fixtures."""
    contract: Any = CONTRACTS[provider]()
    accept: Callable[[object], Reply] = lambda request: contract.accepted(0)  # noqa: E731
    with ExitStack() as stack:
        server: ScriptedProvider
        if provider == "apns":
            contract.key_file = write_apns_key(folder / "key.p8")
            server = stack.enter_context(scripted_http2(accept, folder))
        elif provider == "smtp":
            server = stack.enter_context(scripted_smtp(accept, folder))
        else:
            server = stack.enter_context(scripted(accept))
        if provider == "fcm":
            contract.key_file = folder / "key.json"
            server.routes["/token"] = lambda request: test_fcm.TOKEN
            write_service_account(contract.key_file, f"{server.url}/token")
        yield Far(contract, server, stack)


def after(result: SendResult, now: datetime) -> Standing:
    before = Standing(state=State.SENDING, reason=Reason.NONE, due_at=now, attempt=0, generation=1, claim_id=1)
    return after_send(before, result, now, random.Random(7), WAIT)


def seen(result: SendResult, now: datetime) -> Means:
    """Return what follows from a result, in the words of `recorded.py`; `least` as far as it is known to be kept."""
    standing, error = after(result, now), result.error
    retry = {State.SENT: "sent", State.FAILED: "never", State.UNCERTAIN: "uncertain", State.PENDING: "later"}
    word, device, hold = retry[standing.state], "kept", ()
    if isinstance(error, InvalidRecipient):
        device = "suppressed" if error.suppress else "quarantined" if error.quarantine else "deactivated"
    if isinstance(error, ProviderMisconfigured):
        assert standing.reason == Reason.BREAKER_OPEN
        word, hold = "held", error.platforms or ALL
    elif word == "later":
        assert standing.reason == (Reason.PACED if isinstance(error, RateLimited) else Reason.RETRY)
    assert standing.claim_id is None
    assert standing.attempt == 1
    effect = error.breaker if error else BreakerEffect.SUCCESS
    least = (standing.due_at - now).total_seconds() if word == "later" else 0.0
    return Means(word, device, effect.value, hold, least, standing.maybe_sent)


def judged() -> Iterator[Any]:
    for provider, by_meaning in ANSWERS.items():
        for means, names in by_meaning.items():
            yield from (pytest.param(provider, name, means, id=f"{provider}-{name}") for name in names)


@pytest.mark.parametrize(("provider", "name", "means"), list(judged()))
def test_what_a_recorded_answer_leads_to(provider: str, name: str, means: Means, tmp_path: Path) -> None:
    answer, now = load(HOME / provider / f"answer_{name}.json"), datetime.now(UTC)
    with far_end(provider, tmp_path) as far:
        far.contract.answer_with(far.server, answer)
        result = far.send()
        assert len(far.server.requests) <= 1, "exactly one request per attempt"
    happened = seen(result, now)
    assert happened.least >= means.least
    assert replace(happened, least=means.least) == means


@pytest.mark.parametrize("provider", ANSWERS)
def test_every_recorded_answer_is_judged(provider: str) -> None:
    recorded = {path.stem.removeprefix("answer_") for path in (HOME / provider).glob("answer_*.json")}
    names = [name for names in ANSWERS[provider].values() for name in names]
    assert sorted(names) == sorted(recorded)


def test_every_provider_with_recordings_is_judged() -> None:
    # Of ESPs whose messages go out through anymail's own code, callbacks alone are recorded.
    recorded = {
        path.name for path in HOME.iterdir() if any(not file.name.startswith("webhook_") for file in path.iterdir())
    }
    assert set(ANSWERS) == recorded == set(CONTRACTS)


@pytest.mark.parametrize("esp", ESP_ANSWERS)
def test_every_code_of_an_esp_is_recorded(esp: str) -> None:
    field, rows = ESP_ANSWERS[esp]
    bodies = [load(path)["body"] for path in (HOME / esp).glob("answer_*.json")]
    assert set(rows) <= {str(body.get(field)) for body in bodies if isinstance(body, dict)}


@pytest.mark.parametrize("platform", ["ios", "web"])
def test_credentials_for_another_push_service_hold_only_its_devices(platform: str, tmp_path: Path) -> None:
    answer = load(HOME / "fcm/answer_third_party_auth_error.json")
    with far_end("fcm", tmp_path) as far:
        far.contract.answer_with(far.server, answer)
        adapter: Adapter = far.contract.build(far.server, far.server.url)
        far.stack.callback(adapter.close)
        error = adapter.send(far.contract.message(platform=platform)).error
    assert isinstance(error, ProviderMisconfigured)
    assert error.platforms == (platform,)


def test_an_expired_provider_token_of_apns_is_tried_again_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    life, now = apns_token.LIFE_SECONDS, datetime.now(UTC)
    moment = now.timestamp() // life * life + life - 60
    monkeypatch.setattr(apns_token.time, "time", lambda: moment)
    with far_end("apns", tmp_path) as far:
        adapter: Adapter = far.contract.build(far.server, far.server.url)
        far.stack.callback(adapter.close)
        far.server.script = lambda request: far.contract.accepted(0)
        assert adapter.send(far.contract.message()).accepted
        moment += 900
        far.server.script = lambda request: test_apns.EXPIRED
        first, second = (seen(adapter.send(far.contract.message()), now) for _ in range(2))
        tokens = [request.headers["authorization"] for request in far.server.requests]
    assert replace(first, least=0.0) == Means("later")
    assert second == Means("held", hold=ALL)
    assert tokens[0] == tokens[1] != tokens[2]


# Whoever the provider is

UNSENT = Means("later", breaker="failure")
UNCERTAIN = Means("uncertain", breaker="failure", in_doubt=True)


@pytest.mark.parametrize("provider", CONTRACTS)
@pytest.mark.parametrize("way", ["refused", "unknown host", "failed TLS"])
def test_a_connection_that_could_not_be_made(provider: str, way: str, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    with far_end(provider, tmp_path) as far, scripted(lambda request: Reply()) as plain:
        url = {
            "refused": f"http://127.0.0.1:{closed_port()}",
            "unknown host": "http://nobody.invalid",
            "failed TLS": plain.url.replace("http:", "https:"),
        }[way]
        result = far.send(url)
        assert not far.server.requests
    happened = seen(result, now)
    assert replace(happened, least=0.0) == UNSENT
    assert after(result, now).retries == 0, "the breaker decides when to try: no retry is used up"


@pytest.mark.parametrize("provider", CONTRACTS)
@pytest.mark.parametrize("how", ["reset", "hang"])
def test_no_answer_after_the_request_was_written(provider: str, how: str, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    with far_end(provider, tmp_path) as far:
        far.server.script = lambda request: replace(far.contract.accepted(0), how=how)
        result = far.send(timeout=1.0)
    assert seen(result, now) == UNCERTAIN
    assert after(result, now).due_at == now + WAIT, "a receipt may settle it meanwhile"


@pytest.mark.parametrize("provider", [name for name in CONTRACTS if name != "smtp"])
def test_a_fault_of_the_providers_own(provider: str, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    with far_end(provider, tmp_path) as far:
        far.server.script = lambda request: Reply(500, b"<html>Oops</html>", {"Content-Type": "text/html"})
        happened = seen(far.send(), now)
    keeps_no_keys_and_says_nothing = provider in ("twilio", "vonage")
    expected = UNCERTAIN if keeps_no_keys_and_says_nothing else Means("later", breaker="failure", in_doubt=True)
    assert replace(happened, least=0.0) == expected


# What is reported afterwards


def reported() -> Iterator[Any]:
    for provider, by_meaning in CALLBACKS.items():
        for reports, names in by_meaning.items():
            yield from (pytest.param(provider, name, reports, id=f"{provider}-{name}") for name in names)


def parsed(provider: str, name: str, tmp_path: Path) -> ReceiptEvent:
    webhook = load(HOME / provider / f"webhook_{name}.json")
    requests = {
        "twilio": lambda: test_twilio.callback(webhook),
        "vonage": lambda: test_vonage.callback(test_vonage.signed(webhook["form"])),
        "postmark": lambda: test_anymail.callback(webhook),
        "resend": lambda: test_anymail_resend.callback(webhook),
    }
    with far_end(provider, tmp_path) as far:
        adapter: Adapter = far.contract.build(far.server, far.server.url)
        far.stack.callback(adapter.close)
        request = requests[provider]()
        adapter.verify(request)
        [event] = adapter.parse(request)
    return event


@pytest.mark.parametrize(("provider", "name", "reports"), list(reported()))
def test_what_a_recorded_callback_leads_to(provider: str, name: str, reports: Reports, tmp_path: Path) -> None:
    event, now = parsed(provider, name, tmp_path), datetime.now(UTC)
    channel = Channel.SMS if provider in ("twilio", "vonage") else Channel.EMAIL
    limit = limit_of(event.kind, channel, event.deactivate_after)
    happened = Reports(
        retries=event.retries,
        device_after=event.deactivate_after,
        suppress=event.suppress.value if event.suppress else None,
        hold=event.misconfigured,
        alert_on_rate=event.filtered,
        counts="several in a window" if limit is not None and channel == Channel.EMAIL else "",
    )
    assert happened == reports
    assert event.deactivate is (reports.device_after == 1)
    if event.kind is ReceiptKind.UNDELIVERED:
        assert _retries(event, now) == (reports.retries or (2 if reports.hold else 0))


def _retries(event: ReceiptEvent, now: datetime) -> int:
    """Return how many attempts follow if the same is reported each time."""
    failed, used = Standing(state=State.FAILED, reason=Reason.REFUSED, due_at=now, attempt=1, generation=1), 0
    while used < 10:
        row = Row(event.retries, event.deactivate_after > 1, event.misconfigured, used)
        again = tried_again(failed, row, None, now, random.Random(7))
        if again == failed:
            break
        assert again.state == State.PENDING
        assert again.due_at > now + timedelta(seconds=30), "later, not at once"
        used += 1
    return used


@pytest.mark.parametrize("provider", CALLBACKS)
def test_every_callback_of_a_failure_is_judged(provider: str) -> None:
    harmless = {"sent", "delivered", "opened", "clicked", "ignored", "resubscribed", "deferred"}
    names = {name for names in CALLBACKS[provider].values() for name in names}
    for path in (HOME / provider).glob("webhook_*.json"):
        kind = json.loads(path.read_text())["expect"]["kind"]
        assert kind in harmless or path.stem.removeprefix("webhook_") in names, path.name
