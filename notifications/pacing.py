"""Pacing per provider account, shared by all workers: so many messages a second, and none before Retry-After.

A token bucket with reserve and refund, in one script with Redis' own clock. The bucket is small, so that nothing
bursts after an outage. One rate says it all: it is the account's `per_second`, or less while it grows from 1 a second
after a breaker has closed, Redis was emptied, or a provider's pause is over. Nothing is lost with Redis: while it is
away each worker keeps to its share of the rate, growing from 1 a second.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import cast

from redis import Redis
from redis.commands.core import Script
from redis.exceptions import RedisError

from .rules.pacing import FIRST_RATE, FULL_RATE, GROUP_SHARE, Bucket, Report, Turn, grown

logger = logging.getLogger("notifications.pacing")

KEY = "carillon:pace:{%s}"
Call = tuple[Script, list[str], list[str]]
_UNKNOWN_WORKERS = 10
_KEPT_SECONDS = 86_400.0
_TOLD_TOGETHER_SECONDS = 0.05
# In the order of the script's ARGV from the third on.
_CONSTANTS = [str(int(_KEPT_SECONDS * 1000)), str(FIRST_RATE), str(FULL_RATE), str(GROUP_SHARE)]

# One hash per account: born (when the hash was made: another one means that Redis was emptied), tokens and at (ms),
# ramp (ms, when growth began) and base (the rate there), until (ms, end of a pause), strikes (pauses in a row that the
# provider gave no time for), urgent (ms: until then only urgent messages get tokens), queue and queued (how many wait
# behind, counted down at the rate), gen (of the breaker, when last seen closed), w<worker> (ms, last seen), and per
# second of the last ten a<n> (sent), f<n> (of these first attempts) and r<n> (of these failed retries).
# Answers: granted, ms to wait, paused (0 or 1), rate (text, empty: unlimited), born, firsts, failed retries, workers,
# and the queue's length (before it grew), or for a report 1 if it lengthened the pause, for a lift 1 if one ended.
_SCRIPT = """
local key, breaker, op, limit = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2])
local kept, first, full, share = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local known, worker = ARGV[7], ARGV[8]
local function given(n) return tonumber(ARGV[8 + n] or '0') end
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local current = tonumber(time[1])
local all, row = redis.call('HGETALL', key), {}
for i = 1, #all, 2 do row[all[i]] = all[i + 1] end
if limit <= 0 then limit = nil end

local function put(field, value)
  if type(value) == 'number' then value = string.format('%.6f', value) end
  row[field] = value
  redis.call('HSET', key, field, value)
end
local function drop(field)
  if row[field] then row[field] = nil; redis.call('HDEL', key, field) end
end
local function number(field) return tonumber(row[field] or '0') end
local function grow(from, at)
  put('ramp', at); put('base', math.min(from, limit or full))
  put('tokens', 1); put('at', at)
end
local function rate_at(ms)
  if not row.ramp then return limit end
  local rate = number('base') * 2 ^ math.min(40, math.max(0, (ms - number('ramp')) / 1000))
  if rate >= (limit or full) then return limit end
  return rate
end

if not row.born then put('born', time[1] .. string.format('%06d', time[2])) end
if known ~= '' and known ~= row.born and not row.again then put('again', '1'); grow(first, now) end
local seen = redis.call('HMGET', breaker, 'state', 'gen')
if seen[1] == 'closed' and seen[2] ~= row.gen then
  if row.gen then grow(first, now) end
  put('gen', seen[2])
end
local sent, firsts, failed, workers = 0, 0, 0, 0
for field, value in pairs(row) do
  local kind, second = string.match(field, '^([afr])(%d+)$')
  if kind then
    if tonumber(second) <= current - 10 then redis.call('HDEL', key, field)
    elseif kind == 'a' then sent = sent + value
    elseif kind == 'f' then firsts = firsts + value
    else failed = failed + value end
  elseif string.sub(field, 1, 2) == 'w:' then
    if tonumber(value) > now - 10000 then workers = workers + 1 else redis.call('HDEL', key, field) end
  end
end

local lifted = 0
if op == 'lift' then
  if number('until') > now then lifted = 1 end
  drop('until'); drop('strikes'); drop('queue')
end
local rate = rate_at(math.max(now, number('until')))
if row.ramp and rate == limit and now >= number('until') then drop('ramp'); drop('base') end
local granted, wait, paused, answer = 0, 0, 0, 0
local room, tokens = 0, 0
if rate then
  room = math.max(1, share * rate)
  tokens = math.min(room, tonumber(row.tokens or room) + math.max(0, now - tonumber(row.at or now)) / 1000 * rate)
