"""The inbox's buttons and knobs: through the providers' signed doors, by forms that only the page itself can send."""

import itertools
import json
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import parse_qs, quote

import pytest
import requests

from notifications.sandbox.client import SandboxError
from notifications.sandbox.credentials import (
    POSTMARK_SERVER_TOKEN,
    TWILIO_ACCOUNT_SID,
    TWILIO_AUTH_TOKEN,
    TWILIO_FROM_NUMBER,
)
from notifications.sandbox.oauth import AccessTokens
from notifications.sandbox.process import launch, with_webhook_secret
from notifications.sandbox.server import SandboxOptions
from notifications.sandbox.twilio_webhooks import sign

_numbers = itertools.count(1)


class Ada(NamedTuple):
    """Somebody's addresses, which no other test uses."""

    number: str
    mailbox: str
    token: str


class Forms(HTMLParser):
    """The forms of a page: action, hidden fields, and the buttons as (name, value)."""

    def __init__(self, text):
        super().__init__()
        self.forms = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag == "form":
            self.forms.append({"action": found.get("action"), "fields": {}, "buttons": []})
        elif self.forms and tag == "input" and found.get("type") == "hidden":
            self.forms[-1]["fields"][found["name"]] = found["value"]
        elif self.forms and tag == "button" and "value" in found:
            self.forms[-1]["buttons"].append((found["name"], found["value"]))


@pytest.fixture
def arrived(process, sandbox, receiver):
    """One message to Ada on each channel, with the callbacks that come by themselves switched off."""
    base, number = process.base_url, next(_numbers)
    ada = Ada(f"+49151999{number:05d}", f"ada{number}@example.com", f"token-of-ada-{number}")
    sandbox.set_webhooks(
        postmark=with_webhook_secret(f"{receiver.base_url}/webhooks/postmark/"),
        twilio_inbound=f"{receiver.base_url}/webhooks/twilio/",
    )
    sandbox.callbacks("postmark", "none")
    sandbox.callbacks("twilio", "none")
    bearer = {"Authorization": f"Bearer {AccessTokens().issue()}"}
    message = {"message": {"token": ada.token, "notification": {"title": "Shipped", "body": "On its way"}}}
    assert requests.post(f"{base}/fcm/v1/projects/p/messages:send", json=message, headers=bearer, timeout=9).ok
    form = {
        "To": ada.number,
        "From": TWILIO_FROM_NUMBER,
        "Body": "Hi",
        "StatusCallback": f"{receiver.base_url}/status/",
    }
    url = f"{base}/twilio/2010-04-01/Accounts/{TWILIO_ACCOUNT_SID}/Messages.json"
    assert requests.post(url, data=form, auth=(TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN), timeout=9).ok
    mail = {
        "From": "shop@example.com",
        "To": ada.mailbox,
        "Subject": "Hello",
        "HtmlBody": "<p>Hi</p>",
        "TextBody": "Hi",
    }
    token = {"X-Postmark-Server-Token": POSTMARK_SERVER_TOKEN}
    assert requests.post(f"{base}/postmark/email", json=mail, headers=token, timeout=9).ok
    sandbox.callbacks("postmark", "normal")
    sandbox.callbacks("twilio", "normal")
    return ada


@pytest.fixture
def press(process):
    """Presses a button of the page as a browser would, and returns the page that follows."""

    def pressed(name, value, pressed_at, query="", **changed):
        page = requests.get(f"{process.base_url}/sandbox/{query}", timeout=9).text
        form = next(
            form
            for form in Forms(page).forms
            if (name, value) in form["buttons"] and form["fields"].get("provider") == pressed_at
        )
        data = {**form["fields"], name: value, **changed}
        return requests.post(process.base_url + form["action"], data=data, timeout=9)

    return pressed


@pytest.mark.parametrize(
    ("event", "says"),
    [("delivered", "Delivery"), ("opened", "Open"), ("bounced", "Bounce"), ("complained", "SpamComplaint")],
)
def test_a_mails_buttons_post_what_postmark_would(arrived, press, receiver, wait_for, event, says):
    page = press("event", event, "postmark")
    assert page.status_code == 200
    assert "sent to http" in page.text
    assert "not-secret" not in page.text
    got = wait_for(lambda: receiver.received)[0]
    assert got.url.endswith("/webhooks/postmark/")
    assert got.headers["Authorization"].startswith("Basic ")
    assert json.loads(got.body)["RecordType"] == says


def test_a_texts_buttons_are_signed_as_twilio_signs(arrived, press, receiver, wait_for):
    press("event", "delivered", "twilio")
    got = wait_for(lambda: receiver.received)[0]
    params = {name: values[0] for name, values in parse_qs(got.body.decode(), keep_blank_values=True).items()}
    assert params["MessageStatus"] == "delivered"
    assert got.headers["X-Twilio-Signature"] == sign(f"{receiver.base_url}/status/", params)
    page = press("event", "stop", "twilio")
    assert "STOP</li>" in page.text  # in the thread, as on the phone
    got = wait_for(lambda: receiver.received[1:])[0]
    assert b"OptOutType=STOP" in got.body


