"""The breaker against a real Valkey: shared by threads and processes, one probe at a time, nothing false."""

from __future__ import annotations

import logging
import multiprocessing
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from notifications.breakers import LOG_KEY, ProviderBreaker
from notifications.rules.breaking import BreakerPolicy, Permit

FAST = BreakerPolicy(window=30.0, minimum_volume=10, threshold=0.5, reset_timeout=0.2, longest_timeout=0.8)
Make = Callable[..., ProviderBreaker]


def connection() -> Redis:
    return Redis.from_url(settings.REDIS_URL, socket_timeout=5, socket_connect_timeout=5)


@pytest.fixture
def redis() -> Iterator[Redis]:
    client = connection()
    yield client
    client.close()


@pytest.fixture
def alias() -> str:
    return f"test-{uuid4().hex}"


@pytest.fixture
def make(redis: Redis, alias: str) -> Make:
    return lambda policy=FAST, **kwargs: ProviderBreaker(alias, redis, policy, **kwargs)


def forget(redis: Redis, alias: str) -> None:
    redis.delete(f"carillon:breaker:{{{alias}}}")


def trip(breaker: ProviderBreaker) -> None:
    breaker.report(breaker.check(), 0, 10)
    assert breaker.state().state == "open"


def probe_of(breaker: ProviderBreaker, seconds: float = 20.0) -> Permit:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        permit = breaker.check()
        if permit.probe:
            return permit
        assert not permit.allowed
        time.sleep(min(permit.retry_after, 0.05))
    raise AssertionError("no probe was granted")


def test_it_starts_closed(make: Make) -> None:
    permit = make().check()
    assert permit.allowed
    assert not permit.probe
    assert permit.state == "closed"


def test_half_failing_trips_it_for_everybody(make: Make) -> None:
    one, other = make(), make()
    one.report(one.check(), 5, 4)
    assert other.check().allowed
    other.report(other.check(), 0, 1)
    refused = one.check()
    assert not refused.allowed
    assert refused.state == "open"
    assert 0 < refused.retry_after <= FAST.reset_timeout
    assert one.state().opened_at is not None


def test_a_sudden_outage_under_load_trips_it_at_once(make: Make) -> None:
    breaker = make()
    breaker.report(breaker.check(), 2_000, 0)
    breaker.report(breaker.check(), 0, 19)
    assert breaker.check().allowed
    breaker.report(breaker.check(), 1, 1)
    breaker.report(breaker.check(), 0, 19)
    assert breaker.check().allowed
    breaker.report(breaker.check(), 0, 1)
    assert breaker.check().state == "open"


def test_a_small_volume_says_nothing(make: Make) -> None:
    breaker = make()
    breaker.report(breaker.check(), 0, 9)
    assert breaker.check().allowed


def test_a_lower_share_of_failures_is_borne(make: Make) -> None:
    breaker = make()
    for _ in range(20):
        breaker.report(breaker.check(), 51, 49)
    assert breaker.check().allowed
    assert breaker.state().failures == 20 * 49


def test_half_failing_trips_it_though_the_failures_come_late(make: Make) -> None:
    """Successes are told at once, failures after a time-out: within two windows their share is seen all the same."""
    policy = BreakerPolicy(window=1.0)
    breaker, late = make(policy), deque[tuple[float, Permit]]()
    began = time.monotonic()
    while (permit := breaker.check()).allowed and time.monotonic() - began < 20 * policy.window:
        now = time.monotonic()
        breaker.report(permit, 8, 0)
        late.append((now + policy.window / 3, permit))
        while late[0][0] <= now:
            breaker.report(late.popleft()[1], 0, 8)
        time.sleep(0.02)
    assert permit.state == "open"


def test_half_failing_trips_it_though_the_successes_are_slow(make: Make) -> None:
    policy = BreakerPolicy(window=1.0)
    breaker, late = make(policy), deque[tuple[float, Permit]]()
    began = time.monotonic()
    while (permit := breaker.check()).allowed and time.monotonic() - began < 20 * policy.window:
        now = time.monotonic()
        breaker.report(permit, 0, 1)
        late.append((now + policy.window / 3, permit))
        while late[0][0] <= now:
            breaker.report(late.popleft()[1], 1, 0)
        time.sleep(0.02)
    assert permit.state == "open"


