"""Messages on three channels while workers, the sweeper's leader, web processes and RQ's forks are killed."""

from __future__ import annotations

from tests.chaos.acknowledged import Book, read
from tests.chaos.checker import judge_deployment
from tests.chaos.client import Client
from tests.chaos.deployment import FORKING, Deployment, wait_until
from tests.chaos.killer import Killer
from tests.chaos.messages import mailbox, message
from tests.ground.figures import Figure, Run

KINDS = {"sender": 4, "worker": 3, "leader": 3, "web_worker": 2, "web_master": 1, "horse": 4, "parent": 2}
WANT = (
    "lost 0, stuck 0, unflagged duplicates 0, every duplicate started and unrecorded at some kill; 10,000 messages, "
    "nearly all taken; >= 300 kills, of every kind"
)
EVENTS_SQL = "SELECT detail, count(*) FROM carillon_deliveryevent WHERE state = 'uncertain' GROUP BY 1"


def run(run: Run) -> list[Figure]:
    """Kill while messages go out."""
    return [kill_loop(run, messages=run.size(10_000, 320), kills=run.size(300, 12), rate=run.size(50, 80))]


def kill_loop(run: Run, *, messages: int, kills: int, rate: int) -> Figure:
    """Send so many messages at a rate and during so many kills and judge what came of it."""
    by_call = messages // 10
    over_http = messages - by_call
    quiet = run.size(120, 45)
    with Deployment(run, latency=0.15) as deployment:
        stack = deployment.stack
        stack.add_web()
        for name in ("worker-1", "worker-2", "worker-3"):
            stack.add_worker(name)
        stack.add_worker("forking-1", *FORKING)
        key = deployment.host("prepare", str(over_http))
        stack.wait_until_up()
        calls_book = run.folder / "calls.jsonl"
        numbers = (str(over_http), str(by_call), str(rate / 10))
        stack.add("calls", "-m", "tests.chaos.host", "calls", str(calls_book), *numbers, once=True)
        book = Book(run.folder / "acknowledged.jsonl")
        client = Client(stack.url, key, book)
        client.start((message(n) for n in range(over_http)), rate * 0.9)
        wait_until(lambda: deployment.accepted_count() > 10, "the first messages")
        # The last kill falls when the last messages go out.
        every = 0.8 * messages / kills
        killer = Killer(deployment, run.draw, kills=kills, every=every, kinds=KINDS, progress=deployment.accepted_count)
        killer.start()
        all_acknowledged = client.join(300 + messages / 2)
        wait_until(lambda: any(line["key"] == "end" for line in read(calls_book)), "the host's calls", 300)
        killer.join()
        took = deployment.wait_quiet(quiet)
        rolled_back = {mailbox(n) for n in range(over_http, messages) if n % 10 == 9}
        verdict = judge_deployment(
            [book.path, calls_book], deployment.file, deployment.database, lambda to: to not in rolled_back
        )
        wrong_kills = killer.objections()
        events = dict(deployment.database.rows(EVENTS_SQL))
        restarts = deployment.supervisor.restarts
        book.close()
    passed = verdict.sound and all_acknowledged and not client.refused and not wrong_kills
    detail = {
        "messages": messages,
        "of_these_by_notify": by_call,
        "quiet_allowed_s": quiet,
        "quiet_after_s": took,
        "http_statuses": dict(client.statuses),
        "refused": client.refused[:3],
        "restarts": restarts,
        "waits": deployment.waits or "the defaults",
        "uncertain_events": events,
        "objections_to_the_kills": wrong_kills,
        **killer.summary(),
        **verdict.detail(),
    }
    wrong = len(verdict.lost) + len(verdict.stuck) + len(verdict.unflagged) + len(verdict.unasked)
    return Figure("kill_loop", wrong, "messages", WANT, passed, detail)
