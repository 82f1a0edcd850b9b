"""Runs the ten outcomes side by side where they do not disturb each other, and judges them all."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from .client import ApiError
from .console import ConsoleError
from .finding import Finding, Row
from .outcomes import OUTCOMES, Outcome, World
from .outcomes.broadcast import ToFollowers
from .outcomes.dead_device import DeadDevice
from .outcomes.outage import ProviderOutage
from .waiting import WaitedInVainError, abandoned

_NEEDS_PUSH = (ToFollowers, DeadDevice)
"""Outcomes whose pushes must not meet the outage. A broadcast's good sends would also keep the breaker from opening."""


def run_all(world: World) -> list[Row]:
    """Bring every outcome about and return the rows of the table."""
    outage = [item for item in OUTCOMES if isinstance(item, ProviderOutage)]
    after_it = [item for item in OUTCOMES if isinstance(item, _NEEDS_PUSH)]
    others = [item for item in OUTCOMES if item not in (*outage, *after_it)]
    pool = ThreadPoolExecutor(len(OUTCOMES))
    try:
        first = {item: pool.submit(_show, item, world) for item in (*outage, *others)}
        for item in outage:
            first[item].result()
        then = {item: pool.submit(_show, item, world) for item in after_it}
        found = {item: future.result() for item, future in {**first, **then}.items()}
    except BaseException:
        # Ctrl-C: nobody is to wait for what will not come any more.
        abandoned.set()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
    return [Row(item.name, item.expected, found[item].ok, found[item].seen) for item in OUTCOMES]


def missed(rows: Sequence[Row]) -> list[str]:
    """Return the names of the outcomes that were not seen."""
    return [row.name for row in rows if not row.ok]


def _show(outcome: Outcome, world: World) -> Finding:
    try:
        finding = outcome.show(world)
    except (ApiError, ConsoleError, WaitedInVainError, OSError) as error:
        finding = Finding(ok=False, seen=str(error))
    except Exception as error:  # noqa: BLE001 - an answer of another shape must not take the other nine rows with it
        finding = Finding(ok=False, seen=f"{type(error).__name__}: {error}")
    world.say(outcome.name, "seen" if finding.ok else f"NOT SEEN: {finding.seen}")
    return finding