end

if op == 'report' then
  local good, bad, first_ones, failed_ones, pause, back = given(1), given(2), given(3), given(4), given(5), given(6)
  local count = given(7)
  if count > 0 then redis.call('HINCRBY', key, 'a' .. current, count) end
  if first_ones > 0 then redis.call('HINCRBY', key, 'f' .. current, first_ones) end
  if failed_ones > 0 then redis.call('HINCRBY', key, 'r' .. current, failed_ones) end
  if rate then
    tokens = math.min(room, tokens + back)
    put('tokens', tokens); put('at', math.max(now, number('at')))
  end
  -- Growth is for a provider that answers well.
  if bad > 0 and 4 * bad > good + bad and rate and row.ramp and number('until') <= now then
    grow(math.max(first, rate / 2), now)
    put('tokens', math.min(1, tokens))
  end
  if pause ~= 0 then
    local over, length = number('until') <= now, pause
    if pause < 0 and over then
      if now - number('until') > 10000 then drop('strikes') end
      length = math.min(30000, 1000 * 2 ^ number('strikes'))
      put('strikes', number('strikes') + 1)
    end
    if now + length > number('until') then
      local usual = limit or (sent + count) / 10
      put('until', now + length)
      grow(math.max(usual / 10, math.min(first, limit or first)), now + length)
      answer = 1
    end
  end
elseif number('until') > now then
  paused, wait, answer = 1, number('until') - now, number('queue')
elseif not rate then
  granted = given(1)
else
  local wanted, urgent = given(1), given(2) > 0
  local needed = math.min(wanted, math.floor(room))
  answer = number('queue') - math.max(0, now - number('queued')) / 1000 * rate
  local least = math.max(1, needed)
  tokens = math.min(room, tokens + given(3))
  if op == 'reserve' then
    if not urgent and number('urgent') > now then wait = math.max(10, (least - tokens) / rate * 1000)
    elseif tokens + 0.000001 < least then
      wait = (least - tokens) / rate * 1000
      -- Whoever is urgent comes next, however many others ask before.
      if urgent then put('urgent', now + wait + 1000) end
    else
      granted, tokens = needed, tokens - needed
      if urgent and wanted > 0 then drop('urgent') end
    end
    put('w:' .. worker, now)
  end
  put('tokens', tokens); put('at', now)
end
if op == 'lift' then answer = lifted end
if op == 'park' then put('queue', math.max(0, answer) + given(1)); put('queued', math.max(now, number('until'))) end
redis.call('PEXPIRE', key, kept)
return {granted, math.ceil(wait), paused, rate and string.format('%.6f', rate) or '', row.born, firsts, failed,
        workers, math.max(0, math.floor(answer))}
