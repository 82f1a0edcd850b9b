"""`rqworker push sms email` as the only worker process is a complete deployment."""

from __future__ import annotations

from collections import Counter

from project.demo.stack import Stack
from tests.live import wait_for
from tests.promises.deployment import accepted, host

RECIPIENTS = 5_000


def test_retries_deferrals_and_urgent_messages_go_out_by_themselves(stack: Stack) -> None:
    host(stack, f"seed({RECIPIENTS})")
    stack.start_worker()
    host(stack, "retry_and_deferral()")
    early = {"flaky-1@example.com", "token-000000-000000"}
    wait_for(lambda: early <= {row.to for row in accepted(stack)}, "the retry and the deferred message")

    host(stack, "launch()")
    wait_for(lambda: len(accepted(stack, "fcm")) > RECIPIENTS // 10, "the broadcast to be under way")
    host(stack, "login_code()")
    wait_for(lambda: len(accepted(stack, "fcm")) >= RECIPIENTS + 1, "all pushes")
    order = [row.provider for row in accepted(stack)]
    assert "fcm" in order[order.index("twilio") :], "the code waited until the broadcast was over"
    assert set(Counter(row.delivery for row in accepted(stack, "fcm")).values()) == {1}
