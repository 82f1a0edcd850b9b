"""The page of what arrived: escaped, fenced in, and helpful when there is nothing."""

from html.parser import HTMLParser

import pytest
import requests

from notifications.sandbox.credentials import (
    POSTMARK_SERVER_TOKEN,
    TWILIO_ACCOUNT_SID,
    TWILIO_AUTH_TOKEN,
    TWILIO_FROM_NUMBER,
)
from notifications.sandbox.oauth import AccessTokens
from notifications.sandbox.process import launch
from notifications.sandbox.server import SandboxOptions

EVIL = "<script>alert(1)</script>\"'&${base}"


VOID = {"meta", "link", "input", "br"}


class Page(HTMLParser):
    """Collects the elements of a page, and its frames; every element must be closed where it was opened."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.frames, self.words, self.open = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "iframe":
            self.frames.append(dict(attrs))

        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture
def page(process):
    def get(query=""):
        answer = requests.get(f"{process.base_url}/sandbox/{query}", timeout=10)
        assert answer.status_code == 200
        return answer, Page(answer.text)

    return get


@pytest.fixture
def evil(process, sandbox):
    """One message on each channel, hostile in every field."""
    base = process.base_url
    message = {"token": f"tok-{EVIL}", "notification": {"title": EVIL, "body": EVIL}, "data": {EVIL: EVIL}}
    bearer = {"Authorization": f"Bearer {AccessTokens().issue()}"}
    fcm = requests.post(f"{base}/fcm/v1/projects/p/messages:send", json={"message": message}, headers=bearer, timeout=9)
    form = {"To": "+4915112345678", "From": TWILIO_FROM_NUMBER, "Body": EVIL}
    sms = requests.post(
        f"{base}/twilio/2010-04-01/Accounts/{TWILIO_ACCOUNT_SID}/Messages.json",
        data=form,
        auth=(TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN),
        timeout=9,
    )
    mail = {"From": EVIL, "To": "ada@example.com", "Subject": EVIL, "TextBody": EVIL, "HtmlBody": f"<p>{EVIL}</p>"}
    token = {"X-Postmark-Server-Token": POSTMARK_SERVER_TOKEN}
    assert requests.post(f"{base}/postmark/email", json=mail, headers=token, timeout=9).ok
    assert fcm.ok
    assert sms.ok


def test_an_empty_inbox_says_what_to_do(tmp_path):
    with launch(SandboxOptions(file=tmp_path / "s.jsonl", port=0)) as fresh:
        text = requests.get(f"{fresh.base_url}/sandbox", timeout=10).text
        assert "Nothing has arrived yet" in text
        command = "".join(Page(text).words)
        assert f"TWILIO_BASE_URL={fresh.base_url}/twilio" in command
        assert f"curl {fresh.base_url}/postmark/email" in command


def test_everything_is_escaped(evil, page):
    answer, parsed = page()
    assert parsed.tags.count("script") == 1  # the page's own
    assert answer.text.count("<script") == 1
    assert "${base}" in answer.text
    assert "".join(parsed.words).count(EVIL) >= 6


def test_an_email_is_rendered_in_a_frame_that_may_do_nothing(evil, page):
    _, parsed = page("?channel=email")
    frame = parsed.frames[0]
    assert frame["sandbox"] == ""
    assert frame["srcdoc"] == f"<p>{EVIL}</p>"
    assert frame["title"]


def test_the_policy_allows_the_pages_own_script_and_no_remote_pictures(evil, page):
    answer, _ = page()
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["img-src"] == "data:"
    assert policy["script-src"] == "'self'"


def test_it_filters_by_address_and_channel(evil, page):
    assert "1 segment, GSM-7" in page("?to=%2B4915112345678")[0].text
    assert "ada@example.com</a>" not in page("?to=%2B4915112345678")[0].text
    assert "ada@example.com</a>" in page("?channel=email")[0].text
    assert "Nothing like that arrived" in page("?to=nobody@example.com")[0].text


def test_it_reloads_only_when_asked(evil, page):
    assert 'http-equiv="refresh"' not in page()[0].text
    assert 'http-equiv="refresh"' in page("?refresh=1&channel=sms")[0].text
    assert "?channel=sms&amp;refresh=1" in page("?channel=sms")[0].text


def test_it_says_which_provider_is_at_fault(sandbox, page):
    sandbox.fault("twilio", "outage", share=0.5)
    text = page()[0].text
    assert "twilio: outage" in text
    assert "50% of requests" in text
