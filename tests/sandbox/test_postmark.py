"""Postmark as anymail's backend sees it, and its webhooks as anymail's view sees them."""

import json
import uuid
from base64 import b64encode

import pytest
import requests
from anymail.exceptions import AnymailAPIError, AnymailRecipientsRefused
from anymail.message import AnymailMessage
from anymail.signals import tracking
from anymail.webhooks.postmark import PostmarkTrackingWebhookView
from django.core.mail import get_connection
from django.test import RequestFactory

from notifications.sandbox.credentials import POSTMARK_SERVER_TOKEN, WEBHOOK_SECRET
from notifications.sandbox.faults import POSTMARK_FAULTS
from notifications.sandbox.process import with_webhook_secret

REFUSING = [fault for fault in POSTMARK_FAULTS if fault.http is not None]
TAKING = [fault for fault in POSTMARK_FAULTS if fault.http is None]
RECORDS = {
    "delivered": ("Delivery", None),
    "bounced": ("Bounce", "HardBounce"),
    "soft_bounced": ("Bounce", "SoftBounce"),
    "complained": ("SpamComplaint", "SpamComplaint"),
    "opened": ("Open", None),
    "clicked": ("Click", None),
}


@pytest.fixture
def connection(process):
    with get_connection(
        "anymail.backends.postmark.EmailBackend",
        server_token=POSTMARK_SERVER_TOKEN,
        api_url=f"{process.base_url}/postmark/",
    ) as opened:
        yield opened


@pytest.fixture
def hooked(sandbox, receiver):
    sandbox.set_webhooks(postmark=with_webhook_secret(f"{receiver.base_url}/webhooks/postmark/"))
    return receiver


def email(connection, to, **more):
    message = AnymailMessage("Welcome", "Plain words", "Shop <shop@example.com>", [to], connection=connection, **more)
    message.attach_alternative('<p>Rich words: <a href="https://example.com/go">go</a></p>', "text/html")
    message.send()
    return message


def payloads(receiver):
    return [json.loads(received.body) for received in receiver.received]


def test_anymail_sends_and_hears_back(sandbox, connection, hooked, file, wait_for):
    delivery = str(uuid.uuid4())

    message = email(connection, "Ada <ada@example.com>", metadata={"carillon_id": f"{delivery}.1"})

    assert message.anymail_status.status == {"sent"}
    [accepted] = [line for line in sandbox.read_file(file) if line.delivery == delivery]
    assert (accepted.to, accepted.channel, accepted.attempt) == ("ada@example.com", "email", 1)
    assert accepted.provider_message_id == message.anymail_status.message_id
    assert accepted.content["subject"] == "Welcome"
    assert "Rich words" in accepted.content["html"]
    wait_for(lambda: hooked.received)
    [payload] = payloads(hooked)
    assert payload["RecordType"] == "Delivery"
    assert payload["Recipient"] == "ada@example.com"
    assert payload["Metadata"] == {"carillon_id": f"{delivery}.1"}
    assert hooked.received[0].headers["Authorization"] == "Basic " + b64encode(WEBHOOK_SECRET.encode()).decode()


def test_a_batch_answers_each_email_for_itself(sandbox, connection, file):
    run = uuid.uuid4().hex
    good, inactive = f"good-{run}@example.com", f"inactive-{run}@example.com"

    message = AnymailMessage("Hi", "Words", "shop@example.com", [good, inactive], connection=connection)
    message.merge_metadata = {good: {"carillon_id": f"{uuid.uuid4()}.1"}, inactive: {"carillon_id": "x.1"}}
    message.send()

    statuses = {to: status.status for to, status in message.anymail_status.recipients.items()}
    assert statuses == {good: "sent", inactive: "rejected"}
    assert sandbox.messages(to=good)[0].attempt == 1
    assert sandbox.messages(to=inactive) == []


