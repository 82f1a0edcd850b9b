"""Pacing against a real Valkey: never more than the rate, whatever is asked, given back, paused or lost."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import settings
from hypothesis import HealthCheck, given
from hypothesis import settings as tuned
from hypothesis import strategies as st
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from notifications import breakers, pacing
from notifications.breakers import ProviderBreaker
from notifications.pacing import Pace
from notifications.rules.breaking import BreakerPolicy
from notifications.rules.pacing import GROUP_SHARE, Report

Make = Callable[..., Pace]


@pytest.fixture
def redis() -> Iterator[Redis]:
    client = Redis.from_url(settings.REDIS_URL, socket_timeout=5, socket_connect_timeout=5)
    yield client
    client.close()


@pytest.fixture
def alias() -> str:
    return f"test-{uuid4().hex}"


@pytest.fixture
def make(redis: Redis, alias: str) -> Make:
    def made(per_second: float | None = None, client: Redis = redis) -> Pace:
        return Pace(alias, client, per_second, uuid4().hex, breakers.KEY % alias)

    return made


def seconds(redis: Redis) -> float:
    """Return the time by the clock that the buckets go by."""
    whole, micro = redis.time()
    return float(whole) + float(micro) / 1e6


def wait_over(pace: Pace, limit: float = 60.0) -> None:
    ends = time.monotonic() + limit
    while pace.turn().paused:
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_an_account_without_a_limit_is_given_what_it_asks(make: Make) -> None:
    turn = make().turn(64)
    assert (turn.granted, turn.rate, turn.paused) == (64, None, False)


def test_the_first_message_goes_at_once(make: Make) -> None:
    assert make(0.1).turn(1).granted == 1


def test_it_waits_for_a_whole_group_and_says_how_long(make: Make) -> None:
    pace = make(1_000)
    assert pace.turn(50).granted == 50
    refused = pace.turn(50)
    assert refused.granted == 0
    assert 0 < refused.wait <= 0.051


def test_there_is_no_burst_after_a_time_without_sends(make: Make, redis: Redis, alias: str) -> None:
    pace = make(100)
    pace.turn(5)
    redis.hset(pacing.KEY % alias, "at", 0)
    assert pace.turn(64).granted == 5


@tuned(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rate=st.sampled_from([1, 7, 40, 500, 5_000]),
    steps=st.lists(st.tuples(st.integers(0, 80), st.floats(0, 1), st.floats(0, 0.01)), max_size=40),
)
def test_it_never_grants_more_than_the_rate_whatever_is_given_back(
    redis: Redis, rate: int, steps: list[tuple[int, float, float]]
) -> None:
    own = f"test-{uuid4().hex}"
    pace = Pace(own, redis, rate, "w", breakers.KEY % own)
    began, used = seconds(redis), 0
    for wanted, share, nap in steps:
        granted = pace.turn(wanted).granted
        assert granted <= wanted
        back = int(granted * share)
        pace.report(Report(unused=back))
        used += granted - back
        assert used <= rate * (seconds(redis) - began) + max(1.0, GROUP_SHARE * rate) + 1e-6
        time.sleep(nap)


WORKERS, LASTING = 4, 4.0


def _taker(url: str, alias: str, rate: float, seen: str) -> None:
    """Once all are there, take what there is for some seconds, noting by Redis' own clock what was granted when."""
    redis = Redis.from_url(url)
    pace = Pace(alias, redis, rate, uuid4().hex, breakers.KEY % alias)
    redis.incr(f"{seen}:ready")
    while int(redis.get(f"{seen}:ready") or 0) < WORKERS:
        time.sleep(0.01)
    began = seconds(redis)
    redis.rpush(seen, f"{began} 0")
    while (now := seconds(redis)) < began + LASTING:
        turn = pace.turn(max(1, int(rate * GROUP_SHARE)))
        if turn.granted:
            # Noted after the grant: no earlier than it was.
            redis.rpush(seen, f"{seconds(redis)} {turn.granted}")
        else:
            time.sleep(min(turn.wait, began + LASTING - now))


@pytest.mark.parametrize("rate", [20.0, 400.0])
def test_processes_share_one_rate(redis: Redis, alias: str, rate: float) -> None:
    seen = f"{alias}:seen"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_taker, args=(settings.REDIS_URL, alias, rate, seen)) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(180)
        assert worker.exitcode == 0
    noted = sorted((float(at), int(count)) for at, count in (item.split() for item in redis.lrange(seen, 0, -1)))
    redis.delete(seen, f"{seen}:ready")
    lasted, granted = noted[-1][0] - noted[0][0], sum(count for _, count in noted)
    assert granted <= rate * lasted + max(1.0, GROUP_SHARE * rate)
    # However slow this machine: somebody got a good part of what there was.
    assert granted >= 0.2 * rate * lasted


def test_what_is_urgent_gets_the_next_token_before_all_others(make: Make) -> None:
    pace, other = make(20), make(20)
    assert other.turn(1).granted == 1
    assert pace.turn(1, urgent=True).granted == 0
    ends = time.monotonic() + 20
    taken = 0
    while not (turn := pace.turn(1, urgent=True)).granted and time.monotonic() < ends:
        taken += sum(other.turn(1).granted for _ in range(5))
        time.sleep(0.005)
    assert (turn.granted, taken) == (1, 0)