@pytest.mark.parametrize(("timeout", "lease"), [(2.0, 15.0), (11.0, 15.0), (31.0, 35.0)])
def test_a_probes_lease_outlives_a_send(timeout: float, lease: float) -> None:
    assert BreakerPolicy().outliving(timeout).probe_lease == lease


def test_old_failures_roll_out_of_the_window(make: Make) -> None:
    policy = BreakerPolicy(window=0.5, minimum_volume=10, reset_timeout=60.0)
    breaker = make(policy)
    breaker.report(breaker.check(), 0, 9)
    ends = time.monotonic() + 20
    while breaker.state().failures and time.monotonic() < ends:
        time.sleep(0.05)
    breaker.report(breaker.check(), 0, 9)
    assert breaker.check().allowed


def test_ten_thousand_client_errors_neither_open_nor_close(make: Make) -> None:
    # However slow the machine, what was counted first is still within the window.
    breaker = make(BreakerPolicy(window=3_600.0, reset_timeout=0.2, longest_timeout=0.8))
    breaker.report(breaker.check(), 0, 4)
    for _ in range(10_000):
        breaker.report(breaker.check(), 0, 0)
    assert breaker.state().state == "closed"
    assert breaker.state().failures == 4
    trip(breaker)
    for _ in range(50):
        breaker.report(probe_of(breaker), 0, 0)
        assert breaker.state().state == "half-open"


def test_a_probe_that_succeeds_closes_it(make: Make) -> None:
    breaker = make()
    trip(breaker)
    breaker.report(probe_of(breaker), 1, 0)
    assert breaker.check().state == "closed"
    assert breaker.state().failures == 0


def test_a_probe_that_fails_opens_it_for_longer(make: Make) -> None:
    breaker = make()
    trip(breaker)
    waits = []
    for _ in range(4):
        breaker.report(probe_of(breaker), 0, 1)
        waits.append(breaker.check().retry_after)
    assert 0.2 < waits[0] <= 0.4
    assert 0.4 < waits[1] <= 0.8
    assert 0.4 < waits[3] <= 0.8
    breaker.report(probe_of(breaker), 1, 0)
    trip(breaker)
    assert breaker.check().retry_after <= 0.2


def test_a_lost_probe_is_replaced_when_its_lease_ends_and_counts_no_more(make: Make) -> None:
    breaker = make(BreakerPolicy(reset_timeout=0.05, probe_lease=0.3))
    trip(breaker)
    lost = probe_of(breaker)
    assert not breaker.check().allowed
    second = probe_of(breaker)
    breaker.report(lost, 1, 0)
    assert breaker.state().state == "half-open"
    breaker.report(lost, 0, 1)
    assert breaker.state().state == "half-open"
    breaker.report(second, 1, 0)
    assert breaker.state().state == "closed"


def test_a_slow_success_from_before_the_opening_closes_nothing(make: Make) -> None:
    breaker = make()
    early = breaker.check()
    trip(breaker)
    breaker.report(early, 1_000, 0)
    assert breaker.state().state == "open"
    probe = probe_of(breaker)
    breaker.report(early, 1_000, 0)
    assert breaker.state().state == "half-open"
    breaker.report(probe, 1, 0)
    breaker.report(early, 0, 1_000)
    assert breaker.state().state == "closed"


def test_an_emptied_redis_is_closed_again_and_old_results_are_stale(make: Make, redis: Redis, alias: str) -> None:
    breaker = make()
    trip(breaker)
    probe = probe_of(breaker)
    forget(redis, alias)
    assert breaker.check().allowed
    breaker.report(probe, 0, 1_000)
    assert breaker.state().failures == 0
    trip(breaker)
    current = probe_of(breaker)
    breaker.report(probe, 1, 0)
    assert breaker.state().state == "half-open"
    breaker.report(current, 1, 0)
    assert breaker.state().state == "closed"


def test_providers_do_not_share_a_breaker(make: Make, redis: Redis) -> None:
    trip(make())
    assert ProviderBreaker(f"test-{uuid4().hex}", redis).check().allowed


