"""Stop: a broadcast that must not go on by itself waits, with one alert, for a person who has looked."""

from __future__ import annotations

from ..enums import BroadcastStatus
from ..models import Broadcast
from .alerts import raise_alert

_THEN = "nothing more of it goes out; mend the cause, then resume or cancel it"


def stop(made: Broadcast, kind: str, why: str) -> None:
    """Stop a broadcast whose row the caller has locked: nothing more is planned, and workers park what comes due."""
    made.status, made.stopped_for = BroadcastStatus.STOPPED, why[:300]
    made.save(update_fields=["status", "stopped_for"])
    raise_alert(kind, str(made.pk), f"{why}: {_THEN}")
