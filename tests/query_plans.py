"""What PostgreSQL says of its plans: which tables statements read, and how many rows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

Node = dict[str, Any]  # as JSON has it: values of many types
# Not of a bitmap's index: it has entries of rows that are no more, which a small log has many of.
_SCANS = ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Tid Scan", "Tid Range Scan")


def explained(sql: str, *, analyze: bool = False) -> list[Node]:
    """Return the nodes of a statement's plan; to `analyze` is to carry it out."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN ({'ANALYZE, ' if analyze else ''}FORMAT JSON) {sql}")
        answer = cursor.fetchone()[0]
    return list(_below((json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]))


def _below(plan: Node) -> Iterator[Node]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _below(child)


def rows_read(nodes: Sequence[Node]) -> int:
    """Return how many rows analyzed nodes read, those included that they left out."""
    return sum(
        round((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])
        for node in nodes
        if node["Node Type"] in _SCANS
    )


def read_by_work(work: Callable[[], object], statements: str, tables: str) -> int:
    """Return how many rows of the tables the statements of some work read; afterwards nothing has happened.

    Both are patterns. Statements that leave the planner fewer ways have to be among them: they count for those after.
    """
    with transaction.atomic(), CaptureQueriesContext(connection) as caught:
        work()
        # Each is carried out once more to be measured, and what was written already has nothing left to be read.
        transaction.set_rollback(True)
    read = 0
    with transaction.atomic():
        for sql in (item["sql"] for item in caught.captured_queries if re.search(statements, item["sql"])):
            nodes = explained(sql, analyze=True)
            read += rows_read([node for node in nodes if re.search(tables, node.get("Relation Name", ""))])
        transaction.set_rollback(True)
    return read
