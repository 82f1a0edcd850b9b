"""The far end in this process: every provider's adapter as it is configured, but for the wire."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from uuid import UUID, uuid4

from .. import conf
from ..conf import did_you_mean
from ..enums import Channel
from ..exceptions import ProviderError, ProviderUnavailable, UnknownOutcome
from ..messages import Content, OutboundMessage, SendResult
from ..providers.answers import Answer, by_status
from ..providers.base import Adapter, EmailAdapter, PushAdapter, SMSAdapter

#: Ends of a send that are no provider's answer.
NO_ANSWERS: Mapping[str, type[ProviderError]] = {"timeout": UnknownOutcome, "unreachable": ProviderUnavailable}
Failure = str | ProviderError | type[ProviderError]


@dataclass(frozen=True)
class Sent:
    """A message that a provider took.

    `content` has the words as they were rendered: `text` (SMS, email), `subject` and `html` (email), `title`, `body`,
    `image`, `url` and `data` (push). `headers` are an email's own.
    """

    provider: str
    channel: Channel
    address: str
    template: str
    recipient: str
    content: Content
    headers: Mapping[str, str]
    tags: tuple[str, ...]
    delivery_id: UUID
    attempt: int

    @property
    def text(self) -> str:
        """All words of the message, for `assertIn("493021", sent.text)`."""
        content = self.content
        return "\n".join(filter(None, (content.subject, content.title, content.body, content.text)))


class FarEnd:
    """What providers took, and what they are to refuse next."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, OutboundMessage]] = []
        self._refusing: dict[str, deque[Callable[[Adapter, OutboundMessage], ProviderError]]] = defaultdict(deque)

    def clear(self) -> None:
        """Forget everything."""
        self.taken.clear()
        self._refusing.clear()

    def refuse(self, adapter: Adapter, failure: Failure, times: int) -> None:
        """Let the provider refuse its next messages.

        Raises:
            ValueError: the provider has no such answer; the text names those that it has.
        """
        self._refusing[adapter.alias].extend([_refusal(adapter, failure)] * times)

    def left(self) -> dict[str, int]:
        """Return how many refusals nobody met, by provider."""
        return {alias: len(waiting) for alias, waiting in self._refusing.items() if waiting}

    def answer(self, adapter: Adapter, message: OutboundMessage) -> SendResult:
        """Take a message, or refuse it as was asked for."""
        waiting = self._refusing[adapter.alias]
        if waiting:
            return SendResult(message, error=waiting.popleft()(adapter, message))
        self.taken.append((adapter.alias, message))
        return SendResult(message, provider_message_id=f"test-{uuid4().hex}")

    def dressed(self, found: type[Adapter]) -> type[Adapter]:
        """Return an adapter's class with this far end: its options, tables and routing are the real ones."""
        return type(found.__name__, (_InProcess, found), {"far_end": self, "__module__": found.__module__})


class _InProcess(Adapter):
    """Put before an adapter's class: hands messages to the far end in the calling thread."""

    far_end: FarEnd

    def send(self, message: OutboundMessage) -> SendResult:
        return self.far_end.answer(self, message)

    def send_many(
        self, messages: Iterable[OutboundMessage], idle: Callable[[], None] | None = None
    ) -> Iterator[SendResult]:
        return map(self.send, messages)

    def start(self, message: OutboundMessage) -> Future[SendResult]:
        done: Future[SendResult] = Future()
        done.set_result(self.send(message))
        return done


class TestPush(PushAdapter):
    """Stands where the settings route no provider for push."""


class TestSMS(SMSAdapter):
    """Stands where the settings route no provider for SMS."""


class TestEmail(EmailAdapter):
    """Stands where the settings route no provider for email."""


_STAND_INS: Mapping[Channel, type[Adapter]] = {
    Channel.PUSH: TestPush,
    Channel.SMS: TestSMS,
    Channel.EMAIL: TestEmail,
}


def settings_for_tests() -> dict[str, object]:
    """Return `NOTIFICATIONS` as it is, without a guest list and with a provider for every channel.

    Nothing leaves the process, so nobody need be kept from it; and a test should not depend on whose machine has
    credentials in its environment. Channels without a route get a provider "test-<channel>".
    """
    value = dict(conf.raw())
    routes, providers = conf.get().routes, dict(conf.get().providers)
    lacking = [channel for channel in Channel if not routes.get(channel) and channel in _STAND_INS]
    entries = {alias: {"BACKEND": item.backend, "OPTIONS": item.options} for alias, item in providers.items()}
    for channel in lacking:
        made = _STAND_INS[channel]
        entries[f"test-{channel}"] = {"BACKEND": f"{made.__module__}.{made.__name__}", "OPTIONS": {}}
    written = value.get("ROUTES")
    given = dict(written) if isinstance(written, Mapping) else {}
    return {
        **value,
        "PROVIDERS": entries,
        "ROUTES": {**given, **{channel.value: [f"test-{channel}"] for channel in lacking}},
        "ONLY_TO": None,
    }


def _refusal(adapter: Adapter, failure: Failure) -> Callable[[Adapter, OutboundMessage], ProviderError]:
    if isinstance(failure, ProviderError):
        return lambda _, __: failure
    if not isinstance(failure, str):
        return lambda used, _: failure(used.alias, failure.__name__, "The test asked for it.")
    if failure in NO_ANSWERS:
        return lambda used, _: NO_ANSWERS[failure](used.alias, failure, "The test asked for it.")
    row = _row(adapter, failure)
    shown = failure.strip("<>").split("<")[0]

    def refused(used: Adapter, message: OutboundMessage) -> ProviderError:
        error = row.to_error(used.alias, shown)
        # Some answers mean something else to another platform: the adapter knows.
        judge = getattr(used, "refused", None)
        judged = judge(message, error) if judge is not None else error
        return judged if isinstance(judged, ProviderError) else error

    return refused


def _row(adapter: Adapter, code: str) -> Answer:
    known = adapter.known_answers
    row = known.get(code) or known.get(f"<{code}>") or (by_status(int(code)) if code.isdecimal() else None)
    if row is None:
        hint = did_you_mean(code, (*known, *NO_ANSWERS))
        raise ValueError(f"{adapter.alias} has no answer {code!r}: {hint} (docs/providers.md lists them)")
    return row
