"""One event loop in a background thread: many sends in flight from one calling thread, over one shared session.

For adapters that override `start`. It survives forks (a child starts a loop of its own) and outlives batches.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Generic, Protocol, TypeVar

from ..messages import OutboundMessage, SendResult
from .base import Adapter

#: Messages and results change threads in groups: each hand-over costs a switch between two threads, which is several
#: times what a send costs (measured: 1,500 sends a second with results one by one, 2,350 in groups). While anything is
#: in flight the loop looks for both this often; an idle loop is woken by the first message.
GROUP_SECONDS = 0.002
GROUP_SIZE = 32


class Closable(Protocol):
    """What the sends of one loop share: connections, usually."""

    def close(self) -> Coroutine[Any, Any, None]:
        """Let go of everything."""


Session = TypeVar("Session", bound=Closable)
Given = TypeVar("Given")
Result = TypeVar("Result")


class Background(Generic[Session, Given, Result]):
    """Runs `work(session, given)` for every `submit(given)`, in the background, on one shared session."""

    def __init__(
        self, name: str, open_session: Callable[[], Session], work: Callable[[Session, Given], Awaitable[Result]]
    ) -> None:
        self._name = name
        self._open_session = open_session
        self._work = work
        self._lock = threading.Lock()
        self._loop: _Loop[Session, Given, Result] | None = None

    def submit(self, given: Given) -> Future[Result]:
        """Begin the work and return its future."""
        with self._lock:
            if self._loop is None or self._loop.pid != os.getpid():
                self._loop = _Loop(self._open_session, self._work)
                threading.Thread(target=self._loop.run, name=self._name, daemon=True).start()
            return self._loop.submit(given)

    def close(self) -> None:
        """Close the session and end the thread; what is in flight ends in an error."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None and loop.pid == os.getpid():
            loop.stop()


class BackgroundAdapter(Adapter):
    """Base of adapters that send in the background; `PushAdapter` and the like stand beside it."""

    _http: Background[Any, OutboundMessage, SendResult]

    def start(self, message: OutboundMessage) -> Future[SendResult]:
        """Begin one send on what all sends share."""
        return self._http.submit(message)

    def send(self, message: OutboundMessage) -> SendResult:
        """Send one message and return what became of it; never raises."""
        return next(self.send_many([message]))

    def close(self) -> None:
        """Let go of connections and their thread."""
        super().close()
        self._http.close()


class _Loop(Generic[Session, Given, Result]):
    """One event loop's life: its thread, its session and what it works on."""

    def __init__(
        self, open_session: Callable[[], Session], work: Callable[[Session, Given], Awaitable[Result]]
    ) -> None:
        self._open_session = open_session
        self.pid = os.getpid()
        self._work = work
        self._loop = asyncio.new_event_loop()
        self._inbox: deque[tuple[Given, Future[Result]]] = deque()
        self._is_awake = False
        self._next: asyncio.TimerHandle | None = None
        self._ends = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._done: list[tuple[Future[Result], Result | Exception]] = []
        self._session: Session | None = None

    def submit(self, given: Given) -> Future[Result]:
        """Hand over one piece of work; a loop that has work in hand comes for it by itself."""
        future: Future[Result] = Future()
        self._inbox.append((given, future))
        if not self._is_awake:
            self._is_awake = True
            self._loop.call_soon_threadsafe(self._look)
        return future

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)

    def run(self) -> None:
        """Work until stopped, then let go of everything."""
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(self._end())
        finally:
            self._loop.close()

    def _look(self) -> None:
        """Hand back what is done and begin what was handed over; again in a moment while there is anything in hand."""
        if self._next is not None:
            self._next.cancel()
        if self._ends:
            return
        self._flush()
        self._begin()
        if not self._tasks:
            self._is_awake, self._next = False, None
            # What was handed over between the two lines above saw a loop that was awake.
            self._begin()
        if self._tasks:
            self._is_awake = True
            self._next = self._loop.call_later(GROUP_SECONDS, self._look)

    def _begin(self) -> None:
        while self._inbox:
            given, future = self._inbox.popleft()
            if future.set_running_or_notify_cancel():
                task = self._loop.create_task(self._settle(given, future))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _settle(self, given: Given, future: Future[Result]) -> None:
        try:
            if self._session is None:
                self._session = self._open_session()
            self._hand_back(future, await self._work(self._session, given))
        except asyncio.CancelledError:
            self._hand_back(future, RuntimeError("closed"))
            raise
        except Exception as error:  # noqa: BLE001 - it is the future's to raise
            self._hand_back(future, error)

    def _hand_back(self, future: Future[Result], outcome: Result | Exception) -> None:
        self._done.append((future, outcome))
        if len(self._done) >= min(GROUP_SIZE, len(self._tasks)):
            self._flush()

    def _flush(self) -> None:
        done, self._done = self._done, []
        for future, outcome in done:
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

    async def _end(self) -> None:
        self._ends = True  # nothing is begun any more, whatever look is still due
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._flush()
        while self._inbox:
            _, future = self._inbox.popleft()
            future.cancel()
            future.set_running_or_notify_cancel()  # wakes those who wait for several
        if self._session is not None:
            await self._session.close()
        await self._loop.shutdown_default_executor()
