"""The contract that every adapter keeps, over real sockets. A provider's test subclasses `AdapterContract`."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest

from notifications import exceptions
from notifications.enums import BreakerEffect, Channel
from notifications.exceptions import ProviderUnavailable, UnknownOutcome
from notifications.messages import Content, OutboundMessage, SendResult, WebhookRequest
from notifications.providers import Adapter
from notifications.providers import http1 as http1_module
from notifications.providers import http1_connection as http1_connection_module
from notifications.providers import transport as transport_module

from .payloads import as_reply
from .server import Received, Reply, ScriptedProvider, closed_port, scripted, until

Make = Callable[..., Adapter]


class WireContract:
    """What holds for every adapter, whatever it speaks; `AdapterContract` adds what is true of HTTP/1.1."""

    provider: str
    #: The class and its own options; a subclass that needs more of `server` writes `build`.
    adapter: type[Adapter]
    options: Mapping[str, object] = {}
    #: What it refuses, as the code that `refused` gets and the name of the exception that its answer must be.
    refusals: Mapping[str, str] = {}
    #: The modules whose IDLE_SECONDS says when idle connections are closed.
    idle_modules: tuple[ModuleType, ...] = (http1_module, http1_connection_module, transport_module)

    @property
    def channel(self) -> Channel:
        """The channel that messages are made for."""
        return self.adapter.channel

    def build(self, server: ScriptedProvider, base_url: str, **options: object) -> Adapter:
        """Return an adapter whose API is at `base_url`; what else it needs (OAuth) is at `server`."""
        return self.adapter("contract", {**self.options, "base_url": base_url, **options})

    def address(self, number: int) -> str:
        """Return the number-th recipient."""
        kinds = {Channel.SMS: f"+1555867{5310 + number}", Channel.EMAIL: f"ada{number}@example.com"}
        return kinds.get(self.channel, f"token-{number}-" + "x" * 64)

    def carried_id(self, request: Received) -> str:
        """Return the carillon_id that a request took along."""
        raise NotImplementedError

    def accepted(self, number: int) -> Reply:
        """Return the provider's acceptance of the number-th message."""
        raise NotImplementedError

    def refused(self, code: str) -> Reply:
        """Return the provider's answer with a code of `refusals`."""
        raise NotImplementedError

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Let `answer` be every refusal that a subclass names; recorded answers come from `payloads`."""
        if self.refusals and "answer" in metafunc.fixturenames:
            answers = []
            for code, kind in self.refusals.items():
                reply = self.refused(code)
                answers.append({"status": reply.status, "body": reply.body.decode(), "expect": {"outcome": kind}})
            metafunc.parametrize("answer", answers, ids=list(self.refusals))

    def without_tls(self, server: ScriptedProvider) -> str:
        """Return a URL that asks for TLS where the server has none."""
        return server.url.replace("http:", "https:")

    def garbage(self) -> Reply:
        """Return an answer that says yes and is none of the provider's."""
        return Reply(200, b"\x00garbage", {})

    def answer_with(self, server: ScriptedProvider, answer: dict[str, Any]) -> None:
        """Let the server give a recorded answer."""
        server.script = lambda request: as_reply(answer)

    # fixtures

    @pytest.fixture
    def server(self) -> Iterator[ScriptedProvider]:
        with scripted(lambda request: self.accepted(0)) as server:
            yield server

    @pytest.fixture
    def make(self, server: ScriptedProvider) -> Iterator[Make]:
        with ExitStack() as stack:

            def build(base_url: str = "", **options: object) -> Adapter:
                adapter = self.build(server, base_url or server.url, **({"timeout": 10.0} | options))
                stack.callback(adapter.close)
                return adapter

            yield build

    def message(self, number: int = 0, **changes: Any) -> OutboundMessage:
        values: dict[str, Any] = {
            "delivery_id": uuid4(),
            "attempt": 1,
            "generation": 1,
            "channel": self.channel,
            "address": self.address(number),
            "content": Content(text="Hello Ada", subject="Hello", title="Hello", body="Ada", html="<p>Hello</p>"),
            "callback_url": "https://example.com/webhooks/x/",
            "expires_at": datetime.now(UTC) + timedelta(hours=1),
        }
        return OutboundMessage(**(values | changes))

    def test_accepted(self, make: Make, server: ScriptedProvider) -> None:
        message = self.message()
        result = make().send(message)
        assert result.error is None
        assert result.message is message
        assert result.provider_message_id
        assert len(server.requests) == 1
        assert self.carried_id(server.requests[0]) == message.carillon_id

    def test_every_recorded_answer(self, make: Make, server: ScriptedProvider, answer: dict[str, Any]) -> None:
        self.answer_with(server, answer)
        message = self.message()
        error = make().send(message).error
        assert len(server.requests) == 1, "exactly one HTTP request per attempt"
        expected = dict(answer["expect"])
        outcome = expected.pop("outcome")
        if outcome == "accepted":
            assert error is None
            return
        assert type(error) is getattr(exceptions, outcome)
        assert error is not None
        seen = {name: getattr(error, name) for name in expected if name != "breaker"}
        if "breaker" in expected:
            seen["breaker"] = error.breaker.value
        assert seen == expected
        assert message.address not in str(error)

    def test_refused_connection_was_certainly_not_sent(self, make: Make, server: ScriptedProvider) -> None:
        error = make(f"http://127.0.0.1:{closed_port()}").send(self.message()).error
        assert type(error) is ProviderUnavailable
        assert error.breaker is BreakerEffect.FAILURE

    def test_unknown_host_was_certainly_not_sent(self, make: Make) -> None:
        assert type(make("http://nobody.invalid").send(self.message()).error) is ProviderUnavailable

    def test_failed_tls_was_certainly_not_sent(self, make: Make, server: ScriptedProvider) -> None:
        error = make(self.without_tls(server)).send(self.message()).error
        assert type(error) is ProviderUnavailable
        assert not server.requests

    @pytest.mark.parametrize("how", ["reset", "hang", "drip"])
    def test_no_whole_answer_is_an_unknown_outcome(self, make: Make, server: ScriptedProvider, how: str) -> None:
        whole = self.accepted(0)
        server.script = lambda request: Reply(whole.status, whole.body, whole.headers, how)
        error = make(timeout=1.0).send(self.message()).error
        assert type(error) is UnknownOutcome
        assert error.breaker is BreakerEffect.FAILURE
        assert len(server.requests) == 1

    def test_credentials_are_not_shown(self, make: Make) -> None:
        adapter = make()
        for option in adapter.options_declared():
            value = adapter.options.get(option.name) if option.secret else None
            for part in value.values() if isinstance(value, dict) else [value]:
                assert part is None or str(part) not in adapter.describe()

    # many messages

    def test_a_batch_gives_one_result_each(self, make: Make, server: ScriptedProvider) -> None:
        messages = [self.message(number) for number in range(40)]
        results = list(make(send_window=8).send_many(messages))
        assert {result.message.delivery_id for result in results} == {message.delivery_id for message in messages}
        assert len(results) == len(server.requests) == 40
        assert all(result.accepted for result in results)

    def test_one_bad_answer_never_breaks_a_batch(self, make: Make, server: ScriptedProvider) -> None:
        bad = self.message(1)

        def script(request: Received) -> Reply:
            if self.carried_id(request) == bad.carillon_id:
                return self.garbage()
            return self.accepted(0)

        server.script = script
        results = list(make().send_many([self.message(0), bad, *(self.message(number) for number in range(2, 12))]))
        refused = [result for result in results if not result.accepted]
        assert len(results) == 12
        assert [result.message for result in refused] == [bad]

    def test_messages_are_pulled_lazily_and_only_by_the_caller(self, make: Make, server: ScriptedProvider) -> None:
        release = threading.Event()
        pulled: list[int] = []
        threads: set[int] = set()

        def script(request: Received) -> Reply:
            release.wait(30)
            return self.accepted(0)

        def messages() -> Iterator[OutboundMessage]:
            for number in range(12):
                threads.add(threading.get_ident())
                pulled.append(number)
                yield self.message(number)

        server.script = script
        results = make(send_window=4, timeout=30.0).send_many(messages())
        steps = lambda: (until(lambda: len(server.requests) == 4, "four requests"), release.set())  # noqa: E731
        watcher = threading.Thread(target=steps)
        watcher.start()
        first = next(results)
        watcher.join(30)
        assert first.accepted
        assert len(pulled) <= 4 + 1
        assert len(list(results)) == 11
        assert threads == {threading.get_ident()}

    def test_there_is_no_barrier(self, make: Make, server: ScriptedProvider) -> None:
        slow = self.message(0)
        release = threading.Event()

        def script(request: Received) -> Reply:
            if self.carried_id(request) == slow.carillon_id:
                release.wait(30)
            return self.accepted(0)

        server.script = script
        results = make(send_window=3, timeout=30.0).send_many(
            [slow, *(self.message(number) for number in range(1, 30))]
        )
        others = [next(results) for _ in range(29)]
        release.set()
        assert slow not in [result.message for result in others]
        assert next(results).message is slow

    def test_results_in_flight_survive_a_failing_source(self, make: Make) -> None:
        def messages() -> Iterator[OutboundMessage]:
            yield from (self.message(number) for number in range(3))
            raise LookupError("the database went away")

        seen: list[SendResult] = []
        with pytest.raises(LookupError):
            seen.extend(make().send_many(messages()))
        assert len(seen) == 3

    def test_an_empty_batch_is_no_batch(self, make: Make, server: ScriptedProvider) -> None:
        assert list(make().send_many([])) == []
        assert not server.requests

    def test_connections_outlive_batches(self, make: Make, server: ScriptedProvider) -> None:
        adapter = make(send_window=1)
        for _ in range(3):
            assert next(iter(adapter.send_many([self.message()]))).accepted
        tokens = 1 if server.routes else 0
        assert server.connections <= 1 + tokens

    def test_idle_connections_are_closed(
        self, make: Make, server: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in self.idle_modules:
            assert module.IDLE_SECONDS < 20
            monkeypatch.setattr(module, "IDLE_SECONDS", 0.5)
        adapter = make()
        assert adapter.send(self.message()).accepted
        until(lambda: server.open == 0, "idle connections closed")
        assert adapter.send(self.message()).accepted
        assert len(server.requests) == 2

    def test_it_may_be_used_after_close(self, make: Make) -> None:
        adapter = make()
        assert adapter.send(self.message()).accepted
        adapter.close()
        assert adapter.send(self.message()).accepted

    def test_a_forked_child_sends_over_connections_of_its_own(self, make: Make, server: ScriptedProvider) -> None:
        adapter = make()
        assert all(result.accepted for result in adapter.send_many([self.message(n) for n in range(4)]))
        child = os.fork()
        if child == 0:
            try:
                results = list(adapter.send_many([self.message(n) for n in range(4)]))
                os._exit(0 if all(result.accepted for result in results) else 3)
            finally:
                os._exit(4)
        until(lambda: len(server.requests) == 8, "the child's requests")
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert adapter.send(self.message()).accepted

    def test_checked_options_have_no_problems(self, make: Make) -> None:
        assert make().check() == []

    def test_a_misspelt_option_is_told_with_its_cure(self, make: Make) -> None:
        problems = type(make()).option_problems({"time_out": 3})
        assert any(problem.hint == "did you mean 'timeout'?" for problem in problems)

    def test_required_options_are_missed(self, make: Make) -> None:
        kind = type(make())
        whats = " ".join(problem.what for problem in kind.option_problems({}))
        assert all(repr(option.name) in whats for option in kind.OPTIONS if option.required)


class AdapterContract(WireContract):
    """Subclass it, name the provider's folder of payloads, and write `build`, `address` and `carried_id`."""

    @pytest.mark.parametrize("body", [b"", b"<html>OK</html>", b"[]", b'"x"', b"{}", b"null", b"\xff\xfe"])
    def test_garbage_with_a_good_status_is_an_unknown_outcome(
        self, make: Make, server: ScriptedProvider, body: bytes
    ) -> None:
        server.script = lambda request: Reply(self.accepted(0).status, body, {"Content-Type": "text/html"})
        assert type(make().send(self.message()).error) is UnknownOutcome

    def test_an_email_takes_its_headers_along(self, make: Make, server: ScriptedProvider) -> None:
        """Without List-Unsubscribe nobody can unsubscribe with one click, and mailbox providers ask for it."""
        if self.channel == Channel.EMAIL:
            make().send(self.message(headers={"List-Unsubscribe": "<https://example.com/one-click-7431>"}))
            assert b"one-click-7431" in server.requests[0].body, "message.headers are not in the request"

    @pytest.mark.parametrize(
        "body", [b"", b"<html>", b"null", b"[]", b"{}", b'"x"', b"[{}]", b"[null]", b'{"type": 1}', b"\xff\xfe"]
    )
    def test_a_callback_that_is_none_is_refused_or_means_nothing(self, make: Make, body: bytes) -> None:
        """Any other error than WebhookRejected would be a 500, and the provider would send it again for days."""
        adapter = make()
        if type(adapter).parse is not Adapter.parse:
            with contextlib.suppress(exceptions.WebhookRejected):
                told = adapter.parse(WebhookRequest("https://example.com/", "POST", {}, body))
                assert not [event for event in told if event.carillon_id or event.provider_message_id]

    def test_a_callback_is_believed_if_it_is_signed(self, make: Make) -> None:
        adapter = make()
        if (signature := adapter.signature) is None:
            return
        signed = {signature.header.lower(): signature.of(adapter.text(signature.option), b"[]")}
        adapter.verify(WebhookRequest("https://example.com/", "POST", signed, b"[]"))
        bare = make(**{signature.option: None})
        for refusing, headers, body in ((adapter, signed, b"[] "), (adapter, {}, b"[]"), (bare, signed, b"[]")):
            with pytest.raises(exceptions.WebhookRejected):
                refusing.verify(WebhookRequest("https://example.com/", "POST", headers, body))

    def test_a_redirect_is_not_followed(self, make: Make, server: ScriptedProvider) -> None:
        server.script = lambda request: Reply(307, b"", {"Location": server.url + "/elsewhere"})
        assert make().send(self.message()).error is not None
        assert len(server.requests) == 1

    def test_retry_after_is_passed_on_and_not_slept(self, make: Make, server: ScriptedProvider) -> None:
        server.script = lambda request: Reply(429, b"{}", {"Retry-After": "3600"})
        error = make().send(self.message()).error
        assert isinstance(error, exceptions.RateLimited), f"429 is {error!r}, not RateLimited"
        assert error.retry_after == 3600
        assert error.breaker is BreakerEffect.NEUTRAL
        assert len(server.requests) == 1

    def test_retry_after_may_be_a_date(self, make: Make, server: ScriptedProvider) -> None:
        server.script = lambda request: Reply(429, b"{}", {"Retry-After": "Fri, 31 Dec 2049 23:59:59 GMT"})
        error = make().send(self.message()).error
        assert isinstance(error, exceptions.RateLimited), f"429 is {error!r}, not RateLimited"
        assert error.retry_after is not None
        assert error.retry_after > 86_400
