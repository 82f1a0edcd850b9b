"""Messages of one stream, gathered for a provider that takes many in one request.

The stream stays lazy and the send window stays as it is: a message is gathered when it is pulled, and its future is the
window's as always. A gathered batch goes when it is full, when a message comes that does not belong to it, when the
stream ends, or when nothing was added to it for a moment: nobody waits for company that may not come.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from time import monotonic

from ..messages import OutboundMessage, SendResult

#: How long a batch waits for the next message. Composing one takes less than a tenth of it.
LINGER_SECONDS = 0.01
LONGEST_SECONDS = 0.1

Send = Callable[[Sequence[OutboundMessage]], Sequence[SendResult]]
Alike = Callable[[OutboundMessage, OutboundMessage], bool]


class Batch:
    """Messages for different people, and the futures of their results."""

    def __init__(self, first: OutboundMessage, alike: Alike, send: Send) -> None:
        self._first = first
        self._alike = alike
        self._most: int | None = None
        self._send = send
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._held: list[tuple[OutboundMessage, Future[SendResult]]] = []
        self._addresses: set[str] = set()

    def add(self, message: OutboundMessage, most: int) -> Future[SendResult] | None:
        """Take a message that goes with `most` at most and return its future, or None if it belongs elsewhere."""
        address = message.address.casefold()
        with self._lock:
            most = min(most, self._most or most)
            if self._closed.is_set() or address in self._addresses or len(self._held) >= most:
                return None
            if not self._alike(self._first, message):
                return None
            self._most = most
            future: Future[SendResult] = Future()
            self._held.append((message, future))
            self._addresses.add(address)
            if len(self._held) >= most:
                self._closed.set()
            return future

    def close(self) -> None:
        """Take nothing more: whoever waits to send the batch does so now."""
        self._closed.set()

    def run(self) -> None:
        """Wait until the batch is closed, then send it and hand each message its result."""
        self._linger()
        going = [(message, future) for message, future in self._held if future.set_running_or_notify_cancel()]
        if not going:
            return
        try:
            results = self._send([message for message, _ in going])
            for (_, future), result in zip(going, results, strict=True):
                future.set_result(result)
        except Exception as error:  # noqa: BLE001 - it is the futures' to raise
            for _, future in going:
                if not future.done():
                    future.set_exception(error)

    def _linger(self) -> None:
        ends, seen = monotonic() + LONGEST_SECONDS, 0
        while not self._closed.wait(LINGER_SECONDS):
            with self._lock:
                if len(self._held) == seen or monotonic() > ends:
                    self._closed.set()
                seen = len(self._held)


class Batches:
    """Gathers one stream of messages; used by the thread that pulls the stream, and by no other."""

    def __init__(
        self,
        most: Callable[[OutboundMessage], int],
        alike: Alike,
        alone: Callable[[OutboundMessage], Future[SendResult]],
        together: Send,
        submit: Callable[[Callable[[], None]], object],
    ) -> None:
        self._most = most
        self._alike = alike
        self._alone = alone
        self._together = together
        self._submit = submit
        self._open: Batch | None = None

    def until_end(self, messages: Iterable[OutboundMessage]) -> Iterator[OutboundMessage]:
        """Yield the messages; when there are no more, let the last batch go at once."""
        try:
            yield from messages
        finally:
            self._close()

    def start(self, message: OutboundMessage) -> Future[SendResult]:
        """Gather a message, or begin to send it alone, and return its future."""
        most = self._most(message)
        if most < 2:
            return self._alone(message)
        future = self._open.add(message, most) if self._open is not None else None
        if future is not None:
            return future
        self._close()
        batch = Batch(message, self._alike, self._together)
        future = batch.add(message, most)
        if future is None:
            raise RuntimeError("A new batch takes its first message.")
        self._submit(batch.run)
        self._open = batch
        return future

    def _close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None
