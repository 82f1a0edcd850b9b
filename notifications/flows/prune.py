"""Prune: switch off what a provider calls dead, unless so much of it goes that something else must be wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from ..cipher import address_hash
from ..enums import Channel, DeactivatedReason, SuppressionCause
from ..exceptions import InvalidRecipient
from ..messages import SendResult
from ..models import Device, PruningTally
from ..models.operations import PRUNING_BRAKED
from ..rules.pruning import Share, brakes
from .alerts import raise_alert
from .devices import Gone, deactivate, restorable, restore
from .suppress import suppress

_BATCH = 1_000
MOST_AT_ONCE = 50_000
_BRAKED = (
    "{gone} of the last hour's {results} answers call for pruning: no device is deactivated and no address suppressed"
    " for it any more. Look for a wrong key, project or app first. Acknowledging this lets pruning go on for an hour,"
    " whatever the share; what was pruned before can be brought back on the page of devices."
)
_QUARANTINED = (
    "{count} devices were quarantined within a day: they belong to another sender or environment than this account's."
    " They are kept; once the account is mended, bring them back on the page of devices."
)
_UNTOLD_SECONDS = 600.0
# Answers that no tally has been told of yet, by provider, and since when: those of claims without a dead token.
_untold: dict[str, tuple[float, int]] = {}


@dataclass
class Answers:
    """What was answered under one claim: the brake judges by all of it, however it is recorded."""

    alias: str
    asked_at: datetime
    results: int = 0
    gone: int = 0
    _told: tuple[int, int] = field(default=(0, 0), init=False, repr=False)

    def count(self, result: SendResult) -> None:
        """Count one answer."""
        self.results += 1
        self.gone += calls_for_pruning(result)

    def news(self) -> tuple[int, int]:
        """Return the answers, and those that call for pruning, that the tally was not told of."""
        told_results, told_gone = self._told
        _, carried = _carried(self.alias)
        return self.results - told_results + carried, self.gone - told_gone

    def settle_on_commit(self) -> None:
        """Take the news as told once the transaction that tells it commits; what is rolled back is news again."""
        _, carried = _carried(self.alias)
        transaction.on_commit(partial(self._settle, (self.results, self.gone), carried))

    def close(self) -> None:
        """Keep what is untold for the next claim: without a dead token nothing is written."""
        began, _ = _carried(self.alias)
        results, _ = self.news()
        self._settle((self.results, self.gone), 0)
        _untold[self.alias] = (began, results)

    def _settle(self, told: tuple[int, int], carried: int) -> None:
        self._told = told
        began, left = _carried(self.alias)
        _untold[self.alias] = (began, max(0, left - carried))


@dataclass(frozen=True)
class Pruned:
    """Which devices an undo is about: those that were switched off for a reason, in a time, perhaps by one provider."""

    reason: DeactivatedReason
    since: datetime
    until: datetime | None = None
    provider: str = ""

    def devices(self) -> QuerySet[Device]:
        """Return them; they stay what they are until they are brought back."""
        found = Device.objects.filter(
            is_active=False, deactivated_reason=self.reason, deactivated_at__gte=self.since
        ).order_by("pk")
        if self.until is not None:
            found = found.filter(deactivated_at__lte=self.until)
        return found.filter(deactivated_by=self.provider) if self.provider else found


def calls_for_pruning(result: SendResult) -> bool:
    """Whether an answer says that the address is dead or not this sender's; who opted out keeps the device."""
    return isinstance(result.error, InvalidRecipient) and not is_opt_out(result)


def is_opt_out(result: SendResult) -> bool:
    """Whether the recipient themselves asked for no more; a mailbox that is refused has asked for nothing."""
    error = result.error
    return isinstance(error, InvalidRecipient) and error.suppress and result.message.channel != Channel.EMAIL


