"""Resend as anymail's backend sees it: sending, idempotency keys, and its webhooks as anymail's view reads them."""

import json
import threading
import uuid
from datetime import UTC, datetime

import pytest
import requests
from anymail.exceptions import AnymailRequestsAPIError
from anymail.message import AnymailMessage
from anymail.webhooks.resend import ResendTrackingWebhookView
from django.core.mail import get_connection
from django.test import RequestFactory

from notifications.providers import svix
from notifications.sandbox.credentials import RESEND_API_KEY, RESEND_SIGNING_SECRET
from notifications.sandbox.process import launch
from notifications.sandbox.resend_faults import DELIVERED, RESEND_FAULTS
from notifications.sandbox.server import SandboxOptions

REFUSING = [fault for fault in RESEND_FAULTS if fault.http != 200]
REPORTING = [fault for fault in RESEND_FAULTS if fault.http == 200 and fault.events]
BEARER = {"Authorization": f"Bearer {RESEND_API_KEY}"}


@pytest.fixture
def connection(process):
    api_url = f"{process.base_url}/resend/"
    with get_connection("anymail.backends.resend.EmailBackend", api_key=RESEND_API_KEY, api_url=api_url) as opened:
        yield opened


@pytest.fixture
def post(process):
    def send(body, key=None, path="emails", base_url=process.base_url):
        headers = {**BEARER, **({"Idempotency-Key": key} if key else {})}
        return requests.post(f"{base_url}/resend/{path}", json=body, headers=headers, timeout=20)

    return send


def mail(to, **more):
    return {"from": "shop@example.com", "to": [to], "subject": "Hello", "text": "World", **more}


def somebody():
    return f"ada.{uuid.uuid4().hex}@example.com"


def lines_to(sandbox, file, to):
    return [line for line in sandbox.read_file(file) if line.to == to]


def test_anymail_sends_and_hears_back(sandbox, connection, receiver, file, wait_for):
    sandbox.set_webhooks(resend=f"{receiver.base_url}/webhooks/resend/")
    delivery, to = str(uuid.uuid4()), somebody()
    message = AnymailMessage("Welcome", "Words", "Shop <shop@example.com>", [f"Ada <{to}>"], connection=connection)
    message.metadata = {"carillon_id": f"{delivery}.g2"}
    message.send()

    assert message.anymail_status.status == {"queued"}
    [accepted] = lines_to(sandbox, file, to)
    assert (accepted.provider, accepted.channel) == ("resend", "email")
    assert (accepted.delivery, accepted.attempt, accepted.generation) == (delivery, None, 2)
    assert accepted.provider_message_id == message.anymail_status.message_id
    wait_for(lambda: len(receiver.received) == len(DELIVERED))
    for received, event in zip(receiver.received, DELIVERED, strict=True):
        assert svix.is_genuine(received.body, received.headers, RESEND_SIGNING_SECRET, datetime.now(UTC))
        request = RequestFactory().post("/", received.body, content_type="application/json")
        [parsed] = ResendTrackingWebhookView(webhook_secret="a:b").parse_events(request)
        assert (parsed.event_type, parsed.recipient) == (event, to)
        assert parsed.metadata == {"carillon_id": f"{delivery}.g2"}
        assert parsed.message_id == accepted.provider_message_id


def test_anymail_sends_a_batch(sandbox, connection, file):
    first, second = somebody(), somebody()
    message = AnymailMessage("Welcome", "Words", "Shop <shop@example.com>", [first, second], connection=connection)
    message.merge_metadata = {first: {"carillon_id": "one.1"}, second: {"carillon_id": "two.1"}}
    message.send()
    for to, delivery in ((first, "one"), (second, "two")):
        [accepted] = lines_to(sandbox, file, to)
        assert accepted.delivery == delivery
        assert accepted.provider_message_id == message.anymail_status.recipients[to].message_id


@pytest.mark.parametrize("fault", REFUSING, ids=lambda fault: fault.word)
def test_each_mailbox_is_refused_as_the_table_says(sandbox, connection, post, file, fault):
    to = f"{fault.word}-{uuid.uuid4().hex}@example.com"
    message = AnymailMessage("Welcome", "Words", "shop@example.com", [to], connection=connection)

    with pytest.raises(AnymailRequestsAPIError) as caught:
        message.send()

    assert caught.value.status_code == fault.http
    assert caught.value.response.json()["name"] == fault.name
    assert lines_to(sandbox, file, to) == []
    assert post(mail(to)).ok is fault.first_only


@pytest.mark.parametrize("fault", REPORTING, ids=lambda fault: fault.word)
def test_each_mailbox_is_reported_as_the_table_says(sandbox, post, receiver, wait_for, fault):
    sandbox.set_webhooks(resend=f"{receiver.base_url}/webhooks/resend/")
    assert post(mail(f"{fault.word}-{uuid.uuid4().hex}@example.com")).ok
    wait_for(lambda: len(receiver.received) == len(fault.events))


