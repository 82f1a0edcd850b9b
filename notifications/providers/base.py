"""What every adapter promises: it says what kind of outcome it saw, and no provider can break a batch."""

from __future__ import annotations

import difflib
import json
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, cast

from ..enums import Channel, Lane
from ..exceptions import ConfigurationError, ProviderError, WebhookRejected
from ..messages import OutboundMessage, ReceiptEvent, SendResult, WebhookRequest
from .answers import Answer
from .signatures import Signature
from .window import SendWindow, unforeseen

logger = logging.getLogger("notifications.providers")

#: How long one send may take where `timeout` does not say.
TIMEOUT_SECONDS = 10.0
#: How long a caller waits beyond `timeout` for an adapter that should have given up by itself.
GRACE_SECONDS = 1.0


@dataclass(frozen=True)
class Option:
    """One option of an adapter, as it may be written in `PROVIDERS[alias]["OPTIONS"]`."""

    name: str
    type: type | tuple[type, ...] = str
    required: bool = False
    secret: bool = False
    help: str = ""

    def takes(self, value: object) -> bool:
        """Whether a value has the right type; True and False are no numbers here."""
        return isinstance(value, self.type) and (not isinstance(value, bool) or self.type is bool)


@dataclass(frozen=True)
class OptionProblem:
    """One thing wrong with an adapter's options: what, and the cure."""

    what: str
    hint: str


COMMON_OPTIONS = (
    Option("base_url", help="where the provider's API is, if not at its own address"),
    Option("timeout", (int, float), help="seconds that one send may take, 10 by default"),
    Option("send_window", int, help="sends in flight at once under one claim, 64 by default, at most 1,000"),
    Option("per_second", (int, float, type(None)), help="messages per second that the account may send"),
    Option(
        "receipts_within",
        (int, float, type(None)),
        help="seconds within which most messages are usually reported as delivered, 300 by default; None: not watched",
    ),
    Option("failover_when_degraded", bool, help="hold it for 10 minutes when far less than usual is delivered"),
)


