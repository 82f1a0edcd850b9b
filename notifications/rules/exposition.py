"""Prometheus' text format (version 0.0.4), written from numbers that were read a moment ago.

Nothing is counted in this process, of which there may be many: so there is no registry, and no library is needed.
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import accumulate

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Labels = Mapping[str, str]


class Kind(Enum):
    """What a family of metrics is."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass
class Family:
    """Metrics of one name: what it is, and a line for each set of labels."""

    name: str
    kind: Kind
    help: str
    lines: list[tuple[str, Labels, float]] = field(default_factory=list)

    def add(self, value: float, **labels: str) -> None:
        """Add one value."""
        self.lines.append((self.name, labels, value))

    def add_histogram(
        self, bounds: Sequence[float], counts: Sequence[int], total: float | None, labels: Labels
    ) -> None:
        """Add a histogram; `counts` has one more than `bounds`: what is beyond them all.

        Without a `total` of the values no sum is told, rather than a wrong one.
        """
        upper = [*(_number(bound) for bound in bounds), "+Inf"]
        for bound, count in zip(upper, accumulate(counts), strict=True):
            self.lines.append((f"{self.name}_bucket", {**labels, "le": bound}, count))
        if total is not None:
            self.lines.append((f"{self.name}_sum", labels, total))
        self.lines.append((f"{self.name}_count", labels, sum(counts)))


def written(families: Iterable[Family]) -> str:
    """Return the families as Prometheus reads them; one without a line is left out."""
    return "".join(f"{line}\n" for family in families if family.lines for line in _lines(family))


def _lines(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {_escaped(family.help)}"
    yield f"# TYPE {family.name} {family.kind.value}"
    for name, labels, value in family.lines:
        inner = ",".join(f'{key}="{_quoted(text)}"' for key, text in labels.items())
        yield f"{name}{{{inner}}} {_number(value)}" if inner else f"{name} {_number(value)}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', '\\"')


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
