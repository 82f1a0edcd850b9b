"""Webhooks that misbehave: late, twice, out of order, before the answer, or never."""

import json
import time
import uuid

import pytest
import requests

from notifications.sandbox.callbacks import MANNERS
from notifications.sandbox.client import SandboxError
from notifications.sandbox.credentials import VONAGE_API_KEY, VONAGE_API_SECRET


@pytest.fixture
def send(process, sandbox, receiver):
    """Send a text through Vonage, whose receipts are two; return its id."""

    def post():
        form = {"api_key": VONAGE_API_KEY, "api_secret": VONAGE_API_SECRET, "from": "Shop", "text": "Hi"}
        form |= {"to": f"49151{uuid.uuid4().int % 10**8:08d}", "callback": f"{receiver.base_url}/hook/"}
        answer = requests.post(f"{process.base_url}/vonage/sms/json", data=form, timeout=30)
        return answer.json()["messages"][0]["message-id"]

    return post


def statuses(receiver):
    return [json.loads(received.body)["status"] for received in receiver.received]


def test_they_come_in_order_by_default(sandbox, send, receiver, wait_for):
    send()
    wait_for(lambda: len(receiver.received) == 2)
    assert statuses(receiver) == ["accepted", "delivered"]


def test_twice_is_word_for_word(sandbox, send, receiver, wait_for):
    sandbox.callbacks("vonage", "twice")
    send()
    wait_for(lambda: len(receiver.received) == 4)
    assert statuses(receiver) == ["accepted", "accepted", "delivered", "delivered"]
    bodies = [received.body for received in receiver.received]
    assert bodies[0] == bodies[1]
    assert bodies[2] == bodies[3]


def test_reversed_comes_with_the_end_first(sandbox, send, receiver, wait_for):
    sandbox.callbacks("vonage", "reversed")
    send()
    wait_for(lambda: len(receiver.received) == 2)
    assert statuses(receiver) == ["delivered", "accepted"]


def test_early_comes_before_the_answer(sandbox, send, receiver):
    sandbox.callbacks("vonage", "early")
    message_id = send()
    assert statuses(receiver) == ["accepted", "delivered"]
    assert json.loads(receiver.received[0].body)["messageId"] == message_id


def test_early_does_not_wait_for_ever_for_a_receiver_that_refuses(sandbox, send, receiver, wait_for):
    sandbox.callbacks("vonage", "early")
    receiver.fail_next = 4
    assert send()
    wait_for(lambda: len(receiver.received) == 6)


def test_late_comes_after_its_delay(sandbox, send, receiver, wait_for):
    sandbox.callbacks("vonage", "late", delay=0.5)
    before = time.monotonic()
    send()
    wait_for(lambda: len(receiver.received) == 2)
    assert time.monotonic() - before >= 0.5


def test_none_comes_never(sandbox, send, receiver, wait_for):
    sandbox.callbacks("vonage", "none")
    send()
    sandbox.callbacks("vonage", "normal")
    later = send()
    wait_for(lambda: len(receiver.received) == 2)
    assert {json.loads(received.body)["messageId"] for received in receiver.received} == {later}


def test_one_providers_manner_leaves_the_others_alone(process, sandbox):
    sandbox.callbacks("vonage", "late", delay=9)
    shown = requests.get(f"{process.base_url}/sandbox/callbacks", timeout=10).json()
    assert shown["vonage"] == {"mode": "late", "delay": 9.0}
    assert shown["twilio"]["mode"] == "normal"
    sandbox.reset()
    shown = requests.get(f"{process.base_url}/sandbox/callbacks", timeout=10).json()
    assert {manner["mode"] for manner in shown.values()} == {"normal"}


@pytest.mark.parametrize(
    ("provider", "mode", "options"),
    [("pigeon", "late", {}), ("vonage", "sleepy", {}), ("vonage", "late", {"delay": -1}), ("vonage", "late", {"x": 1})],
)
def test_nonsense_is_refused_with_the_reason(sandbox, provider, mode, options):
    with pytest.raises(SandboxError) as caught:
        sandbox.callbacks(provider, mode, **options)
    assert caught.value.status == 400


def test_every_manner_is_tried_above():
    assert set(MANNERS) == {"normal", "late", "twice", "reversed", "early", "none"}
