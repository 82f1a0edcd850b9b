"""A whole provider at fault: what the client meets, and whether the message was taken all the same."""

import time
import uuid
from email.utils import parsedate_to_datetime

import pytest
import requests

from notifications.sandbox.client import SandboxError
from notifications.sandbox.credentials import (
    POSTMARK_SERVER_TOKEN,
    RESEND_API_KEY,
    TWILIO_ACCOUNT_SID,
    TWILIO_AUTH_TOKEN,
    TWILIO_FROM_NUMBER,
    VONAGE_API_KEY,
    VONAGE_API_SECRET,
)
from notifications.sandbox.modes import MODES
from notifications.sandbox.oauth import AccessTokens

PROVIDERS = ["fcm", "twilio", "postmark", "vonage", "resend"]
LOCKED_OUT = {"vonage": 200}
"""Vonage says no within HTTP 200; every other HTTP provider answers 401."""


@pytest.fixture
def send(process):
    """Send one message through a provider, to an address nobody else uses; return the address and the answer."""
    token = AccessTokens().issue()

    def post(provider):
        run = uuid.uuid4()
        if provider == "fcm":
            to, url = f"tok-{run}", "/fcm/v1/projects/p/messages:send"
            given = {"json": {"message": {"token": to}}, "headers": {"Authorization": f"Bearer {token}"}}
        elif provider == "twilio":
            to, url = f"+49151{run.int % 10**8:08d}", f"/twilio/2010-04-01/Accounts/{TWILIO_ACCOUNT_SID}/Messages.json"
            form = {"To": to, "From": TWILIO_FROM_NUMBER, "Body": "x"}
            given = {"data": form, "auth": (TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN)}
        elif provider == "vonage":
            to, url = f"+49151{run.int % 10**8:08d}", "/vonage/sms/json"
            account = {"api_key": VONAGE_API_KEY, "api_secret": VONAGE_API_SECRET}
            given = {"data": {"to": to[1:], "from": "Carillon", "text": "x", **account}}
        elif provider == "resend":
            to, url = f"ada.{run}@example.com", "/resend/emails"
            mail = {"from": "shop@example.com", "to": [to], "subject": "x", "text": "x"}
            given = {"json": mail, "headers": {"Authorization": f"Bearer {RESEND_API_KEY}"}}
        else:
            to, url = f"ada.{run}@example.com", "/postmark/email"
            mail = {"From": "shop@example.com", "To": to, "Subject": "x", "TextBody": "x"}
            given = {"json": mail, "headers": {"X-Postmark-Server-Token": POSTMARK_SERVER_TOKEN}}
        try:
            return to, requests.post(process.base_url + url, timeout=20, **given)
        except requests.ConnectionError:
            return to, None

    return post


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "case",
    [
        ("outage", 503, 0),
        ("rate_limited", 429, 0),
        ("unauthorized", 401, 0),
        ("slow", None, 1),
        ("drip", None, 1),
        ("reset", 0, 0),
        ("reset_after_accept", 0, 1),
        ("error_after_accept", 500, 1),
        ("garbage", 200, 0),
    ],
)
def test_each_mode_answers_and_keeps_as_it_says(sandbox, send, file, provider, case):
    mode, status, kept = case
    sandbox.fault(provider, mode, retry_after=7, delay=0.01)

    to, answer = send(provider)

    if mode == "unauthorized":
        status = LOCKED_OUT.get(provider, 401)
    assert (0 if answer is None else answer.status_code) == (status if status is not None else answer.status_code)
    assert [line.to for line in sandbox.read_file(file)].count(to) == kept
    if mode in ("slow", "drip"):
        assert answer.ok
    if mode == "rate_limited":
        assert answer.headers["Retry-After"] == "7"
    if mode == "garbage":
        assert answer.headers["Content-Type"].startswith("text/html")
    if not kept:
        assert [line["to"] for line in sandbox.read_refused(file)].count(to) == 1
    sandbox.reset(provider)
    assert send(provider)[1].ok


def test_every_mode_is_tried_above():
    tried = test_each_mode_answers_and_keeps_as_it_says.pytestmark[0].args[1]
    assert {mode for mode, _, _ in tried} | {"ok"} == set(MODES)


def test_a_share_strikes_exactly_that_share(sandbox, send):
    sandbox.fault("fcm", "outage", share=0.25)
    answers = [send("fcm")[1].status_code for _ in range(20)]
    assert answers.count(503) == 5


def test_a_fault_ends_by_itself(sandbox, send, wait_for):
    sandbox.fault("twilio", "outage", seconds=0.2)
    wait_for(lambda: send("twilio")[1].status_code == 201)
    assert sandbox.faults()["twilio"]["mode"] == "ok"


def test_one_providers_fault_leaves_the_others_alone(sandbox, send):
    sandbox.fault("postmark", "outage")
    assert sandbox.faults()["postmark"]["mode"] == "outage"
    assert send("fcm")[1].ok
    assert send("twilio")[1].ok


@pytest.mark.parametrize(
    ("provider", "mode", "options"),
    [("pigeon", "outage", {}), ("fcm", "sleepy", {}), ("fcm", "slow", {"delay": -1}), ("fcm", "slow", {"share": 2})],
)
def test_nonsense_is_refused_with_the_reason(sandbox, provider, mode, options):
    with pytest.raises(SandboxError) as caught:
        sandbox.fault(provider, mode, **options)
    assert caught.value.status == 400


def test_the_control_door_wants_json(process):
    """A page in the developer's browser can post text across origins, but not JSON."""
    answer = requests.post(f"{process.base_url}/sandbox/faults/fcm", data='{"mode": "outage"}', timeout=10)
    assert answer.status_code == 415


@pytest.mark.parametrize("provider", PROVIDERS)
def test_retry_after_comes_as_a_date_too(sandbox, send, provider):
    sandbox.fault(provider, "rate_limited", retry_after=90, as_date=True)
    before = time.time()
    value = send(provider)[1].headers["Retry-After"]
    assert value.endswith(" GMT")
    assert before + 89 < parsedate_to_datetime(value).timestamp() < time.time() + 92


def test_a_dripping_body_comes_long_after_its_headers(sandbox, process):
    sandbox.fault("postmark", "drip", delay=0.8)
    mail = {"From": "shop@example.com", "To": "slow.body@example.com", "Subject": "x", "TextBody": "x"}
    headers = {"X-Postmark-Server-Token": POSTMARK_SERVER_TOKEN}
    url = f"{process.base_url}/postmark/email"
    with requests.post(url, json=mail, headers=headers, timeout=20, stream=True) as answer:
        pieces = [len(piece) for piece in iter(lambda: answer.raw.read1(1024), b"")]
    assert answer.status_code == 200
    assert len(pieces) > 1
    assert sum(pieces) == int(answer.headers["Content-Length"])


@pytest.mark.parametrize("mode", ["outage", "rate_limited", "unauthorized", "garbage", "reset", "slow", "drip"])
def test_the_oauth_endpoint_fails_in_every_way(sandbox, process, mode):
    sandbox.fault("fcm-token", mode, delay=0.01, retry_after=3)
    try:
        answer = requests.post(process.token_uri, data={"grant_type": "x"}, timeout=10)
    except requests.ConnectionError:
        assert mode == "reset"
        return
    wanted = {"outage": 503, "rate_limited": 429, "unauthorized": 400, "garbage": 200, "slow": 400, "drip": 400}
    assert answer.status_code == wanted[mode]
