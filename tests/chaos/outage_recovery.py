"""A provider is out for minutes while a broadcast waits, then comes back with a limit, then says "slower" once."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from notifications.breakers import KEY
from notifications.sandbox.records import read_refused
from tests.chaos.checker import judge_deployment
from tests.chaos.deployment import Deployment, moment, wait_until
from tests.ground.figures import Figure, Run

WANT = (
    "<= 1.15 x the limit in any second, <= 1.02 x over 10 s; nothing before Retry-After; attempts per delivery <= 1.2; "
    "attempts while open 0; outage of 5 minutes, 50,000 waiting"
)
LATENCY = 0.02
# What was under way when a breaker opened or a "slower" was answered may still arrive for so long.
UNDER_WAY = 2 * LATENCY + 0.5


class BreakerWatch(threading.Thread):
    """Notes when the breaker of a provider was seen open; asks Valkey fifty times a second."""

    def __init__(self, redis_url: str, alias: str) -> None:
        super().__init__(name="chaos-breaker-watch", daemon=True)
        self._redis, self._key = Redis.from_url(redis_url), KEY % alias
        self._over = threading.Event()
        self.open: list[tuple[float, float]] = []

    def run(self) -> None:
        """Look until told to stop."""
        since = last = 0.0
        while not self._over.wait(0.02):
            before = time.time()
            try:
                is_open = self._redis.hget(self._key, "state") == b"open"
            except RedisError:
                is_open = False
            if is_open:
                since, last = since or before, before
            elif since:
                self.open.append((since, last))
                since = 0.0
        if since:
            self.open.append((since, last))

    def end(self) -> None:
        """Stop looking."""
        self._over.set()
        self.join()
        self._redis.close()


def run(run: Run) -> list[Figure]:
    """Let the provider fail, recover and pace."""
    users, limit, outage = run.size(50_000, 320), run.size(300, 40), run.size(300, 5)
    return [outage_recovery(run, users=users, limit=limit, outage=outage, retry_after=run.size(5, 3))]


def outage_recovery(run: Run, *, users: int, limit: int, outage: int, retry_after: int) -> Figure:
    """Broadcast to so many into an outage of so many seconds, and judge what comes after it."""
    env = {"CHAOS_FCM_PER_SECOND": str(limit)}
    with Deployment(run, latency=LATENCY, env=env) as deployment:
        client = deployment.stack.sandbox.client
        deployment.begin(users=users, workers=2, web=False)
        watch = BreakerWatch(deployment.ground.services.redis_url, "fcm")
        watch.start()
        client.fault("fcm", "outage")
        book = run.folder / "acknowledged.jsonl"
        began = time.time()
        deployment.host("launch", str(book), str(users))
        wait_until(lambda: watch.open or refused(deployment), "the first refusal")
        time.sleep(max(0.0, began + outage - time.time()))
        well = time.time()
        client.reset("fcm")
        wait_until(lambda: deployment.accepted_count() > users // 3, "a third of them", 120 + users / limit)
        client.fault("fcm", "rate_limited", retry_after=retry_after)
        wait_until(lambda: slowed(refused(deployment)), "a request that is told to slow down", every=0.05)
        client.reset("fcm")
        quiet = deployment.wait_quiet(120 + 2 * users / limit)
        watch.end()
        verdict = judge_deployment([book], deployment.file, deployment.database)
        taken = [(moment(row.at), row.delivery or "") for row in deployment.accepted()]
        turned_away = refused(deployment)
    requests = sorted([*taken, *((moment(line["at"]), str(line["delivery"])) for line in turned_away)])
    moments = [at for at, _ in requests]
    second, ten = busiest(moments, 1.0), busiest(moments, 10.0)
    early, too_early = before_retry_after(requests, turned_away, retry_after)
    while_open = sum(any(since + UNDER_WAY < at < last for since, last in watch.open) for at in moments)
    unmet = not_met(watch.open, turned_away, moments, began, well)
    attempts = round(len(requests) / users, 4)
    detail = {
        "waiting": users,
        "outage_s": outage,
        "limit_per_second": limit,
        "retry_after_s": retry_after,
        "busiest_second": second,
        "busiest_second_of_limit": round(second / limit, 3),
        "busiest_ten_seconds": ten,
        "busiest_ten_seconds_of_limit": round(ten / (10 * limit), 3),
        "requests": len(requests),
        "refused": len(turned_away),
        "attempts_per_delivery": attempts,
        "preconditions_not_met": unmet,
        "told_to_slow_down": len(slowed(turned_away)),
        "breaker_open_periods": len(watch.open),
        "breaker_open_s": round(sum(last - since for since, last in watch.open), 1),
        "attempts_while_open": while_open,
        "same_delivery_before_its_retry_after": early,
        "any_before_retry_after": too_early,
        "under_way_allowed_s": UNDER_WAY,
        "first_accept_after_recovery_s": round(min((at for at, _ in taken if at > well), default=well) - well, 2),
        "all_sent_after_recovery_s": round(max((at for at, _ in taken), default=well) - well, 1),
        "quiet_after_s": quiet,
        "requests_from": "the sandbox's two files: accepted and refused lines, by their `at`",
        **verdict.detail(),
    }
    passed = (
        verdict.sound
        and not unmet
        and second <= 1.15 * limit
        and ten <= 1.02 * 10 * limit
        and not early
        and not too_early
        and attempts <= 1.2
        and not while_open
    )
    return Figure("outage_recovery", round(second / limit, 3), "of the limit", WANT, passed, detail)


def refused(deployment: Deployment) -> list[dict[str, Any]]:
    """Return the requests for messages that the provider turned away."""
    return [line for line in read_refused(deployment.file) if line["provider"] == "fcm" and line["delivery"]]


def slowed(turned_away: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the requests that were told to slow down."""
    return [line for line in turned_away if line["status"] == 429]


