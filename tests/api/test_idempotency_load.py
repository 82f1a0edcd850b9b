"""64 callers at once with the same 500 keys, and Valkey emptied midway: one row for each key, and one answer."""

from __future__ import annotations

import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from django.db import connections

from notifications import wakeups
from notifications.models import Delivery, IdempotencyKey, Notification
from tests.api.conftest import Caller, login_code, make_caller

CLIENTS, KEYS = 64, 500


@dataclass
class Seen:
    """What came back for one key: by the body that was sent, each answer and whether it was a repeat's."""

    taken: dict[str, list[tuple[bytes, bool]]] = field(default_factory=lambda: defaultdict(list))
    refused: list[str] = field(default_factory=list)


@dataclass
class Run:
    """What all callers saw, and who counts the requests so far."""

    keys: dict[str, Seen] = field(default_factory=lambda: defaultdict(Seen))
    lock: threading.Lock = field(default_factory=threading.Lock)
    done: int = 0
    waited: int = 0

    def note(self, key: str, code: str, answer: Any) -> None:
        """Keep an answer; empty Valkey when half of them are there."""
        with self.lock:
            self.done += 1
            if answer.status_code == 202:
                self.keys[key].taken[code].append((answer.content, "Idempotent-Replayed" in answer))
            else:
                assert answer.status_code == 422, answer.content
                self.keys[key].refused.append(code)
            if self.done == CLIENTS * KEYS // 2:
                wakeups.connection("sms").flushdb()


def send_all(run: Run, call: Caller, users: list[Any], number: int) -> None:
    """Send every key once, in an order of one's own; one in eight with another body than the others."""
    random = Random(number)
    order = list(range(KEYS))
    random.shuffle(order)
    try:
        for place in order:
            key, code = f"k{place}", "222222" if random.random() < 0.125 else "111111"
            body = login_code(users[place % len(users)], data={"code": code})
            answer = call.notify(body, key)
            while answer.status_code == 409:
                assert answer["Retry-After"]
                run.waited += 1
                answer = call.notify(body, key)
            run.note(key, code, answer)
    finally:
        connections.close_all()


@pytest.mark.long
def test_each_key_is_one_row_however_many_ask(committed: None, own_redis: None, person: Any) -> None:
    users, run = [person() for _ in range(10)], Run()
    callers = [make_caller(owner="shop") for _ in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        for finished in [pool.submit(send_all, run, callers[number], users, number) for number in range(CLIENTS)]:
            finished.result()
    assert run.done == CLIENTS * KEYS
    assert IdempotencyKey.objects.count() == Notification.objects.count() == Delivery.objects.count() == KEYS
    assert len(run.keys) == KEYS
    for key, seen in run.keys.items():
        assert len(seen.taken) == 1, f"{key} was taken with two bodies"
        (code, answers), *_ = seen.taken.items()
        assert len({content for content, _ in answers}) == 1, f"{key} was answered in two ways"
        assert sum(not again for _, again in answers) == 1, f"{key} was new more than once"
        assert code not in seen.refused
        assert len(answers) + len(seen.refused) == CLIENTS
    assert sum(len(seen.refused) for seen in run.keys.values()) > KEYS
