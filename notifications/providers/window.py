"""The sliding send window: keeps up to `size` sends in flight, without a barrier, and loses no result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from queue import Empty, SimpleQueue
from time import monotonic

from ..exceptions import ProviderUnavailable, UnknownOutcome
from ..messages import OutboundMessage, SendResult

#: How long a wait for a result may keep the calling thread from more urgent work.
IDLE_SECONDS = 0.25


class SendWindow:
    """Sends in flight under one claim.

    Messages are pulled one by one, in the calling thread only, because the iterable does database
    work: at most `size` are pulled and not yet yielded. A result is yielded as soon as there is one.
    Where the iterable raises, what is in flight is still yielded before that error goes on.
    """

    def __init__(
        self, alias: str, size: int, deadline: float, start: Callable[[OutboundMessage], Future[SendResult]]
    ) -> None:
        self._alias = alias
        self._size = size
        self._deadline = deadline
        self._start = start
        self._done: SimpleQueue[Future[SendResult]] = SimpleQueue()
        self._idle: Callable[[], None] = lambda: None
        self._idled_at = monotonic()
        self._flying: dict[Future[SendResult], tuple[OutboundMessage, float]] = {}

    def run(self, messages: Iterable[OutboundMessage], idle: Callable[[], None] | None = None) -> Iterator[SendResult]:
        """Yield one result for every message pulled, in the order in which they finish.

        `idle` is called every 250 ms in the calling thread, however fast messages and answers come.
        """
        self._idle = idle or (lambda: None)
        source = iter(messages)
        failure: Exception | None = None
        exhausted = False
        try:
            while self._flying or not exhausted:
                yield from self._finished()
                if monotonic() - self._idled_at >= IDLE_SECONDS:
                    self._idle()
                    # From its end: it may take long, and what is sent here has its time too.
                    self._idled_at = monotonic()
                if not exhausted and len(self._flying) < self._size:
                    try:
                        message = next(source)
                    except StopIteration:
                        exhausted = True
                    except Exception as error:  # noqa: BLE001 - raised again at the end
                        failure, exhausted = error, True
                    else:
                        yield from self._launch(message)
                elif self._flying:
                    yield from self._wait()
        finally:
            for future in self._flying:
                future.cancel()
        if failure is not None:
            raise failure

    def _launch(self, message: OutboundMessage) -> Iterator[SendResult]:
        try:
            future = self._start(message)
        except Exception as error:  # noqa: BLE001 - one bad send never breaks the batch
            yield SendResult(message, error=ProviderUnavailable(self._alias, type(error).__name__, "Could not start."))
            return
        self._flying[future] = (message, monotonic() + self._deadline)
        future.add_done_callback(self._done.put)

    def _finished(self) -> Iterator[SendResult]:
        while True:
            try:
                future = self._done.get_nowait()
            except Empty:
                return
            yield from self._settle(future)

    def _wait(self) -> Iterator[SendResult]:
        """Wait for the next result or for the oldest deadline, whichever is first."""
        oldest = next(iter(self._flying))
        left = max(0.0, self._flying[oldest][1] - monotonic())
        try:
            yield from self._settle(self._done.get(timeout=min(left, IDLE_SECONDS)))
        except Empty:
            if left <= IDLE_SECONDS:
                yield self._give_up(oldest)

    def _settle(self, future: Future[SendResult]) -> Iterator[SendResult]:
        if future not in self._flying:
            return
        message, _ = self._flying.pop(future)
        try:
            yield future.result()
        except CancelledError:
            yield SendResult(message, error=ProviderUnavailable(self._alias, "cancelled", "The send never started."))
        except Exception as error:  # noqa: BLE001 - one bad send never breaks the batch
            yield SendResult(message, error=unforeseen(self._alias, error))

    def _give_up(self, future: Future[SendResult]) -> SendResult:
        message, _ = self._flying.pop(future)
        if future.cancel():
            return SendResult(message, error=ProviderUnavailable(self._alias, "deadline", "The send never started."))
        return SendResult(message, error=UnknownOutcome(self._alias, "deadline", "No answer within the send deadline."))


def unforeseen(alias: str, error: BaseException) -> UnknownOutcome:
    """Return what an error that nobody foresaw means: the message may have gone out. Only its type is told."""
    return UnknownOutcome(alias, type(error).__name__, "The send ended in an error that nobody foresaw.")
