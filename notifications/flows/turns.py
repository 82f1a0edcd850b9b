"""Turns: leave to send the next group, from the breaker and the account's pace, asked for in one round trip."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from django.db import Error
from pybreaker import STATE_CLOSED
from redis.commands.core import Script
from redis.exceptions import NoScriptError, RedisError

from .. import conf
from ..enums import BreakerEffect, Lane
from ..exceptions import ProviderError
from ..latency import counting
from ..messages import SendResult
from ..providers.base import TIMEOUT_SECONDS, Adapter
from ..rules.breaking import BreakerState, Permit
from ..rules.pacing import Report, Turn, group_size
from ..rules.retries import account_pause
from ..wakeups import connection as redis_of
from . import gate
from .alerts import raise_alert
from .stopping import stopping

logger = logging.getLogger("notifications.turns")
Call = tuple[Script, list[str], list[str]]

PATIENCE_SECONDS = 0.3
"""How long a worker waits for an account's next turn before it lets go of what it holds."""
_HELD_SECONDS = 0.05
"""How long a granted message may take to be handed over: later ones would bunch up with the next turn's."""
_NAP_SECONDS = 0.05
#: How many send windows the group of a campaign may fill.
_WINDOWS = 4
_ALERT_SECONDS = 300.0
_PAUSED = (
    "The provider asked to wait for {pause:.0f} s; what is due waits or falls back. To try sooner, choose “Release the"
    " provider” for this alert."
)


def is_urgent(lane: int) -> bool:
    """Whether a lane comes before others when an account is paced."""
    return lane <= Lane.HIGH


def largest_group(lane: int) -> int:
    """Return how many messages of a lane may go as one group.

    All of a group is in doubt when its worker is killed, so that it is small for all but campaigns. A group costs about
    9 ms however small it is, a seventh of what 64 messages take.
    """
    return conf.LARGE_START_GROUP if lane == Lane.BULK else conf.START_GROUP


def leave(alias: str, *, urgent: bool) -> tuple[Permit, Turn]:
    """Ask for leave to claim for a provider; while its account is asked to wait there is none, not even for a probe."""
    breaker, pace = gate.breaker(alias), gate.pace(alias)
    asking = breaker.asking()
    raw = _together(alias, [asking, pace.asking(urgent=urgent)])
    permit, turn = breaker.granted(asking, raw[0]), pace.answer(raw[1])
    if turn.paused and permit.allowed:
        breaker.report(permit, 0, 0)
        permit = Permit(allowed=False, retry_after=turn.wait, state=permit.state)
    return permit, turn


def report(alias: str, permit: Permit, results: Sequence[SendResult], seconds: Sequence[float] = ()) -> None:
    """Tell the breaker and the pace what became of sends, and how long they took; no results give a permit back."""
    errors = [result.error for result in results if result.error is not None]
    failures = sum(error.breaker is BreakerEffect.FAILURE for error in errors)
    successes = len(results) - len(errors)
    told = Report(
        good=successes,
        bad=failures,
        firsts=sum(result.message.attempt == 1 for result in results),
        failed_retries=sum(result.message.attempt > 1 and result.error is not None for result in results),
        total=len(results),
    )
    pace = gate.pace(alias)
    verdict = gate.breaker(alias).reporting(permit, successes, failures)
    took = counting(redis_of(gate.adapter(alias).channel), alias, seconds)
    calls = [call for call in (verdict, pace.reporting(told) if results else None, took) if call is not None]
    raw = _together(alias, calls)
    if verdict is not None:
        gate.breaker(alias).granted(verdict, raw[0])


def heed(alias: str, error: ProviderError | None) -> None:
    """Let nobody use an account that was asked to wait, before then."""
    pause = account_pause(error)
    if pause is None or not gate.pace(alias).pause(pause) or pause <= _ALERT_SECONDS:
        return
    try:
        raise_alert("provider_paused", alias, _PAUSED.format(pause=pause))
    except Error as failed:
        logger.warning("%s: paused for %.0f s; no alert, the database is away: %s", alias, pause, type(failed).__name__)


def lease_seconds(adapter: Adapter) -> float:
    """Return how long a claim is held after each group of its sends was started.

    The last send of a group starts within half of it (see `Turns.go`) and ends within its timeout, so that nobody
    takes over what is still in flight. A longer timeout makes it longer.
    """
    return conf.LEASE_SECONDS + 2.0 * max(0.0, adapter.timeout - TIMEOUT_SECONDS)


