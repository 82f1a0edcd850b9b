"""The send of a task queue's worker: one pooled connection for each process, kept alive, and the leanest client."""

from __future__ import annotations

import os
from functools import cache

import urllib3

from tests.benchmarks.rivals.message import HEADERS, PATH, body


@cache
def _pool() -> urllib3.PoolManager:
    return urllib3.PoolManager(maxsize=4, retries=False)


def send(number: int) -> None:
    """Send one message.

    Raises:
        RuntimeError: the sink did not take it.
    """
    answer = _pool().request("POST", os.environ["SINK_URL"] + PATH, body=body(number), headers=HEADERS)
    if answer.status != 200:
        raise RuntimeError(f"the sink answered {answer.status}")
