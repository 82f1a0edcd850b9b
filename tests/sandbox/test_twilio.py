"""Twilio as its own SDK sees it, and its webhooks as its own validator sees them."""

import uuid
from urllib.parse import parse_qsl

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from notifications.sandbox.credentials import (
    TWILIO_ACCOUNT_SID,
    TWILIO_AUTH_TOKEN,
    TWILIO_FROM_NUMBER,
    TWILIO_MESSAGING_SERVICE_SID,
)
from notifications.sandbox.faults import TWILIO_FAULTS, TWILIO_SENDER_FAULTS

REFUSING = [fault for fault in TWILIO_FAULTS if fault.http is not None]
REPORTING = [fault for fault in TWILIO_FAULTS if fault.http is None and not fault.silent]


class ToSandbox(TwilioHttpClient):
    """Twilio's own HTTP client, led to the sandbox."""

    def __init__(self, base_url):
        super().__init__(timeout=10)
        self._base_url = base_url

    def request(self, method, url, *args, **kwargs):
        return super().request(method, url.replace("https://api.twilio.com", self._base_url), *args, **kwargs)


@pytest.fixture
def twilio(process):
    return Client(TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, http_client=ToSandbox(f"{process.base_url}/twilio"))


def number(fault):
    return fault.number.replace("*", "123")


def text(twilio, to, **more):
    return twilio.messages.create(to=to, from_=TWILIO_FROM_NUMBER, body="Your code is 493021", **more)


def forms(receiver):
    return [dict(parse_qsl(received.body.decode())) for received in receiver.received]


def test_the_sdk_sends_and_hears_back(sandbox, twilio, receiver, file, wait_for):
    delivery = str(uuid.uuid4())
    callback = f"{receiver.base_url}/webhooks/twilio/?carillon_id={delivery}.2"

    message = text(twilio, "+4915112345678", status_callback=callback)

    assert (message.status, message.num_segments, message.error_code) == ("queued", "1", None)
    assert len(message.sid) == 34
    assert message.sid.startswith("SM")
    [accepted] = [line for line in sandbox.read_file(file) if line.provider_message_id == message.sid]
    assert (accepted.channel, accepted.to) == ("sms", "+4915112345678")
    assert (accepted.delivery, accepted.attempt) == (delivery, 2)
    assert accepted.content == {"text": "Your code is 493021", "segments": 1, "encoding": "GSM-7"}
    wait_for(lambda: len(receiver.received) == 2)
    assert [form["MessageStatus"] for form in forms(receiver)] == ["sent", "delivered"]
    validator = RequestValidator(TWILIO_AUTH_TOKEN)
    for received, form in zip(receiver.received, forms(receiver), strict=True):
        assert form["MessageSid"] == message.sid
        assert received.url == callback
        assert validator.validate(received.url, form, received.headers["X-Twilio-Signature"])
        assert not validator.validate(received.url + "x", form, received.headers["X-Twilio-Signature"])


def test_a_messaging_service_may_send(sandbox, twilio):
    service = TWILIO_MESSAGING_SERVICE_SID
    message = twilio.messages.create(to="+4915112345679", messaging_service_sid=service, body="Grüße 👋")
    assert (message.status, message.messaging_service_sid) == ("accepted", service)
    assert sandbox.messages(to="+4915112345679")[0].content["encoding"] == "UCS-2"


def test_the_account_answers_whoever_has_its_token(sandbox, twilio, process):
    assert twilio.api.accounts(TWILIO_ACCOUNT_SID).fetch().status == "active"
    stranger = Client(TWILIO_ACCOUNT_SID, "wrong", http_client=ToSandbox(f"{process.base_url}/twilio"))
    with pytest.raises(TwilioRestException) as caught:
        stranger.api.accounts(TWILIO_ACCOUNT_SID).fetch()
    assert (caught.value.status, caught.value.code) == (401, 20003)
    with pytest.raises(TwilioRestException) as caught:
        text(stranger, "+4915112345678")
    assert (caught.value.status, caught.value.code) == (401, 20003)


