"""Which links of a message lead nowhere, and how they may be shown."""

from __future__ import annotations

import pytest

from notifications.messages import Content
from notifications.rules.dead_links import fault_of, links_in, shown

OURS = "https://shop.example/notify"


@pytest.mark.parametrize(
    ("link", "fault"),
    [
        pytest.param("https://example.com/posts/7", "", id="another host"),
        pytest.param("https://example.com", "", id="another host without a path"),
        pytest.param("https://shop.example/posts/7", "", id="beside our own prefix"),
        pytest.param("https://shop.example/notify/there/", "", id="a page of ours"),
        pytest.param("https://shop.example/notify/gone/", "no such page", id="no page of ours"),
        pytest.param("https://shop.example/notifyother/", "", id="a prefix that only begins like ours"),
        pytest.param("https://other.example/notify/gone/", "", id="our prefix on another host"),
        pytest.param("mailto:ada@example.com", "", id="a mailbox"),
        pytest.param("shop://cart", "", id="an app's own"),
        pytest.param("#top", "", id="within the email"),
        pytest.param("", "empty", id="nothing"),
        pytest.param(" ", "empty", id="blank"),
        pytest.param("#", "empty", id="a placeholder"),
        pytest.param("/posts/7", "relative", id="a path"),
        pytest.param("//example.com/x", "relative", id="without a scheme"),
        pytest.param("posts/7", "relative", id="a relative path"),
        pytest.param("https:///posts/7", "without a host", id="no host"),
        pytest.param("https://example.com/posts/None", "a value is missing", id="None at the end"),
        pytest.param("https://example.com/None/x", "a value is missing", id="None within"),
        pytest.param("https://example.com/?id=None&x=1", "a value is missing", id="None in the query"),
        pytest.param("https://example.com/?None", "a value is missing", id="None as the query"),
        pytest.param("https://example.com/Nonesuch", "", id="a word that begins so"),
        pytest.param("https://example.com/x?y=undefined", "a value is missing", id="undefined"),
        pytest.param("https://[::1", "unreadable", id="no address at all"),
    ],
)
def test_why_a_link_leads_nowhere(link: str, fault: str) -> None:
    assert fault_of(link, OURS, lambda path: path == "/notify/there/") == fault


def test_without_a_public_url_nothing_is_ours() -> None:
    assert fault_of("https://shop.example/notify/gone/", "", lambda _: False) == ""


@pytest.mark.parametrize("path", ["", "/"])
def test_the_root_is_asked_for(path: str) -> None:
    assert fault_of(f"https://shop.example{path}", "https://shop.example", lambda asked: asked == "/") == ""


def test_every_link_is_found() -> None:
    html = '<a href="/a">x</a><img src="https://i.example/b"/><a href>y</a><p title="/no">z</p>'
    content = Content(text="See https://t.example/c.", body="(https://b.example/d)", html=html, url="u", image="i")
    assert list(links_in(content)) == ["u", "i", "https://t.example/c", "https://b.example/d", "/a",
                                       "https://i.example/b", ""]  # fmt: skip
    assert list(links_in(Content())) == []


@pytest.mark.parametrize(
    ("link", "text"),
    [
        ("https://shop.example/posts/7?email=ada@example.com", "https://shop.example/posts/…"),
        ("https://ada:pass@shop.example/ada@example.com/", "https://shop.example/…/"),
        ("/orders/my-order/../49151", "/orders/my-order/../…"),
        (f"https://shop.example/{'a' * 24}/{'a' * 25}", f"https://shop.example/{'a' * 24}/…"),
        ("mailto:ada@example.com", "mailto:…"),
        ("https://[::1", "…"),
        ("", ""),
    ],
)
def test_a_link_is_shown_without_what_is_personal(link: str, text: str) -> None:
    assert shown(link) == text