def prune_gone(
    answers: Answers, found: Mapping[DeactivatedReason, Sequence[Gone]], bounced: Sequence[Gone] = ()
) -> int | None:
    """Deactivate these devices, by reason, and return how many there were; None if the brake is on.

    A dead number or mailbox that is no device is suppressed instead: nothing else would keep messages from it. What
    bounced is suppressed whether or not it is a device: the provider itself would take no more for it.
    """
    if not bounced and not any(found.values()):
        return 0
    hour = PruningTally.objects.add(answers.alias, *answers.news())
    answers.settle_on_commit()
    wrong = brakes(Share(answers.results, answers.gone), Share(hour.results, hour.gone))
    if hour.braked or (wrong and not hour.released):
        raise_alert(PRUNING_BRAKED, answers.alias, _BRAKED.format(gone=hour.gone, results=hour.results))
        return None
    alone = _without_device(found.get(DeactivatedReason.UNREGISTERED, ()))
    done = {reason: deactivate(gone, reason, answers.alias) for reason, gone in found.items()}
    if done.get(DeactivatedReason.QUARANTINED):
        day = Pruned(DeactivatedReason.QUARANTINED, answers.asked_at - timedelta(days=1), provider=answers.alias)
        raise_alert("devices_quarantined", answers.alias, _QUARANTINED.format(count=day.devices().count()))
    for item in (*alone, *bounced):
        suppress(item.channel, item.address, SuppressionCause.HARD_BOUNCE, answers.alias)
    return sum(done.values())


def would_restore(pruned: Pruned) -> tuple[int, int]:
    """Return how many devices an undo is about, and how many of them would come back; changes nothing."""
    pages = [(len(page), len(restorable(page))) for page in _pages(pruned)]
    return sum(found for found, _ in pages), sum(able for _, able in pages)


def undo(pruned: Pruned) -> int:
    """Bring back what was pruned, page by page, where nobody has the token by now; return how many came back."""
    return sum(restore(page) for page in _pages(pruned))


def prune_stale(before: datetime, limit: int) -> int:
    """Deactivate up to `limit` push devices that no app has registered since, and return how many there were.

    One that was brought back since is left alone.
    """
    found = Device.objects.filter(is_active=True, channel="push", last_seen_at__lt=before)
    found = found.exclude(restored_at__gte=before).order_by("last_seen_at")
    keys = list(found.values_list("pk", flat=True)[:limit])
    # Asked again: an app may have registered meanwhile, or somebody brought it back.
    rows = Device.objects.filter(pk__in=keys, is_active=True, last_seen_at__lt=before)
    return rows.exclude(restored_at__gte=before).update(
        is_active=False, deactivated_reason=DeactivatedReason.STALE, deactivated_at=Now(), deactivated_by=""
    )


def _without_device(found: Sequence[Gone]) -> list[Gone]:
    """Return the numbers and mailboxes that are no device's, each once; a push token always is one's.

    What was a device when its message was claimed counts as one: whoever registers it anew is written to again.
    """
    asked = {(item.channel, address_hash(item.channel, item.address)): item for item in found}
    asked = {place: item for place, item in asked.items() if item.channel != Channel.PUSH}
    if not asked:
        return []
    earliest = min(item.asked_at for item in asked.values())
    rows = Device.objects.filter(address_hash__in=[hashed for _, hashed in asked])
    rows = rows.filter(Q(is_active=True) | Q(deactivated_at__gte=earliest))
    known = set(rows.values_list("channel", "address_hash"))
    return [item for place, item in asked.items() if place not in known]


def _carried(alias: str) -> tuple[float, int]:
    """Return since when, and how much, is untold of a provider; older than a tally's ten minutes it says nothing."""
    now = time.monotonic()
    began, count = _untold.get(alias, (now, 0))
    return (began, count) if count and now - began < _UNTOLD_SECONDS else (now, 0)


def _pages(pruned: Pruned) -> Iterator[list[UUID]]:
    """Yield what is there now, page by page; not more than one request may take."""
    after: UUID | None = None
    for _ in range(MOST_AT_ONCE // _BATCH):
        rows = pruned.devices() if after is None else pruned.devices().filter(pk__gt=after)
        page = list(rows.values_list("pk", flat=True)[:_BATCH])
        if not page:
            return
        yield page
        after = page[-1]
