"""Operate: what people do by hand in the console, each with a line in the audit that says who and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from .. import conf
from ..enums import Channel, Source, SuppressionCause
from ..models import Alert, ApiKey, AuditEntry, Device, ProviderHold, Suppression, Template, TemplateVersion
from . import gate
from .declare import Words, publish, save_draft, words_of
from .devices import prune, restorable, restore
from .keys import revoke_key
from .prune import Pruned, undo, would_restore
from .release import release
from .suppress import lift, suppress
from .words import as_in_files


class Outdated(Exception):
    """Somebody else was faster; look at what is there now, then try again."""


@dataclass(frozen=True)
class By:
    """Who does it and why."""

    actor: str
    reason: str


def audit(
    by: By, action: str, *, subject: str = "", planned: int | None = None, done: int | None = None, **detail: object
) -> None:
    """Add a line to the audit."""
    AuditEntry.objects.create(
        actor=by.actor[:150],
        action=action,
        reason=by.reason[:300],
        subject=subject[:200],
        planned=planned,
        done=done,
        detail=detail,
    )


def active_among(keys: Iterable[Any]) -> int:
    """Return how many of these devices are written to."""
    return Device.objects.filter(pk__in=list(keys), is_active=True).count()


def restorable_among(keys: Iterable[Any]) -> int:
    """Return how many of these devices could come back: switched off, and their token is nobody's by now."""
    return len(restorable(keys))


def prune_devices(keys: Sequence[Any], by: By) -> int:
    """Switch devices off and return how many were active."""
    with transaction.atomic():
        done = prune(keys)
        audit(by, "prune_devices", planned=len(keys), done=done, devices=[str(key) for key in keys])
    return done


def restore_devices(keys: Sequence[Any], by: By) -> int:
    """Undo a pruning where nobody has registered the token since; return how many came back."""
    with transaction.atomic():
        done = restore(keys)
        audit(by, "restore_devices", planned=len(keys), done=done, devices=[str(key) for key in keys])
    return done


def undo_pruning(pruned: Pruned, by: By) -> int:
    """Bring back all that was pruned for a reason, in a time, by a provider; return how many came back."""
    planned, _ = would_restore(pruned)
    done = undo(pruned)
    if not planned and not done:  # a second press, or somebody else was faster
        return 0
    audit(
        by,
        "undo_pruning",
        subject=f"{pruned.reason} {pruned.provider}".strip(),
        planned=planned,
        done=done,
        since=pruned.since.isoformat(),
        until=pruned.until.isoformat() if pruned.until else "",
    )
    return done


def suppress_by_hand(channel: Channel, address: str, by: By, *, expires_at: datetime | None = None) -> Suppression:
    """Suppress a normalised address; it is kept as a hash and a masked hint."""
    with transaction.atomic():
        row = suppress(channel, address, SuppressionCause.MANUAL, by.actor, expires_at=expires_at)
        audit(by, "suppress", subject=f"{channel} {row.hint}", done=1)
    return row


def lift_by_hand(rows: Iterable[Suppression], by: By) -> int:
    """Lift suppressions and return how many were in force."""
    done = 0
    for row in rows:
        with transaction.atomic():
            lifted = lift(row.channel, row.address_hash, by.reason) if row.lifted_at is None else 0
            if lifted:
                audit(by, "lift_suppression", subject=f"{row.channel} {row.hint}", done=lifted, cause=row.cause)
        done += lifted
    return done


