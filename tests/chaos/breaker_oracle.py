"""Judges what processes wrote down about calls through one breaker; counts only what is certain.

Between an event and its note a process may be held up. Therefore a probe is in flight from after its permit came until
before its report was sent, and one thing came before another only if its note was complete before the other began.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Event = dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What the notes of one run come to."""

    calls: int
    probes: int
    most_probes: int
    opens: int
    closes: int
    false_closes: int
    unsure: int

    @property
    def flawless(self) -> bool:
        """Whether there was never a second probe, and never a close by anything but a fresh probe's success."""
        return self.most_probes <= 1 and self.false_closes == 0


def read(folder: Path) -> list[Event]:
    """Return all events of all processes."""
    return [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]


def judge(events: Sequence[Event]) -> Verdict:
    """Return the verdict."""
    by_kind: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_kind[event["event"]].append(event)
    probes, opens, closes = by_kind["probe"], by_kind["open"], by_kind["closed"]
    lives: dict[int, list[Event]] = defaultdict(list)
    for probe in probes:
        lives[probe["life"]].append(probe)
    sure = [own for life, own in lives.items() if life >= 0]
    return Verdict(
        calls=sum(event["count"] for event in by_kind["calls"]),
        probes=len(probes),
        most_probes=max((most_at_once(own) for own in sure), default=0),
        opens=len(opens),
        closes=len(closes),
        false_closes=sum(is_false(close, opens) for close in closes if close["life"] >= 0),
        unsure=len(lives[-1]) + sum(close["life"] < 0 for close in closes),
    )


def most_at_once(probes: Sequence[Event]) -> int:
    """Return how many of these were in flight together at the most."""
    moments = sorted([(probe["began"], 1) for probe in probes] + [(probe["ended"], -1) for probe in probes])
    most = now = 0
    for _, step in moments:
        now += step
        most = max(most, now)
    return most


def is_false(close: Event, opens: Sequence[Event]) -> bool:
    """Whether a close was due to anything but the success of a probe that began after the latest opening."""
    if not close["probe"] or close["answer"] != "good":
        return True
    return any(
        close["began"] < item["before"] and item["after"] < close["before"]
        for item in opens
        if item["life"] == close["life"]
    )
