"""Valkey is down, then hangs (SIGSTOP): requests are accepted as if nothing were, and workers are back soon after."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from notifications.sandbox.records import Accepted
from tests.chaos.acknowledged import Book, read
from tests.chaos.checker import judge_deployment
from tests.chaos.client import Client
from tests.chaos.deployment import Deployment, moment, wait_until
from tests.chaos.messages import CHANNELS, message
from tests.chaos.recovery import percentile
from tests.ground.figures import FellShort, Figure, Run

WANT = (
    "API 202 throughout, p99 <= 500 ms, no 5xx; every channel back within 10 s, and what was acknowledged meanwhile "
    "taken within 60 s; 60 s down, 60 s hung"
)
P99 = 0.5
BACK = 10.0
# An emptied Valkey makes providers' rates grow anew, from one a second: a backlog is not gone as soon as work begins.
GONE = 60.0
_NEVER = 999.0


def run(run: Run) -> list[Figure]:
    """Take Valkey away in both ways under a steady load."""
    away, per_second = run.size(60, 4), 20
    messages = per_second * (2 * away + run.size(180, 60))  # more than are needed
    with Deployment(run) as deployment:
        key = deployment.begin(users=messages, workers=2)
        book = Book(run.folder / "acknowledged.jsonl")
        client = Client(deployment.stack.url, key, book)
        client.start((message(n) for n in range(messages)), per_second)
        wait_until(lambda: deployment.accepted_count() > 20, "the first messages")
        before = time.time()
        time.sleep(run.size(10, 3))
        usual = (before, time.time())
        down = lose(deployment, away, kill, revive)
        gone = [until_gone(deployment, book)]
        hung = lose(
            deployment, away, lambda d: signal_valkey(d, signal.SIGSTOP), lambda d: signal_valkey(d, signal.SIGCONT)
        )
        gone.append(until_gone(deployment, book))
        client.enough()
        acknowledged = client.join(60)
        deployment.wait_quiet(run.size(120, 45))
        taken = deployment.accepted()
        verdict = judge_deployment([book.path], deployment.file, deployment.database)
        book.close()
    back = [until_back(taken, end) for _, end in (down, hung)]
    windows: dict[str, dict[str, object]] = {}
    for name, (begin, end) in {"as usual": usual, "down": down, "hung": hung}.items():
        during = [attempt for attempt in client.attempts if begin <= attempt.at <= end]
        windows[name] = {
            "seconds": round(end - begin, 1),
            "requests": len(during),
            "statuses": dict(Counter(attempt.status for attempt in during)),
            "p50_s": percentile(sorted(attempt.seconds for attempt in during), 0.5),
            "p99_s": percentile(sorted(attempt.seconds for attempt in during), 0.99),
            "max_s": round(max((attempt.seconds for attempt in during), default=0.0), 3),
        }
    slowest = max(float(str(windows[name]["p99_s"])) for name in ("down", "hung"))
    wrong = objections(windows, back, gone)
    detail = {
        **windows,
        "objections": wrong,
        "workers_back_after_s": back,
        "backlog_gone_after_s": gone,
        "waits": deployment.waits or "the defaults",
        "http_statuses": dict(client.statuses),
        **verdict.detail(),
    }
    passed = not wrong and verdict.sound and acknowledged
    return [Figure("valkey_down", round(slowest * 1_000), "ms (p99)", WANT, passed, detail)]


def objections(windows: Mapping[str, Mapping[str, object]], back: Sequence[float], gone: Sequence[float]) -> list[str]:
    """Object to answers that were late, none or not 202, and to workers that were slow to return.

    `back` is when every channel moved again, `gone` when the backlog was taken, both after each time Valkey was away.
    """
    found = []
    for name, window in windows.items():
        statuses: object = window["statuses"]
        if not isinstance(statuses, Mapping) or set(statuses) != {202}:
            found.append(f"{name}: answered {statuses}")
        if name != "as usual" and float(str(window["p99_s"])) > P99:
            found.append(f"{name}: p99 above {P99} s")
    found += [f"a channel was back after {seconds} s" for seconds in back if seconds > BACK]
    found += [f"the backlog was gone after {seconds} s" for seconds in gone if seconds > GONE]
    return found


def lose(
    deployment: Deployment, seconds: float, away: Callable[[Deployment], None], back: Callable[[Deployment], None]
) -> tuple[float, float]:
    """Be without Valkey for a while; return from when to when."""
    begin = time.time()
    try:
        away(deployment)
        time.sleep(seconds)
        end = time.time()
    finally:
        back(deployment)  # a hung Valkey would hang whatever comes after
    return begin, end


def until_gone(deployment: Deployment, book: Book) -> float:
    """Wait until the provider has all that was acknowledged by now; return after how many seconds that was."""
    wanted = {line["to"] for line in read(book.path)}
    with contextlib.suppress(FellShort):
        took = wait_until(lambda: not wanted - {row.to for row in deployment.accepted()}, "the backlog", GONE, 0.25)
        return round(took, 1)
    return _NEVER


def until_back(taken: Sequence[Accepted], back: float) -> float:
    """Return after how many seconds every channel had a message taken again."""
    later = {channel: [moment(row.at) for row in taken if row.channel == channel] for channel in CHANNELS}
    first = [min((at for at in moments if at > back), default=back + _NEVER) for moments in later.values()]
    return round(max(first) - back, 2)


def kill(deployment: Deployment) -> None:
    """Kill Valkey."""
    signal_valkey(deployment, signal.SIGKILL)


def revive(deployment: Deployment) -> None:
    """Start Valkey again, empty."""
    assert deployment.ground.services.valkey is not None
    deployment.ground.services.valkey.start()


def signal_valkey(deployment: Deployment, number: int) -> None:
    """Send Valkey a signal."""
    os.kill(deployment.ground.services.valkey_pid or 0, number)
