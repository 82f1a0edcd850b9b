"""Processes that a measurement starts and stops."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Any

PATIENCE_SECONDS = 10.0


def stop(processes: Sequence[subprocess.Popen[Any]]) -> None:
    """End them all: told first, together, and killed where one does not listen."""
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()
