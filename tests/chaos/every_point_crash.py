"""A process dies, or is told to stop, at every single step to PostgreSQL, Redis and a provider; nothing is lost.

Doors, drains of every channel, fallback, a broadcast's plan, RQ's worker, the sweeper and receipts are each crashed at
their first boundary, their second, and so on to the last. A healthy worker and sweeper finish what is left, with
shorter waits; then the log of what was acknowledged and the sandbox's file say what became of it. Not crashed are APNs
and the closing of a digest (`digest_kills` kills leaders as they close).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from notifications.sandbox import credentials
from notifications.sandbox.guide import smtp_url
from project.demo.stack import Stack
from tests.chaos.own_stack import own_stack, run_inside
from tests.ground.figures import Figure, Run

#: What is crashed, by lane: each lane has its own database, Redis database and sandbox. The longest come first.
LANES = (
    ("sweep",),
    ("RQ worker",),
    ("RQ worker, told to stop",),
    (
        "notify in a host's transaction",
        "POST notifications/",
        "receive and reconcile",
        "drain push through FCM",
        "plan a broadcast",
    ),
    (
        "drain sms through Twilio",
        "drain email through Postmark",
        "drain email through Resend",
        "drain email through SMTP",
        "fall back from sms to email",
    ),
)
QUICK_STRIDE, QUICK_LONG_STRIDE = 37, 67
WANT = (
    "a crash or stop before and after each database, Redis, HTTP and SMTP step: lost 0; a duplicate only between "
    "'accepted' and 'recorded', flagged; with a provider's key none"
)
SQL = (
    "SELECT id, state, possible_duplicate FROM carillon_delivery WHERE notification_id IN (<acknowledged>)",
    "SELECT count(*) FROM carillon_delivery WHERE state IN ('pending', 'sending', 'uncertain')",
)


def run(run: Run) -> list[Figure]:
    """Crash everything everywhere."""
    return [crash(run, LANES, run.size(1, QUICK_STRIDE), run.size(1, QUICK_LONG_STRIDE))]


def crash(run: Run, lanes: Sequence[Sequence[str]], stride: int, long_stride: int = 0) -> Figure:
    """Crash these targets at every boundary, or every `stride`-th; a lane's only target has more."""
    with ExitStack() as exits:
        stacks = [
            exits.enter_context(own_stack(run.folder.parent, run.folder / f"lane-{number}", number))
            for number in range(1, len(lanes) + 1)
        ]
        strides = [stride if len(lane) > 1 else long_stride or stride for lane in lanes]
        orders = [
            (stack, lane, every, 1 + run.seed % stride)
            for stack, lane, every in zip(stacks, lanes, strides, strict=True)
        ]
        with ThreadPoolExecutor(len(lanes)) as pool:
            tallies = [tally for found in pool.map(_play, orders) for tally in found]
    kinds: Counter[str] = Counter()
    for tally in tallies:
        kinds.update(tally["by_kind"])
    wrong = [f"{tally['name']}: {text}" for tally in tallies for text in tally["wrong"]]
    keyed = [tally for tally in tallies if tally["keyed"]]
    detail = {
        "points tried by kind": dict(sorted(kinds.items())),
        "messages": sum(tally["messages"] for tally in tallies),
        "sent twice (in doubt at the crash and flagged, or a violation)": sum(tally["twice"] for tally in tallies),
        "sent twice with a provider's key": sum(tally["twice"] for tally in keyed),
        "asked again under the same key": sum(tally["again"] for tally in keyed),
        "targets": [{**tally, "wrong": len(tally["wrong"])} for tally in tallies],
        "violations": len(wrong),
        "the first of them": [re.sub(r"\s+", " ", text) for text in wrong[:20]],
        "every n-th point": stride,
        "every n-th point of a lane's only target": long_stride or stride,
        "sql": SQL,
        "counted": "the log of what was acknowledged (synced), and the sandbox's file",
    }
    expected = {target for lane in lanes for target in lane}
    tried = {tally["name"] for tally in tallies if tally["points"]}
    passed = not wrong and tried == expected
    return Figure("every_point_crash", sum(kinds.values()), "crash points", WANT, passed, detail)


def _play(order: tuple[Stack, Sequence[str], int, int]) -> list[dict[str, Any]]:
    stack, lane, stride, first = order
    resend = {
        "BACKEND": "notifications.providers.anymail.AnymailAdapter",
        "OPTIONS": {
            "esp": "resend",
            "from_email": "Bell Shop <shop@example.com>",
            "esp_options": {"api_key": credentials.RESEND_API_KEY},
            "base_url": f"{stack.sandbox.base_url}/resend",
        },
    }
    smtp = {
        "BACKEND": "notifications.providers.smtp.SMTPAdapter",
        "OPTIONS": {
            "url": smtp_url(stack.sandbox.smtp_port),
            "from_email": "Bell Shop <shop@example.com>",
            "ca_file": stack.sandbox.ca_file,
        },
    }
    found: list[dict[str, Any]] = run_inside(
        stack,
        "tests.chaos.crash_rounds",
        folder=str(stack.folder),
        file=str(stack.folder / "sandbox.jsonl"),
        targets=list(lane),
        stride=stride,
        first=first,
        providers={"resend": resend, "smtp": smtp},
    )
    return found