@pytest.mark.parametrize("fault", REFUSING, ids=lambda fault: fault.number)
def test_each_number_is_refused_as_the_table_says(sandbox, twilio, file, fault):
    before = len(sandbox.read_file(file))

    with pytest.raises(TwilioRestException) as caught:
        text(twilio, number(fault))

    assert (caught.value.status, caught.value.code) == (fault.http, fault.code)
    assert len(sandbox.read_file(file)) == before
    refused = sandbox.read_refused(file)[-1]
    assert (refused["to"], refused["status"], refused["code"]) == (number(fault), fault.http, str(fault.code))
    if fault.first_only:
        assert text(twilio, number(fault)).status == "queued"


@pytest.mark.parametrize("fault", REPORTING, ids=lambda fault: fault.number)
def test_each_number_is_reported_undelivered_as_the_table_says(sandbox, twilio, receiver, wait_for, fault):
    text(twilio, number(fault), status_callback=f"{receiver.base_url}/status/")
    wait_for(lambda: len(receiver.received) == 2)
    sent, undelivered = forms(receiver)
    assert sent["MessageStatus"] == "sent"
    assert (undelivered["MessageStatus"], undelivered["ErrorCode"]) == ("undelivered", str(fault.code))


def test_a_silent_number_is_sent_and_never_delivered(sandbox, twilio, receiver, wait_for):
    text(twilio, "+15005559001", status_callback=f"{receiver.base_url}/status/")
    wait_for(lambda: receiver.received and sandbox.counts()["callbacks"]["pending"] == 0)
    assert [form["MessageStatus"] for form in forms(receiver)] == ["sent"]


@pytest.mark.parametrize("sender", TWILIO_SENDER_FAULTS)
def test_each_bad_sender_is_refused(sandbox, twilio, sender):
    with pytest.raises(TwilioRestException) as caught:
        twilio.messages.create(to="+4915112345678", from_=sender, body="x")
    assert caught.value.code == TWILIO_SENDER_FAULTS[sender][0]


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"to": "", "body": "x"}, 21604),
        ({"to": "12345", "body": "x"}, 21211),
        ({"to": "+4915112345678", "body": ""}, 21602),
        ({"to": "+4915112345678", "body": "x" * 1601}, 21617),
    ],
)
def test_a_form_that_twilio_refuses_is_refused(sandbox, twilio, form, code):
    with pytest.raises(TwilioRestException) as caught:
        twilio.messages.create(from_=TWILIO_FROM_NUMBER, **form)
    assert caught.value.code == code


def test_a_callback_is_posted_again_until_it_is_taken(sandbox, twilio, receiver, wait_for):
    receiver.fail_next = 2
    text(twilio, "+4915112345678", status_callback=f"{receiver.base_url}/status/")
    wait_for(lambda: len(receiver.received) == 4)
    assert [form["MessageStatus"] for form in forms(receiver)] == ["sent", "sent", "sent", "delivered"]


def test_a_403_ends_a_callback(sandbox, twilio, receiver, wait_for):
    receiver.fail_next, receiver.fail_with = 1, 403
    text(twilio, "+15005559002", status_callback=f"{receiver.base_url}/status/")
    wait_for(lambda: receiver.received and sandbox.counts()["callbacks"]["pending"] == 0)
    assert len(receiver.received) == 1


def test_stop_and_start_come_in_signed_and_are_kept_to(sandbox, twilio, receiver, wait_for):
    sandbox.set_webhooks(twilio_inbound=f"{receiver.base_url}/webhooks/twilio/")

    sandbox.event("twilio", "stop", to="+4915100000001")

    wait_for(lambda: receiver.received)
    [form] = forms(receiver)
    assert (form["From"], form["To"], form["Body"]) == ("+4915100000001", TWILIO_FROM_NUMBER, "STOP")
    signature = receiver.received[0].headers["X-Twilio-Signature"]
    assert RequestValidator(TWILIO_AUTH_TOKEN).validate(receiver.received[0].url, form, signature)
    with pytest.raises(TwilioRestException) as caught:
        text(twilio, "+4915100000001")
    assert caught.value.code == 21610
    sandbox.event("twilio", "start", to="+4915100000001")
    assert text(twilio, "+4915100000001").status == "queued"


def test_an_event_by_hand_travels_the_signed_way(sandbox, twilio, receiver, wait_for):
    message = text(twilio, "+15005559003", status_callback=f"{receiver.base_url}/status/")
    wait_for(lambda: len(receiver.received) == 1)
    sandbox.event("twilio", "bounced", provider_message_id=message.sid)
    wait_for(lambda: len(receiver.received) == 2)
    assert forms(receiver)[1]["ErrorCode"] == "30005"
