"""RQ's entry points: each says "there is work"; none carries a message."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from functools import partial, wraps
from uuid import UUID, uuid4

from django.db import Error, close_old_connections

from . import conf
from .enums import Channel, Lane
from .flows import campaigns
from .flows.broadcast import plan_page
from .flows.clear import CLEARINGS
from .flows.drain import drain as drain_channel
from .flows.drain import serve_urgent
from .flows.reconcile import reconcile_all
from .flows.replay import REPLAYS
from .flows.runs import Runs
from .flows.stopping import stopping
from .models import Broadcast
from .rules.masking import unquoted
from .wakeups import PLAN_JOB, forget, wake

served: list[Channel] = []
"""The channels that this process's worker serves; set when it starts."""


_START = uuid4().hex[:6]


def worker_name() -> str:
    """Return who claims: host and process, so that an operator finds it, and a mark of this very start.

    In containers host and pid repeat; a successor must not take its predecessor's claims for its own.
    """
    return f"{socket.gethostname()}:{os.getpid()}:{_START}"


def _quoting_nobody(job: Callable[[str], None]) -> Callable[[str], None]:
    """Let a job fail without the text of a database's error: RQ logs it and keeps it in Redis."""

    @wraps(job)
    def run(subject: str) -> None:
        try:
            job(subject)
        except Error as error:
            raise unquoted(error) from None

    return run


@_quoting_nobody
def drain(channel: str) -> None:
    """Deliver what is due on a channel."""
    close_old_connections()
    own = Channel(channel)
    try:
        drain_channel(own, worker_name(), served or [own])
    finally:
        campaigns.leave(worker_name())


@_quoting_nobody
def plan_broadcast(broadcast_id: str) -> None:
    """Plan pages of a broadcast for a second, then make way."""
    key = UUID(broadcast_id)
    with campaigns.planning(worker_name(), served):
        _go_on(PLAN_JOB, broadcast_id, lambda: plan_page(key), lambda: Broadcast.objects.filter(pk=key).exists())


@_quoting_nobody
def reconcile_receipts(channel: str) -> None:
    """Reconcile stored receipts until none is due."""
    close_old_connections()
    own = Channel(channel)
    reconcile_all(own, worker_name(), served or [own])


@_quoting_nobody
def act_on_dead_letters(entry_id: str) -> None:
    """Replay or discard dead letters, as a line of the audit asks, for a second; then make way."""
    _go_on_with(REPLAYS, int(entry_id))


@_quoting_nobody
def clear_waiting(entry_id: str) -> None:
    """Expire or cancel what waits, as a line of the audit asks, for a second; then make way."""
    _go_on_with(CLEARINGS, int(entry_id))


def _go_on_with(runs: Runs, key: int) -> None:
    _go_on(runs.job, str(key), partial(runs.work_on, key), partial(runs.is_under_way, key))


def _go_on(job: str, subject: str, page: Callable[[], bool], is_unfinished: Callable[[], bool]) -> None:
    """Do page after page for a second, while there is another; then make way, and ask for the rest."""
    close_old_connections()
    for channel in Channel:
        forget(channel, job, subject)
    began = time.monotonic()
    while page():
        # A page takes a good part of a second: a login code must not wait for the next one.
        serve_urgent(Lane.BULK, worker_name(), served or list(Channel))
        if time.monotonic() - began > conf.DRAIN_SECONDS or stopping.is_set():
            if is_unfinished():
                wake(served[0] if served else Channel.PUSH, job, subject, force=True)
            return