class Turns:
    """The turns of one batch: so many messages may go as its next group, each of them soon."""

    def __init__(
        self, adapter: Adapter, lane: int, permit: Permit, turn: Turn, while_waiting: Callable[[], bool]
    ) -> None:
        self._alias = adapter.alias
        # Much more than the send window holds would only wait, while the lease runs.
        self._most = min(largest_group(lane), adapter.send_window * (_WINDOWS if lane == Lane.BULK else 1))
        self._latest = lease_seconds(adapter) / 2
        self._began = 0.0
        self._urgent = is_urgent(lane)
        self._probe = permit.probe
        self._rate = turn.rate
        # An account without a limit gives leave for the first group with the claim.
        self._granted_already = turn.rate is None
        self._while_waiting = while_waiting
        self._tokens = self._group = 0
        self._unused = 0
        self._granted_at = 0.0

    def next(self, left: int) -> int:
        """Return how many of the messages left may go as the next group: 0 to send nothing more of this batch."""
        if self._granted_already:
            self._granted_already, self._group = False, min(left, self._most)
        else:
            self._group = self._wait(left)
        self._began = time.monotonic()
        return self._group

    def go(self) -> bool:
        """Whether the next message of the group may be handed over at this moment; waits for another turn if late.

        Not when this process stops, and not when its group began so long ago that the lease might end in mid-send.
        """
        self._group -= 1
        if self._is_over():
            return False
        if self._rate is None:
            return True
        late = not self._tokens or time.monotonic() - self._granted_at > _HELD_SECONDS
        # More urgent work may have taken its time meanwhile.
        if late and (not self._wait(self._group + 1) or self._is_over()):
            return False
        self._tokens -= 1
        return True

    def _is_over(self) -> bool:
        late = time.monotonic() - self._began > self._latest
        return late or stopping.is_set() or gate.pace(self._alias).paused_here()

    def skip(self) -> None:
        """Pass over a message of the group: it is not sent after all."""
        self._group -= 1

    def close(self) -> None:
        """Give back what was granted and not used."""
        self._unused += self._tokens
        self._tokens = 0
        if self._unused:
            gate.pace(self._alias).report(Report(unused=self._unused))
            self._unused = 0

    def _wait(self, left: int) -> int:
        deadline = time.monotonic() + PATIENCE_SECONDS
        self._unused += self._tokens
        self._tokens = 0
        while gate.held_until(self._alias) is None:
            state, turn = self._ask(min(left, group_size(self._rate, self._most)))
            if not self._probe and state.state != STATE_CLOSED:
                self._unused += turn.granted if turn.rate is not None else 0
                return 0
            if turn.granted:
                self._tokens = turn.granted if turn.rate is not None else 0
                return turn.granted
            if turn.paused or time.monotonic() + turn.wait > deadline:
                return 0
            time.sleep(min(_NAP_SECONDS, max(0.001, turn.wait)))
            if not self._while_waiting():
                return 0
        return 0

    def _ask(self, wanted: int) -> tuple[BreakerState, Turn]:
        breaker, pace = gate.breaker(self._alias), gate.pace(self._alias)
        asking = pace.asking(wanted, urgent=self._urgent, unused=self._unused)
        raw = _together(self._alias, [breaker.peeking(), asking])
        self._unused = 0
        turn = pace.answer(raw[1], wanted)
        self._rate, self._granted_at = turn.rate, time.monotonic()
        return breaker.peeked(raw[0]), turn


def _together(alias: str, calls: Sequence[Call]) -> list[object]:
    """Run scripts of one provider in one round trip; the answer of each, or its error."""
    pipe = redis_of(gate.adapter(alias).channel).pipeline(transaction=False)
    for script, keys, arguments in calls:
        pipe.evalsha(script.sha, len(keys), *keys, *arguments)
    try:
        answers = pipe.execute(raise_on_error=False)
        return [
            script(keys, arguments) if isinstance(answer, NoScriptError) else answer
            for answer, (script, keys, arguments) in zip(answers, calls, strict=True)
        ]
    except RedisError as error:
        return [error] * len(calls)
