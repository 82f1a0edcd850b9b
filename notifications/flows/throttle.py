"""Throttle: at first claim, decide who goes out now, who waits for the next throttle window and who joins a digest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from ..declarations.limits import Schedule, Throttle
from ..enums import Reason, State
from ..models import Delivery, Digest, DigestItem, ThrottleWindow
from ..models.delivery_queries import standing_of
from ..models.throttle import Place, hold_digests, hold_notifications, hold_windows, peek_digests, peek_windows
from ..rules.quiet_hours import zone
from ..rules.standing import Change, Standing
from ..rules.throttling import Admission, admit, digest_at, throttle_window
from ..rules.transitions import ended, parked
from .limits import Limits, limits_of, tell_of_unreadable
from .recheck import Facts
from .zones import zones_of


@dataclass(frozen=True)
class _Asking:
    """One delivery that asks for its place in a throttle window."""

    row: Delivery
    category: str
    throttle: Throttle | None
    schedule: Schedule | None
    where: ZoneInfo
    window: Place | None


@dataclass(frozen=True)
class _Decided:
    """What was decided, and what there is to write: windows that admit more, and what digests gather."""

    changes: dict[UUID, Change]
    admitting: list[ThrottleWindow]
    items: list[DigestItem]


def throttle(rows: Sequence[Delivery], facts: Facts) -> dict[UUID, Change]:
    """Return the changes of those deliveries that do not go out now, by id; runs inside the claim's transaction.

    Counted are notifications, not devices: all deliveries of one share its place. A person's days are counted in one
    zone, or their devices' zones would have a window and a digest each. What is claimed again is let through, and so is
    a digest itself. Throttle windows and digests are locked in one order for everybody.
    """
    asking = _all_asking(rows, facts)
    if not asking:
        return {}
    tell_of_unreadable([facts.categories[slug] for slug in {item.category for item in asking}])
    # Before it is read which of them had a turn: another worker may be deciding about their other devices.
    hold_notifications([item.row for item in asking])
    had = Delivery.objects.gathered_or_begun([item.row for item in asking])
    fresh = [item for item in asking if _whose(item.row) not in had]
    decided = _decide(fresh, facts.now, hold_windows, hold_digests)
    if decided.admitting:
        ThrottleWindow.objects.bulk_update(decided.admitting, ["admitted"], batch_size=500)
    DigestItem.objects.bulk_create(decided.items, ignore_conflicts=True)
    # Another device's turn may have come before this one's window began: what was decided then holds for all.
    joined = [item.row for item in asking if had.get(_whose(item.row))]
    gathered = {row.pk: _change(row, ended(standing_of(row), State.DIGESTED, Reason.NONE, facts.now)) for row in joined}
    return {**decided.changes, **gathered}


def foresee(rows: Sequence[Delivery], facts: Facts) -> dict[UUID, Change]:
    """Return what `throttle` would decide about these deliveries as windows and digests stand; writes nothing."""
    return _decide(_all_asking(rows, facts), facts.now, peek_windows, peek_digests).changes


def standing_window(row: Delivery, facts: Facts) -> ThrottleWindow | None:
    """Return the throttle window in which a delivery would ask for its place, as it stands, or None if it need not."""
    asked = _all_asking([row], facts)
    return peek_windows([place])[place] if asked and (place := asked[0].window) is not None else None


def days_of(row: Delivery, facts: Facts) -> ZoneInfo:
    """Return the zone in which the days of a delivery's recipient are counted."""
    return _days(row, zones_of([row.recipient], facts.wishes))


def _decide(
    asking: Sequence[_Asking],
    now: datetime,
    windows: Callable[[Sequence[Place]], dict[Place, ThrottleWindow]],
    digests: Callable[[Sequence[Place]], dict[Place, Digest]],
) -> _Decided:
    verdicts, admitting = _admit(asking, windows([item.window for item in asking if item.window is not None]))
    changes, items = _gather([item for item in asking if verdicts[item.row.pk] is Admission.DIGEST], now, digests)
    for item in asking:
        if verdicts[item.row.pk] is Admission.DEFER and item.window is not None:
            changes[item.row.pk] = _change(item.row, _deferred(item, item.window.at, now))
    return _Decided(changes, admitting, items)


def _whose(row: Delivery) -> tuple[UUID, str]:
    return row.notification_id, row.recipient


