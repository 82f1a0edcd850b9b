"""On a log of 200,000 deliveries no screen takes more than 12 statements, counts a table, or reads a large one."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from notifications.admin import PAGES
from notifications.flows.seed import Load, seed
from notifications.models import Broadcast, Delivery, Device, census_queries
from tests.query_plans import explained, rows_read

pytestmark = [pytest.mark.django_db, pytest.mark.long]

MOST_STATEMENTS = 12
DELIVERIES, USERS, WEEKS = 200_000, 20_000, 8
#: A screen counts no further than 10,000, and says "10,000+" there. A list that few rows of the newest week fit may go
#: through all of that week, which is small here; on a large one its deadline ends it.
MOST_ROWS, MOST_PARTITIONS = 2 * DELIVERIES // WEEKS, 1
#: Lists of what went wrong have an index of their own, so that they skip what went well in between.
WENT_WRONG, MOST_WRONG_ROWS = ("family=failed", "state__exact=dead", "state__exact=failed"), 5_000
ALL_WELL_OF_LATE_SQL = """
    UPDATE carillon_delivery SET state = 'delivered'
    WHERE state = 'failed' AND id > (SELECT id FROM carillon_delivery ORDER BY id DESC OFFSET 15000 LIMIT 1)
"""
#: The host's, which has the indexes that the host gave it.
NOT_OURS = {"auth_user", "shop_profile"}


def read_by(sql: str) -> tuple[int, set[str]]:
    """Return how many rows a statement read from tables, and which tables it read from end to end."""
    scans = [node for node in explained(sql, analyze=True) if "Relation Name" in node and node["Actual Loops"]]
    whole = {str(node["Relation Name"]) for node in scans if node["Node Type"] == "Seq Scan"}
    return rows_read(scans), whole


def paths() -> Iterator[str]:
    """Yield every screen as people use it: plain, filtered, searched."""
    for model in PAGES:
        yield reverse(f"admin:carillon_{model._meta.model_name}_changelist")
    row = Delivery.objects.filter(channel="email", state="delivered").latest("pk")
    device = Device.objects.latest("pk")
    delivery, receipt, person, dead = (
        reverse(f"admin:carillon_{name}_changelist") for name in ("delivery", "receipt", "person", "deadletter")
    )
    for query in (
        "family=failed", "family=waiting", "state__exact=dead", "state__exact=failed", "state__exact=uncertain",
        "channel__exact=sms", "provider=email", "possible_duplicate__exact=1", "window=1h", "window=all-time",
        "window=all-time&state__exact=dead", "window=all-time&state__exact=failed", f"q={row.pk}",
        f"q={row.notification_id}", f"q={row.recipient}", f"older={row.pk}", f"newer={row.pk}",
    ):  # fmt: skip
        yield f"{delivery}?{query}"
    for term in (row.recipient, row.address, str(row.pk), row.provider_message_id, device.address, device.address[-6:]):
        yield f"{person}?q={term}"
    for query in (
        "channel=email", "why=retries_exhausted", "code_begins=5", "provider=email",
        f"template={row.notification.template}", "template=seed-load-none",
        f"channel=email&why=retries_exhausted&provider=email&template={row.notification.template}",
    ):  # fmt: skip
        yield f"{dead}?{query}"
    yield f"{receipt}?kind__exact=bounced"
    yield reverse("admin:carillon_overview_changelist") + "?window=1440"
    yield reverse("admin:carillon_queue_clear") + "?channel=email"
    yield reverse("admin:carillon_device_undo") + "?reason=stale&since=2020-01-01+00:00"
    yield reverse("admin:carillon_device_prune") + "?days=90"
    yield reverse("admin:carillon_delivery_change", args=[row.pk])
    yield reverse("admin:carillon_notification_change", args=[row.notification_id])
    yield reverse("admin:carillon_device_change", args=[device.pk])
    yield reverse("admin:carillon_broadcast_change", args=[Broadcast.objects.latest("pk").pk])


def test_every_screen_reads_little_of_a_large_log(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(census_queries, "MOST_PAGES", 20)  # here 20,000 devices are many
    assert max(seed(Load(DELIVERIES, USERS, WEEKS, 1))) == DELIVERIES
    with connection.cursor() as cursor:
        cursor.execute(ALL_WELL_OF_LATE_SQL)
        cursor.execute("ANALYZE")
        cursor.execute(
            "SELECT relname FROM pg_class WHERE reltuples > 10000 AND relkind IN ('r', 'p')"
            " AND relnamespace = 'public'::regnamespace"
        )
        large = {name for (name,) in cursor.fetchall()}
    assert len(large) > WEEKS
    wrong = []
    for path in paths():
        with CaptureQueriesContext(connection) as caught:
            answer = browser.get(path)
        assert answer.status_code == 200, path
        asked = [item["sql"].strip() for item in caught.captured_queries]
        most = MOST_WRONG_ROWS if path.endswith(WENT_WRONG) else MOST_ROWS
        if len(asked) > MOST_STATEMENTS:
            wrong.append(f"{path}: {len(asked)} statements")
        for sql in asked:
            if re.match(r"SELECT COUNT\(\*\)[^(]*$", sql, re.IGNORECASE) and " WHERE " not in sql:
                wrong.append(f"{path}: counts a table: {sql[:200]}")
            if re.match("(SELECT|WITH)", sql) and "carillon_" in sql:
                rows, whole = read_by(sql)
                if rows > most + USERS * bool(whole & NOT_OURS) or len(whole & large - NOT_OURS) > MOST_PARTITIONS:
                    wrong.append(f"{path}: {rows} rows, whole {whole & large or ''}: {sql[:300]}")
    assert not wrong, "\n".join(wrong)
