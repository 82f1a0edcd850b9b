"""Access: what people do about API keys and receipts in the console, each with a line in the audit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from ..enums import Channel
from ..models import ApiKey, Delivery, Receipt
from ..wakeups import RECONCILE_JOB, wake_on_commit
from . import gate
from .keys import create_key
from .operate import By, Outdated, audit

LONGEST_OVERLAP = timedelta(days=30)
_ITS_OWN = {"id", "prefix", "digest", "created_at", "expires_at", "revoked_at", "last_used_at"}


def end_of(key: ApiKey) -> str:
    """Return when a key ends as a form keeps it; empty if it does not."""
    return key.expires_at.isoformat() if key.expires_at else ""


def rotate(key_id: int, end_seen: str, overlap: timedelta, by: By) -> tuple[ApiKey, str]:
    """Make a key in place of another, which goes on for the overlap; return it with its plain text.

    The new one has the old one's name, owner, scopes and length of life. `end_seen` is the end that whoever asks has
    seen (`end_of`): a second press finds another one, and makes no second key.

    Raises:
        Outdated: the key was rotated, revoked or ended since.
        ValueError: the overlap is negative or too long.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise ValueError(f"an overlap lasts at most {LONGEST_OVERLAP.days} days")
    with transaction.atomic():
        old = ApiKey.objects.select_for_update().get(pk=key_id)
        now = Delivery.objects.database_now()
        ended = old.revoked_at is not None or (old.expires_at is not None and old.expires_at <= now)
        if ended or end_of(old) != end_seen:
            raise Outdated
        life = old.expires_at - old.created_at if old.expires_at else None
        made, plain = create_key(old.name, old.scopes, expires_at=now + life if life else None)
        # Whatever else an older key is for, the new one is for too.
        names = [field.attname for field in ApiKey._meta.concrete_fields if field.attname not in _ITS_OWN]
        ApiKey.objects.filter(pk=made.pk).update(**{name: getattr(old, name) for name in names})
        old.expires_at = min(old.expires_at or now + overlap, now + overlap)
        old.save(update_fields=["expires_at"])
        hours = round(overlap.total_seconds() / 3_600, 1)
        audit(by, "rotate_key", subject=str(old), made=made.prefix, overlap_hours=hours)
        made.refresh_from_db()
    return made, plain


def reprocess(keys: Sequence[Any], by: By) -> int:
    """Let receipts be matched with deliveries again, and return how many were not waiting for that anyway.

    What one led to already is not done twice: a receipt that was applied says nothing new.
    """
    with transaction.atomic():
        again = list(Receipt.objects.filter(pk__in=keys, due_at=None).order_by("pk").select_for_update())
        now = Delivery.objects.database_now()
        for row in again:
            row.due_at = now
        done = Receipt.objects.bulk_update(again, ["due_at"])
        providers = {row.provider for row in again}
        audit(by, "reprocess_receipts", planned=len(keys), done=done, receipts=[str(key) for key in keys])
        wake_on_commit({gate.channel_of(alias) or Channel.PUSH for alias in providers}, RECONCILE_JOB)
    return done


def reprocessable(keys: Sequence[Any]) -> tuple[int, int]:
    """Return how many of these receipts are settled, and how many of those led to something."""
    settled = Receipt.objects.filter(pk__in=keys, due_at=None)
    return settled.count(), settled.filter(~Q(verdict__in=("unknown", "not theirs"))).count()
