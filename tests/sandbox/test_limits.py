"""Limits on a provider's account, its latency, and how many messages it took per second."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime

import pytest
import requests

from notifications.sandbox.client import SandboxError
from notifications.sandbox.credentials import POSTMARK_SERVER_TOKEN
from notifications.sandbox.limits import Limit
from notifications.sandbox.rates import Rates, busiest, per_second
from tests.sandbox.h2client import Client


@pytest.fixture
def post(process):
    session = requests.Session()
    session.headers["X-Postmark-Server-Token"] = POSTMARK_SERVER_TOKEN

    def send(to=None):
        to = to or f"ada.{uuid.uuid4().hex}@example.com"
        mail = {"From": "shop@example.com", "To": to, "Subject": "x", "TextBody": "x"}
        return session.post(f"{process.base_url}/postmark/email", json=mail, timeout=30)

    yield send
    session.close()


def test_no_second_lets_more_in_than_the_limit(sandbox, post, file):
    sandbox.limit("postmark", per_second=5, retry_after=3)
    answers = []
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        answers.append(post())

    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert {answer.headers["Retry-After"] for answer in refused} == {"3"}
    assert sandbox.limits()["postmark"]["over"] == len(refused)
    addresses = {answer.json()["To"] for answer in answers if answer.ok}
    taken = sorted(line.at for line in sandbox.read_file(file) if line.to in addresses)
    assert 5 <= len(taken) <= 20


def test_a_window_slides(monkeypatch):
    limit, clock = Limit(per_second=2), [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    assert [limit.exceeded() for _ in range(3)] == [False, False, True]
    clock[0] = 100.9
    assert limit.exceeded()
    clock[0] = 101.0
    assert [limit.exceeded() for _ in range(3)] == [False, False, True]
    assert limit.over == 3


def test_the_excess_can_be_counted_without_being_refused(sandbox, post):
    sandbox.limit("postmark", per_second=0, refuse=False)
    assert [post().status_code for _ in range(3)] == [200, 200, 200]
    assert sandbox.limits()["postmark"]["over"] == 3


def test_the_limits_retry_after_can_be_a_date(sandbox, post):
    sandbox.limit("postmark", per_second=0, retry_after=60, as_date=True)
    assert parsedate_to_datetime(post().headers["Retry-After"]).timestamp() > time.time() + 55


def test_latency_holds_up_every_answer_and_no_other_request(sandbox, process):
    sandbox.limit("postmark", latency=1.0)
    headers = {"X-Postmark-Server-Token": POSTMARK_SERVER_TOKEN}

    def send(number):
        mail = {"From": "shop@example.com", "To": f"late.{number}@example.com", "TextBody": "x"}
        return requests.post(f"{process.base_url}/postmark/email", json=mail, headers=headers, timeout=30).elapsed

    before = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        elapsed = [taken.total_seconds() for taken in pool.map(send, range(40))]
    assert min(elapsed) >= 1.0
    assert time.monotonic() - before < 40 * 1.0


def test_latency_holds_up_refusals_too(sandbox, post):
    sandbox.limit("postmark", latency=0.3)
    sandbox.fault("postmark", "outage")
    answer = post()
    assert answer.status_code == 503
    assert answer.elapsed.total_seconds() >= 0.3


def test_apns_has_limits_and_latency_too(process, sandbox):
    sandbox.limit("apns", per_second=0, retry_after=4, latency=0.2)
    with Client(process) as client:
        before = time.monotonic()
        reply = client.post("tok")
        assert (reply.status, reply.reason, reply.headers["retry-after"]) == (429, "TooManyRequests", "4")
        assert time.monotonic() - before >= 0.2


def test_a_reset_lifts_every_limit(sandbox, post):
    sandbox.limit("postmark", per_second=0)
    assert post().status_code == 429
    sandbox.reset()
    assert sandbox.limits() == {}
    assert post().ok


@pytest.mark.parametrize(
    ("provider", "options"),
    [("pigeon", {}), ("fcm", {"per_second": -1}), ("fcm", {"per_hour": 3}), ("fcm", {"latency": True})],
)
def test_nonsense_is_refused_with_the_reason(sandbox, provider, options):
    with pytest.raises(SandboxError) as caught:
        sandbox.limit(provider, **options)
    assert caught.value.status == 400


def test_the_rates_are_what_the_file_says(sandbox, post, file):
    for _ in range(20):
        assert post().ok
    counted = per_second(file, "postmark")
    assert sandbox.rates()["postmark"] == counted
    assert sum(counted.values()) == sandbox.counts()["accepted"]["postmark"]
    assert busiest(file, "postmark", 3600) == sum(counted.values())
    assert max(counted.values()) <= busiest(file, "postmark", 1.0)


def test_the_memory_of_rates_is_bounded():
    rates = Rates()
    for number in range(8_000):
        rates.add("fcm", f"2026-01-01T{number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}.000000", 2)
    kept = rates.as_json()["fcm"]
    assert len(kept) == 7_200
    assert "2026-01-01T00:00:00" not in kept
