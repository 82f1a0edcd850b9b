"""Waiting with a limit: whoever waits in vain learns for what, how long, and where to look."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PAUSE_SECONDS = 0.15
PATIENCE_SECONDS = 30.0
"""Far more than anything takes here, unless the machine is busy with something else."""

abandoned = threading.Event()
"""Set when the demo is stopped: whoever still waits gives up at once."""


class WaitedInVainError(Exception):
    """Something did not happen in time; the text says what, and where to look."""


def wait_until(
    look: Callable[[], T],
    done: Callable[[T], bool],
    what: str,
    *,
    seconds: float = PATIENCE_SECONDS,
    pause: float = PAUSE_SECONDS,
    log: str = "",
) -> T:
    """Return what `look` gives once it is `done`.

    Raises:
        WaitedInVainError: it was not within these seconds.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if done(found):
            return found
        if time.monotonic() >= deadline:
            raise WaitedInVainError(f"waited {seconds:.0f} s for {what}" + (f"; see {log}" if log else ""))
        if abandoned.wait(pause):
            raise WaitedInVainError(f"stopped while waiting for {what}")
