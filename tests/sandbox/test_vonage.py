"""Vonage's SMS API as a sender sees it, and its receipts as our own check of signatures sees them."""

import json
import uuid
from datetime import UTC, datetime

import pytest
import requests

from notifications.messages import WebhookRequest
from notifications.providers import vonage_receipts
from notifications.sandbox.credentials import (
    VONAGE_API_KEY,
    VONAGE_API_SECRET,
    VONAGE_FROM,
    VONAGE_SIGNATURE_SECRET,
)
from notifications.sandbox.vonage_faults import DELIVERED, VONAGE_FAULTS

REFUSING = [fault for fault in VONAGE_FAULTS if fault.refuses]
REPORTING = [fault for fault in VONAGE_FAULTS if not fault.refuses]
ACCOUNT = {"api_key": VONAGE_API_KEY, "api_secret": VONAGE_API_SECRET}


@pytest.fixture
def text(process):
    """Send a text by form, or as JSON."""

    def post(to, *, as_json=False, **more):
        form = {**ACCOUNT, "from": VONAGE_FROM, "to": to, "text": "Your code is 493021", **more}
        form = {key: value for key, value in form.items() if value is not None}
        given = {"json": form} if as_json else {"data": form}
        return requests.post(f"{process.base_url}/vonage/sms/json", timeout=10, **given)

    return post


def number(fault):
    return fault.number.replace("*", "123")


def bodies(receiver):
    return [json.loads(received.body) for received in receiver.received]


@pytest.mark.parametrize("as_json", [False, True])
def test_a_text_is_taken_and_reported(sandbox, text, receiver, file, wait_for, as_json):
    delivery = str(uuid.uuid4())
    url = f"{receiver.base_url}/webhooks/vonage/"

    answer = text("4915112345678", as_json=as_json, callback=url, **{"client-ref": f"{delivery}.2"})

    assert answer.status_code == 200
    assert answer.json()["message-count"] == "1"
    [part] = answer.json()["messages"]
    assert (part["status"], part["to"], part["client-ref"]) == ("0", "4915112345678", f"{delivery}.2")
    [accepted] = [line for line in sandbox.read_file(file) if line.delivery == delivery]
    assert (accepted.provider, accepted.channel, accepted.to) == ("vonage", "sms", "+4915112345678")
    assert (accepted.attempt, accepted.provider_message_id) == (2, part["message-id"])
    wait_for(lambda: len(receiver.received) == 2)
    assert [(body["status"], int(body["err-code"])) for body in bodies(receiver)] == list(DELIVERED)
    for received, body in zip(receiver.received, bodies(receiver), strict=True):
        assert (body["messageId"], body["client-ref"]) == (part["message-id"], f"{delivery}.2")
        request = WebhookRequest(url=received.url, method="POST", headers=received.headers, body=received.body)
        vonage_receipts.verify(request, VONAGE_SIGNATURE_SECRET, datetime.now(UTC))


@pytest.mark.parametrize("fault", REFUSING, ids=lambda fault: fault.number)
def test_each_number_is_refused_as_the_table_says(sandbox, text, file, fault):
    to = number(fault)

    answer = text(to)

    assert answer.status_code == fault.http
    if fault.http == 200:
        [message] = answer.json()["messages"]
        assert (message["status"], message["error-text"]) == (str(fault.status), fault.message)
    assert ("Retry-After" in answer.headers) is (fault.http == 429)
    refused = [line for line in sandbox.read_refused(file) if line["to"] == to]
    assert refused[-1]["code"] == str(fault.status or fault.http)
    again = text(to)
    assert (again.ok and again.json()["messages"][0]["status"] == "0") is fault.first_only


@pytest.mark.parametrize("fault", REPORTING, ids=lambda fault: fault.number)
def test_each_number_is_reported_as_the_table_says(sandbox, text, receiver, wait_for, fault):
    sandbox.set_webhooks(vonage=f"{receiver.base_url}/account/")
    assert text(number(fault)).json()["messages"][0]["status"] == "0"
    wait_for(lambda: len(receiver.received) == len(fault.receipts))
    assert [(body["status"], int(body["err-code"])) for body in bodies(receiver)] == list(fault.receipts)


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"api_secret": "guessed"}, "4"),
        ({"text": None}, "2"),
        ({"from": None}, "2"),
        ({"from": "far too long for a sender"}, "15"),
        ({"type": "song"}, "3"),
        ({"text": "x" * 3201}, "12"),
        ({"client-ref": "x" * 101}, "3"),
    ],
    ids=str,
)
def test_what_is_wrong_has_its_status(text, wrong, status):
    answer = text("4915112345678", **wrong)
    assert (answer.status_code, answer.json()["messages"][0]["status"]) == (200, status)


@pytest.mark.parametrize("to", ["12", "nobody"])
def test_what_is_no_number_is_refused(text, to):
    assert text(to).json()["messages"][0]["status"] == "3"


def test_a_long_text_is_one_line_and_several_parts(sandbox, text):
    to = f"+49152{uuid.uuid4().int % 10**8:08d}"
    answer = text(to[1:], text="x" * 400).json()
    assert (answer["message-count"], len(answer["messages"])) == ("3", 3)
    [message] = sandbox.messages(to=to)
    assert message.content["segments"] == 3


def test_basic_auth_opens_the_door_too(process):
    form = {"from": VONAGE_FROM, "to": "4915112345678", "text": "Hi"}
    auth = (VONAGE_API_KEY, VONAGE_API_SECRET)
    answer = requests.post(f"{process.base_url}/vonage/sms/json", json=form, auth=auth, timeout=10)
    assert answer.json()["messages"][0]["status"] == "0"


def test_the_balance_proves_credentials(process):
    url = f"{process.base_url}/vonage/account/get-balance"
    assert requests.get(url, params=ACCOUNT, timeout=10).json()["value"] > 0
    assert requests.get(url, params={**ACCOUNT, "api_secret": "x"}, timeout=10).status_code == 401


def test_events_travel_the_signed_way(sandbox, text, receiver, wait_for):
    sandbox.set_webhooks(vonage=f"{receiver.base_url}/account/")
    to = "+150055580001"
    message_id = text(to[1:]).json()["messages"][0]["message-id"]
    wait_for(lambda: len(receiver.received) == 1)

    sandbox.event("vonage", "bounced", provider_message_id=message_id)
    wait_for(lambda: len(receiver.received) == 2)
    sandbox.event("vonage", "stop", to="+4915112345678")
    wait_for(lambda: len(receiver.received) == 3)

    assert bodies(receiver)[1]["status"] == "failed"
    assert (bodies(receiver)[2]["msisdn"], bodies(receiver)[2]["text"]) == ("4915112345678", "STOP")
    received = receiver.received[2]
    request = WebhookRequest(url=received.url, method="POST", headers=received.headers, body=received.body)
    vonage_receipts.verify(request, VONAGE_SIGNATURE_SECRET, datetime.now(UTC))
