"""The plot of throughput: bars in a picture that scales, with title, description and a table of the same figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from ..enums import Channel
from ..flows.overview import Seen, Step
from ..rules.overview import duration

WIDTH, HEIGHT = 720, 128
_GAP = 0.2


@dataclass(frozen=True)
class Bar:
    """One bar, as the attributes of a rectangle; `kind` is what it counts."""

    x: str
    y: str
    width: str
    height: str
    kind: str


def plot(seen: Seen) -> dict[str, Any]:
    """Return all that the template draws; numbers are text already, since a comma would break the picture."""
    most = max((_total(step, "sent") + _total(step, "failed") for step in seen.steps), default=0)
    ends = seen.steps[0].begins if seen.steps else seen.now
    return {
        "bars": _bars(seen.steps, _round(most)),
        "most": f"{_round(most):,}",
        "half": f"{_round(most) / 2:,.0f}",
        "empty": not most,
        "first": f"{ends:%H:%M}",
        "last": f"{seen.now:%H:%M}",
        "title": _("Sent and failed, by the time"),
        "description": _description(seen, most),
        "columns": [channel.label for channel in Channel],
        "rows": [
            {
                "at": f"{date_format(step.begins, 'SHORT_DATE_FORMAT')} {step.begins:%H:%M}",
                "sent": [f"{step.sent.get(channel, 0):,}" for channel in Channel],
                "failed": f"{_total(step, 'failed'):,}",
            }
            for step in reversed(seen.steps)
        ],
    }


def _description(seen: Seen, most: int) -> str:
    sent = sum(_total(step, "sent") for step in seen.steps)
    failed = sum(_total(step, "failed") for step in seen.steps)
    text = _("%(sent)s sent and %(failed)s failed in steps of %(step)s; at most %(most)s in one step.")
    values = {"sent": f"{sent:,}", "failed": f"{failed:,}", "most": f"{most:,}", "step": duration(seen.step_seconds)}
    return text % values


def _bars(steps: Sequence[Step], most: int) -> list[Bar]:
    if not most:
        return []
    wide = WIDTH / len(steps)
    bars = []
    for place, step in enumerate(steps):
        x, floor = place * wide, float(HEIGHT)
        for kind in ("failed", "sent"):  # what has failed stands on the ground, where it is seen first
            count = _total(step, kind)
            if count:
                height = max(1.5, HEIGHT * count / most)
                floor -= height
                bars.append(Bar(f"{x:.1f}", f"{floor:.1f}", f"{wide * (1 - _GAP):.1f}", f"{height:.1f}", kind))
    return bars


def _total(step: Step, kind: str) -> int:
    return sum((step.sent if kind == "sent" else step.failed).values())


def _round(most: int) -> int:
    """Return the end of the axis: the next of 2, 4, 10, 20, 40, 100, ..."""
    size = 1
    while True:
        for factor in (2, 4, 10):
            if most <= factor * size:
                return factor * size
        size *= 10
