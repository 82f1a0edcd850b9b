"""Let deliveries come to an end as they do in life: through the one place that writes, and tallies, their states."""

from __future__ import annotations

from notifications.enums import State
from notifications.flows.record import record
from notifications.models import Delivery
from notifications.models.delivery_queries import stand_at, standing_of
from notifications.rules.standing import Change


def came_to(row: Delivery, state: State) -> None:
    """Record that a delivery was claimed and what it came to."""
    before = standing_of(row)
    claimed = before._replace(state=State.SENDING)
    via = claimed._replace(state=State.UNCERTAIN)  # whence every end can be reached
    end = via._replace(state=state)
    for was, now in ((before, claimed), (claimed, via), (via, end)):
        record([Change(row.pk, was, now)])
    stand_at(row, end)
