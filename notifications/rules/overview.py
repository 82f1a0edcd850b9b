"""How the service does, as one sentence with its reason: the first that is true, the worst first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..enums import Family, Lane

#: Seconds that what is due may wait before it is told of, by lane: a login code, and everything else.
LATE_URGENT, LATE = 30.0, 300.0
#: A share of failures below this, or of fewer than so many, is every day's.
FAILED_SHARE, FAILED_LEAST = 0.1, 20
_URGENT = (Lane.CRITICAL, Lane.HIGH)


@dataclass(frozen=True)
class Carrier:
    """A provider as the verdict sees it: `why_not` says why it is not used now; empty, it is."""

    alias: str
    why_not: str = ""


@dataclass(frozen=True)
class ChannelFigures:
    """A channel in the window; `late` is how long what has been due longest waits, in seconds by lane."""

    name: str
    sent: int = 0
    failed: int = 0
    late: Mapping[int, float] = field(default_factory=dict)
    paused: str = ""
    route: Sequence[Carrier] = ()

    @property
    def failed_share(self) -> float:
        """Which share of all that ended has failed."""
        ended = self.sent + self.failed
        return self.failed / ended if ended else 0.0


@dataclass(frozen=True)
class Signals:
    """What a verdict is made from; `swept` is how many seconds ago a sweeper was last seen, None: never."""

    channels: Sequence[ChannelFigures]
    swept: float | None
    stopped_broadcasts: int = 0
    dead: int = 0
    dead_more: bool = False


@dataclass(frozen=True)
class Finding:
    """One sentence, in the colour of a family of states."""

    family: Family
    text: str


def findings(signals: Signals, sweeper_seconds: float) -> list[Finding]:
    """Return all that is to be said, the worst first; where there is nothing, the one sentence that all is well."""
    found = list(_troubles(signals, sweeper_seconds))
    order = (Family.FAILED, Family.WAITING)
    return sorted(found, key=lambda item: order.index(item.family)) or [_well(signals)]


def quantile(sent_by_lag: Iterable[tuple[int, int]], share: float) -> float | None:
    """Return within how many milliseconds that share was sent, at most; lags are 2 log2 of milliseconds."""
    counts = sorted((lag, count) for lag, count in sent_by_lag if lag >= 0 and count > 0)
    left = math.ceil(share * sum(count for _, count in counts))
    for lag, count in counts:
        left -= count
        if left <= 0:
            return float(2 ** ((lag + 1) / 2))
    return None


def duration(seconds: float) -> str:
    """Return a duration in words, as short as it may be: "0.4 s", "12 s", "3 min", "5 h", "2 d"."""
    if seconds < 10:
        return _("%(count)s s") % {"count": f"{seconds:.1f}"}
    for most, unit, text in (
        (120, 1, _("%(count)s s")),
        (7_200, 60, _("%(count)s min")),
        (172_800, 3_600, _("%(count)s h")),
    ):
        if seconds < most:
            return text % {"count": f"{seconds / unit:.0f}"}
    return _("%(count)s d") % {"count": f"{seconds / 86_400:.0f}"}


def _troubles(signals: Signals, sweeper_seconds: float) -> Iterator[Finding]:
    if signals.swept is None or signals.swept > sweeper_seconds:
        told = _("for %(time)s") % {"time": duration(signals.swept)} if signals.swept is not None else _("yet")
        text = _("No worker has reported %(since)s: nothing is sent. Start one: manage.py rqworker push sms email.")
        yield Finding(Family.FAILED, text % {"since": told})
    for channel in signals.channels:
        yield from _of_channel(channel)
    if signals.stopped_broadcasts:
        text = ngettext(
            "%(count)d broadcast stopped itself and waits for somebody to look.",
            "%(count)d broadcasts stopped themselves and wait for somebody to look.",
            signals.stopped_broadcasts,
        )
        yield Finding(Family.WAITING, text % {"count": signals.stopped_broadcasts})
    if signals.dead:
        text = ngettext(
            "%(count)s dead letter waits for somebody to act.",
            "%(count)s dead letters wait for somebody to act.",
            signals.dead,
        )
        yield Finding(Family.WAITING, text % {"count": f"{signals.dead:,}{'+' if signals.dead_more else ''}"})


def _of_channel(channel: ChannelFigures) -> Iterator[Finding]:
    if channel.paused:
        yield Finding(Family.WAITING, _("%(channel)s is paused: %(why)s.") % _named(channel, why=channel.paused))
        return
    out = [carrier for carrier in channel.route if carrier.why_not]
    if out and len(out) == len(channel.route):
        why = "; ".join(f"{carrier.alias}: {carrier.why_not}" for carrier in out)
        text = _("Nothing goes out on %(channel)s: it has no provider left (%(why)s).")
        yield Finding(Family.FAILED, text % _named(channel, why=why))
    elif out:
        others = ", ".join(carrier.alias for carrier in channel.route if not carrier.why_not)
        for carrier in out:
            text = _("%(alias)s is not used (%(why)s); %(others)s carries %(channel)s meanwhile.")
            values = {"alias": carrier.alias, "why": carrier.why_not, "others": others}
            yield Finding(Family.WAITING, text % _named(channel, **values))
    yield from _late(channel)
    if channel.failed >= FAILED_LEAST and channel.failed_share >= FAILED_SHARE:
        text = _(
            "%(share)s of what ended on %(channel)s has failed: look at the dead letters and the provider's answers."
        )
        yield Finding(Family.FAILED, text % _named(channel, share=f"{channel.failed_share:.0%}"))


def _late(channel: ChannelFigures) -> Iterator[Finding]:
    urgent = max((late for lane, late in channel.late.items() if lane in _URGENT), default=0.0)
    longest = max(channel.late.values(), default=0.0)
    if urgent > LATE_URGENT:
        text = _("Urgent messages on %(channel)s have been due for %(time)s and were not sent.")
        yield Finding(Family.FAILED, text % _named(channel, time=duration(urgent)))
    elif longest > LATE:
        text = _("%(channel)s is behind: what has been due longest waits for %(time)s.")
        yield Finding(Family.WAITING, text % _named(channel, time=duration(longest)))


def _well(signals: Signals) -> Finding:
    sent = sum(channel.sent for channel in signals.channels)
    failed = sum(channel.failed for channel in signals.channels)
    longest = max((late for channel in signals.channels for late in channel.late.values()), default=0.0)
    if not sent and not failed and not longest:
        return Finding(Family.NOT_SENT, _("All is quiet: nothing was sent in this time, and nothing waits."))
    share = f"{failed / (sent + failed):.1%}" if sent + failed else "0%"
    text = _("All goes out: %(sent)s sent in this time, %(share)s failed, and nothing due waits longer than %(time)s.")
    return Finding(Family.REACHED, text % {"sent": f"{sent:,}", "share": share, "time": duration(max(1.0, longest))})


def _named(channel: ChannelFigures, **values: str) -> dict[str, str]:
    return {"channel": channel.name, **values}
