"""Velocity: how many messages went to one prefix within a window, counted for all workers in Redis.

A count holds the ids of what was admitted: asking again for the same message is no second one, and a count never
grows beyond its limit. It may be lost with Redis, and without Redis everything is admitted: a limit against abuse
must not stop a login code because a cache is away.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

from redis import Redis
from redis.exceptions import RedisError

logger = logging.getLogger("notifications.velocity")

KEY = "carillon:velocity:{%s}:%s"
# Answers for each message whether it is admitted; a window begins with its first message.
_SCRIPT = """
local most, seconds, counts, answers = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == '1', {}
for i, key in ipairs(KEYS) do
  local id = ARGV[3 + i]
  if redis.call('SISMEMBER', key, id) == 1 then answers[i] = 1
  elseif redis.call('SCARD', key) >= most then answers[i] = 0
  else
    answers[i] = 1
    if counts and redis.call('SADD', key, id) == 1 and redis.call('SCARD', key) == 1 then
      redis.call('EXPIRE', key, seconds)
    end
  end
end
return answers
"""


class Asking(NamedTuple):
    """One message that asks for its place in the count of a prefix."""

    prefix: str
    message: str


def admit(
    redis: Redis, channel: str, asking: Sequence[Asking], most: int, seconds: int, *, count: bool = True
) -> list[bool]:
    """Return of each message whether it is within the limit, in one round trip; `count=False` only looks."""
    if not asking:
        return []
    keys = [KEY % (channel, item.prefix) for item in asking]
    arguments = [str(most), str(seconds), "1" if count else "0", *(item.message for item in asking)]
    try:
        answers = redis.register_script(_SCRIPT)(keys, arguments)
    except RedisError as error:
        logger.warning("%s: messages to a prefix are not counted, Redis is away (%s)", channel, type(error).__name__)
        return [True] * len(asking)
    return [bool(int(answer)) for answer in answers]
