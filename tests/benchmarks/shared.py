"""With `QUICK=1` scenarios that need nothing of their own share one deployment: most of a short one is starting up."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

from tests.benchmarks import scale
from tests.benchmarks.deployment import Bench
from tests.ground.figures import Run

#: Followers of those whom scenarios ask for with `QUICK=1`.
PEOPLE, SIZES = 100_000, (500, 6_000, 8_000, 10_000, 25_000)
#: What a scenario leaves behind is nobody's promise here: it is taken out of the way by hand.
CANCEL_SQL = "UPDATE carillon_delivery SET state = 'cancelled' WHERE state = 'pending' AND due_at <= now()"
UNDER_WAY_SQL = (
    "SELECT count(*) FROM carillon_delivery "
    "WHERE state IN ('sending', 'uncertain') OR (state = 'pending' AND due_at <= now())"
)
_until_end = ExitStack()
_kept: Bench | None = None


@contextlib.contextmanager
def bench(run: Run, people: int, sizes: list[int]) -> Iterator[Bench]:
    """Yield a deployment that has begun with two workers: with `QUICK=1` the one that all share, else one of its own.

    A scenario leaves it as it was: two workers at rest, nothing due.
    """
    if not run.quick:
        with Bench(run, people=people, sizes=sizes) as own:
            own.begin()
            yield own
        return
    global _kept  # noqa: PLW0603 - one for a run
    if _kept is None:
        at = replace(run, folder=run.folder.parent / "shared")
        everybody = scale.size(run, PEOPLE, PEOPLE)
        _kept = _until_end.enter_context(Bench(at, people=everybody, sizes=[scale.size(run, n, n) for n in SIZES]))
        _kept.begin()
        _kept.send(scale.size(run, 500, 500))
    _kept.run = run
    try:
        yield _kept
    except BaseException:
        # Whatever state it was left in, the next scenario begins with a new one.
        stop()
        raise


def rest(bench: Bench) -> None:
    """End what still waits, so that the next scenario begins with workers at rest; nothing to do without another."""
    if bench is _kept:
        bench.database.do(CANCEL_SQL)
        while int(bench.database.value(UNDER_WAY_SQL)):
            time.sleep(0.1)


def stop() -> None:
    """Stop what is shared."""
    global _kept  # noqa: PLW0603
    _kept = None
    _until_end.close()
