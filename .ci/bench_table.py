"""Makes a table and a plot for the README from `build/bench.json`.

python .ci/bench_table.py [FILE]           prints the table and writes docs/images/bench.svg
python .ci/bench_table.py [FILE] --write   puts both into README.md, between its two marks
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PLOT = ROOT / "docs" / "images" / "bench.svg"
README = ROOT / "README.md"
BEGIN, END = "<!-- made by .ci/bench_table.py -->", "<!-- end of what is made -->"
TITLES = {
    "broadcast_push_per_s": "Push broadcast, personal body, every row recorded",
    "broadcast_exact": "Recipients with anything else than computed",
    "worker_rss_mb": "Memory of a worker, at most",
    "valkey_growth_mb": "Valkey during the broadcast, above idle",
    "vs_celery": "Against one Celery task for each recipient",
    "vs_rq_job_each": "Against one RQ job for each recipient",
    "email_vs_post_office": "Email broadcast against django-post_office",
    "share_of_bare_client": "Share of a bare client loop's rate",
    "plan_share_of_insert_select": "Planning against a bare INSERT .. SELECT of the same rows",
    "single_per_s": "Single notifications by HTTP, sustained to the provider",
    "single_share_of_bare_view": "The same against a bare DRF view with one INSERT",
    "accept_p50_vs_bare_view": "Accepting one, median, against the bare view",
    "accept_p99_vs_bare_view": "Accepting one, 99th percentile, against the bare view",
    "batch_per_s": "Batch endpoint, accepted",
    "webhook_burst_s": "A thousand signed callbacks within a second, all kept",
    "webhook_p99_vs_bare_view": "Taking a callback, 99th percentile, against the bare view",
    "otp_p50_s": "Login code by SMS during the broadcast, median",
    "otp_p99_s": "Login code by SMS during the broadcast, 99th percentile",
    "cost_1m_vs_10k": "Cost of a recipient among the many against among 10,000",
    "cost_on_10m_rows": "Cost of a recipient with a full log against an empty one",
    "console_p95_ms": "Slowest screen of the console on a full log during a broadcast, 95th percentile",
    "rate_with_held_snapshot": "Rate while somebody holds an old snapshot",
    "rate_at_100ms_latency": "Rate with a provider that answers after 100 ms",
    "two_hosts": "Lost or unflagged when one of two hosts is stopped, then killed",
}
BARS = (
    ("Carillon, all rows recorded", "ours_per_s"),
    ("bare client loop (pyreqwest)", "bare pyreqwest_per_s"),
    ("bare client loop (aiohttp)", "bare aiohttp_per_s"),
    ("one Celery task each", "Celery_per_s"),
    ("one RQ job each", "RQ_per_s"),
)
_LEFT, _WIDTH, _ROW = 230, 720, 34
_LOOK = 'font-family="sans-serif" font-size="13"'

Line = Mapping[str, Any]


def table(lines: Sequence[Line]) -> str:
    """Return the figures as a Markdown table; what fell short says so."""
    machine = next(line for line in lines if line["name"] == "machine")["detail"]
    rows = [
        f"| {TITLES.get(line['name'], line['name'])} | {shown(line)} | {line['want']} |"
        for line in lines
        if line["name"] != "machine"
    ]
    head = (
        f"{machine['cores']} cores for everything (database, Valkey, sink, web, workers), PostgreSQL "
        f"{machine['postgresql']} with fsync on, Python {machine['python']}."
    )
    return "\n".join([head, "", "| measure | value | at least |", "|---|---|---|", *rows, ""])


def shown(line: Line) -> str:
    """Return a value with its unit."""
    unit = {"x": " ×"}.get(line["unit"], f" {line['unit']}" if line["unit"] else "")
    text = f"{line['value']:,.0f}" if abs(line["value"]) >= 100 else f"{line['value']:g}"
    return f"{text}{unit}" if line["pass"] else f"{text}{unit} (falls short)"


def plot(lines: Sequence[Line]) -> str | None:
    """Return pushes a second of everybody as bars with their spread, or None if that was not measured."""
    line = next((line for line in lines if line["name"] == "share_of_bare_client"), None)
    if line is None or "ours_per_s" not in line["detail"]:
        return None
    bars = [(title, line["detail"][key]) for title, key in BARS]
    most = max(bar["most"] for _, bar in bars) or 1.0
    height = _ROW * len(bars) + 48
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" role="img" {_LOOK}>',
        "<title>Pushes a second: the median of the rounds, and the least and the most</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        '<text x="12" y="24" font-weight="bold">Pushes a second, two sending processes each, one machine</text>',
    ]
    for turn, (title, bar) in enumerate(bars):
        parts += _bar(title, bar, 40 + turn * _ROW, (_WIDTH - _LEFT - 90) / most, ours=turn == 0)
    return "\n".join([*parts, "</svg>", ""])


def _bar(title: str, bar: Line, top: int, scale: float, *, ours: bool) -> list[str]:
    length, least, most = (bar[name] * scale for name in ("median", "least", "most"))
    middle = top + 11
    colour = "#1f6f8b" if ours else "#b8c4ca"
    return [
        f'<text x="{_LEFT - 8}" y="{middle + 4}" text-anchor="end">{title}</text>',
        f'<rect x="{_LEFT}" y="{top}" width="{length:.1f}" height="22" fill="{colour}"/>',
        f'<path d="M{_LEFT + least:.1f} {middle}H{_LEFT + most:.1f}" stroke="#333" stroke-width="1.5"/>',
        f'<text x="{_LEFT + max(length, most) + 6:.1f}" y="{middle + 4}">{bar["median"]:,.0f}</text>',
    ]


def put(text: str, made: str) -> str:
    """Return a page with what was made between its two marks."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{made.strip()}\n{END}{rest.partition(END)[2]}"


def main() -> int:
    """Print the table or write it into the README, and write the plot."""
    given = [word for word in sys.argv[1:] if not word.startswith("-")]
    file = Path(given[0]) if given else ROOT / "build" / "bench.json"
    lines = json.loads(file.read_text(encoding="utf-8"))
    made, drawn = table(lines), plot(lines)
    if drawn is not None:
        PLOT.parent.mkdir(parents=True, exist_ok=True)
        PLOT.write_text(drawn, encoding="utf-8")
        print(f"{PLOT.relative_to(ROOT)} written", file=sys.stderr)
    if "--write" in sys.argv:
        shown_plot = f"\n![Pushes a second, each way]({PLOT.relative_to(ROOT)})\n" if drawn is not None else ""
        README.write_text(put(README.read_text(encoding="utf-8"), made + shown_plot), encoding="utf-8")
    else:
        print(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