class Adapter:
    """Base of all adapters: one instance per provider (alias) and process, safe to share between threads and forks.

    A subclass writes `hand_over`, which returns the provider's message id or raises a `ProviderError`;
    `send` and `send_many` never raise what the wire does, they put it into the result.
    """

    #: The channel that it serves.
    channel: ClassVar[Channel]
    #: Its own options, beside the common ones.
    OPTIONS: ClassVar[tuple[Option, ...]] = ()
    #: Whether the provider ever reports `delivered`; where it does not, `sent` counts as reached.
    reports_delivery: bool = True
    #: Whether, on threads, each lane has a send window of its own: what is more urgent goes while a campaign's is full.
    apart_by_lane: ClassVar[bool] = True
    #: How its callbacks are signed, where that is an HMAC over the body; else a subclass writes `verify`.
    signature: ClassVar[Signature | None] = None
    #: How it asks, beside POST, whether its callbacks are wanted; none by default.
    probed_by: frozenset[str] = frozenset()
    #: What its provider answers when it does not take a message, by code; `notifications.testing` lets it fail so.
    known_answers: Mapping[str, Answer] = {}
    #: How long the provider honours an idempotency key; None where it honours none.
    idempotency_key_lifetime: timedelta | None = None

    def __init__(self, alias: str, options: Mapping[str, object]) -> None:
        self.alias = alias
        self.options = {key: value for key, value in options.items() if value is not None}
        self.base_url = self.text("base_url").rstrip("/")
        self.timeout = self._number("timeout", TIMEOUT_SECONDS)
        self.send_window = max(1, min(1_000, int(self._number("send_window", 64))))
        watched = options.get("receipts_within", 0) is not None
        self.receipts_within = self._number("receipts_within", 300.0) if watched else None
        self.failover_when_degraded = self.options.get("failover_when_degraded") is True
        self.per_second = self._number("per_second", 0.0) or None
        self._pool: ThreadPoolExecutor | None = None
        self._pool_pid = 0
        self._pool_lock = threading.Lock()

    def text(self, name: str, default: str = "") -> str:
        """Return an option as text."""
        value = self.options.get(name, default)
        return value if isinstance(value, str) else str(value)

    def _number(self, name: str, default: float) -> float:
        value = self.options.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigurationError(f"Provider {self.alias!r}: option {name!r} is not a number.")
        return float(value)

    # sending

    def hand_over(self, message: OutboundMessage) -> str:
        """Hand one message to the provider in exactly one HTTP request and return the provider's id for it.

        Raises:
            ProviderError: it did not take the message; the class says what is known.
        """
        raise NotImplementedError

    def send(self, message: OutboundMessage) -> SendResult:
        """Send one message and return what became of it; never raises."""
        try:
            # As text whatever an adapter gives: a number is no reason to doubt what was taken.
            return SendResult(message, provider_message_id=str(self.hand_over(message) or ""))
        except ProviderError as error:
            return SendResult(message, error=error)
        except Exception as error:  # noqa: BLE001 - an answer that nobody foresaw never breaks the batch
            # No traceback: its frames and texts may hold addresses and message variables.
            logger.error(  # noqa: TRY400
                "%s: unforeseen %s while sending %s", self.alias, type(error).__name__, message.carillon_id
            )
            return SendResult(message, error=unforeseen(self.alias, error))

    def send_many(
        self, messages: Iterable[OutboundMessage], idle: Callable[[], None] | None = None
    ) -> Iterator[SendResult]:
        """Send a stream of messages through a sliding send window; one result each, as they finish.

        `idle` is called now and then, so that the caller can do more urgent work.
        """
        window = SendWindow(self.alias, self.send_window, self.timeout + GRACE_SECONDS, self.start)
        return window.run(messages, idle)

    def start(self, message: OutboundMessage) -> Future[SendResult]:
        """Begin one send and return its future; override for another transport than threads over `send`."""
        return self._threads().submit(self.send, message)

    def _threads(self) -> ThreadPoolExecutor:
        """Return the process's own threads: those of a parent do not survive a fork."""
        with self._pool_lock:
            if self._pool is None or self._pool_pid != os.getpid():
                threads = self.send_window * (len(Lane) if self.apart_by_lane else 1)
                self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"carillon-{self.alias}")
                self._pool_pid = os.getpid()
            return self._pool

    # routing

    def can_serve(self, platform: str, token_type: str) -> bool:
        """Whether it can reach a device of this kind; a route passes over an adapter that cannot."""
        return True

    # receipts

    def verify(self, request: WebhookRequest) -> None:
        """Return if a callback is the provider's own: by `signature`, unless a subclass knows better.

        Raises:
            WebhookRejected: it is not, or there is nothing to tell by.
        """
        if self.signature is None:
            raise WebhookRejected(f"Provider {self.alias!r} has no callbacks.")
        self.signature.verify(self.text(self.signature.option), request)

    def parse(self, request: WebhookRequest) -> list[ReceiptEvent]:
        """Return what a verified callback reports.

        Raises:
            WebhookRejected: it cannot be read.
        """
        raise WebhookRejected(f"Provider {self.alias!r} has no callbacks.")

    # support

    @classmethod
    def options_declared(cls) -> tuple[Option, ...]:
        """Return every option that it takes."""
        return (*cls.OPTIONS, *COMMON_OPTIONS)

    @classmethod
    def option_problems(cls, options: Mapping[str, object]) -> list[OptionProblem]:
        """Return what is wrong with options as written: unknown, missing, or of the wrong type. Never shows a value."""
        known = {option.name: option for option in cls.options_declared()}
        problems = []
        for name, value in options.items():
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
                problems.append(OptionProblem(f"option {name!r} is not known", hint))
            elif value is not None and not known[name].takes(value):
                problems.append(OptionProblem(f"option {name!r} has the wrong type", known[name].help))
        problems += [
            OptionProblem(f"option {option.name!r} is missing", option.help)
            for option in known.values()
            if option.required and options.get(option.name) in (None, "")
        ]
        return problems

    def check(self) -> list[OptionProblem]:
        """Return what is wrong with the configuration, without touching the network."""
        return self.option_problems(self.options)

    def check_credentials(self) -> str | None:
        """Ask the provider, in one request that sends nothing to anybody, whether it accepts our credentials.

        Return a few words about the account; None where there is no such request. Override where there is one.

        Raises:
            ProviderError: it does not accept them, or cannot be asked; the class says which.
        """
        return None

    def describe(self) -> str:
        """Return one line for `carillon trial` and the console: which adapter, against which address; no secret."""
        return f"{self.alias} ({type(self).__name__}, {self.base_url or 'the provider itself'})"

    def close(self) -> None:
        """Let go of threads and connections; the adapter may be used again afterwards."""
        with self._pool_lock:
            pool, self._pool = self._pool, None
        if pool is not None and self._pool_pid == os.getpid():
            pool.shutdown(wait=False, cancel_futures=True)


class PushAdapter(Adapter):
    """Base of adapters that reach devices by a push token; no push service reports delivery."""

    channel = Channel.PUSH
    reports_delivery = False


class SMSAdapter(Adapter):
    """Base of adapters that reach a phone number."""

    channel = Channel.SMS


class EmailAdapter(Adapter):
    """Base of adapters that reach a mailbox."""

    channel = Channel.EMAIL


def as_mapping(value: object) -> Mapping[str, object]:
    """Return a decoded JSON value if it is an object, else an empty one: a provider's answer may be anything."""
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}


def json_object(body: bytes) -> Mapping[str, object]:
    """Return a JSON object as it was sent, an empty one for whatever else a body may be."""
    try:
        return as_mapping(json.loads(body))
    except ValueError:
        return {}


def json_objects(body: bytes) -> list[Mapping[str, object]]:
    """Return the objects of a callback that is a JSON list of them, or one alone.

    Raises:
        WebhookRejected: it is neither.
    """
    try:
        told = json.loads(body)
    except ValueError as error:
        raise WebhookRejected("The callback is no JSON.") from error
    items = told if isinstance(told, list) else [told]
    if not all(isinstance(item, Mapping) for item in items):
        raise WebhookRejected("The callback is no list of objects.")
    return items
