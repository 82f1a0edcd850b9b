"""Abuse: at first claim, stop codes beyond an address's cap, and SMS beyond what one numbering prefix may get.

Who is over a limit is skipped and not deferred: a code that comes later is of no use, and one that was asked for to
cost money or sleep should not come at all. The next channel is tried, as after an address that cannot be used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction

from .. import conf
from ..cipher import address_hash
from ..declarations.limits import Throttle
from ..enums import Channel, Priority, Reason, State
from ..models import Delivery, ThrottleWindow
from ..models.delivery_queries import standing_of
from ..models.throttle import CODES, Place, hold_windows, peek_windows
from ..rules.abuse import block, calling_code
from ..rules.identity import hash_recipient
from ..rules.standing import Change
from ..rules.throttling import Admission, admit, throttle_window
from ..rules.transitions import ended
from ..velocity import Asking
from ..velocity import admit as admit_to_prefix
from ..wakeups import connection
from .alerts import raise_alert
from .recheck import Facts

PUMPING = "sms_pumping"
_SECONDS = {"minute": 60, "hour": 3_600, "day": 86_400}
_PUMPED = (
    "more than {most} messages a{per} to numbers that begin with {prefix}: further ones are skipped. If nobody of yours"
    ' is there, leave the country out of ABUSE["sms_countries"]; if a crowd is, raise sms_per_prefix.'
)
_Windows = Callable[[Sequence[Place]], Mapping[Place, ThrottleWindow]]


def stop_abuse(rows: Sequence[Delivery], facts: Facts) -> dict[UUID, Change]:
    """Return the changes of those deliveries that are over a limit, by id; runs inside the claim's transaction.

    Windows are locked after those of throttles, and in one order for everybody.
    """
    over = _over_cap(rows, facts, hold_windows, count=True)
    return over | _over_velocity([row for row in rows if row.pk not in over], facts, count=True)


def foresee(rows: Sequence[Delivery], facts: Facts) -> dict[UUID, Change]:
    """Return what `stop_abuse` would decide as counts stand; writes nothing."""
    over = _over_cap(rows, facts, peek_windows, count=False)
    return over | _over_velocity([row for row in rows if row.pk not in over], facts, count=False)


def _over_cap(rows: Sequence[Delivery], facts: Facts, windows: _Windows, *, count: bool) -> dict[UUID, Change]:
    """Return those beyond their address's cap on messages of critical categories; exact, as a throttle is."""
    cap = conf.get().abuse.codes_per_recipient
    asking = [row for row in rows if _is_code(row, facts)] if cap is not None else []
    if cap is None or not asking:
        return {}
    places = {row.pk: _place(row, cap, facts.now) for row in asking}
    held = windows(list(places.values()))
    changes: dict[UUID, Change] = {}
    admitting: dict[Place, ThrottleWindow] = {}
    for row in asking:
        place = places[row.pk]
        admitted = held[place].admitted
        if admit(row.notification_id, admitted, cap, None) is Admission.DEFER:
            changes[row.pk] = _skipped(row, facts, "codes_per_recipient", f"{cap.most} a {cap.per}")
        elif row.notification_id not in admitted:
            admitted.append(row.notification_id)
            admitting[place] = held[place]
    if count and admitting:
        ThrottleWindow.objects.bulk_update(list(admitting.values()), ["admitted"], batch_size=500)
    return changes


def _over_velocity(rows: Sequence[Delivery], facts: Facts, *, count: bool) -> dict[UUID, Change]:
    """Return those beyond what one numbering prefix may get; broadcasts go where somebody of ours sent them."""
    limit = conf.get().abuse.sms_per_prefix
    asking = [row for row in rows if _may_be_pumped(row, facts)] if limit is not None else []
    if limit is None or not asking:
        return {}
    asked = [Asking(block(row.address), str(row.pk)) for row in asking]
    redis = connection(Channel.SMS)
    answers = admit_to_prefix(redis, Channel.SMS, asked, limit.most, _SECONDS[limit.per], count=count)
    over = [row for row, admitted in zip(asking, answers, strict=True) if not admitted]
    if count:
        for code, prefix in {calling_code(row.address): block(row.address) for row in over}.items():
            told = _PUMPED.format(most=limit.most, per=f" {limit.per}", prefix=prefix)
            # Not now: workers that share the alert's row would wait for each other as long as their claims last.
            transaction.on_commit(partial(raise_alert, PUMPING, code, told), robust=True)
    said = f"{limit.most} a {limit.per} to one prefix"
    return {row.pk: _skipped(row, facts, "sms_per_prefix", said) for row in over}


def _is_code(row: Delivery, facts: Facts) -> bool:
    return not row.attempt and facts.category_of(row).priority == Priority.CRITICAL


def _may_be_pumped(row: Delivery, facts: Facts) -> bool:
    single = bool(facts.notifications[row.notification_id].recipient)
    return row.channel == Channel.SMS and not row.attempt and single


def _place(row: Delivery, cap: Throttle, now: datetime) -> Place:
    """Return where a code is counted: by its address and in UTC.

    A recipient and their zone are whatever a sign-up form says: to each new one the same phone would get as many again.
    """
    whose = hash_recipient(address_hash(row.channel, row.address))
    return Place(whose, CODES, row.channel, throttle_window(cap, now, ZoneInfo("UTC")).end)


def _skipped(row: Delivery, facts: Facts, limit: str, said: str) -> Change:
    before = standing_of(row)
    after = ended(before, State.SKIPPED, Reason.LIMIT, facts.now)._replace(
        error_code=limit, error_detail=f'ABUSE["{limit}"]: {said}'
    )
    follows = facts.category_of(row).fallback
    return Change(row.pk, before, after._replace(fallback_at=facts.now) if follows else after, keep=True)
