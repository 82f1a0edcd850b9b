"""The judge is put to the proof: a sender written as the textbook has it, under the same killer, must be caught."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from redis import Redis

from notifications.sandbox import credentials
from notifications.sandbox.records import read_file
from tests.chaos.acknowledged import Book, read
from tests.chaos.checker import Outcome, Verdict, judge
from tests.chaos.deployment import Deployment, wait_until
from tests.chaos.killer import Kill, Killer
from tests.chaos.messages import token
from tests.chaos.textbook_sender import LOCK_SECONDS, enqueue, in_hand, statuses, unfinished
from tests.ground.figures import FellShort, Figure, Run

KINDS = {"horse": 5, "whole": 4, "parent": 1}
STATES = {"queued": Outcome("pending"), "sent": Outcome("sent"), "failed": Outcome("dead", "the job failed")}


def run(run: Run) -> list[Figure]:
    """Catch it losing and doubling."""
    verdict, detail = textbook(
        run,
        messages=run.size(600, 40),
        kills=run.size(120, 18),
        every=run.size(100, 40) / 100,
        compressed=run.size(10, 20),
    )
    both = min(len(verdict.lost), len(verdict.doubled))
    want = "the judge finds messages lost > 0 and doubled > 0"
    return [Figure("textbook_sender_caught", both, "of both kinds", want, both > 0, detail)]


def textbook(
    run: Run, *, messages: int, kills: int, every: float, compressed: float
) -> tuple[Verdict, dict[str, object]]:
    """Run the sender under the killer and judge it as any other; few kills get up to three goes at catching it."""
    with Deployment(run, latency=0.06, env={"TEXTBOOK_COMPRESSED": str(compressed)}) as deployment:
        account = deployment.stack.folder / "textbook-account.json"
        credentials.write_service_account(account, f"{deployment.stack.env['FCM_BASE_URL']}/token")
        deployment.stack.env["TEXTBOOK_ACCOUNT"] = str(account)
        deployment.stack.sandbox.client.fault("fcm", "slow", delay=0.1)
        for number in range(1, 5):
            deployment.stack.add(f"forking-{number}", "-m", "tests.chaos.textbook_sender")
        book = Book(run.folder / "acknowledged.jsonl")
        struck: list[Kill] = []
        with Redis.from_url(deployment.ground.services.redis_url) as redis:
            for go in range(3):
                killer = Killer(deployment, run.draw, kills=kills, every=every, kinds=KINDS)
                pause = kills * every / messages
                for number in range(go * messages, (go + 1) * messages):
                    enqueue(redis, token(number))
                    book.append({"key": str(number), "to": token(number)})
                    if number == go * messages:
                        wait_until(lambda: deployment.accepted_count() > 0, "the first message")
                        killer.start()
                    time.sleep(pause)
                killer.join()
                struck += killer.kills
                # Long enough for RQ to find what was abandoned, even if a worker died that kept others from looking.
                with contextlib.suppress(FellShort):
                    limit = 120 + LOCK_SECONDS / compressed
                    wait_until(lambda: unfinished(redis) == 0, "the sender to come to rest", limit, 0.1)
                open_still = in_hand(redis)
                taken = [row.to for row in read_file(deployment.file)]
                verdict = judge_ended((line["to"] for line in read(book.path)), taken, statuses(redis), open_still)
                if verdict.lost and verdict.doubled:
                    break
        book.close()
    detail = {
        "clocks_compressed": compressed,
        "sender": "RQ's forking worker, Retry(max=3), SET NX with a life, the status afterwards",
        "sigkills": len(struck),
        "by_kind": dict(Counter(kill.kind for kill in struck)),
        "not_judged_as_still_in_hand": len(open_still),
        **verdict.detail(),
        "sql": "none: this sender keeps its statuses in Valkey",
    }
    return verdict, detail


def judge_ended(
    acknowledged: Iterable[str], taken: Iterable[str], told: Mapping[str, str], in_hand: Collection[str]
) -> Verdict:
    """Judge what the sender is done with; what it may still send is not lost, however long it has been waited for."""
    ended = [to for to in acknowledged if to not in in_hand]
    return judge(ended, taken, {to: [STATES[status]] for to, status in told.items() if to not in in_hand})
