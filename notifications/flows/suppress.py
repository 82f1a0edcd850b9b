"""Suppress: addresses that must not be written to, kept as a hash; lifted with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from ..channels import SPECS
from ..cipher import address_hash
from ..enums import Channel, SuppressionCause
from ..models import Suppression

RAN_OUT = "ran out"
REPLACED = "a later one took its place"
#: What the recipient takes back by START or a link, or what ends by itself.
_WEAK = frozenset(
    {SuppressionCause.STOP, SuppressionCause.UNSUBSCRIBE, SuppressionCause.SOFT_BOUNCE, SuppressionCause.UNREACHABLE}
)
_WEAKER_FIRST = (SuppressionCause.HARD_BOUNCE, SuppressionCause.COMPLAINT, SuppressionCause.MANUAL)
_TRIES = 3


def suppress(
    channel: str, address: str, cause: SuppressionCause, source: str, *, expires_at: datetime | None = None
) -> Suppression:
    """Suppress an address on a channel; the stronger cause and the later end stay."""
    hint = SPECS[Channel(channel)].mask(address)[:80]
    return suppress_hash(channel, address_hash(channel, address), cause, source, hint=hint, expires_at=expires_at)


def suppress_hash(
    channel: str,
    hashed: str,
    cause: SuppressionCause,
    source: str,
    *,
    hint: str = "",
    expires_at: datetime | None = None,
) -> Suppression:
    """Suppress an address of which only the hash is known.

    One that ran out is closed first: it holds nothing back any more, and its history stays as it was. One in force
    gives way to a stronger cause, and to one that lasts longer; otherwise it stays.
    """
    wanted = Suppression(
        channel=channel, address_hash=hashed, hint=hint, cause=cause, source=source[:80], expires_at=expires_at
    )
    standing = Suppression.objects.filter(channel=channel, address_hash=hashed, lifted_at=None)
    with transaction.atomic():
        standing.filter(expires_at__lte=Now()).update(lifted_at=F("expires_at"), lifted_reason=RAN_OUT)
        for _ in range(_TRIES):
            held = standing.select_for_update().first()
            following = wanted if held is None else _both(held, wanted)
            if held is not None:
                if (following.cause, following.expires_at) == (held.cause, held.expires_at):
                    return held
                standing.update(lifted_at=Now(), lifted_reason=REPLACED)
            row, is_new = Suppression.objects.get_or_create(
                channel=channel,
                address_hash=hashed,
                lifted_at=None,
                defaults={name: getattr(following, name) for name in ("hint", "cause", "source", "expires_at")},
            )
            if is_new:
                break  # else somebody suppressed it at this moment, perhaps for less
        return row


def lasts_longer(first: datetime | None, second: datetime | None) -> bool:
    """Whether a suppression with the first end goes on after one with the second."""
    return second is not None and (first is None or first > second)


def lift(channel: str, hashed: str, reason: str) -> int:
    """Lift the suppression of an address hash and return how many there were."""
    return _lift(channel, hashed, reason, list(SuppressionCause))


def lift_as_asked(channel: str, hashed: str, reason: str) -> int:
    """Lift what the recipient may lift themselves (START): not what a person suppressed by hand, nor a complaint.

    A phone that writes to us is no dead number; that a mailbox bounced is not taken back by anybody's click.
    """
    alive = {SuppressionCause.HARD_BOUNCE} if channel == Channel.SMS else set()
    return _lift(channel, hashed, reason, [*_WEAK, *alive])


def _both(held: Suppression, wanted: Suppression) -> Suppression:
    """Return what holds an address for both: the stronger cause, the later of equals, until the later end."""
    longer = lasts_longer(wanted.expires_at, held.expires_at)
    ahead = _strength(wanted.cause) - _strength(held.cause)
    main = wanted if ahead > 0 or (ahead == 0 and longer) else held
    return Suppression(
        hint=main.hint or wanted.hint or held.hint,
        cause=main.cause,
        source=main.source,
        expires_at=wanted.expires_at if longer else held.expires_at,
    )


def _strength(cause: str) -> int:
    """Return how strong a cause is: what a later, weaker one must not hide."""
    return 0 if cause in _WEAK else 1 + _WEAKER_FIRST.index(SuppressionCause(cause))


def _lift(channel: str, hashed: str, reason: str, causes: Sequence[SuppressionCause]) -> int:
    standing = Suppression.objects.filter(channel=channel, address_hash=hashed, lifted_at=None, cause__in=causes)
    return standing.update(lifted_at=Now(), lifted_reason=reason[:200])
