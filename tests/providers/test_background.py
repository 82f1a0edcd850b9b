"""One loop in the background: whatever is handed over, whenever, is begun and handed back."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, wait
from contextlib import ExitStack
from typing import Any

import pytest

from notifications.providers.background import GROUP_SIZE, Background, _Loop
from tests.contracts.server import until


class Session:
    """What the sends share; it only notes that it was closed."""

    def __init__(self) -> None:
        self.closed = 0

    async def close(self) -> None:
        self.closed += 1


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def background(stack: ExitStack, work: Any, open_session: Any = Session) -> Background[Session, Any, Any]:
    made: Background[Session, Any, Any] = Background("test", open_session, work)
    stack.callback(made.close)
    return made


def loop_of(made: Background[Session, Any, Any]) -> _Loop[Session, Any, Any]:
    assert made._loop is not None
    return made._loop


def idle(loop: _Loop[Session, Any, Any]) -> bool:
    return not loop._is_awake and not loop._tasks


def test_nothing_handed_over_is_lost_whenever_it_comes(stack: ExitStack) -> None:
    """Many threads with pauses of all lengths, so that the loop falls asleep at every moment there is."""

    async def work(session: Session, number: int) -> int:
        if number % 3:
            await asyncio.sleep((number % 7) / 5_000)
        return number

    made = background(stack, work)
    threads, each = 8, 2_500
    found: list[list[Future[int]]] = [[] for _ in range(threads)]

    def submit(thread: int) -> None:
        pauses = random.Random(thread)
        for number in range(each):
            found[thread].append(made.submit(thread * each + number))
            choice = pauses.random()
            if choice < 0.2:
                time.sleep(pauses.choice((0.0, 0.0001, 0.001, 0.002, 0.0021, 0.003)))
            elif choice < 0.25:
                found[thread][-1].result(60)

    running = [threading.Thread(target=submit, args=(thread,)) for thread in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(120)
    futures = [future for row in found for future in row]
    assert not wait(futures, timeout=60).not_done
    assert [future.result() for future in futures] == list(range(threads * each))
    loop = loop_of(made)
    until(lambda: idle(loop), "the loop asleep")
    assert not loop._inbox
    assert not loop._done


def test_an_idle_loop_is_woken_by_each_message(stack: ExitStack) -> None:
    async def work(session: Session, number: int) -> int:
        return number

    made = background(stack, work)
    for number in range(300):
        assert made.submit(number).result(20) == number
        until(lambda: idle(loop_of(made)), "the loop asleep")
    assert loop_of(made)._next is None


def test_what_comes_between_the_last_look_and_sleep_is_begun() -> None:
    """The moment itself: handed over after the inbox was found empty, while the loop still counts as awake."""

    async def work(session: Session, given: str) -> str:
        return given

    loop: _Loop[Session, str, str] = _Loop(Session, work)
    late: Future[str] = Future()
    begin, begun = loop._begin, []

    def first_finds_nothing() -> None:
        begun.append(len(loop._inbox))
        begin()
        if len(begun) == 1:
            loop._inbox.append(("late", late))  # as `submit` does it where the loop is awake

    loop._begin = first_finds_nothing  # type: ignore[method-assign]
    loop._is_awake = True
    loop._loop.call_soon(loop._look)
    threading.Thread(target=loop.run, daemon=True).start()
    assert late.result(20) == "late"
    loop.stop()


def test_an_error_opening_the_session_is_one_messages_own(stack: ExitStack) -> None:
    opened = []

    def open_session() -> Session:
        opened.append(1)
        if len(opened) < 3:
            raise LookupError("not now")
        return Session()

    async def work(session: Session, number: int) -> int:
        return number

    made = background(stack, work, open_session)
    assert isinstance(made.submit(1).exception(20), LookupError)
    assert isinstance(made.submit(2).exception(20), LookupError)
    assert [made.submit(number).result(20) for number in (3, 4, 5)] == [3, 4, 5]
    assert len(opened) == 3


def test_an_error_is_one_messages_own(stack: ExitStack) -> None:
    async def work(session: Session, number: int) -> int:
        if number == 5:
            raise ValueError(number)
        if number == 6:
            raise asyncio.CancelledError
        return number

    made = background(stack, work)
    futures = [made.submit(number) for number in range(10)]
    errors = [future.exception(20) for future in futures]
    assert [type(error) for error in errors if error] == [ValueError, RuntimeError]
    assert [future.result() for number, future in enumerate(futures) if number not in (5, 6)] == [
        number for number in range(10) if number not in (5, 6)
    ]


def test_the_only_result_is_handed_back_without_a_further_look(stack: ExitStack) -> None:
    release = asyncio.Event()

    async def work(session: Session, given: str) -> str:
        await release.wait()
        return given

    made = background(stack, work)
    future = made.submit("x")
    loop = loop_of(made)
    until(lambda: bool(loop._tasks), "the work in hand")
    looks: list[int] = []
    loop._look = lambda: looks.append(1)  # type: ignore[method-assign]  # the last one: it does nothing
    until(lambda: bool(looks), "no look any more")
    loop._loop.call_soon_threadsafe(release.set)
    assert future.result(20) == "x"


def test_results_of_many_are_handed_back_in_groups_and_none_waits_for_the_others(stack: ExitStack) -> None:
    release = asyncio.Event()

    async def work(session: Session, number: int) -> int:
        if number == 0:
            await release.wait()
        return number

    made = background(stack, work)
    futures = [made.submit(number) for number in range(GROUP_SIZE * 3 + 1)]
    for number, future in enumerate(futures[1:], start=1):
        assert future.result(20) == number
    assert not futures[0].done()
    loop_of(made)._loop.call_soon_threadsafe(release.set)
    assert futures[0].result(20) == 0


def test_closing_ends_what_is_in_hand(stack: ExitStack) -> None:
    sessions: list[Session] = []

    def open_session() -> Session:
        sessions.append(Session())
        return sessions[-1]

    async def work(session: Session, number: int) -> int:
        await asyncio.sleep(600)
        return number

    made = background(stack, work, open_session)
    futures = [made.submit(number) for number in range(100)]
    loop = loop_of(made)
    until(lambda: len(loop._tasks) == 100, "all in hand")
    made.close()
    assert all(isinstance(future.exception(20), RuntimeError) for future in futures)
    until(loop._loop.is_closed, "the loop closed")
    assert [session.closed for session in sessions] == [1]


def test_closing_leaves_nobody_waiting_whatever_the_moment(stack: ExitStack) -> None:
    """What was handed over and not begun is told that it never started."""
    started: list[int] = []

    async def work(session: Session, number: int) -> int:
        started.append(number)
        await asyncio.sleep(0 if number % 2 else 600)
        return number

    for turn in range(200):
        started.clear()
        made = background(stack, work)
        futures = [made.submit(number) for number in range(turn % 5)]
        if turn % 3 == 0:
            time.sleep(turn / 100_000)
        futures += [made.submit(number) for number in range(5, 8)]
        made.close()
        assert not wait(futures, timeout=20).not_done
        for number, future in zip([*range(turn % 5), *range(5, 8)], futures, strict=True):
            try:
                assert future.result() == number
            except CancelledError:
                assert number not in started
            except RuntimeError:
                assert number in started


def test_nothing_is_begun_while_the_end_is_on_its_way() -> None:
    """A look may be due just then, and find something in the inbox."""
    begun: list[str] = []

    async def work(session: Session, given: str) -> str:
        begun.append(given)
        try:
            await asyncio.sleep(600)
        finally:
            if given == "first":
                loop._inbox.append(("second", second))
                loop._look()
                await asyncio.sleep(0.05)
        return given

    loop: _Loop[Session, str, str] = _Loop(Session, work)
    first, second = loop.submit("first"), Future[str]()
    thread = threading.Thread(target=loop.run, daemon=True)
    thread.start()
    until(lambda: begun == ["first"], "the first begun")
    loop.stop()
    thread.join(20)
    assert isinstance(first.exception(0), RuntimeError)
    assert second.cancelled()
    assert begun == ["first"]


def test_what_was_cancelled_before_its_turn_is_not_begun(stack: ExitStack) -> None:
    started: list[int] = []

    async def work(session: Session, number: int) -> int:
        started.append(number)
        return number

    loop: _Loop[Session, int, int] = _Loop(Session, work)
    futures = [loop.submit(number) for number in range(3)]
    assert futures[1].cancel()
    threading.Thread(target=loop.run, daemon=True).start()
    assert [futures[0].result(20), futures[2].result(20)] == [0, 2]
    until(lambda: idle(loop), "the loop asleep")
    assert loop.submit(3).result(20) == 3
    loop.stop()
    assert started == [0, 2, 3]


def test_it_may_be_used_after_close(stack: ExitStack) -> None:
    async def work(session: Session, number: int) -> int:
        return number

    made = background(stack, work)
    assert made.submit(1).result(20) == 1
    made.close()
    made.close()
    assert made.submit(2).result(20) == 2
