"""The last page of a large audience reads no more rows than the first, though its people are found by joins."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from notifications import broadcast, conf
from notifications.flows.broadcast import plan_page
from notifications.models import Broadcast
from project.shop.notifications import followers

pytestmark = pytest.mark.django_db
_HOST = re.compile(r"auth_user$|shop_(profile|follow)$")
PEOPLE, PAGE = 20_000, 100
_PEOPLE_SQL = """
    INSERT INTO auth_user (username, first_name, last_name, email, password, is_superuser, is_staff, is_active,
                           date_joined)
        SELECT 'crowd-' || n, 'Ada', '', 'crowd-' || n || '@example.org', '!', false, false, true, now()
        FROM generate_series(1, %s) AS n;
    INSERT INTO shop_profile (user_id, phone, locale, time_zone) SELECT id, '', 'en', 'UTC' FROM auth_user;
    INSERT INTO shop_follow (user_id, author_id)
        SELECT id, author FROM auth_user CROSS JOIN unnest(ARRAY[7, 8]) AS author ORDER BY id;
    ANALYZE auth_user, shop_profile, shop_follow;
"""


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> Broadcast:
    """A broadcast to many people, whom PostgreSQL knows to be many."""
    monkeypatch.setattr(conf, "PAGE_SIZE", PAGE)
    with connection.cursor() as cursor:
        cursor.execute(_PEOPLE_SQL, [PEOPLE])
    made: Broadcast = broadcast("new-post", followers(author_id=7), {"title": "Bells"})
    return made


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a plan and all below it."""
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


def read_of_host(work: Callable[[], object]) -> int:
    """Return how many rows of the host's tables some work reads, by PostgreSQL's own account; then it is undone."""
    with transaction.atomic(), CaptureQueriesContext(connection) as caught:
        work()
        transaction.set_rollback(True)
    read = 0
    with transaction.atomic(), connection.cursor() as cursor:
        # What leaves the planner fewer ways does so for the statements after it.
        for sql in (item["sql"] for item in caught.captured_queries if re.search("auth_user|set_config", item["sql"])):
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
            answer = cursor.fetchone()[0]
            plan = (json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]
            read += sum(
                int((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])
                for node in nodes(plan)
                if _HOST.search(node.get("Relation Name", ""))
            )
        transaction.set_rollback(True)
    return read


def test_a_page_near_the_end_reads_no_more_than_the_first(large: Broadcast) -> None:
    """A join that reads both sides in order begins each anew: the page at 582,000 took 0.3 s, the first 1 ms."""
    first = read_of_host(lambda: plan_page(large.pk))
    assert first >= 3 * PAGE
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM auth_user ORDER BY id DESC OFFSET %s LIMIT 1", [2 * PAGE])
        Broadcast.objects.filter(pk=large.pk).update(cursor=str(cursor.fetchone()[0]))
    assert read_of_host(lambda: plan_page(large.pk)) <= 1.5 * first
