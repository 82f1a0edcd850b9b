"""The host application's side, inside a deployment's environment: `python -m tests.benchmarks.inside COMMAND ...`."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from uuid import UUID

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.benchmarks.settings")
django.setup()

from django.db import connection, transaction  # noqa: E402 - Django comes first

from notifications import broadcast, cipher  # noqa: E402
from notifications.flows import broadcast as planning  # noqa: E402
from notifications.flows.broadcast import plan_page  # noqa: E402
from tests.benchmarks import inside_console  # noqa: E402
from tests.benchmarks.dataset import statements, values_for  # noqa: E402
from tests.benchmarks.host.notifications import bench_followers  # noqa: E402


def people(count: str, sizes: str, seed: str) -> None:
    """Make so many people; the first of them follow the authors who are named by how many followers they have."""
    secret = cipher._secret(cipher._keys()[-1], "digest")
    values = values_for(int(count), json.loads(sizes), int(seed), secret)
    with transaction.atomic(), connection.cursor() as cursor:
        for sql in statements():
            cursor.execute(sql, values if "%" in sql else None)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def plan(warm_up: str, author: str) -> None:
    """Launch a broadcast and plan it to its end in this one process; print its notification and the seconds it took.

    A worker is warm when it plans: a small one goes before, uncounted.

    Nobody sends meanwhile, which would end planning at the limit of what may wait. What waits is counted as ever and
    no further, but planning goes on as if all had been sent.
    """
    planning.room_for = lambda own, due, sharing, limit: limit
    for followers in (int(warm_up), int(author)):
        made = broadcast("bench-post", bench_followers(author_id=followers), {"title": "Bells"})
        began = time.monotonic()
        while plan_page(UUID(str(made.pk))):
            pass
        took = time.monotonic() - began
    print(json.dumps({"notification": str(made.notification_id), "seconds": took}))


COMMANDS: dict[str, Callable[..., None]] = {"people": people, "plan": plan, "console": inside_console.measure}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](*sys.argv[2:])