def test_an_uninstalled_app_is_gone_for_the_next_send(arrived, press, process):
    page = press("event", "unregistered", "fcm")
    assert "The app was uninstalled." in page.text
    bearer = {"Authorization": f"Bearer {AccessTokens().issue()}"}
    url = f"{process.base_url}/fcm/v1/projects/p/messages:send"
    again = requests.post(url, json={"message": {"token": arrived.token}}, headers=bearer, timeout=9)
    assert again.status_code == 404


@pytest.mark.parametrize(("knob", "mode"), [("slow", "slow"), ("throttled", "rate_limited"), ("dead", "outage")])
def test_a_knob_makes_a_provider_ill_and_well_again(arrived, press, sandbox, knob, mode):
    page = press("knob", knob, "twilio", "?channel=sms")
    assert page.url.endswith("/sandbox/?channel=sms")
    assert f"twilio is {knob} from now on." in page.text
    assert sandbox.faults()["twilio"]["mode"] == mode
    assert f'value="{knob}" aria-pressed="true"' in page.text
    press("knob", "well", "twilio")
    assert sandbox.faults()["twilio"]["mode"] == "ok"


def test_only_the_page_itself_can_send_its_forms(arrived, press, sandbox, receiver):
    for token in ("", "guess", "ü"):
        assert press("knob", "dead", "twilio", token=token).status_code == 403
        assert press("event", "stop", "twilio", token=token).status_code == 403
    assert sandbox.faults()["twilio"]["mode"] == "ok"
    assert not receiver.received


@pytest.mark.parametrize("back", ["//evil.example/", "https://evil.example/?to=x", "to=a%0d%0aX: y"])
def test_a_form_leads_nowhere_else(arrived, press, process, back):
    page = press("knob", "well", "twilio", back=back)
    assert page.url.startswith(f"{process.base_url}/sandbox/")
    assert "X" not in page.history[0].headers


@pytest.mark.parametrize("changed", [{"event": "opened"}, {"provider": "nobody"}, {"message": "x"}])
def test_what_cannot_be_sent_back_is_told_on_the_page(arrived, press, receiver, changed):
    page = press("event", "delivered", "twilio", **changed)
    assert page.status_code == 200
    assert 'class="ill"' in page.text
    assert not receiver.received


def test_messages_are_grouped_by_person_once_somebody_said_whose_they_are(arrived, process, sandbox):
    def headings(query=""):
        page = requests.get(f"{process.base_url}/sandbox/{query}", timeout=9).text
        return [name for name in (who, *arrived) if f'title="{_escaped(name)}"' in page], page

    who = f"<b>{arrived.number}"
    assert headings()[0] == list(arrived)
    assert sandbox.people({who: list(arrived)}) >= 3
    found, page = headings()
    assert found == [who]
    assert who not in page
    for query in (f"?who={quote(who)}", f"?to={quote(who)}"):
        assert "3 messages" in headings(query)[1]
    assert "1 message<" in headings(f"?to={arrived.mailbox}")[1]


def _escaped(text):
    return text.replace("<", "&lt;").replace(">", "&gt;")


@pytest.mark.parametrize(
    "told",
    [{}, {"people": 1}, {"people": [1]}, {"people": [{"name": "", "addresses": []}]}, {"people": [{"name": "x"}]}],
)
def test_what_makes_no_person_is_refused(process, told):
    assert requests.post(f"{process.base_url}/sandbox/people", json=told, timeout=9).status_code == 400


def test_names_survive_a_restart(tmp_path):
    options = SandboxOptions(file=tmp_path / "s.jsonl", port=0)
    with launch(options) as first:
        assert first.client.people({"Ada": ["ada@example.com"]}) == 1
        with pytest.raises(SandboxError):
            first.client.people({"": ["ada@example.com"]})
    with launch(options) as second:
        assert second.client.people({}) == 1


def test_the_revision_changes_with_what_the_page_shows(arrived, press, process, sandbox):
    def revision():
        return requests.get(f"{process.base_url}/sandbox/revision", timeout=9).json()["revision"]

    seen = [revision(), revision()]
    assert seen[0] == seen[1]
    press("event", "stop", "twilio")
    seen.append(revision())
    sandbox.fault("postmark", "outage")
    seen.append(revision())
    sandbox.people({"Eve": ["eve@example.com"]})
    seen.append(revision())
    assert len(set(seen)) == 4


def test_each_channel_looks_like_itself(arrived, process):
    page = requests.get(f"{process.base_url}/sandbox/", timeout=9).text
    assert 'class="handset lock"' in page
    assert 'class="handset thread"' in page
    assert "1 segment, GSM-7" in page
    for view in ("Desktop", "Phone", "Dark", "Text", "Source"):
        assert f">{view}</label>" in page
