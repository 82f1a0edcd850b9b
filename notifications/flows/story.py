"""Story: one delivery from the request to the last receipt, step by step, as the records have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ..enums import Channel, Reason, ReceiptKind, State
from ..models import Delivery, Notification
from ..models.console_queries import Line
from ..rules.foresight import Rule, Verdict, verdicts
from ..rules.quiet_hours import zone
from ..rules.told import Fate, told, told_refused
from .timeline import Entry

_CAME = {ReceiptKind.DELIVERED.value, ReceiptKind.OPENED.value, ReceiptKind.CLICKED.value}


@dataclass(frozen=True)
class Asked:
    """The request: who asked (`python` for the host itself), and what it was linked to or collapsed by."""

    at: datetime
    owner: str
    collapse_key: str = ""
    send_at: datetime | None = None
    resend_of: str = ""


@dataclass(frozen=True)
class Decided:
    """What the rules said, in the order in which they are asked."""

    at: datetime
    verdicts: Sequence[tuple[Rule, Verdict]]


@dataclass(frozen=True)
class Happened:
    """An attempt, a receipt or what a person did; as recorded."""

    at: datetime
    line: Line


@dataclass(frozen=True)
class Stands:
    """The state that it has reached, since when."""

    at: datetime
    state: State
    reason: Reason


Step = Asked | Decided | Happened | Stands


def story(row: Delivery, notification: Notification | None, lines: Sequence[Line]) -> list[Step]:
    """Return the steps of a delivery in the order of time; what was never recorded is not made up."""
    state = State(row.state)
    reason = Reason(row.reason) if row.reason in Reason.values else Reason.NONE
    found: list[Step] = []
    begun = notification.created_at if notification else None
    if notification is not None and begun is not None:
        resend_of = str(notification.resend_of or "")
        found.append(Asked(begun, notification.owner, notification.collapse_key, notification.send_at, resend_of))
        said = verdicts(state, reason, has_target=bool(row.address), planned=State.PENDING)
        found.append(Decided(begun, said))
    happened: list[Step] = [Happened(line.at, line) for line in lines]
    if row.sent_at is not None:
        happened.append(Stands(row.sent_at, State.SENT, Reason.NONE))
    came = any(line.kind == "receipt" and line.state in _CAME for line in lines)
    if row.delivered_at is not None and not came:
        happened.append(Stands(row.delivered_at, State.DELIVERED, Reason.NONE))
    if not happened or (state not in (State.SENT, State.DELIVERED) and happened[-1].at < row.updated_at):
        happened.append(Stands(row.updated_at, state, reason))
    return [*found, *sorted(happened, key=lambda step: step.at)]


def headline(entry: Entry, zone_name: str, now: datetime) -> str:
    """Return what became of a message, or of a request that was refused, in one sentence for the customer."""
    if entry.refused is not None:
        return told_refused(entry.refused.reason, entry.at, zone(zone_name), now)
    template = entry.notification.template if entry.notification else ""
    return told([_fate(row, template, zone_name) for row, _lines in entry.deliveries], now)


def _fate(row: Delivery, template: str, zone_name: str) -> Fate:
    return Fate(
        template,
        Channel(row.channel),
        row.address,
        State(row.state),
        Reason(row.reason) if row.reason in Reason.values else Reason.NONE,
        row.due_at,
        row.sent_at,
        row.delivered_at,
        zone(zone_name or row.time_zone),
    )