def hold_provider(alias: str, lasting: timedelta, by: By, platform: str = "") -> None:
    """Hold a provider, or what one platform gets through it, for a while."""
    with transaction.atomic():
        gate.hold(alias, by.reason, by=by.actor, lasting=lasting, platform=platform)
        minutes = int(lasting.total_seconds() // 60)
        audit(by, "hold_provider", subject=f"{alias} {platform}".strip(), minutes=minutes)


def release_providers(keys: Sequence[Any], by: By) -> int:
    """End holds and return how many there were."""
    held = list(ProviderHold.objects.filter(pk__in=keys))
    return sum(_release(f"{row.alias} {row.platform}".strip(), by, was=row.reason) for row in held)


def release_alias(alias: str, by: By) -> bool:
    """End all that keeps a provider from being used: its hold, and a pause that it asked for; return if there was."""
    return _release(alias, by)


def providers_in(keys: Sequence[Any]) -> list[str]:
    """Return the providers that these alerts are about, each as "alias" or "alias platform platform"."""
    subjects = Alert.objects.filter(pk__in=keys).order_by("subject").values_list("subject", flat=True).distinct()
    return [subject for subject in subjects if subject.partition(" ")[0] in conf.get().providers]


def release_in(keys: Sequence[Any], by: By) -> int:
    """End holds and pauses of the providers that these alerts are about and return how many those are."""
    return sum(_release(subject, by) for subject in providers_in(keys))


def _release(subject: str, by: By, *, was: str = "") -> bool:
    """Release "alias" or "alias platform platform"; `was` is the reason of a hold that ends.

    Return whether anything was held or waited; a second press finds nothing, and is no line in the audit.
    """
    alias, *platforms = subject.split()
    found = [due_again for platform in platforms or [""] if (due_again := release(alias, platform)) is not None]
    if found:
        audit(by, "release_provider", subject=subject, was=was, due_again=sum(found))
    return bool(found)


def revoke_keys(keys: Sequence[Any], by: By) -> int:
    """Revoke API keys and return how many were valid; requests with them are refused from now on."""
    done = 0
    for row in ApiKey.objects.filter(pk__in=keys, revoked_at=None):
        with transaction.atomic():
            if revoke_key(row):
                audit(by, "revoke_key", subject=str(row))
                done += 1
    return done


def acknowledge(keys: Sequence[Any], user_id: object, by: By) -> int:
    """Acknowledge alerts, so that the same trouble is told anew if it comes back; return how many were open."""
    with transaction.atomic():
        rows = Alert.objects.filter(pk__in=keys, acknowledged_at=None)
        done = rows.update(acknowledged_at=Now(), acknowledged_by_id=user_id)
        if done:
            audit(by, "acknowledge", planned=len(keys), done=done, alerts=[str(key) for key in keys])
    return done


def publish_words(template: Template, words: Words, base: object, author_id: object, by: By) -> TemplateVersion | None:
    """Publish a version written in the console on top of version `base`; None if these are the current words already.

    Raises:
        Outdated: somebody else has published since `base`.
    """
    with transaction.atomic():
        locked = Template.objects.select_for_update(of=("self",)).select_related("current").get(pk=template.pk)
        if locked.current_id != base:
            raise Outdated
        written = as_in_files(words)
        if locked.current is not None and as_in_files(words_of(locked.current)) == written:
            return None
        version = publish(locked, written, Source.CONSOLE, author_id=author_id)
        if version is not None:
            audit(by, "publish", subject=f"{template.slug} v{version.number}")
    return version


def draft_words(template: Template, words: Words, author_id: object, by: By) -> TemplateVersion:
    """Keep words for later, as a version that is not published."""
    with transaction.atomic():
        locked = Template.objects.select_for_update(of=("self",)).get(pk=template.pk)
        version = save_draft(locked, as_in_files(words), author_id=author_id)
        audit(by, "draft", subject=f"{template.slug} v{version.number}")
    return version


def roll_back(version: TemplateVersion, base: object, author_id: object, by: By) -> TemplateVersion | None:
    """Publish the words of an earlier version anew, on top of version `base`; None if they are in use already.

    Raises:
        Outdated: somebody else has published since `base`.
    """
    with transaction.atomic():
        made = publish_words(version.template, words_of(version), base, author_id, by)
        if made is not None:
            audit(by, "roll_back", subject=f"{version.template.slug} v{made.number}", to=version.number)
    return made