def test_a_pause_holds_for_everybody_until_its_end_and_then_the_rate_grows(make: Make, redis: Redis) -> None:
    pace, other = make(100), make(100)
    asked_at = seconds(redis)
    assert pace.report(Report(pause=1.0, total=1, firsts=1))
    assert other.turn(1).paused
    assert other.turn(1, urgent=True).paused
    # A second worker's answer from before says less: it changes nothing.
    assert not other.report(Report(pause=0.2))
    wait_over(other)
    assert seconds(redis) - asked_at >= 1.0
    began = other.turn(1)
    assert began.granted == 1
    assert began.rate is not None
    assert 10 <= began.rate < 100
    ends = time.monotonic() + 60
    while other.turn().rate != 100 and time.monotonic() < ends:
        time.sleep(0.05)
    assert other.turn().rate == 100


def test_an_account_without_a_limit_grows_from_a_tenth_of_what_it_sent(make: Make) -> None:
    pace = make()
    pace.report(Report(good=1_000, firsts=1_000, total=1_000))
    pace.report(Report(pause=0.05))
    wait_over(pace)
    rate = pace.turn(1).rate
    assert rate is not None
    assert rate >= 10


def test_unnamed_pauses_get_longer_in_a_row(make: Make) -> None:
    pace = make(100)
    waits = []
    for _ in range(3):
        pace.report(Report(pause=-1.0))
        waits.append(pace.turn(1).wait)
        wait_over(pace)
    assert 0 < waits[0] <= 1 < waits[1] <= 2 < waits[2] <= 4


def test_an_operator_ends_a_pause(make: Make) -> None:
    pace, other = make(10), make(10)
    pace.report(Report(pause=3_600))
    assert other.turn(1).paused
    assert other.lift()
    assert pace.turn(1).granted == 1
    assert not other.lift(), "there was none any more"


def test_after_redis_was_emptied_it_grows_from_one_a_second_for_everybody(make: Make, redis: Redis, alias: str) -> None:
    pace, fresh = make(), make()
    assert pace.turn(64).rate is None
    redis.delete(pacing.KEY % alias)
    turn = pace.turn(64)
    assert turn.granted == 1
    assert turn.rate is not None
    assert turn.rate < 8
    assert fresh.turn(64).rate is not None


def test_a_fresh_worker_and_a_fresh_redis_are_not_held_back(make: Make) -> None:
    assert make().turn(64).granted == 64


def test_a_pause_outlives_an_emptied_redis(make: Make, redis: Redis, alias: str) -> None:
    pace, fresh = make(), make()
    pace.report(Report(pause=600))
    assert pace.turn(1).paused
    redis.delete(pacing.KEY % alias)
    assert pace.turn(1).paused
    assert fresh.turn(1).paused


def test_after_a_breaker_has_closed_it_grows_from_one_a_second(make: Make, redis: Redis, alias: str) -> None:
    breaker = ProviderBreaker(alias, redis, BreakerPolicy(reset_timeout=0.01))
    pace = make()
    permit = breaker.check()
    assert pace.turn(64).rate is None
    breaker.report(permit, 0, 10)
    ends = time.monotonic() + 20
    while not (probe := breaker.check()).probe and time.monotonic() < ends:
        time.sleep(0.01)
    breaker.report(probe, 1, 0)
    turn = pace.turn(64)
    assert turn.rate is not None
    assert (turn.granted, turn.rate < 8) == (1, True)


def test_growth_is_for_good_answers(make: Make, redis: Redis, alias: str) -> None:
    pace = make()
    pace.turn(1)
    redis.delete(pacing.KEY % alias)
    pace.turn(1)
    # As if it had grown for eight seconds.
    redis.hincrbyfloat(pacing.KEY % alias, "ramp", -8_000)
    high = pace.turn().rate or 0
    pace.report(Report(good=95, bad=5, total=100))
    assert (pace.turn().rate or 0) >= high
    pace.report(Report(good=50, bad=50, total=100))
    assert 0 < (pace.turn().rate or 0) < high


def test_it_counts_what_the_retry_budget_goes_by(make: Make) -> None:
    pace = make()
    pace.report(Report(good=10, firsts=8, failed_retries=0, total=10))
    pace.report(Report(good=1, bad=5, firsts=1, failed_retries=5, total=6))
    turn = pace.turn()
    assert (turn.firsts, turn.failed_retries) == (9, 5)


def test_those_who_wait_are_counted_and_counted_down(make: Make) -> None:
    pace = make(1)
    assert pace.turn().queue == 0
    pace.park(100)
    pace.park(50)
    assert 140 <= pace.turn().queue <= 150


def test_without_redis_a_worker_keeps_to_its_share_and_never_stands_still(make: Make, tmp_path: Path) -> None:
    nowhere = Redis(unix_socket_path=str(tmp_path / "none"), socket_timeout=1, retry=Retry(NoBackoff(), 0))
    pace = make(10, nowhere)
    began, granted = time.monotonic(), 0
    while granted < 3:
        turn = pace.turn(5)
        granted += turn.granted
        # It does not know how many others there are: a tenth of the rate, to be safe.
        assert granted <= 1.0 * (time.monotonic() - began) + 1
        assert time.monotonic() - began < 60
        time.sleep(0.02)
    pace.report(Report(pause=600))
    assert pace.turn(1).paused


def test_without_redis_an_account_without_a_limit_grows_from_one_a_second(make: Make, tmp_path: Path) -> None:
    nowhere = Redis(unix_socket_path=str(tmp_path / "none"), socket_timeout=1, retry=Retry(NoBackoff(), 0))
    turn = make(None, nowhere).turn(64)
    assert turn.granted == 1
    assert turn.rate is not None
