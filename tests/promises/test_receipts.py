"""What providers report comes back through the signed door and is told apart from what we know ourselves."""

from __future__ import annotations

import json
from typing import Any

from project.demo.stack import Stack
from tests.live import wait_for
from tests.promises.deployment import host

NUMBER = "+4915110000001"


def outcomes(stack: Stack, *addresses: str) -> dict[str, Any]:
    """Return state and reason of the newest delivery to each address."""
    found: dict[str, Any] = json.loads(host(stack, f"outcomes_of{addresses!r}"))
    return found


def test_receipts_reach_the_log_and_bounces_suppress(stack: Stack) -> None:
    host(stack, "seed(3)")
    stack.start_web()
    stack.start_worker()
    host(stack, "login_code('u1')")
    host(stack, "email_to('bounce-1@example.com')")
    host(stack, "email_to('open-1@example.com')")
    seen = wait_for(
        lambda: (
            (found := outcomes(stack, "bounce-1@example.com", "open-1@example.com", NUMBER))
            and {"bounced", "opened", "delivered"} <= {state for state, _ in found.values()}
            and found
        ),
        "all three receipts",
    )
    assert seen["bounce-1@example.com"][0] == "bounced"
    host(stack, "email_to('bounce-1@example.com')")
    again = outcomes(stack, "bounce-1@example.com")
    assert again == {"bounce-1@example.com": ["skipped", "suppression"]}
