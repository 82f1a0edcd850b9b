"""The drill of docs/runbooks/restore.md: a backup from amid traffic is restored, and nothing goes twice in silence."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from project.demo.stack import Stack
from tests.live import wait_for
from tests.promises import backup
from tests.promises.deployment import accepted, host

pytestmark = pytest.mark.long
RECIPIENTS = 2_000


def test_what_went_out_since_the_backup_is_marked_when_it_goes_out_again(stack: Stack) -> None:
    host(stack, f"seed({RECIPIENTS})")
    stack.start_worker("before")
    host(stack, "launch()")
    wait_for(lambda: len(accepted(stack)) > RECIPIENTS // 10, "a tenth of the broadcast")
    yesterday = backup.take(stack.database_url)
    taken = len(accepted(stack))
    host(stack, "email_to('since@example.com')")  # nobody will know of it
    wait_for(lambda: len(accepted(stack)) > taken + RECIPIENTS // 4, "more of it, after the backup")
    assert stack.stop("before") == 0
    backup.restore(stack.database_url, yesterday)

    told = stack.manage("carillon", "after-restore")
    assert "broadcast" in told
    stack.manage("carillon", "after-restore", "--yes")
    stack.start_worker("after")
    wait_for(lambda: host(stack, "open_deliveries()") == "0", "every delivery to be final", seconds=240)

    known = set(json.loads(host(stack, "deliveries()")))
    counts = Counter(row.delivery for row in accepted(stack) if row.delivery in known)
    twice = {delivery for delivery, times in counts.items() if times > 1}
    flagged = set(json.loads(host(stack, "possible_duplicates()")))
    assert len(counts) == RECIPIENTS
    assert len(twice) >= RECIPIENTS // 4, "the drill proves nothing"
    assert twice <= flagged
    assert max(counts.values()) == 2
    print(f"{len(twice)} went out twice, {len(flagged)} are marked")