"""


class Pace:
    """The pace of one account; cheap to make, safe to share between threads."""

    def __init__(self, alias: str, redis: Redis, per_second: float | None, worker: str, breaker_key: str) -> None:
        self.alias = alias
        self.limit = per_second if per_second and per_second > 0 else None
        self._keys = [KEY % alias, breaker_key]
        self._worker = worker
        self._script = redis.register_script(_SCRIPT)
        self._redis = redis
        self._born = ""
        self._born_at = 0.0
        self._workers = 0
        self._paused_until = 0.0
        self._lost_at: float | None = None
        self._bucket = Bucket()

    # What is asked together with the breaker, in one round trip

    def asking(self, wanted: int = 0, *, urgent: bool = False, unused: int = 0) -> Call:
        """Return the call that reserves tokens for `wanted` messages, all of them or none; 0 looks only.

        `unused` are tokens of an earlier turn that were not needed.
        """
        return self._call("reserve", wanted, int(urgent), unused)

    def reporting(self, report: Report) -> Call:
        """Return the call that reports what became of a group."""
        pause = 0.0 if report.pause is None else -1.0 if report.pause < 0 else max(1.0, report.pause * 1000)
        return self._call(
            "report", report.good, report.bad, report.firsts, report.failed_retries, pause, report.unused, report.total
        )

    def answer(self, raw: object, wanted: int = 0) -> Turn:
        """Return what a call said; where Redis could not be reached, what this worker may send by itself."""
        if isinstance(raw, RedisError):
            return self._alone(wanted, raw)
        granted, wait, paused, rate, born, firsts, failed, workers, queue = cast("Sequence[bytes | str | int]", raw)
        now, before, text, seconds = time.monotonic(), self._born, _text(rate), int(wait) / 1000
        self._lost_at, self._born, self._born_at = None, _text(born), now
        self._workers = max(1, int(workers))
        left = self._paused_until - now
        if before not in ("", self._born) and left > 0 and not int(paused):
            # Redis was emptied in the middle of a pause: all shall know of it again.
            self._run(self.reporting(Report(pause=left, unused=int(granted))))
            return Turn(0, left, paused=True, rate=FIRST_RATE)
        self._paused_until = now + seconds if int(paused) else 0.0
        speed = float(text) if text else None
        return Turn(int(granted), seconds, bool(int(paused)), speed, int(firsts), int(failed), int(queue))

    # By themselves

    def turn(self, wanted: int = 0, *, urgent: bool = False, unused: int = 0) -> Turn:
        """Reserve tokens for a group and return what was granted."""
        return self.answer(self._run(self.asking(wanted, urgent=urgent, unused=unused)), wanted)

    def report(self, report: Report) -> bool:
        """Report what became of a group; return whether the account pauses (longer) because of it."""
        if report.pause is not None:
            # Kept to even if Redis forgets it.
            least = report.pause if report.pause >= 0 else 1.0
            self._paused_until = max(self._paused_until, time.monotonic() + least)
        raw = self._run(self.reporting(report))
        return not isinstance(raw, RedisError) and bool(int(cast("Sequence[int]", raw)[8]))

    def pause(self, seconds: float) -> bool:
        """Let nobody send through the account for a while (negative: for how long was not said).

        Return whether that is news: a group's worth of refusals is told once.
        """
        left = self._paused_until - time.monotonic()
        if left > max(seconds, 0.0):
            return False
        return self.report(Report(pause=seconds if seconds < 0 else seconds + _TOLD_TOGETHER_SECONDS))

    def look(self) -> Turn:
        """Return how the account stands, for pages; reserves nothing, changes nothing; without Redis, free."""
        try:
            kept = self._redis.hmget(self._keys[0], "until", "ramp", "base", "queue")
        except RedisError:
            return Turn(0, rate=self.limit)
        until, ramp, base, queue = (float(item or 0) for item in cast("Sequence[bytes | None]", kept))
        now = time.time() * 1000
        rate = grown(base, max(0.0, now - ramp) / 1000, self.limit) if ramp else self.limit
        return Turn(0, max(0.0, until - now) / 1000, paused=until > now, rate=rate, queue=int(queue))

    def paused_here(self) -> bool:
        """Whether this worker knows of a pause; asks nobody."""
        return time.monotonic() < self._paused_until

    def park(self, count: int) -> None:
        """Count messages that wait behind those that wait already."""
        self._run(self._call("park", count))

    def lift(self) -> bool:
        """End a pause: an operator says so. Return whether there was one."""
        known, self._paused_until = self.paused_here(), 0.0
        raw = self._run(self._call("lift"))
        return known if isinstance(raw, RedisError) else bool(int(cast("Sequence[int]", raw)[8]))

    def _call(self, op: str, *values: float) -> Call:
        known = self._born if time.monotonic() - self._born_at < _KEPT_SECONDS / 2 else ""
        arguments = [op, str(self.limit or 0), *_CONSTANTS, known, self._worker, *(str(value) for value in values)]
        return self._script, self._keys, arguments

    def _run(self, call: Call) -> object:
        script, keys, arguments = call
        try:
            return script(keys, arguments)
        except RedisError as error:
            return error

    def _alone(self, wanted: int, error: RedisError) -> Turn:
        """Return what this worker may send while Redis is away: its share of the rate, growing from 1 a second."""
        now = time.monotonic()
        if self._lost_at is None:
            self._lost_at, self._bucket = now, Bucket(at=now)
            logger.warning("%s: paced without Redis (%s)", self.alias, type(error).__name__)
        if now < self._paused_until:
            return Turn(0, self._paused_until - now, paused=True, rate=FIRST_RATE)
        share = self.limit / (self._workers or _UNKNOWN_WORKERS) if self.limit else None
        rate = grown(min(FIRST_RATE, share or FIRST_RATE), now - self._lost_at, share)
        if rate is None:
            return Turn(wanted)
        self._bucket, granted, wait = self._bucket.take(wanted, rate, now)
        return Turn(granted, wait, rate=rate)


def _text(value: bytes | str | int) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
