"""Runs the ten outcomes side by side where they do not disturb each other, and judges them all."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from .client import ApiError
from .console import ConsoleError
from .finding import Finding, Row
from .outcomes import OUTCOMES, Outcome, World
from .waiting import WaitedInVainError, abandoned, wait_until

_OUTAGE_SECONDS = 120.0


def run_all(world: World, outcomes: Sequence[Outcome] = OUTCOMES) -> list[Row]:
    """Bring every outcome about and return the rows of the table."""
    pool = ThreadPoolExecutor(len(outcomes))
    try:
        running = [pool.submit(_show, item, world) for item in outcomes]
        found = [future.result() for future in running]
    except BaseException:
        # Ctrl-C: nobody is to wait for what will not come any more.
        abandoned.set()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
    return [Row(item.name, item.expected, one.ok, one.seen) for item, one in zip(outcomes, found, strict=True)]


def missed(rows: Sequence[Row]) -> list[str]:
    """Return the names of the outcomes that were not seen."""
    return [row.name for row in rows if not row.ok]


def _show(outcome: Outcome, world: World) -> Finding:
    try:
        if outcome.after_outage:
            wait_until(world.push_works.is_set, bool, "the outage to be over", seconds=_OUTAGE_SECONDS, log=world.log)
        finding = outcome.show(world)
    except (ApiError, ConsoleError, WaitedInVainError, OSError) as error:
        finding = Finding(ok=False, seen=str(error))
    except Exception as error:  # noqa: BLE001 - an answer of another shape must not take the other nine rows with it
        finding = Finding(ok=False, seen=f"{type(error).__name__}: {error}")
    if not abandoned.is_set():
        world.say(outcome.name, "seen" if finding.ok else f"NOT SEEN: {finding.seen}")
    return finding
