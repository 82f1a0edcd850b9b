"""Degraded: notice a provider that takes messages and does not deliver them, by minute roll-ups that may be lost.

Kept in the Redis of the provider's channel, one hash per provider: what was sent in a minute, and how much of what was
sent in it was reported as delivered since. Without Redis nothing is counted and nobody is accused.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from redis.exceptions import RedisError

from .. import conf
from ..enums import State
from ..exceptions import ConfigurationError
from ..models import Delivery, ProviderHold
from ..providers.base import Adapter
from ..rules.degraded import USUAL_MINUTES, Minute, another_takes_over, judge
from ..rules.standing import Change, Standing
from ..wakeups import connection
from . import gate
from .alerts import raise_alert

logger = logging.getLogger("notifications.degraded")
KEY = "carillon:degraded:{%s}"
HELD_BY = "degraded"
HOLD = timedelta(minutes=10)
_REST_SECONDS = 5.0
_KEPT_SECONDS = 2 * 86_400
_resting_until = float("-inf")


def count_sent(adapter: Adapter, standings: Iterable[Standing]) -> None:
    """Count what a provider took, by the minute; one round trip, and none where it reports no delivery."""
    if _is_watched(adapter):
        taken = (item.sent_at for item in standings if item.state == State.SENT)
        _add(adapter, "s", Counter(_minute(moment) for moment in taken if moment is not None))


def count_delivered(changes: Iterable[Change]) -> None:
    """Count what receipts report as delivered, in the minute in which it was sent; one round trip per provider."""
    by_alias: dict[str, Counter[int]] = {}
    for change in changes:
        before = change.before
        if before.sent_at is not None and before.delivered_at is None and change.after.delivered_at is not None:
            by_alias.setdefault(before.provider, Counter())[_minute(before.sent_at)] += 1
    for alias, minutes in by_alias.items():
        adapter = _loaded(alias)
        if adapter is not None and _is_watched(adapter):
            _add(adapter, "d", minutes)


def watch_degraded() -> None:
    """Judge every provider that reports delivery; tell of one whose share fell, and hold it if its options say so."""
    now = Delivery.objects.database_now()
    ends = dict(ProviderHold.objects.filter(platform="").values_list("alias", "until"))
    for alias in conf.get().providers:
        adapter = _loaded(alias)
        if adapter is not None and _is_watched(adapter):
            _judge(adapter, now, ends)


def _judge(adapter: Adapter, now: datetime, ends: Mapping[str, datetime]) -> None:
    alias = adapter.alias
    within = adapter.receipts_within or 0.0
    closed = _minute(now - timedelta(seconds=within)) - 1
    # After a hold only what was sent since tells anything: the same window must not hold it again.
    since = _minute(ends[alias]) + 1 if alias in ends else closed - USUAL_MINUTES
    verdict = judge(_minutes(adapter, closed), closed, since)
    if verdict is None or not verdict.degraded:
        return
    told = (
        f"{verdict.share:.0%} of {verdict.sent} messages were reported as delivered within {within:.0f} s,"
        f" {verdict.usual:.0%} is usual"
    )
    held = [other for other, until in ends.items() if until > now]
    route = conf.get().routes.get(adapter.channel, ())
    if adapter.failover_when_degraded and another_takes_over(route, alias, held):
        gate.hold_itself(alias, told, HOLD, by=HELD_BY)
        told += f"; held for {HOLD.total_seconds() / 60:.0f} minutes, the route's next provider takes over"
    else:
        told += "; look at its status page, and hold it to let the route's next provider take over"
    raise_alert("provider_degraded", alias, told)


def _is_watched(adapter: Adapter) -> bool:
    return adapter.reports_delivery and adapter.receipts_within is not None


def _loaded(alias: str) -> Adapter | None:
    try:
        return gate.adapter(alias)
    except (ConfigurationError, KeyError):
        return None


def _minute(moment: datetime) -> int:
    return int(moment.timestamp() // 60)


def _add(adapter: Adapter, kind: str, minutes: Mapping[int, int]) -> None:
    global _resting_until  # noqa: PLW0603 - the process's own memory that Redis was away a moment ago
    if not minutes or time.monotonic() < _resting_until:
        return
    key = KEY % adapter.alias
    try:
        pipeline = connection(adapter.channel).pipeline(transaction=False)
        for minute, count in minutes.items():
            pipeline.hincrby(key, f"{kind}{minute}", count)
        pipeline.expire(key, _KEPT_SECONDS)
        pipeline.execute()
    except RedisError as error:
        logger.debug("%s: not counted, Redis is away (%s)", adapter.alias, type(error).__name__)
        _resting_until = time.monotonic() + _REST_SECONDS


def _minutes(adapter: Adapter, closed: int) -> dict[int, Minute]:
    """Return the roll-ups of the past day, and forget what is older."""
    key = KEY % adapter.alias
    sent: Counter[int] = Counter()
    delivered: Counter[int] = Counter()
    try:
        redis = connection(adapter.channel)
        old = []
        for name, value in redis.hgetall(key).items():
            field = name.decode() if isinstance(name, bytes) else str(name)
            minute = int(field[1:])
            if minute < closed - USUAL_MINUTES:
                old.append(field)
            else:
                (sent if field[0] == "s" else delivered)[minute] += int(value)
        if old:
            redis.hdel(key, *old)
    except (RedisError, ValueError):
        return {}
    return {minute: Minute(count, min(count, delivered[minute])) for minute, count in sent.items()}
