"""Places: how many of a channel's workers may be at campaigns at once, counted in Redis.

Whoever is at campaigns has a place on every channel that it serves, for as long as it says so now and then. Places may
be lost with Redis, and without Redis there is no limit: a campaign must not stand still because a cache is away.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from enum import IntEnum, StrEnum

from redis import Redis
from redis.exceptions import RedisError

logger = logging.getLogger("notifications.places")

KEY = "carillon:campaigns:{%s}"
PLACE_SECONDS = 15
"""How long a place lasts that nobody renews: its worker died."""
# Keys come in pairs: all workers of a channel, and those at campaigns; a channel of which nobody knows a worker sets no
# limit. The share is rounded up, so that a single worker may do everything.
_TAKE = """
local at = redis.call('TIME')
local now = tonumber(at[1]) + tonumber(at[2]) / 1e6
local who, share, alive, lasts, how = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local answer = 2
for i = 1, #KEYS, 2 do
  local workers = redis.call('ZCOUNT', KEYS[i], now - alive, '+inf')
  local most = math.max(1, math.ceil(workers * share - 1e-9))
  redis.call('ZREMRANGEBYSCORE', KEYS[i + 1], '-inf', now - lasts)
  local others = redis.call('ZCARD', KEYS[i + 1]) - (redis.call('ZSCORE', KEYS[i + 1], who) and 1 or 0)
  if workers > most then answer = math.min(answer, (how ~= 'insist' and others >= most) and 0 or 1) end
end
if how == 'look' then return {answer == 2 and 2 or 0} end
for i = 2, #KEYS, 2 do
  if answer == 1 then redis.call('ZADD', KEYS[i], now, who); redis.call('EXPIRE', KEYS[i], lasts)
  else redis.call('ZREM', KEYS[i], who) end
end
return {answer}
"""


class How(StrEnum):
    """How a place is asked for: only whether there is a limit; for one that is free; or for one in any case."""

    LOOK = "look"
    ASK = "ask"
    INSIST = "insist"


class Answer(IntEnum):
    """What a worker is told that wants to be at campaigns; one that only looks gets no place."""

    FULL = 0
    TAKEN = 1
    NO_LIMIT = 2


def take(redis: Redis, workers: dict[str, str], worker: str, share: float, alive_seconds: int, how: How) -> Answer:
    """Take or renew a worker's place, if fewer than the share of each of its channels' workers have one.

    `workers` are the keys under which Redis has each channel's workers, by channel.
    """
    keys = [key for channel, known in workers.items() for key in (known, KEY % channel)]
    values = [worker, str(share), str(alive_seconds), str(PLACE_SECONDS), how.value]
    try:
        (answer,) = redis.register_script(_TAKE)(keys, values)
        return Answer(int(answer))
    except RedisError as error:
        logger.warning("places of campaigns are not counted, Redis is away (%s)", type(error).__name__)
        return Answer.NO_LIMIT


def leave(redis: Redis, channels: Collection[str], worker: str) -> None:
    """Give a worker's place to others; without Redis it runs out by itself."""
    try:
        pipe = redis.pipeline(transaction=False)
        for channel in channels:
            pipe.zrem(KEY % channel, worker)
        pipe.execute()
    except RedisError:
        return
