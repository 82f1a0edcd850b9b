"""Metrics: what operators watch, read where it is known already; by no person, no address and no message.

Every label comes from a set that this installation bounds: channels, lanes, states, reasons, the providers of the
settings, kinds of alerts. A provider's code is told only for the commonest causes of dead letters.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator

from django.db.models import Sum

from .. import __version__
from ..enums import Channel, Priority
from ..latency import BOUNDS, Latency, read
from ..models import Total
from ..rules.exposition import Family, Kind, written
from ..wakeups import connection
from . import health

_GAUGE, _COUNTER, _HISTOGRAM = Kind.GAUGE, Kind.COUNTER, Kind.HISTOGRAM
_BREAKER_STATES = ("closed", "half-open", "open")
_MOST_CAUSES = 50
_OTHER = "other"
# What a provider calls an error: letters and digits in words, but nothing that could be a number to call.
_CODE = re.compile(r"(?!.*\d{7})[A-Za-z0-9_.:/ -]{0,40}")
#: A lag of n is from 2 ** (n / 2) ms on: these are whole powers of two, from 8 ms to about 17 minutes.
_LAGS = range(5, 40, 2)


def metrics() -> str:
    """Return all metrics in Prometheus' text format.

    Raises:
        DatabaseError: PostgreSQL is away, and nearly all of it with it. Without Redis only its part is missing.
    """
    return written(family for read_some in _PARTS for family in read_some())


def _about() -> Iterator[Family]:
    family = Family("carillon_build_info", _GAUGE, "Always 1; the version is a label.")
    family.add(1, version=__version__)
    yield family


def _backlog() -> Iterator[Family]:
    most = f"{health.MOST_COUNTED:,}"
    depth = Family("carillon_backlog_deliveries", _GAUGE, f"Deliveries that are due and not claimed, up to {most}.")
    age = Family("carillon_backlog_age_seconds", _GAUGE, "For how long the first of them has been due.")
    for item in health.backlog():
        labels = {"channel": item.channel.value, "lane": Priority[item.lane.name].value}
        depth.add(item.depth, **labels)
        age.add(round(item.age, 3), **labels)
    claims = Family("carillon_claims", _GAUGE, "Claims of deliveries that are being sent.")
    for channel, count in health.claims().items():
        claims.add(count, channel=channel.value)
    yield from (depth, age, claims)


def _outcomes() -> Iterator[Family]:
    told = "Deliveries that came into a state (pending: planned, or to be tried again)."
    moved = Family("carillon_deliveries_total", _COUNTER, told)
    grouped = Total.objects.values_list("channel", "provider", "state", "reason").annotate(sum=Sum("moved"))
    for channel, provider, state, reason, count in grouped.order_by("channel", "provider", "state", "reason"):
        moved.add(int(count), channel=channel, provider=provider, state=state, reason=reason)
    lag = Family(
        "carillon_time_to_send_seconds", _HISTOGRAM, "From the request (or its time) until a provider took it."
    )
    lags: dict[tuple[str, str], Counter[int]] = {}
    sent = Total.objects.filter(lag__gte=0).values_list("channel", "provider", "lag").annotate(sum=Sum("moved"))
    for channel, provider, number, count in sent.order_by("channel", "provider", "lag"):
        lags.setdefault((channel, provider), Counter())[number] += int(count)
    bounds = [2 ** ((number + 1) / 2) / 1000 for number in _LAGS]
    for (channel, provider), counted in lags.items():
        counts = [0] * (len(bounds) + 1)
        for number, count in counted.items():
            counts[min(max(0, (number - _LAGS.start + 1) // 2), len(bounds))] += count
        lag.add_histogram(bounds, counts, None, {"channel": channel, "provider": provider})
    yield from (moved, lag)


def _providers() -> Iterator[Family]:
    breaker = Family("carillon_breaker_state", _GAUGE, "1 for the state that a provider's breaker is in.")
    held = Family("carillon_provider_held", _GAUGE, "1 while a provider is held.")
    took = Family("carillon_provider_latency_seconds", _HISTOGRAM, "From handing a message over until its answer.")
    for provider in health.providers():
        labels = {"channel": provider.channel.value, "provider": provider.alias}
        held.add(provider.held, **labels)
        if not provider.breaker:
            continue
        for state in _BREAKER_STATES:
            breaker.add(state == provider.breaker, **labels, state=state)
        seen = read(connection(provider.channel), provider.alias) or Latency()
        took.add_histogram(BOUNDS, seen.buckets, seen.seconds, labels)
    yield from (breaker, held, took)


def _dead() -> Iterator[Family]:
    told = f"Dead letters by cause, among the newest {health.MOST_COUNTED:,}."
    dead = Family("carillon_dead_letters", _GAUGE, told)
    causes: Counter[tuple[str, str, str, str]] = Counter()
    for place, cause in enumerate(health.dead_by_cause()):
        code = cause.code if place < _MOST_CAUSES and _CODE.fullmatch(cause.code) else _OTHER
        causes[cause.channel, cause.provider, cause.reason, code] += cause.count
    for (channel, provider, reason, code), count in causes.items():
        dead.add(count, channel=channel, provider=provider, reason=reason, code=code)
    yield dead


def _alerts() -> Iterator[Family]:
    alerts = Family("carillon_alerts_open", _GAUGE, "Alerts that nobody acknowledged.")
    for kind, count in health.open_alerts().items():
        alerts.add(count, kind=kind)
    yield alerts


def _processes() -> Iterator[Family]:
    age = Family("carillon_sweeper_age_seconds", _GAUGE, "Since the sweeper's last round began.")
    seconds = health.sweeper_age()
    if seconds is not None:
        age.add(round(seconds, 3))
    yield age
    redis = Family("carillon_redis_up", _GAUGE, "1 while the channel's Redis answers.")
    yield from _by_channel("carillon_wakeups", "Wake-ups that no worker has taken.", health.wakeups, redis)
    yield redis
    yield from _by_channel("carillon_workers", "Workers that serve the channel.", health.workers)


def _by_channel(
    name: str, told: str, numbers: Callable[[], dict[Channel, int | None]], up: Family | None = None
) -> Iterator[Family]:
    family = Family(name, _GAUGE, told)
    for channel, number in numbers().items():
        if number is not None:
            family.add(number, channel=channel.value)
        if up is not None:
            up.add(number is not None, channel=channel.value)
    yield family


_PARTS: tuple[Callable[[], Iterator[Family]], ...] = (
    _about, _backlog, _outcomes, _providers, _dead, _alerts, _processes
)  # fmt: skip
