"""No acknowledged message is lost, and none is silently sent twice, when a worker is killed in mid-send."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from project.demo.stack import Stack
from tests.live import wait_for
from tests.promises.deployment import accepted, host

RECIPIENTS = 3_000
SEND_WINDOW = 64
RESULT_GROUP = 250


@pytest.mark.long  # the kills of tests/chaos/test_small_seeds.py run every day
def test_a_worker_killed_in_mid_broadcast_loses_and_silently_repeats_nothing(stack: Stack) -> None:
    host(stack, f"seed({RECIPIENTS})")
    stack.start_worker("first")
    host(stack, "launch()")
    wait_for(lambda: len(accepted(stack)) > RECIPIENTS // 4, "a quarter of the broadcast")
    stack.kill("first")
    before = len(accepted(stack))
    assert before < RECIPIENTS, "the worker was killed too late to prove anything"

    stack.start_worker("second")
    wait_for(lambda: host(stack, "open_deliveries()") == "0", "every delivery to be final", seconds=180)
    counts = Counter(row.delivery for row in accepted(stack))
    assert len(counts) == RECIPIENTS
    twice = {delivery for delivery, times in counts.items() if times > 1}
    flagged = set(json.loads(host(stack, "possible_duplicates()")))
    assert twice <= flagged
    # Whatever was in flight or not yet recorded at the kill: one send window and one group of results.
    assert len(flagged) <= SEND_WINDOW + 2 * RESULT_GROUP
    assert max(counts.values()) <= 2
