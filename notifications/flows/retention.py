"""Retention: delete what is over and older than its category keeps it, with all that hangs on it, batch by batch.

Each batch is a transaction of its own, so that an interrupted turn leaves the rest to the next one. A notification's
row goes last: while it is there, what is left of it is found again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from .. import conf
from ..declarations.limits import LEAST_RETENTION
from ..enums import OPEN_STATES, State
from ..models import Broadcast, Category, Delivery, DeliveryEvent, Digest, DigestItem, LeftOut, Notification, Receipt
from ..models.log_queries import Outlived
from ..models.weeks import week_of
from ..rules.identity import bounds_of
from .newer_words import sent_with
from .status import progress_of
from .time_box import turns

BATCH = 1_000
#: Deliveries of one turn: some 14 million a day.
MOST_A_TURN = 10_000
# Whatever changed so lately may still be told of: a letter that was replayed, a receipt that corrects another.
SETTLED_AFTER = timedelta(days=1)
_WEEK_HAS_GONE = timedelta(days=2)
_FIRST = UUID(int=0)


def apply_retention() -> int:
    """Delete what outlived its category's retention, up to a turn's worth; return how many deliveries that were.

    Retention counts from the request, or from the time that it asked to be sent at. Open deliveries, dead letters and
    digests that still gather are waited for, and so is whatever else belongs to their notification.
    """
    now = Delivery.objects.database_now()
    kept = kept_for()
    waiting = deque(_batches(slug, _before(age, kept.values(), now), now) for slug, age in kept.items() if age)
    done = 0
    # Categories take turns, so that none waits for a large one to be through.
    for _ in turns():
        if not waiting or done >= MOST_A_TURN:
            break
        batches = waiting.popleft()
        for deleted in islice(batches, 1):
            done += deleted
            waiting.append(batches)
    return done


def kept_for() -> dict[str, timedelta | None]:
    """Return how long each category's messages are kept; None: for ever."""
    ages = Category.objects.order_by("slug").values_list("slug", "retention")
    return {slug: default_age() if age is None else max(age, LEAST_RETENTION) for slug, age in ages}


def default_age() -> timedelta | None:
    """Return how long messages are kept whose category does not say it, or is not there any more; None: for ever."""
    days = conf.get().log_days
    return timedelta(days=days) if days is not None else None


def _before(age: timedelta, ages: Collection[timedelta | None], now: datetime) -> datetime:
    """Return before when a category's messages are deleted in batches.

    Those that are kept longest go with their whole week, at once, which is far cheaper; two days later what is left of
    it is something that keeps the week, and the rest goes in batches after all.
    """
    if None in ages or age < max(item for item in ages if item):
        return now - age
    return week_of(now - age - _WEEK_HAS_GONE).start


def _batches(category: str, since: datetime, now: datetime) -> Iterator[int]:
    """Delete batch after batch of a category, and yield how many deliveries each was."""
    after = _FIRST
    while found := Notification.objects.outlived(category, since, after, BATCH):
        deleted = BATCH
        while deleted == BATCH:
            deleted = _delete_batch(found, category, now)
            yield deleted
        after = found[-1].pk


def _delete_batch(found: Sequence[Outlived], category: str, now: datetime) -> int:
    """Delete one batch of the deliveries of these notifications; after the last, the notifications themselves."""
    ids = [item.pk for item in found]
    with transaction.atomic():
        # Asked again under the lock: meanwhile a receipt may have led to another attempt.
        rows = Delivery.objects.lock_some(_settled(ids, category, now), BATCH)
        if rows:
            freeze(ids)
            _delete_all_of(rows, category, now)
        if len(rows) < BATCH:
            _delete_empty(found)
        return len(rows)


def _settled(ids: Sequence[UUID], category: str, now: datetime) -> Q:
    """Return which of the notifications' deliveries nobody acts on, waits for or is about to report on any more."""
    gathering = DigestItem.objects.filter(
        digest__notification_id=None,
        digest__recipient=OuterRef("recipient"),
        digest__category=category,
        notification_id=OuterRef("notification_id"),
    )
    unread = Receipt.objects.filter(delivery_id=OuterRef("pk"), due_at__isnull=False)
    waits = Q(state__in=(*OPEN_STATES, State.DEAD)) | Q(fallback_at__isnull=False)
    settled = ~waits & Q(updated_at__lt=now - SETTLED_AFTER) & ~Exists(unread)
    return _deliveries_of(ids) & settled & (~Q(state=State.DIGESTED) | ~Exists(gathering))


def _delete_all_of(rows: Sequence[Delivery], category: str, now: datetime) -> None:
    keys = [row.pk for row in rows]
    DeliveryEvent.objects.of(keys, now).delete()
    Receipt.objects.filter(delivery_id__in=keys).delete()
    if gathered := [row for row in rows if row.state == State.DIGESTED]:
        DigestItem.objects.filter(
            digest__recipient__in={row.recipient for row in gathered},
            digest__category=category,
            notification_id__in={row.notification_id for row in gathered},
        ).delete()
    Delivery.objects.filter(pk__in=keys).delete()


def freeze(ids: Sequence[UUID]) -> None:
    """Keep what broadcasts came to before the first of their deliveries goes; whom they named goes with them."""
    made = list(
        Broadcast.objects.filter(notification_id__in=ids, outcome__isnull=True).order_by("pk").select_for_update()
    )
    if not made:
        return
    LeftOut.objects.filter(broadcast__in=made).delete()
    progress = progress_of(made)
    notifications = Notification.objects.in_bulk(ids)
    for item in made:
        kept = progress[item.pk]
        item.outcome = {
            "template": notifications[item.notification_id].template,
            "per_second": kept.per_second,
            "counts": asdict(kept.counts),
            "versions": [asdict(part) for part in sent_with(item, notifications[item.notification_id])],
        }
        item.audience = _without_names(item.audience)
        item.exclude = _without_names(item.exclude) if item.exclude is not None else None
    Broadcast.objects.bulk_update(made, ["outcome", "audience", "exclude"])


def _without_names(audience: dict[str, object]) -> dict[str, object]:
    return {**audience, "users": []} if "users" in audience else audience


def _delete_empty(found: Sequence[Outlived]) -> None:
    """Delete those of the notifications that have no delivery left, and the digests that they are."""
    ids = [item.pk for item in found]
    kept = set(
        Delivery.objects.filter(_deliveries_of(ids)).order_by().values_list("notification_id", flat=True).distinct()
    )
    gone = [item for item in found if item.pk not in kept]
    Notification.objects.filter(pk__in=[item.pk for item in gone]).delete()
    if digests := [item.digest_id for item in gone if item.digest_id is not None]:
        Digest.objects.filter(pk__in=digests).delete()


def _deliveries_of(ids: Sequence[UUID]) -> Q:
    first, beyond = bounds_of(ids)
    return Q(notification_id__in=ids, pk__gte=first, pk__lt=beyond)