def not_met(
    opened: Sequence[tuple[float, float]],
    turned_away: Sequence[dict[str, Any]],
    moments: Sequence[float],
    began: float,
    well: float,
) -> list[str]:
    """Return what never happened, and without which there is nothing to judge: "none of nothing" is no result.

    `opened` are the periods in which the breaker was seen open, `moments` those of all requests; the outage lasted
    from `began` to `well`.
    """
    limited = [moment(line["at"]) for line in slowed(turned_away)]
    found = []
    if not any(began <= moment(line["at"]) <= well for line in turned_away):
        found.append("no request was refused in the outage")
    if not any(last - since > UNDER_WAY for since, last in opened):
        found.append("the breaker was never seen open for longer than what is under way may take")
    if not limited:
        found.append("no request was told to slow down")
    elif not any(at > max(limited) for at in moments):
        found.append("no request came after the one that was told to slow down")
    return found


def busiest(moments: Sequence[float], width: float) -> int:
    """Return the most moments within any window of a width, wherever it begins."""
    most = first = 0
    for last, at in enumerate(moments):
        while at - moments[first] >= width:
            first += 1
        most = max(most, last - first + 1)
    return most


def before_retry_after(
    requests: Sequence[tuple[float, str]], turned_away: Sequence[dict[str, Any]], retry_after: float
) -> tuple[int, int]:
    """Return how many requests came before the Retry-After of their own delivery, and how many of the account's."""
    limited = [(moment(line["at"]), str(line["delivery"])) for line in turned_away if line["status"] == 429]
    until = {delivery: at + retry_after for at, delivery in limited}
    own = sum(delivery in until and until[delivery] - retry_after < at < until[delivery] for at, delivery in requests)
    if not limited:
        return own, 0
    begin, end = min(limited)[0] + UNDER_WAY, max(limited)[0] + retry_after
    return own, sum(begin < at < end for at, _ in requests)
