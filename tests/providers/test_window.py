"""The send window: the calling thread finds time for more urgent work, however the answers come."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from notifications.enums import Channel
from notifications.messages import Content, OutboundMessage, SendResult
from notifications.providers.base import PushAdapter
from notifications.providers.window import IDLE_SECONDS, SendWindow

ANSWER_SECONDS = 0.02


def message(address: str = "token") -> OutboundMessage:
    return OutboundMessage(
        delivery_id=uuid.uuid4(), attempt=1, generation=1, channel=Channel.PUSH, address=address, content=Content()
    )


@pytest.mark.parametrize(
    "answer_seconds", [ANSWER_SECONDS, 3 * IDLE_SECONDS], ids=["answers keep coming", "none comes for long"]
)
def test_while_the_window_is_full_there_is_time_for_other_work(answer_seconds: float) -> None:
    def answered(item: OutboundMessage) -> SendResult:
        time.sleep(answer_seconds)
        return SendResult(item, provider_message_id="id")

    looks: list[float] = []
    messages = [message() for _ in range(round(2 * 3 * IDLE_SECONDS / answer_seconds))]
    with ThreadPoolExecutor(2) as pool:

        def start(item: OutboundMessage) -> Future[SendResult]:
            return pool.submit(answered, item)

        window = SendWindow("slow", 2, 60.0, start)
        results = list(window.run(messages, lambda: looks.append(time.monotonic())))
    assert [result.error for result in results] == [None] * len(messages)
    assert looks


def test_there_is_time_for_other_work_where_answers_are_faster_than_messages() -> None:
    def slowly() -> Iterator[OutboundMessage]:
        for _ in range(round(3 * IDLE_SECONDS / ANSWER_SECONDS)):
            time.sleep(ANSWER_SECONDS)
            yield message()

    looks: list[float] = []
    with ThreadPoolExecutor(2) as pool:
        window = SendWindow("fast", 2, 60.0, lambda item: pool.submit(SendResult, item, provider_message_id="id"))
        results = list(window.run(slowly(), lambda: looks.append(time.monotonic())))
    assert [result.error for result in results] == [None] * len(results)
    assert looks


@pytest.mark.parametrize("apart", [True, False], ids=["usually", "where connections are few"])
def test_threads_of_a_slow_campaign_leave_some_for_more_urgent_messages(apart: bool) -> None:
    held = threading.Event()

    class Slow(PushAdapter):
        apart_by_lane = apart

        def hand_over(self, sent: OutboundMessage) -> str:
            if sent.address == "slow":
                held.wait(60)
            return "id"

    adapter = Slow("slow", {"send_window": 1})
    try:
        slow = adapter.start(message("slow"))
        other = adapter.start(message())
        if apart:
            assert other.result(timeout=60).error is None
        assert (slow.done(), other.done()) == (False, apart)
    finally:
        held.set()
        adapter.close()


def test_work_that_takes_longer_than_the_time_between_two_looks_leaves_time_for_messages() -> None:
    def look() -> None:
        looks.append(len(handed))
        time.sleep(2 * IDLE_SECONDS)

    def begin(item: OutboundMessage) -> Future[SendResult]:
        handed.append(item)
        time.sleep(ANSWER_SECONDS)
        return pool.submit(SendResult, item, provider_message_id="id")

    looks: list[int] = []
    handed: list[OutboundMessage] = []
    with ThreadPoolExecutor(2) as pool:
        window = SendWindow("busy", 2, 60.0, begin)
        list(window.run([message() for _ in range(round(4 * IDLE_SECONDS / ANSWER_SECONDS))], look))
    assert len(looks) < len(handed) / 2
