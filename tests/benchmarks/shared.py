"""With `QUICK=1` scenarios that need nothing of their own share one deployment: most of a short one is starting up."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace

from tests.benchmarks import scale
from tests.benchmarks.deployment import Bench
from tests.ground.figures import Run

#: How many people there are with `QUICK=1`, and the followers of those authors whom scenarios ask for.
PEOPLE, SIZES = 100_000, (4_000, 6_000, 10_000, 25_000)
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
        everybody, some = scale.size(run, PEOPLE, PEOPLE), [scale.size(run, many, many) for many in SIZES]
        _kept = _until_end.enter_context(Bench(at, people=max(500, everybody), sizes=[500, everybody, *some]))
        _kept.begin()
    _kept.run = run
    try:
        yield _kept
    except BaseException:
        # Whatever state it was left in, the next scenario begins with a new one.
        stop()
        raise


@contextlib.contextmanager
def own_bench(run: Run, people: int, sizes: list[int], env: Mapping[str, str] | None = None) -> Iterator[Bench]:
    """Yield a deployment of a scenario's own, not yet begun; what was shared ends, for they would share queues."""
    stop()
    with Bench(run, people=people, sizes=sizes, env=env) as made:
        yield made


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
