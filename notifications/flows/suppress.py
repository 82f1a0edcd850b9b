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


def suppress(
    channel: str, address: str, cause: SuppressionCause, source: str, *, expires_at: datetime | None = None
) -> Suppression:
    """Suppress an address on a channel; the first cause stays unless the new one lasts longer."""
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

    One that ran out is closed first: it holds nothing back any more, and its history stays as it was. One that runs
    out by itself gives way to one that does not, or that runs out later; otherwise the first cause stays.
    """
    standing = Suppression.objects.filter(channel=channel, address_hash=hashed, lifted_at=None)
    shorter = standing.filter(expires_at__isnull=False)
    if expires_at is not None:
        shorter = shorter.filter(expires_at__lt=expires_at)
    with transaction.atomic():
        standing.filter(expires_at__lte=Now()).update(lifted_at=F("expires_at"), lifted_reason=RAN_OUT)
        shorter.update(lifted_at=Now(), lifted_reason=REPLACED)
        return Suppression.objects.get_or_create(
            channel=channel,
            address_hash=hashed,
            lifted_at=None,
            defaults={"hint": hint, "cause": cause, "source": source[:80], "expires_at": expires_at},
        )[0]


def lift(channel: str, hashed: str, reason: str) -> int:
    """Lift the suppression of an address hash and return how many there were."""
    return _lift(channel, hashed, reason, list(SuppressionCause))


def lift_as_asked(channel: str, hashed: str, reason: str) -> int:
    """Lift what the recipient may lift themselves (START): anything but what a person suppressed by hand."""
    causes = [cause for cause in SuppressionCause if cause != SuppressionCause.MANUAL]
    return _lift(channel, hashed, reason, causes)


def _lift(channel: str, hashed: str, reason: str, causes: Sequence[SuppressionCause]) -> int:
    standing = Suppression.objects.filter(channel=channel, address_hash=hashed, lifted_at=None, cause__in=causes)
    return standing.update(lifted_at=Now(), lifted_reason=reason[:200])
