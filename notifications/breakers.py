"""One breaker per provider account, shared by all workers: opens on a failure rate, probes one at a time.

Built on pybreaker's extension points: `RollingStorage` is a `CircuitBreakerStorage` whose every step is one atomic
script with Redis' own clock, `TransitionLog` a `CircuitBreakerListener`, and the states are pybreaker's. Callers ask
once per group of sends and report the group's outcomes; pybreaker's `call`, which holds a lock for the whole call,
is not used. Nothing is lost with Redis: an empty or unreachable one means closed.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

from pybreaker import (
    STATE_CLOSED,
    CircuitBreaker,
    CircuitBreakerListener,
    CircuitBreakerState,
    CircuitBreakerStorage,
)
from redis import Redis
from redis.commands.core import Script
from redis.exceptions import RedisError

from .rules.breaking import BreakerPolicy, BreakerState, Permit

logger = logging.getLogger("notifications.breakers")

KEY = "carillon:breaker:{%s}"
LOG_KEY = "carillon:breaker:{%s}:log"
Call = tuple[Script, list[str], list[str]]

# One hash per provider: state, gen (the moment of the last transition: what started before it is stale), wait (ms that
# it opens for), retry (ms), probe and lease (who probes, until when), and per bucket s<n> and f<n>.
# Answers: state, gen, ms to wait, granted (0, 1, or 2 for a probe), changed (0 or 1), failures, successes, opened (ms).
_SCRIPT = """
local key, log, op, token = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local window, minimum, threshold = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local base, longest, lease = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local gen, good, bad = ARGV[9], tonumber(ARGV[10]), tonumber(ARGV[11])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = time[1] .. string.format('%06d', time[2])
local buckets = 10
local width = math.max(1, math.floor(window / buckets))
local current = math.floor(now / width)
local all, row = redis.call('HGETALL', key), {}
for i = 1, #all, 2 do row[all[i]] = all[i + 1] end
local state, changed, granted, wait = row.state, 0, 0, 0
local failures, successes = 0, 0

local function put(...) redis.call('HSET', key, ...) end
local function enter(name)
  if name ~= state then
    changed = 1
    -- What it went through, newest first, for people to look at: ms and the state that it came into.
    if state then
      redis.call('LPUSH', log, string.format('%.0f %s', now, name))
      redis.call('LTRIM', log, 0, 19)
      redis.call('PEXPIRE', log, 604800000)
    end
  end
  redis.call('DEL', key)
  state, failures, successes = name, 0, 0
  local before = tonumber(row.gen or '0')
  if tonumber(stamp) <= before then stamp = string.format('%.0f', before + 1) end
  row.gen = stamp
  put('state', name, 'gen', stamp)
end
local function open(ms)
  enter('open')
  row.retry, row.opened = now + ms, now
  put('wait', ms, 'retry', now + ms, 'opened', now)
end
local function tally()
  for field, value in pairs(row) do
    local kind, number = string.match(field, '^([sf])(%d+)$')
    if kind then
      if tonumber(number) <= current - buckets then
        if op ~= 'peek' then redis.call('HDEL', key, field) end
      elseif kind == 'f' then failures = failures + value
      else successes = successes + value end
    end
  end
end

if not state then
  if op == 'peek' then state = 'closed' else enter('closed') end
end
tally()
if op == 'check' then
  if state == 'closed' then granted = 1
  elseif now >= tonumber((state == 'open' and row.retry) or row.lease or '0') then
    local length, opened = row.wait or base, row.opened or now
    enter('half-open')
    row.opened, row.lease = opened, now + lease
    put('wait', length, 'opened', opened, 'probe', token, 'lease', row.lease)
    granted = 2
  end
elseif op == 'report' and row.gen == gen then
  if state == 'closed' and token == '' then
    if good > 0 then redis.call('HINCRBY', key, 's' .. current, good) end
    if bad > 0 then redis.call('HINCRBY', key, 'f' .. current, bad) end
    failures, successes = failures + bad, successes + good
    local total = failures + successes
    -- A sudden outage under load: nothing but failures for a while, whatever the window still remembers.
    local run = good > 0 and 0 or tonumber(row.run or '0') + bad
    put('run', run)
    if bad > 0 and (run >= 2 * minimum or (total >= minimum and failures >= threshold * total)) then open(base) end
  elseif state == 'half-open' and token ~= '' and row.probe == token then
    if bad > 0 then open(math.min(longest, 2 * tonumber(row.wait or base)))
    elseif good > 0 then enter('closed')
    else put('lease', 0, 'probe', ''); row.lease = 0 end
  end
elseif op == 'force' then
  if token == 'open' then open(base)
  elseif token == 'half-open' then enter('half-open'); put('wait', base, 'lease', 0); row.lease = 0
  else enter('closed') end