def _all_asking(rows: Sequence[Delivery], facts: Facts) -> list[_Asking]:
    limited = [(row, limits_of(facts.category_of(row))) for row in rows if _is_limited(row, facts)]
    # Minutes and hours are the same everywhere: then nobody's zone need be read.
    zones = zones_of({row.recipient for row, limits in limited if _counts_days(limits)}, facts.wishes)
    return [_asking(row, limits, _days(row, zones), facts) for row, limits in limited]


def _is_limited(row: Delivery, facts: Facts) -> bool:
    category = facts.category_of(row)
    is_digest = facts.notifications[row.notification_id].digest_id is not None
    return not row.attempt and bool(category.throttle or category.digest) and not is_digest


def _counts_days(limits: Limits) -> bool:
    by_day = limits.throttle is not None and limits.throttle.per == "day"
    return by_day or (limits.digest is not None and limits.digest.daily is not None)


def _days(row: Delivery, zones: Mapping[str, ZoneInfo]) -> ZoneInfo:
    return zones.get(row.recipient) or zone(row.time_zone) or ZoneInfo("UTC")


def _asking(row: Delivery, limits: Limits, where: ZoneInfo, facts: Facts) -> _Asking:
    category = facts.category_of(row).slug
    ends = throttle_window(limits.throttle, facts.now, where).end if limits.throttle else None
    window = Place(row.recipient, category, row.channel, ends) if ends else None
    # What is sensitive is never gathered: it would outlive its use.
    schedule = limits.digest if facts.notifications[row.notification_id].secrets is None else None
    return _Asking(row, category, limits.throttle, schedule, where, window)


def _admit(
    asking: Sequence[_Asking], windows: Mapping[Place, ThrottleWindow]
) -> tuple[dict[UUID, Admission], list[ThrottleWindow]]:
    """Return the verdicts, and the windows that thereby admit more than before."""
    verdicts: dict[UUID, Admission] = {}
    changed: dict[Place, ThrottleWindow] = {}
    for item in asking:
        held = windows[item.window] if item.window is not None else None
        admitted = held.admitted if held is not None else []
        verdict = admit(item.row.notification_id, admitted, item.throttle, item.schedule)
        if verdict is Admission.SEND and item.window is not None and item.row.notification_id not in admitted:
            admitted.append(item.row.notification_id)
            changed[item.window] = windows[item.window]
        verdicts[item.row.pk] = verdict
    return verdicts, list(changed.values())


def _gather(
    gathered: Sequence[_Asking], now: datetime, take: Callable[[Sequence[Place]], dict[Place, Digest]]
) -> tuple[dict[UUID, Change], list[DigestItem]]:
    """Let deliveries join their digests; where one has just become a notification, the one after it."""
    changes: dict[UUID, Change] = {}
    wanted = {item.row.pk: (item, _digest_place(item, now)) for item in gathered}
    items: list[DigestItem] = []
    while wanted:
        digests = take([place for _, place in wanted.values()])
        later = {}
        for key, (item, place) in wanted.items():
            if item.row.expires_at is not None and place.at >= item.row.expires_at:
                changes[key] = _change(item.row, ended(standing_of(item.row), State.EXPIRED, Reason.TTL, now))
            elif digests[place].notification_id is not None:
                later[key] = (item, _digest_place(item, place.at))
            else:
                items.append(
                    DigestItem(digest=digests[place], notification_id=item.row.notification_id, delivery_id=key)
                )
                changes[key] = _change(item.row, ended(standing_of(item.row), State.DIGESTED, Reason.NONE, now))
        wanted = later
    return changes, items


def _digest_place(item: _Asking, after: datetime) -> Place:
    """Return the digest that gathers after a moment."""
    row, schedule = item.row, item.schedule
    if schedule is None:
        raise AssertionError("only what has a schedule is gathered")
    return Place(row.recipient, item.category, row.channel, digest_at(schedule, after, item.where))


def _deferred(item: _Asking, until: datetime, now: datetime) -> Standing:
    before = standing_of(item.row)
    if item.row.expires_at is not None and until >= item.row.expires_at:
        return ended(before, State.EXPIRED, Reason.TTL, now)
    return parked(before, Reason.THROTTLED, until)


def _change(row: Delivery, after: Standing) -> Change:
    return Change(row.pk, standing_of(row), after)
