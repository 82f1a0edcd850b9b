"""Undelivered: send again what a provider took and then reported as not delivered, where its table says so."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from ..enums import BroadcastStatus, ReceiptKind
from ..models import Broadcast, Delivery, Notification, Receipt, Template
from ..rules.dead_letters import overtaken
from ..rules.standing import Standing
from ..rules.undelivered import Row, tried_again

RETRIED = "retried"
_OVER = (BroadcastStatus.CANCELLED,)


class Retries:
    """The retries that a batch of receipts may lead to; reads nothing unless one of them asks for any."""

    def __init__(self, rows: Sequence[Delivery], by_delivery: Mapping[UUID, Sequence[Receipt]]) -> None:
        asking = [row for row in rows if any(map(asks_for_retry, by_delivery[row.pk]))]
        earlier = Receipt.objects.filter(delivery_id__in=[row.pk for row in asking], verdict=RETRIED)
        used = earlier.values_list("delivery_id", flat=True) if asking else ()
        self._used: Counter[UUID | None] = Counter(used)
        self._over = _over(asking) if asking else frozenset()
        self._overtaken = _overtaken(asking)
        # Jitter must differ between workers, not be unpredictable to an attacker.
        self._draw = random.Random()  # noqa: S311

    def follow(self, row: Delivery, receipt: Receipt, failed: Standing, now: datetime) -> Standing:
        """Return where the delivery waits for another attempt, or `failed` if none may follow."""
        if not asks_for_retry(receipt) or row.notification_id in self._over:
            return failed
        said = Row(
            retries=receipt.retries,
            unreachable=receipt.deactivate_after > 1,
            misconfigured=receipt.misconfigured,
            used=self._used[row.pk],
            overtaken=row.pk in self._overtaken,
        )
        after = tried_again(failed, said, row.expires_at, now, self._draw)
        self._used[row.pk] += after != failed
        return after


def asks_for_retry(receipt: Receipt) -> bool:
    """Whether a receipt is of a kind that another attempt may follow."""
    return receipt.kind == ReceiptKind.UNDELIVERED and bool(receipt.retries or receipt.misconfigured)


def _overtaken(rows: Sequence[Delivery]) -> frozenset[UUID]:
    beside = Delivery.objects.siblings(rows)
    return frozenset(
        row.pk for row in rows if overtaken(row.step, beside[row.notification_id, row.recipient]) is not None
    )


def _over(rows: Sequence[Delivery]) -> frozenset[UUID]:
    """Return the notifications of which nothing more may or can be sent: cancelled, or their secrets are erased."""
    ids = {row.notification_id for row in rows}
    found = list(Notification.objects.filter(pk__in=ids).only("pk", "template", "secrets", "cancelled_at"))
    secret = Template.objects.filter(slug__in={item.template for item in found}).exclude(sensitive=[])
    with_secrets = set(secret.values_list("slug", flat=True))
    over = {item.pk for item in found if item.cancelled_at or (item.template in with_secrets and not item.secrets)}
    stopped = Broadcast.objects.filter(notification_id__in=ids, status__in=_OVER)
    return frozenset(
        over | (ids - {item.pk for item in found}) | set(stopped.values_list("notification_id", flat=True))
    )
