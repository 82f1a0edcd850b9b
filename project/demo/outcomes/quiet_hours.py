"""Somebody for whom it is quiet now, in their own zone: deferred, and the time it will go is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from .. import people
from ..finding import Finding, findings
from .base import UNDECIDED, Outcome, Seen, World, seen

_EVERY_DAY = [0, 1, 2, 3, 4, 5, 6]
_TOLERANCE = timedelta(minutes=1)


class QuietHours(Outcome):
    """The window is made around this very moment, so that it is always quiet."""

    name = "quiet hours"
    expected = "waits (quiet_hours) until they end in the recipient's own zone; nothing is sent now"

    def show(self, world: World) -> Finding:
        """Make it quiet in Tokyo, and send an email there."""
        zone = ZoneInfo(people.YUKI_ZONE)
        start, end = window(datetime.now(zone), quiet_now=world.broken != self.name)
        quiet = [{"days": _EVERY_DAY, "start": f"{start:%H:%M}", "end": f"{end:%H:%M}"}]
        wishes = {"time_zone": people.YUKI_ZONE, "quiet_hours": quiet}
        world.api.patch(f"users/{people.YUKI}/preferences/", wishes)
        data = {"number": f"Q-{world.run}", "total": 240.0, "items": ["Tubular bells"]}
        sent = world.api.notify({"user": people.YUKI, "template": "order-shipped", "data": data})
        world.say(self.name, f"quiet from {start:%H:%M} to {end:%H:%M} in {zone.key}; email asked for: {sent.status}")
        deliveries = world.until(sent, _decided, "the decision")
        return judge(seen(world, deliveries), end)


def window(now: datetime, *, quiet_now: bool) -> tuple[datetime, datetime]:
    """Return a quiet window of three hours around `now`, or one that begins later."""
    begin = now + timedelta(hours=-1 if quiet_now else 3)
    return begin, (begin + timedelta(hours=3)).replace(second=0, microsecond=0)


def _decided(deliveries: Sequence[Mapping[str, Any]]) -> bool:
    return all(item["reason"] == "quiet_hours" or item["state"] not in UNDECIDED for item in deliveries)


def judge(order: Seen, end: datetime) -> Finding:
    """Judge the notification: one delivery that waits for quiet hours, due when they end."""
    deferred = [(item["state"], item["reason"]) for item in order.deliveries] == [("pending", "quiet_hours")]
    due = datetime.fromisoformat(order.deliveries[0]["due_at"]) if deferred else None
    right = due is not None and abs(due - end) <= _TOLERANCE
    local = due.astimezone(end.tzinfo) if due else None
    return findings(
        (deferred, "waits for quiet_hours", order.described),
        (
            right or not deferred,
            f"goes out at {local:%H:%M} {end.tzinfo}" if local else "",
            f"due at {local:%H:%M}, not {end:%H:%M} {end.tzinfo}" if local else "",
        ),
        (not order.messages, "nothing in the sandbox yet", order.arrived),
    )