end
if granted == 0 and state == 'open' then wait = math.max(0, tonumber(row.retry) - now) end
if granted == 0 and state == 'half-open' then wait = math.min(1000, math.max(0, tonumber(row.lease or '0') - now)) end
if op ~= 'peek' then redis.call('PEXPIRE', key, 86400000) end
return {state, row.gen or '', wait, granted, changed, failures, successes, tonumber(row.opened or '0')}
"""


class RollingStorage(CircuitBreakerStorage):
    """pybreaker's storage over one Redis hash: a rolling failure rate instead of a counter.

    Reading `state` costs nothing: it is what the latest step saw. What pybreaker would write to its counters on a
    transition is ignored, since each process that notices one would wipe what the others counted.
    """

    def __init__(self, alias: str, redis: Redis, policy: BreakerPolicy) -> None:
        super().__init__("carillon")
        self._alias = alias
        self._key = KEY % alias
        self._policy = policy.as_arguments()
        self._script = redis.register_script(_SCRIPT)
        self._latest = BreakerState(STATE_CLOSED)
        self._unreachable = False
        self.caused = False

    def step(self, op: str, token: str = "") -> Permit:
        """Run one step of the script and return its answer; without Redis, a permit."""
        return self.run(self.call(op, token))

    def run(self, call: Call) -> Permit:
        """Run a call by itself and return its answer."""
        script, keys, arguments = call
        try:
            return self.answer(script(keys, arguments), arguments[1])
        except RedisError as error:
            return self.answer(error)

    def call(self, op: str, token: str = "", *, gen: str = "", good: int = 0, bad: int = 0) -> Call:
        """Return one step of the script, to be run together with others."""
        return self._script, [self._key, LOG_KEY % self._alias], [op, token, *self._policy, gen, str(good), str(bad)]

    def answer(self, raw: object, token: str = "") -> Permit:
        """Return what a step said; without Redis, a permit."""
        if isinstance(raw, RedisError):
            if not self._unreachable:
                logger.warning("%s: breaker closed, Redis is unreachable (%s)", self._alias, type(raw).__name__)
            self._unreachable, self.caused = True, False
            self._latest = BreakerState(STATE_CLOSED, reachable=False)
            return Permit(allowed=True)
        self._unreachable = False
        state, generation, wait, granted, changed, failures, successes, opened = cast(
            "Sequence[bytes | str | int]", raw
        )
        self.caused = bool(int(changed))
        opened_at = datetime.fromtimestamp(int(opened) / 1000, UTC) if int(opened) else None
        name, seconds, probe = _text(state), int(wait) / 1000, int(granted) == 2
        self._latest = BreakerState(name, int(failures), int(successes), seconds, opened_at)
        return Permit(bool(int(granted)), probe, seconds, name, _text(generation), token if probe else "")

    @property
    def latest(self) -> BreakerState:
        """What the latest step saw."""
        return self._latest

    @property
    def state(self) -> str:
        """The state that the latest step saw."""
        return self._latest.state

    @state.setter
    def state(self, state: str) -> None:
        self.step("force", state)

    @property
    def counter(self) -> int:
        """Failures in the breaker window."""
        return self._latest.failures

    @property
    def success_counter(self) -> int:
        """Successes in the breaker window."""
        return self._latest.successes

    @property
    def opened_at(self) -> datetime | None:
        """When it last opened, by Redis' clock."""
        return self._latest.opened_at

    @opened_at.setter
    def opened_at(self, moment: datetime) -> None:
        """Ignored: the script notes the moment itself."""


class TransitionLog(CircuitBreakerListener):
    """Logs a transition: as a warning in the process that caused it, for debugging in those that notice it."""

    def state_change(
        self, cb: CircuitBreaker, old_state: CircuitBreakerState | None, new_state: CircuitBreakerState
    ) -> None:
        """Log one transition."""
        storage = cast("RollingStorage", cb._state_storage)  # noqa: SLF001 - pybreaker offers no other way
        level = logging.WARNING if storage.caused else logging.DEBUG
        logger.log(level, "%s: breaker %s -> %s", cb.name, old_state.name if old_state else "?", new_state.name)


class ProviderBreaker:
    """The breaker of one provider; cheap to make, safe to share between threads."""

    def __init__(
        self,
        alias: str,
        redis: Redis,
        policy: BreakerPolicy | None = None,
        listeners: Sequence[CircuitBreakerListener] = (),
    ) -> None:
        self.alias = alias
        self._storage = RollingStorage(alias, redis, policy or BreakerPolicy())
        self._circuit = CircuitBreaker(state_storage=self._storage, listeners=[TransitionLog(), *listeners], name=alias)

    def check(self) -> Permit:
        """Return whether a group of sends may start; one round trip."""
        return self._told(self._storage.run(self.asking()))

    def asking(self) -> Call:
        """Return `check` as a call to be run together with others; `granted` reads its answer."""
        return self._storage.call("check", uuid.uuid4().hex)

    def granted(self, call: Call, raw: object) -> Permit:
        """Return what `asking` led to."""
        return self._told(self._storage.answer(raw, call[2][1]))

    def report(self, permit: Permit, successes: int, failures: int) -> None:
        """Report a permit's outcomes; see `reporting`."""
        call = self.reporting(permit, successes, failures)
        if call is not None:
            self._told(self._storage.run(call))

    def reporting(self, permit: Permit, successes: int, failures: int) -> Call | None:
        """Return the call that reports a permit's outcomes; neutral ones count as neither. None: nothing to report.

        What started before the latest transition is stale and ignored, a probe's answer counts only while it holds
        the probe's lease.
        """
        if not permit.generation or not (permit.probe or successes or failures):
            return None
        return self._storage.call("report", permit.token, gen=permit.generation, good=successes, bad=failures)

    def peeking(self) -> Call:
        """Return `state` as a call that is run together with others; `peeked` reads its answer."""
        return self._storage.call("peek")

    def peeked(self, raw: object) -> BreakerState:
        """Return what `peeking` saw."""
        self._told(self._storage.answer(raw))
        return self._storage.latest

    def state(self) -> BreakerState:
        """Return how it stands, for pages; changes nothing."""
        self._told(self._storage.step("peek"))
        return self._storage.latest

    def look(self) -> BreakerState:
        """Return how it stands for a dry run: not even pybreaker is told."""
        self._storage.step("peek")
        return self._storage.latest

    def _told(self, permit: Permit) -> Permit:
        """Let pybreaker notice a transition and tell its listeners: reading its state does."""
        _ = self._circuit.state
        return permit


def _text(value: bytes | str | int) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