@pytest.mark.parametrize(
    ("headers", "status", "name"),
    [({}, 401, "missing_api_key"), ({"Authorization": "Bearer re_guessed"}, 403, "invalid_api_key")],
)
def test_only_the_key_opens_the_door(process, headers, status, name):
    answer = requests.post(f"{process.base_url}/resend/emails", json=mail("a@example.com"), headers=headers, timeout=10)
    assert (answer.status_code, answer.json()["name"]) == (status, name)


@pytest.mark.parametrize("body", [[], "text", {"from": "shop@example.com"}, mail("nobody"), mail("a@b.de", text="")])
def test_what_is_no_email_is_refused(post, body):
    assert post(body).status_code == 422


def test_the_same_key_and_body_is_answered_as_before_and_not_sent_again(sandbox, post, file):
    to, key = somebody(), uuid.uuid4().hex
    before = sandbox.counts()["replayed"]["resend"]
    first = post(mail(to), key)

    again = [post(mail(to), key) for _ in range(3)]

    assert [answer.json() for answer in again] == [first.json()] * 3
    assert len(lines_to(sandbox, file, to)) == 1
    assert sandbox.counts()["replayed"]["resend"] == before + 3
    replayed = [line for line in sandbox.read_refused(file) if line["to"] == to]
    assert [(line["status"], line["code"]) for line in replayed] == [(200, "replayed")] * 3


def test_the_same_key_with_another_body_is_refused(sandbox, post, file):
    to, key = somebody(), uuid.uuid4().hex
    assert post(mail(to), key).ok
    answer = post(mail(to, subject="Other"), key)
    assert (answer.status_code, answer.json()["name"]) == (409, "invalid_idempotent_request")
    assert len(lines_to(sandbox, file, to)) == 1


def test_the_same_key_in_flight_is_refused(sandbox, post, file, wait_for):
    to, key = somebody(), uuid.uuid4().hex
    sandbox.fault("resend", "slow", delay=3)
    first = threading.Thread(target=post, args=(mail(to), key))
    first.start()
    wait_for(lambda: lines_to(sandbox, file, to))
    sandbox.reset("resend")

    answer = post(mail(to), key)
    assert (answer.status_code, answer.json()["name"]) == (409, "concurrent_idempotent_requests")

    first.join()
    assert post(mail(to), key).ok
    assert len(lines_to(sandbox, file, to)) == 1


@pytest.mark.parametrize("mode", ["error_after_accept", "reset_after_accept"])
def test_an_answer_that_got_lost_is_found_again_by_its_key(sandbox, post, file, mode):
    to, key = somebody(), uuid.uuid4().hex
    sandbox.fault("resend", mode)
    try:
        assert post(mail(to), key).status_code == 500
    except requests.ConnectionError:
        assert mode == "reset_after_accept"
    sandbox.reset("resend")
    [accepted] = lines_to(sandbox, file, to)
    assert post(mail(to), key).json() == {"id": accepted.provider_message_id}
    assert len(lines_to(sandbox, file, to)) == 1


def test_a_refused_request_uses_up_no_key(sandbox, post, file):
    to, key = somebody(), uuid.uuid4().hex
    sandbox.fault("resend", "outage")
    assert post(mail(to), key).status_code == 503
    sandbox.reset("resend")
    assert post(mail(to, subject="Other"), key).ok


def test_a_batch_is_replayed_as_a_whole(sandbox, post, file):
    first, second, key = somebody(), somebody(), uuid.uuid4().hex
    answer = post([mail(first), mail(second)], key, "emails/batch")
    assert len(answer.json()["data"]) == 2
    assert post([mail(first), mail(second)], key, "emails/batch").json() == answer.json()
    assert len(lines_to(sandbox, file, first)) == len(lines_to(sandbox, file, second)) == 1


def test_one_bad_email_fails_a_batch_before_anything_is_taken(sandbox, post, file):
    good = somebody()
    assert post([mail(good), mail("invalid@example.com")], path="emails/batch").status_code == 422
    assert lines_to(sandbox, file, good) == []


@pytest.mark.parametrize("key", ["x" * 257])
def test_a_key_that_is_too_long_is_refused(post, key):
    answer = post(mail(somebody()), key)
    assert (answer.status_code, answer.json()["name"]) == (400, "invalid_idempotency_key")


def test_keys_survive_a_kill(tmp_path, post):
    file, key, to = tmp_path / "s.jsonl", uuid.uuid4().hex, somebody()
    with launch(SandboxOptions(file=file, port=0)) as first:
        answer = post([mail(to), mail(to)], key, "emails/batch", first.base_url)
        first.kill()
    with launch(SandboxOptions(file=file, port=0)) as second:
        assert post([mail(to), mail(to)], key, "emails/batch", second.base_url).json() == answer.json()
        assert post([mail(to)], key, "emails/batch", second.base_url).status_code == 409
        assert len(lines_to(second.client, file, to)) == 2


def test_events_travel_the_signed_way(sandbox, post, receiver, wait_for):
    sandbox.set_webhooks(resend=f"{receiver.base_url}/webhooks/resend/")
    message_id = post(mail(f"silent-{uuid.uuid4().hex}@example.com")).json()["id"]
    sandbox.event("resend", "complained", provider_message_id=message_id)
    wait_for(lambda: receiver.received)
    assert json.loads(receiver.received[0].body)["type"] == "email.complained"
