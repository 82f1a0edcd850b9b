"""Reconcile: match stored receipts with deliveries, and act on all that they say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from ..enums import REACHED_STATES, Channel, ReceiptKind, State
from ..models import Category, Delivery, DeliveryEvent, Notification, Receipt
from ..models.delivery_queries import standing_of
from ..rules.fallback import has_failed, patience
from ..rules.receipts import Report, attempt_of, merge, must_wait
from ..rules.standing import Change, Standing
from ..wakeups import RECONCILE_JOB, forget, other_work_waits, wake
from .degraded import count_delivered
from .fallback import fall_back
from .gathering import Gathering
from .record import record
from .reported import act_on_receipts
from .stopping import stopping
from .undelivered import RETRIED, Retries

BATCH = 500
_TURNS = 6
AGAIN = timedelta(seconds=1)
GIVE_UP = timedelta(minutes=15)


def reconcile_all(channel: Channel, worker: str, served: Collection[Channel]) -> int:
    """Reconcile whatever is due, wait a moment for more while it comes one by one, and return how many were taken.

    As soon as a served channel has other work, such as a message to send, this makes way and asks for a worker again.
    """
    forget(channel, RECONCILE_JOB)
    done = 0
    gathering = Gathering(channel, worker, RECONCILE_JOB)
    while True:
        taken = reconcile()
        done += taken
        if stopping.is_set() or (taken and any(other_work_waits(other, RECONCILE_JOB) for other in served)):
            gathering.end()
            wake(channel, RECONCILE_JOB)
            return done
        if not taken:
            if not gathering.end():
                return done
        elif taken < BATCH and not _gathered(gathering, served):
            return done


def _gathered(gathering: Gathering, served: Collection[Channel]) -> bool:
    """Give more some time to come, unless anything else is to be done; return False if another worker does so already.

    A report is in no hurry, and a batch of it costs a web process on the same machine its turn, however few it holds.
    """
    for _ in range(_TURNS):
        if not gathering.wait():
            return False
        if stopping.is_set() or any(other_work_waits(other, RECONCILE_JOB) for other in served):
            break
    return True


def reconcile() -> int:
    """Reconcile one batch of due receipts and return how many were taken; 0 when nothing is due.

    A receipt that came before our own record of its attempt waits a second and is matched then.
    """
    failed: set[UUID] = set()
    with transaction.atomic():
        receipts = list(
            Receipt.objects.filter(due_at__lte=Now())
            .order_by("due_at", "pk")
            .select_for_update(skip_locked=True)
            .defer("raw")[:BATCH]
        )
        if not receipts:
            return 0
        now = Delivery.objects.database_now()
        _find_unnamed(receipts)
        by_delivery: dict[UUID, list[Receipt]] = defaultdict(list)
        for receipt in receipts:
            if receipt.delivery_id is not None:
                by_delivery[receipt.delivery_id].append(receipt)
        rows = Delivery.objects.lock_ids(sorted(by_delivery))
        # Before any verdict: one that has a verdict was acted on at an earlier look.
        act_on_receipts(receipts, {row.pk: row.sent_at for row in rows if row.sent_at is not None}, now)
        for receipt in receipts:
            if receipt.delivery_id is None:
                _close_unknown(receipt, now)
        _drop_foreign(rows, by_delivery)
        retries = Retries(rows, by_delivery)
        merged = [_merge_all(row, by_delivery.pop(row.pk), now, retries) for row in rows]
        changes = [change for change in merged if change is not None]
        for unknown in by_delivery.values():
            for receipt in unknown:
                _close_unknown(receipt, now)
        changes = _with_fallback(rows, changes, now)
        record(changes)
        Receipt.objects.judge(receipts)
        failed = {change.delivery_id for change in changes if change.after.fallback_at == now}
    count_delivered(changes)
    for delivery_id in sorted(failed):
        fall_back(delivery_id)
    return len(receipts)


def _find_unnamed(receipts: Sequence[Receipt]) -> None:
    """Find the delivery of receipts that name only the provider's message id."""
    ids = {item.provider_message_id for item in receipts if item.delivery_id is None and item.provider_message_id}
    if not ids:
        return
    rows = Delivery.objects.filter(provider_message_id__in=ids)
    found = {
        (row["provider"], row["provider_message_id"]): row
        for row in rows.values("pk", "attempt", "provider", "provider_message_id")
    }
    for receipt in receipts:
        row = found.get((receipt.provider, receipt.provider_message_id))
        if receipt.delivery_id is None and row is not None:
            receipt.delivery_id, receipt.attempt = row["pk"], row["attempt"]


