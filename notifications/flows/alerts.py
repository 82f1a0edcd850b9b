"""Alerts: one error on `notifications.alerts` and one row to acknowledge; the same trouble counts up."""

from __future__ import annotations

import logging

from django.db import connection

from ..rules.masking import redacted

logger = logging.getLogger("notifications.alerts")
_UPSERT = """
    INSERT INTO carillon_alert (kind, subject, detail, count, first_at, last_at)
    VALUES (%s, %s, %s, 1, clock_timestamp(), clock_timestamp())
    ON CONFLICT (kind, subject) WHERE acknowledged_at IS NULL
    DO UPDATE SET count = carillon_alert.count + 1, last_at = clock_timestamp(), detail = EXCLUDED.detail
    RETURNING count
"""


def raise_alert(kind: str, subject: str, detail: str) -> None:
    """Tell operators of something they must act on; it is logged once, until the row is acknowledged."""
    with connection.cursor() as cursor:
        cursor.execute(_UPSERT, [kind, subject[:80], detail])
        count = cursor.fetchone()[0]
    if count == 1:
        # A provider's words may quote an address; the row keeps them as they are, for those who may see them.
        logger.error("%s: %s: %s", kind, subject, redacted(detail))