@pytest.mark.parametrize("fault", REFUSING, ids=lambda fault: fault.word)
def test_each_mailbox_is_refused_as_the_table_says(sandbox, connection, file, fault):
    to = f"{fault.word}-{uuid.uuid4().hex}@example.com"

    with pytest.raises((AnymailAPIError, AnymailRecipientsRefused)):
        email(connection, to)

    assert sandbox.messages(to=to) == []
    refused = sandbox.read_refused(file)[-1]
    assert (refused["to"], refused["status"]) == (to, fault.http)
    assert refused["code"] == str(fault.error_code or fault.http)
    if fault.first_only:
        assert email(connection, to).anymail_status.status == {"sent"}


@pytest.mark.parametrize(("word", "error"), [("inactive", "rejected"), ("invalid", "invalid")])
def test_anymail_reads_who_was_refused(sandbox, connection, word, error):
    message = AnymailMessage("Hi", "Words", "shop@example.com", [f"{word}@example.com"], connection=connection)
    with pytest.raises(AnymailRecipientsRefused):
        message.send()
    assert message.anymail_status.status == {error}


@pytest.mark.parametrize("fault", TAKING, ids=lambda fault: fault.word)
def test_each_mailbox_is_reported_as_the_table_says(sandbox, connection, hooked, wait_for, fault):
    message = email(connection, f"{fault.word}@example.com", metadata={"carillon_id": "d.1"}, tags=["hello"])
    wait_for(lambda: sandbox.counts()["callbacks"]["pending"] == 0)

    found = [(payload["RecordType"], payload.get("Type")) for payload in payloads(hooked)]

    assert found == [RECORDS[event] for event in fault.events]
    for payload in payloads(hooked):
        assert payload["MessageID"] == message.anymail_status.message_id
        assert (payload["Tag"], payload["Metadata"]) == ("hello", {"carillon_id": "d.1"})


@pytest.mark.parametrize("event", RECORDS)
def test_anymails_own_view_takes_every_webhook(sandbox, connection, hooked, wait_for, event):
    message = email(connection, "silent@example.com", metadata={"carillon_id": "d.7"})
    sandbox.event("postmark", event, provider_message_id=message.anymail_status.message_id)
    wait_for(lambda: hooked.received)
    received = hooked.received[0]
    caught = []

    def keep(sender, event, esp_name, **kwargs):
        caught.append(event)

    tracking.connect(keep, weak=False)
    try:
        view = PostmarkTrackingWebhookView(webhook_secret=WEBHOOK_SECRET)
        request = RequestFactory().post(
            "/", received.body, "application/json", HTTP_AUTHORIZATION=received.headers["Authorization"]
        )
        view.setup(request)
        assert view.dispatch(request).status_code == 200
    finally:
        tracking.disconnect(keep)

    [parsed] = caught
    assert parsed.event_type == ("bounced" if event == "soft_bounced" else event)
    assert parsed.message_id == message.anymail_status.message_id
    assert parsed.metadata == {"carillon_id": "d.7"}
    assert parsed.recipient == "silent@example.com"
    if event == "clicked":
        assert parsed.click_url == "https://example.com/go"


def test_a_webhook_is_posted_again_until_it_is_taken(sandbox, connection, hooked, wait_for):
    hooked.fail_next = 2
    email(connection, "again@example.com")
    wait_for(lambda: len(hooked.received) == 3)
    assert {payload["RecordType"] for payload in payloads(hooked)} == {"Delivery"}


@pytest.mark.parametrize("path", ["email", "email/batch"])
def test_a_wrong_token_is_refused(sandbox, process, path):
    answer = requests.post(
        f"{process.base_url}/postmark/{path}", json={}, headers={"X-Postmark-Server-Token": "wrong"}, timeout=10
    )
    assert (answer.status_code, answer.json()["ErrorCode"]) == (401, 10)


def test_an_event_without_a_target_says_what_to_do(sandbox, connection):
    message = email(connection, "ada@example.com")
    with pytest.raises(Exception, match="POST /sandbox/webhooks"):
        sandbox.event("postmark", "opened", provider_message_id=message.anymail_status.message_id)
