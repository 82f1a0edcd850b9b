"""Overview: how the service does now and did in a window, from minute roll-ups and counts that end at a limit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import OuterRef, Subquery

from .. import conf
from ..enums import BroadcastStatus, Channel, ProviderState
from ..models import Broadcast, Notification
from ..models.console_queries import DeadGroup
from ..models.figures import Moved, OpenAlert, Standing, standing, traffic
from ..rules.overview import Carrier, ChannelFigures, Finding, Signals, findings
from .dead_letters import groups
from .provider_cards import Card, Figures, card, figures_of
from .status import Progress, progress_of

#: What may be looked at: minutes, and how many seconds a step of the plot lasts.
WINDOWS: Mapping[str, tuple[int, int]] = {"15m": (15, 60), "1h": (60, 120), "24h": (1_440, 1_800)}
USUAL = "1h"
#: Due messages are counted no further than this in each lane.
MOST_DUE = 10_000
_DEAD_READ = 2_000
_BROADCASTS_SHOWN = 8
_UNUSED = {ProviderState.HELD, ProviderState.OPEN, ProviderState.PAUSED, ProviderState.BROKEN}
_RUNNING = (BroadcastStatus.PLANNING, BroadcastStatus.SENDING, BroadcastStatus.PAUSED, BroadcastStatus.STOPPED)


@dataclass(frozen=True)
class ChannelRow:
    """A channel in the window; `oldest` is how many seconds what has been due longest waits."""

    channel: Channel
    figures: Figures
    skipped: int
    due: int
    oldest: float | None
    paused_until: datetime | None = None


@dataclass(frozen=True)
class Step:
    """One step of the plot: when it begins, and what was sent and has failed by channel."""

    begins: datetime
    sent: Mapping[str, int]
    failed: Mapping[str, int]


@dataclass(frozen=True)
class Running:
    """A broadcast that goes on, or waits for somebody."""

    broadcast: Broadcast
    template: str
    progress: Progress | None


@dataclass(frozen=True)
class Seen:
    """All that the page shows."""

    now: datetime
    window: str
    findings: Sequence[Finding]
    channels: Sequence[ChannelRow]
    steps: Sequence[Step]
    step_seconds: int
    dead: Sequence[DeadGroup]
    dead_count: int
    dead_more: bool
    providers: Sequence[Card]
    broadcasts: Sequence[Running]
    alerts: Sequence[OpenAlert] = field(default_factory=tuple)


def look(window: str) -> Seen:
    """Return how the service does; five statements. An unknown window is an hour."""
    window = window if window in WINDOWS else USUAL
    minutes, width = WINDOWS[window]
    seen = standing(MOST_DUE + 1)
    begins = datetime.fromtimestamp(
        (seen.now - timedelta(minutes=minutes)).timestamp() // width * width + width, seen.now.tzinfo
    )
    moved = traffic(begins, width)
    providers = [card(alias, seen) for alias in conf.get().providers]
    dead, more = groups(_DEAD_READ)
    running = _running()
    channels = [_channel(channel, moved, seen) for channel in Channel]
    count = sum(group.count for group in dead)
    signals = Signals(
        channels=[_signal(row, seen, providers) for row in channels],
        swept=seen.sweeper[1] if seen.sweeper else None,
        stopped_broadcasts=sum(item.broadcast.status == BroadcastStatus.STOPPED for item in running),
        dead=count,
        dead_more=more,
    )
    return Seen(
        now=seen.now,
        window=window,
        findings=findings(signals, 3 * conf.SWEEPER_LEASE_SECONDS),
        channels=channels,
        steps=_steps(moved, begins, width, seen.now),
        step_seconds=width,
        dead=dead,
        dead_count=count,
        dead_more=more,
        providers=providers,
        broadcasts=running,
        alerts=seen.alerts,
    )


def _channel(channel: Channel, moved: Sequence[Moved], seen: Standing) -> ChannelRow:
    own = [item for item in moved if item.place is None and item.channel == channel]
    depths = [item for item in seen.depths if item.channel == channel]
    paused = next((item.until for item in seen.pauses if item.name == channel), None)
    return ChannelRow(
        channel,
        figures_of(own),
        sum(item.skipped for item in own),
        sum(min(item.count, MOST_DUE) for item in depths),
        max((seen.now.timestamp() - item.oldest for item in depths), default=None),
        datetime.fromtimestamp(paused, seen.now.tzinfo) if paused else None,
    )


def _signal(row: ChannelRow, seen: Standing, providers: Sequence[Card]) -> ChannelFigures:
    now = seen.now.timestamp()
    by_alias = {item.alias: item for item in providers}
    route = [
        Carrier(entry.provider, str(found.state.label) if found.state in _UNUSED else "")
        for entry in conf.get().routes.get(row.channel, ())
        if (found := by_alias.get(entry.provider)) is not None
    ]
    pause = next((item for item in seen.pauses if item.name == row.channel), None)
    return ChannelFigures(
        name=str(row.channel.label),
        sent=row.figures.sent,
        failed=row.figures.failed,
        late={item.lane: now - item.oldest for item in seen.depths if item.channel == row.channel},
        paused=f"{pause.reason} ({pause.by})" if pause else "",
        route=route,
    )


def _steps(moved: Sequence[Moved], begins: datetime, width: int, now: datetime) -> list[Step]:
    sent: dict[int, dict[str, int]] = defaultdict(dict)
    failed: dict[int, dict[str, int]] = defaultdict(dict)
    for item in moved:
        if item.place is not None:
            sent[item.place][item.channel] = item.sent
            failed[item.place][item.channel] = item.failed
    count = int((now - begins).total_seconds() // width) + 1
    return [
        Step(begins + timedelta(seconds=place * width), sent.get(place, {}), failed.get(place, {}))
        for place in range(count)
    ]


def _running() -> list[Running]:
    named = Notification.objects.filter(pk=OuterRef("notification_id")).values("template")[:1]
    going = Broadcast.objects.filter(status__in=_RUNNING, finished_at=None).annotate(template=Subquery(named))
    found = list(going.order_by("-pk")[:_BROADCASTS_SHOWN])
    # One of a release without tallies would have to be counted row by row.
    told = progress_of(item for item in found if item.tallied or item.outcome is not None) if found else {}
    return [Running(item, getattr(item, "template", "") or "", told.get(item.pk)) for item in found]
