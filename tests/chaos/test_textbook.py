"""The textbook's sender comes to rest whoever is killed, and is not blamed for what it still has in hand."""

from __future__ import annotations

import pytest
from django.conf import settings
from redis import Redis

from tests.chaos import textbook_sender
from tests.chaos.textbook import judge_ended
from tests.chaos.textbook_sender import LOCK_SECONDS, QUEUE, CompressedQueue, CompressedWorker, in_hand

BOOK = ("a", "b", "c")
TOLD = {"a": "sent", "b": "queued", "c": "sent"}


def test_a_message_that_was_never_sent_and_has_no_job_any_more_is_lost() -> None:
    assert list(judge_ended(BOOK, ["a", "c"], TOLD, ()).lost) == ["b"]


def test_a_message_that_may_still_be_sent_is_not_lost() -> None:
    assert judge_ended(BOOK, ["a", "c"], TOLD, {"b"}).clean


def test_a_message_that_was_taken_twice_is_doubled_although_its_job_runs_again() -> None:
    assert list(judge_ended(BOOK, ["a", "b", "b", "c"], TOLD, {"b"}).doubled) == ["b"]


def test_a_worker_killed_in_maintenance_holds_up_the_others_for_no_longer_than_the_run_is_compressed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Redis.from_url(settings.REDIS_URL) as redis:
        (queue,) = CompressedWorker([QUEUE], connection=redis, prepare_for_work=False).queues
        assert isinstance(queue, CompressedQueue)
        monkeypatch.setattr(textbook_sender, "_COMPRESSED", 20.0)
        try:
            assert queue.acquire_maintenance_lock()
            assert not queue.acquire_maintenance_lock()
            assert 0 < redis.pttl(queue.registry_cleaning_key) <= 1_000 * LOCK_SECONDS / 20
        finally:
            queue.release_maintenance_lock()


def test_what_was_popped_and_not_begun_is_in_hand() -> None:
    with Redis.from_url(settings.REDIS_URL) as redis:
        key = f"rq:queue:{QUEUE}:intermediate"
        try:
            redis.rpush(key, "send-b")
            assert in_hand(redis) == {"b"}
        finally:
            redis.delete(key)