def test_without_redis_it_is_closed_and_says_so_once(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    nowhere = Redis(unix_socket_path=str(tmp_path / "none"), socket_timeout=1, retry=Retry(NoBackoff(), 0))
    breaker = ProviderBreaker("nowhere", nowhere)
    with caplog.at_level(logging.WARNING, "notifications.breakers"):
        for _ in range(5):
            permit = breaker.check()
            assert permit.allowed
            breaker.report(permit, 0, 100)
    assert not breaker.state().reachable
    assert len(caplog.records) == 1


def test_a_permit_from_before_redis_was_lost_counts_for_nothing(make: Make) -> None:
    breaker = make()
    breaker.report(Permit(allowed=True), 0, 1_000)
    assert breaker.check().allowed


def test_transitions_are_logged_by_who_caused_them(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    one, other = make(), make()
    with caplog.at_level(logging.WARNING, "notifications.breakers"):
        trip(one)
        other.check()
        one.report(probe_of(one), 1, 0)
        other.check()
    texts = [record.getMessage().split(": ", 1)[1] for record in caplog.records]
    assert texts == ["breaker closed -> open", "breaker open -> half-open", "breaker half-open -> closed"]


def test_eight_threads_one_probe_at_a_time(make: Make) -> None:
    breaker = make(BreakerPolicy(reset_timeout=0.02, longest_timeout=0.02))
    trip(breaker)
    flying, most, probes, lock = 0, 0, 0, threading.Lock()

    def work() -> None:
        nonlocal flying, most, probes
        ends = time.monotonic() + 60
        while probes < 60 and time.monotonic() < ends:
            permit = breaker.check()
            if not permit.allowed:
                time.sleep(0.001)
                continue
            assert permit.probe
            with lock:
                flying += 1
                most = max(most, flying)
                probes += 1
            time.sleep(0.002)
            with lock:
                flying -= 1
            breaker.report(permit, 0, 1)

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(work) for _ in range(8)]:
            future.result()
    assert most == 1
    assert probes >= 60


def _prober(url: str, alias: str, cycles: int, seen: str) -> None:
    """Open it, probe it and close it again, noting in Redis how many probes fly at once."""
    redis = Redis.from_url(url)
    policy = BreakerPolicy(reset_timeout=0.01, longest_timeout=0.01, minimum_volume=10)
    breaker = ProviderBreaker(alias, redis, policy)
    ends = time.monotonic() + 60
    while int(redis.hget(seen, "probes") or 0) < cycles and time.monotonic() < ends:
        permit = breaker.check()
        if permit.probe:
            redis.hincrby(seen, "probes", 1)
            redis.hincrby(seen, f"most:{redis.hincrby(seen, 'flying', 1)}", 1)
            time.sleep(0.002)
            redis.hincrby(seen, "flying", -1)
            breaker.report(permit, 1, 0)
        elif permit.allowed:
            breaker.report(permit, 0, 10)
        else:
            time.sleep(0.001)


def test_eight_processes_one_probe_at_a_time(redis: Redis, alias: str) -> None:
    seen = f"{alias}:seen"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_prober, args=(settings.REDIS_URL, alias, 60, seen)) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    counts = Counter({name.decode(): int(value) for name, value in redis.hgetall(seen).items()})
    redis.delete(seen)
    assert counts["probes"] >= 60
    assert {name for name in counts if name.startswith("most:")} == {"most:1"}


def test_transitions_are_kept_newest_first_and_few(make: Make, redis: Redis, alias: str) -> None:
    breaker = make()
    assert breaker.check().allowed
    assert not redis.exists(LOG_KEY % alias), "what was always closed went through nothing"
    for _ in range(9):
        breaker._storage.step("force", "open")
        breaker._storage.step("force", "half-open")
        breaker._storage.step("force", "closed")
    kept = [item.decode().split() for item in redis.lrange(LOG_KEY % alias, 0, -1)]  # type: ignore[union-attr]
    assert [state for _, state in kept][:4] == ["closed", "half-open", "open", "closed"]
    assert len(kept) == 20
    moments = [int(at) for at, _ in kept]
    assert moments == sorted(moments, reverse=True)
    assert redis.ttl(LOG_KEY % alias) > 0
