"""Stopping a worker (SIGTERM) lets what is in flight finish, returns the rest, and leaves no doubt behind."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from project.demo.stack import Stack
from tests.live import wait_for
from tests.promises.deployment import accepted, host

RECIPIENTS = 3_000


@pytest.mark.long
def test_a_stopped_worker_leaves_nothing_uncertain(stack: Stack) -> None:
    host(stack, f"seed({RECIPIENTS})")
    stack.start_worker("first")
    host(stack, "launch()")
    wait_for(lambda: len(accepted(stack)) > RECIPIENTS // 4, "a quarter of the broadcast")
    assert stack.stop("first") == 0
    before = len(accepted(stack))
    assert before < RECIPIENTS, "the worker was stopped too late to prove anything"
    assert json.loads(host(stack, "states()")).keys() <= {"sent", "pending"}

    stack.start_worker("second")
    wait_for(lambda: host(stack, "open_deliveries()") == "0", "every delivery to be final")
    assert Counter(row.delivery for row in accepted(stack)).most_common(1)[0][1] == 1
    assert len(accepted(stack)) == RECIPIENTS
    assert host(stack, "possible_duplicates()") == "[]"
