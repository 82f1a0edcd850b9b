"""A flood on one channel hides nothing of the others, and the page never says that what arrived did not."""

import pytest
import requests

from notifications.sandbox.credentials import POSTMARK_SERVER_TOKEN
from notifications.sandbox.inbox import SHOWN, SHOWN_EACH
from notifications.sandbox.newest import KEEP, KEEP_EACH, Newest
from notifications.sandbox.process import launch
from notifications.sandbox.records import CarillonId
from notifications.sandbox.server import SandboxOptions
from notifications.sandbox.store import Store

NOBODY = CarillonId(None, None)


def line(name):
    return name.encode()


@pytest.fixture(scope="module")
def flooded(tmp_path_factory):
    """A sandbox that took three SMS and a few mails, and then thousands of pushes."""
    file = tmp_path_factory.mktemp("flood") / "s.jsonl"
    store = Store(file)
    store.accept("twilio", [f"+44770090010{number}" for number in range(3)], NOBODY, "SM1", {"text": "Hi"}, {})
    mails = [f"mail{number}@example.com" for number in range(KEEP_EACH + 50)]
    store.accept("postmark", mails, NOBODY, "PM1", {"subject": "Hi", "text": "Hi"}, {"From": "shop@example.com"})
    store.accept("fcm", [f"token-{number}" for number in range(KEEP + 100)], NOBODY, "FC1", {"title": "Hi"}, {})
    store.close()
    with launch(SandboxOptions(file=file, port=0)) as running:
        yield running


@pytest.fixture
def page(flooded):
    return lambda query="": requests.get(f"{flooded.base_url}/sandbox/{query}", timeout=10).text


def test_memory_is_bounded_and_keeps_each_channels_newest():
    newest = Newest()
    for number in range(KEEP_EACH + 5):
        newest.add("postmark", line(f"mail {number}"))
    newest.add("twilio", line("sms"))
    for number in range(KEEP * 2):
        newest.add("fcm", line(f"push {number}"))

    assert newest.count() == KEEP
    assert list(newest.lines("twilio")) == [b"sms"]
    assert list(newest.lines("postmark"))[-1] == b"mail 5"
    assert newest.count("postmark") == KEEP_EACH
    assert next(newest.lines()) == f"push {KEEP * 2 - 1}".encode()


def test_lines_come_newest_first_whatever_their_channel():
    newest = Newest()
    for number, provider in enumerate(["fcm", "twilio", "postmark", "fcm"]):
        newest.add(provider, line(str(number)))

    assert list(newest.lines()) == [b"3", b"2", b"1", b"0"]


def test_the_page_shows_some_of_each_channel(page):
    text = page()
    assert text.count('<li class="message sms">') == 3
    assert text.count('<li class="message email">') == SHOWN_EACH
    assert text.count('<li class="message') == SHOWN
    assert f"{SHOWN} of the newest {KEEP:,} that match" in text
    assert text.index("token-2099") < text.index("mail349@example.com") < text.index("+447700900102")


def test_a_channel_can_be_chosen_from_its_count(page):
    assert '<a href="?channel=email">Email</a>' in page()
    assert page("?channel=email").count('<li class="message email">') == SHOWN


def test_what_has_left_memory_is_not_said_never_to_have_arrived(page, flooded):
    for query in ("?to=mail0@example.com&channel=email", "?to=mail0%40example.com"):
        text = page(query)
        assert "Nothing like that arrived" not in text
        assert "Nothing like that among the newest" in text
        assert str(flooded.options.file) in text
    assert f"among the newest {KEEP_EACH:,} Email messages" in page("?to=mail0@example.com&channel=email")
    assert "50 older ones are in" in page("?to=mail0@example.com&channel=email")


def test_where_all_is_in_memory_it_may_say_so(page):
    assert "Nothing like that arrived" in page("?to=%2B15005550001&channel=sms")


def test_a_number_typed_with_its_plus_is_found(page, flooded):
    assert page("?to=+447700900101").count('<li class="message sms">') == 1
    typed = requests.get(f"{flooded.base_url}/sandbox/messages?to=+447700900101", timeout=10).json()
    assert [message["to"] for message in typed["messages"]] == ["+447700900101"]


def test_an_inbox_after_a_batch_is_still_the_newest_first(page, flooded):
    headers = {"X-Postmark-Server-Token": POSTMARK_SERVER_TOKEN}
    body = {"From": "shop@example.com", "To": "last@example.com", "TextBody": "x"}
    assert requests.post(f"{flooded.base_url}/postmark/email", json=body, headers=headers, timeout=10).ok
    text = page()
    assert text.index("last@example.com") < text.index("token-2099")