def _drop_foreign(rows: Sequence[Delivery], by_delivery: dict[UUID, list[Receipt]]) -> None:
    """Put receipts aside that cannot be about their delivery: of an account that never had it, or of no attempt of it.

    Whoever holds one provider's secret must not be able to settle what another provider carries.
    """
    others = [row.pk for row in rows if any(item.provider != row.provider for item in by_delivery[row.pk])]
    earlier = set(DeliveryEvent.objects.filter(delivery__in=others).values_list("delivery_id", "provider"))
    for row in rows:
        last = row.attempt + (1 if row.state == State.SENDING else 0)
        kept = []
        for receipt in by_delivery[row.pk]:
            theirs = receipt.provider == row.provider or (row.pk, receipt.provider) in earlier
            if theirs and 1 <= attempt_of(receipt.attempt, receipt.generation, last, row.generation) <= last:
                kept.append(receipt)
            else:
                receipt.due_at, receipt.verdict = None, "not theirs"
        by_delivery[row.pk] = kept


def _merge_all(row: Delivery, receipts: Sequence[Receipt], now: datetime, retries: Retries) -> Change | None:
    before = after = standing_of(row)
    for receipt in sorted(receipts, key=lambda item: (item.attempt or 0, item.pk)):
        report = Report(
            kind=ReceiptKind(receipt.kind),
            attempt=attempt_of(receipt.attempt, receipt.generation, row.attempt, row.generation),
            at=receipt.occurred_at or receipt.received_at,
            provider_message_id=receipt.provider_message_id,
            code=receipt.code,
            detail=receipt.detail,
        )
        if must_wait(after, report) and receipt.received_at > now - GIVE_UP:
            receipt.due_at, receipt.verdict = now + AGAIN, "early"
            continue
        merged = merge(after, report)
        receipt.due_at, receipt.verdict = None, "applied" if merged != after else "nothing new"
        if merged != after and (again := retries.follow(row, receipt, merged, now)) != merged:
            merged, receipt.verdict = again, RETRIED
        after = merged
    return Change(row.pk, before, after, keep=True, note="receipt") if after != before else None


def _with_fallback(rows: Sequence[Delivery], changes: Sequence[Change], now: datetime) -> list[Change]:
    """Ask for the next channel where a receipt says that this one failed; stop asking where it arrived."""
    notifications = Notification.objects.in_bulk({row.notification_id for row in rows})
    slugs = {item.category for item in notifications.values()}
    categories = {item.slug: item for item in Category.objects.filter(slug__in=slugs) if item.fallback}
    row_of = {row.pk: row for row in rows}
    result = []
    for change in changes:
        row, after = row_of[change.delivery_id], change.after
        category = categories.get(getattr(notifications.get(row.notification_id), "category", ""))
        if category is not None:
            after = _timer(after, now, category, row.expires_at)
        result.append(change._replace(after=after))
    given_up = _given_up([row_of[change.delivery_id] for change in result if change.after.fallback_at is not None])
    return [
        change._replace(after=change.after._replace(fallback_at=None)) if change.delivery_id in given_up else change
        for change in result
    ]


def _given_up(rows: Sequence[Delivery]) -> frozenset[UUID]:
    """Return which of these rows were replaced by a later step: whether that falls back is no concern of theirs."""
    beside = Delivery.objects.siblings(rows)
    return frozenset(
        row.pk for row in rows if any(step > row.step for step, _ in beside[row.notification_id, row.recipient])
    )


def _timer(after: Standing, now: datetime, category: Category, expires_at: datetime | None) -> Standing:
    """Set when the next channel is looked at. What is sent again waits no longer than the category's patience:

    whichever comes first, the retry or the next channel, the other does not, so that nobody gets both.
    """
    if has_failed(after.state, after.reason):
        return after._replace(fallback_at=now)
    if after.state == State.PENDING and after.fallback_at is None:
        left = expires_at - now if expires_at else None
        return after._replace(fallback_at=now + patience(category.patience, left))
    return after._replace(fallback_at=None) if after.state in REACHED_STATES else after


def _close_unknown(receipt: Receipt, now: datetime) -> None:
    """A receipt that names nothing of ours (yet) waits a while, since it may be faster than our record."""
    waits = receipt.received_at > now - GIVE_UP and (receipt.provider_message_id or receipt.delivery_id)
    receipt.due_at = now + timedelta(seconds=30) if waits and not receipt.suppress else None
    receipt.verdict = "unknown"
