"""Gives orders to the load generator: waits for one, or lets it run beside something else."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from project.demo.stack import ROOT
from tests.benchmarks.load import Order, Seen, read_seen, write_order
from tests.ground.database import Database

_serial = itertools.count(1)
#: Numbers of one order's requests never meet another's.
APART = 1_000_000
WARM_SECONDS = 3.0
USERS_SQL = """
    SELECT u.id FROM auth_user u
    JOIN carillon_device d ON d.user_id = u.id
    WHERE NOT EXISTS (SELECT FROM carillon_preference p WHERE p.recipient = 'u:' || u.id)
      AND NOT EXISTS (SELECT FROM carillon_suppression s WHERE s.address_hash = d.address_hash)
    GROUP BY u.id HAVING count(*) = 1 ORDER BY u.id LIMIT 5000
"""


def reachable_users(database: Database) -> tuple[str, ...]:
    """Return users with exactly one device that may get a push now."""
    return tuple(str(key) for (key,) in database.rows(USERS_SQL))


def load(folder: Path, order: Order) -> list[Seen]:
    """Carry out an order to its end and return what was seen.

    Raises:
        subprocess.CalledProcessError: the generator failed.
    """
    file = folder / f"order-{next(_serial)}.json"
    write_order(file, replace(order, first=order.first or next(_serial) * APART))
    subprocess.run([sys.executable, "-m", "tests.benchmarks.load", str(file)], cwd=ROOT, check=True)
    return read_seen(file)


def load_warm(folder: Path, order: Order) -> list[Seen]:
    """Carry out an order after three seconds of the same that are not counted.

    What was frozen while the other one had its turn first catches up: leases that lapsed, connections, caches.
    """
    load(folder, replace(order, seconds=WARM_SECONDS))
    return load(folder, order)


@contextlib.contextmanager
def load_beside(folder: Path, order: Order) -> Iterator[list[Seen]]:
    """Let an order run beside the block; the list is filled when the block has ended.

    Raises:
        RuntimeError: the generator failed.
    """
    file = folder / f"order-{next(_serial)}.json"
    stop = file.with_suffix(".stop")
    write_order(file, replace(order, first=order.first or next(_serial) * APART, stop_file=str(stop)))
    seen: list[Seen] = []
    process = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.load", str(file)], cwd=ROOT)
    try:
        yield seen
        stop.touch()
        if process.wait(90):
            raise RuntimeError("the load generator failed")
        seen += read_seen(file)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
