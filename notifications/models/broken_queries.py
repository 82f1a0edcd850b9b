"""What broke of a broadcast, by cause: read from the index of what failed, and no further than a limit."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import connections, router

from ..rules.identity import bounds_of
from .log import Delivery

# The states are written out so that the planner sees the index's own condition.
_BROKEN = """
    SELECT channel, provider, error_code, state, reason, count(*),
           (array_agg(id ORDER BY updated_at DESC, id DESC))[1]
    FROM (
        SELECT id, channel, provider, error_code, state, reason, updated_at FROM carillon_delivery
        WHERE notification_id = %(notification)s::uuid AND id >= %(first)s::uuid AND id < %(beyond)s::uuid
          AND state IN ('bounced', 'complained', 'failed', 'dead')
        LIMIT %(most)s
    ) broken
    GROUP BY 1, 2, 3, 4, 5 ORDER BY 6 DESC, 1, 2, 3 LIMIT %(groups)s
"""


@dataclass(frozen=True)
class BrokenGroup:
    """Deliveries of a broadcast that failed in the same way; `sample` is the one that did so last."""

    channel: str
    provider: str
    code: str
    state: str
    reason: str
    count: int
    sample: UUID


def broken_groups(notification_id: UUID, most: int, groups: int = 10) -> list[BrokenGroup]:
    """Return what failed of a broadcast's notification by cause, the largest first, counted among `most` deliveries."""
    first, beyond = bounds_of([notification_id])
    values: dict[str, int | UUID] = {
        "notification": notification_id, "first": first, "beyond": beyond, "most": most, "groups": groups
    }  # fmt: skip
    with connections[router.db_for_read(Delivery)].cursor() as cursor:
        cursor.execute(_BROKEN, values)
        return [BrokenGroup(*row) for row in cursor.fetchall()]
