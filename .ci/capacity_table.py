"""Makes the tables of docs/capacity.md from `build/bench.json`: what a message costs, and what a rate needs.

python .ci/capacity_table.py [FILE]            prints them
python .ci/capacity_table.py [FILE] --write    puts them into docs/capacity.md, between its two marks

The formula, with c(part) the CPU seconds of a part for one message of the broadcast that was measured, R the rate:

    cores of a part     R x c(part)
    workers             R x c(workers) / 0.8       a process is one core at most; a fifth stays free for what is urgent
    in flight           R x latency                of the provider, 100 ms here; send_window = in flight / workers
    connections         2 x workers + threads of the web servers (8 here)
    memory of workers   workers x worker_rss_mb
    disk                R x 570 bytes of rows; three times as much of WAL: constants of this script, not of the run
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "capacity.md"
BEGIN, END = "<!-- made by .ci/capacity_table.py -->", "<!-- end of what is made -->"
RATES = (1_000, 10_000, 100_000)
PARTS = {"workers": "workers", "postgresql": "PostgreSQL", "valkey": "Valkey", "web": "web"}
BUSY, LATENCY, WEB_THREADS = 0.8, 0.1, 8
ROW_BYTES, WAL_TIMES = 570, 3

Line = Mapping[str, Any]


def tables(lines: Sequence[Line]) -> str:
    """Return both tables as Markdown.

    Raises:
        KeyError: the broadcast was not measured.
    """
    by_name = {line["name"]: line for line in lines}
    sent = by_name["broadcast_push_per_s"]["detail"]
    each = {part: sent["cpu_seconds"][part] / sent["accepted_by_sink"] for part in PARTS}
    machine = by_name["machine"]["detail"]
    quick = ", with `QUICK=1`" if sent.get("quick") else ""
    head = (
        f"From a broadcast of {sent['accepted_by_sink']:,} pushes at {by_name['broadcast_push_per_s']['value']:,.0f} a "
        f"second on {machine['cores']} cores, PostgreSQL {machine['postgresql']}, Python {machine['python']}{quick}:"
    )
    costs = [f"| {title} | {1e6 * each[part]:,.0f} |" for part, title in PARTS.items()]
    costs.append(f"| together | {1e6 * sum(each.values()):,.0f} |")
    needs = [
        "| " + " | ".join(row) + " |" for row in zip(*(needed(rate, each, by_name) for rate in RATES), strict=True)
    ]
    return "\n".join(
        [
            head,
            "",
            "| part | µs of CPU for a message |",
            "|---|---:|",
            *costs,
            "",
            "| messages a second | " + " | ".join(f"{rate:,}" for rate in RATES) + " |",
            "|---|" + "---:|" * len(RATES),
            *(f"| {title} {row}" for title, row in zip(NEEDS, needs, strict=True)),
            "",
            "The line from one message to a rate rests on these figures, measured at these sizes and no larger ones:",
            "",
            "| figure | measured with | value |",
            "|---|---|---:|",
            *(f"| `{name}` | {' | '.join(_seen(name, by_name.get(name)))} |" for name in RESTS_ON),
        ]
    )


def _seen(name: str, line: Line | None) -> tuple[str, str]:
    """Return at what sizes a figure was taken, and what it was."""
    if line is None:
        return "not measured in this run", ""
    detail = line["detail"]
    if name == "cost_1m_vs_10k":
        small, large = detail["recipients"]
        sizes = f"{large:,} recipients against {small:,}"
    else:
        sizes = (
            f"{detail['recipients']:,} recipients, a log of {detail['deliveries_seeded']:,} rows against an empty one"
        )
    return sizes, f"{line['value']:g} ×"


#: What the straight line from one message to a rate rests on.
RESTS_ON = ("cost_1m_vs_10k", "cost_on_10m_rows")
NEEDS = (
    "worker processes",
    "cores for workers",
    "cores for PostgreSQL",
    "cores for Valkey",
    "in flight at 100 ms",
    "`send_window` of each worker",
    "connections of clients",
    "memory of workers",
    f"rows an hour, reckoned from {ROW_BYTES} bytes a row",
    f"WAL a second, reckoned as {WAL_TIMES} times the rows",
)


def needed(rate: int, each: Mapping[str, float], by_name: Mapping[str, Line]) -> list[str]:
    """Return what a rate needs, in the order of `NEEDS`."""
    workers = math.ceil(rate * each["workers"] / BUSY)
    flight = rate * LATENCY
    return [
        f"{workers:,}",
        *(f"{rate * each[part]:,.1f}" for part in ("workers", "postgresql", "valkey")),
        f"{flight:,.0f}",
        f"{math.ceil(flight / workers):,}",
        f"{2 * workers + WEB_THREADS:,}",
        f"{workers * by_name['worker_rss_mb']['value'] / 1_000:,.1f} GB",
        f"{rate * 3_600 * ROW_BYTES / 1e9:,.1f} GB",
        f"{rate * ROW_BYTES * WAL_TIMES / 1e6:,.1f} MB",
    ]


def main() -> int:
    """Print the tables or write them into the page."""
    given = [word for word in sys.argv[1:] if not word.startswith("-")]
    file = Path(given[0]) if given else ROOT / "build" / "bench.json"
    made = tables(json.loads(file.read_text(encoding="utf-8")))
    if "--write" not in sys.argv:
        print(made)
        return 0
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{made}\n{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
