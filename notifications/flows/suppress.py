"""Suppress: addresses that must not be written to, kept as a hash; lifted with a reason."""

from __future__ import annotations

from datetime import datetime

from django.db.models.functions import Now

from ..channels import SPECS
from ..cipher import address_hash
from ..enums import Channel, SuppressionCause
from ..models import Suppression


def suppress(
    channel: str, address: str, cause: SuppressionCause, source: str, *, expires_at: datetime | None = None
) -> None:
    """Suppress an address on a channel; the first cause stays if it already is.

    One that runs out by itself gives way to one that does not, or that runs out later.
    """
    hashed = address_hash(channel, address)
    shorter = Suppression.objects.filter(channel=channel, address_hash=hashed, lifted_at=None, expires_at__isnull=False)
    if expires_at is not None:
        shorter = shorter.filter(expires_at__lt=expires_at)
    shorter.update(lifted_at=Now(), lifted_reason="a later one took its place")
    Suppression.objects.get_or_create(
        channel=channel,
        address_hash=hashed,
        lifted_at=None,
        defaults={
            "hint": SPECS[Channel(channel)].mask(address)[:80],
            "cause": cause,
            "source": source[:80],
            "expires_at": expires_at,
        },
    )


def lift(channel: str, hashed: str, reason: str) -> int:
    """Lift the suppression of an address hash and return how many there were."""
    return Suppression.objects.filter(channel=channel, address_hash=hashed, lifted_at=None).update(
        lifted_at=Now(), lifted_reason=reason[:200]
    )
