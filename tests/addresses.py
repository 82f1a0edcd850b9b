"""What the tests of all addresses share: which there are, from the URL conf itself, and what the database holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import connection, transaction
from django.urls import URLPattern, URLResolver

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
SAFE = METHODS[:3]
_TABLES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1
"""
_ROWS = "SELECT '{0}', md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM \"{0}\" t"


def addresses(patterns: Sequence[URLPattern | URLResolver], before: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Yield every address below these patterns as its route, with its pattern."""
    for item in patterns:
        route = f"{before}{item.pattern}"
        if isinstance(item, URLPattern):
            yield route, item
        else:
            yield from addresses(item.url_patterns, route)


def contents() -> dict[str, str]:
    """Return a digest of each table's rows."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        cursor.execute(" UNION ALL ".join(_ROWS.format(name) for (name,) in cursor.fetchall()))
        return dict(cursor.fetchall())


@contextmanager
def nothing_changes(*but: str) -> Iterator[None]:
    """Fail if what is done inside changes any table, but for those that are named."""
    before = contents()
    yield
    changed = {name for name, rows in contents().items() if rows != before[name]}
    assert changed <= set(but), f"{changed} changed"


@contextmanager
def undone() -> Iterator[None]:
    """Undo what is done inside."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
