"""The SQL that stores receipts, and what they are asked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from django.db import connections, models
from django.db.models import Q

from ..enums import ReceiptKind

if TYPE_CHECKING:
    from .log import Receipt

_KINDS = {
    "event_key": "text",
    "kind": "text",
    "delivery_id": "uuid",
    "attempt": "smallint",
    "generation": "smallint",
    "provider_message_id": "text",
    "address": "text",
    "address_hash": "text",
    "code": "text",
    "detail": "text",
    "suppress": "text",
    "deactivate": "boolean",
    "deactivate_after": "smallint",
    "retries": "smallint",
    "misconfigured": "boolean",
    "filtered": "boolean",
    "occurred_at": "timestamptz",
}
_NAMES = ", ".join(_KINDS)
# All of a callback's receipts have one time, by which they are found together. In autocommit it is one round trip.
_STORE = f"""
    INSERT INTO carillon_receipt (provider, raw, received_at, due_at, verdict, {_NAMES})
    SELECT %(provider)s, %(raw)s, statement_timestamp(), statement_timestamp(), '', {_NAMES}
    FROM json_to_recordset(%(rows)s::json) AS r({", ".join(f"{name} {kind}" for name, kind in _KINDS.items())})
    ON CONFLICT (provider, event_key) DO NOTHING
"""  # noqa: S608

_JUDGE = """
    UPDATE carillon_receipt AS r
    SET due_at = j.due_at, verdict = j.verdict, delivery_id = j.delivery_id, attempt = j.attempt
    FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[], %s::uuid[], %s::smallint[])
        AS j (id, due_at, verdict, delivery_id, attempt)
    WHERE r.id = j.id
"""


class Reported(NamedTuple):
    """A receipt as it came in, by its columns."""

    event_key: str
    kind: str
    delivery_id: UUID | None
    attempt: int | None
    generation: int | None
    provider_message_id: str
    address: str
    address_hash: str
    code: str
    detail: str
    suppress: str
    deactivate: bool
    deactivate_after: int
    retries: int
    misconfigured: bool
    filtered: bool
    occurred_at: datetime | None


class ReceiptQuerySet(models.QuerySet["Receipt"]):
    """Receipts, by what they are asked."""

    #: Only so many of the newest are read: enough for a share, however many there are.
    NEWEST = 10_000

    def store(self, provider: str, rows: Sequence[Reported], raw: str) -> int:
        """Insert what is not there yet, due at once, in one statement; return how many were new."""
        given = json.dumps([row._asdict() for row in rows], default=str)
        with connections[self.db].cursor() as cursor:
            cursor.execute(_STORE, {"provider": provider, "raw": raw, "rows": given})
            return int(cursor.rowcount)

    def judge(self, receipts: Sequence[Receipt]) -> None:
        """Write what was found out about receipts that are there: when to look again, verdict, delivery and attempt.

        One plain statement: `bulk_update` took more time to put its own together than all else of reconciling.
        """
        found = [(one.pk, one.due_at, one.verdict, one.delivery_id, one.attempt) for one in receipts]
        if found:
            with connections[self.db].cursor() as cursor:
                cursor.execute(_JUDGE, [list(column) for column in zip(*found, strict=True)])

    def filtered_of_late(self, within: timedelta) -> list[tuple[str, int, int]]:
        """Return (provider, stopped by a content filter, all that ended) of the latest receipts."""
        oldest = self.order_by("-pk").values_list("pk", flat=True)[self.NEWEST : self.NEWEST + 1].first() or 0
        ended = self.filter(
            pk__gt=oldest,
            received_at__gt=models.functions.Now() - within,
            kind__in=[ReceiptKind.DELIVERED, ReceiptKind.UNDELIVERED],
        )
        counted = ended.values("provider").annotate(
            filtered_out=models.Count("pk", filter=Q(filtered=True)), ended=models.Count("pk")
        )
        return list(counted.order_by("provider").values_list("provider", "filtered_out", "ended"))
