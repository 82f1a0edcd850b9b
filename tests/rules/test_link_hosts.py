"""Links to other hosts are seen however they are written; what is no link passes."""

from __future__ import annotations

from html import escape

import pytest

from notifications.messages import Content
from notifications.rules.link_hosts import UNREADABLE, foreign, foreign_in_value, hosts_in, hosts_of

ALLOWED = frozenset({"shop.test", "cdn.example.com"})
ELSEWHERE = [
    "https://evil.com",
    "Pay: https://evil.com/pay, now",
    "HTTP://EVIL.COM/",
    "https:evil.com/x",
    "https:/evil.com",
    "https:\\\\evil.com\\x",
    "//evil.com/x",
    " (//evil.com/x)",
    "https://shop.test@evil.com/",
    "https://shop.test:x@evil.com/",
    "https://evil.com\\@shop.test/",
    "https://shop.test.evil.com/",
    "https://notshop.test/",
    "https://evil.com?shop.test",
    "https://evil.com#shop.test",
    "https://evil\u3002com/x",
    "https://\uff45vil.com/",
    "https://%65vil.com/",
    "https://evil.com%2f.shop.test/",
    "https:///evil.com",
    "http://10.0.0.1/x",
    "http://[::1]/x",
    "http://localhost:8000/",
    "ftp://evil.com/x",
    "www.evil.museum",
    "see evil.com",
    "evil.museum/free",
    "evil.museum:8080/free",
    "evil.museum?q=1",
    "xn--e1afmkfd.com",
    "a.https://evil.com",
    "Login\nhttps://evil.com",
    # Whatever stands before it.
    "Link:evil.com/a",
    "a/evil.com/login",
    "-evil.com/a",
    "_evil.com/a",
    "a..evil.com/a",
    "x_.evil.museum/a",
    "_https://evil.com/x",
    "xhttps://evil.com/x",
    "shop://order/evil.com/x",
    "https://shop.test/,https://evil.com/x",
    "https://shop.test/(evil.com/x",
    "https://shop.test/|evil.com/x",
    "shop.test/x|evil.com/x",
    "shop.test/x\uff0cevil.com/x",
    "https://shop.test/\u200bevil.com",
    "https://shop.test/\U0001f449evil.com",
    "shop.test:80evil.com/x",
    "shop.test:evil.com/x",
    # A name of ours behind what ends the host of a link.
    "https://evil.com,.shop.test",
    "https://evil.com;.shop.test/",
    "https://evil.com!.shop.test",
    "https://evil.com|.shop.test",
    "https://evil.com..shop.test",
    "https://evil.com-.shop.test",
    "https://evil.com)@shop.test",
    "https://shop.test)@evil.com/",
    "https://shop.test'@evil.com/",
    "https://evil.com\u3002shop.test/",
    "https://evil.com\u200b.shop.test/",
    "evil.com\u3002shop.test",
    # What browsers leave out, or read as another letter.
    "ht\ntps://evil.com/x",
    "h\tttps://evil.com/x",
    "https\r://evil.com/x",
    "https:\n//evil.com/x",
    "ht\x01tps://evil.com/x",
    "ev\u00adil.com/x",
    "evil\u200bshop.test/x",
    "e\u0301shop.test/x",
    "ev\U000e0100shop.test/x",
    "\u24d4shop.test/x",
    "\uff45vil\uff0e\uff43\uff4f\uff4d",
    "http://stra\u00dfe.com/",
    "evil.xn--p1ai/x",
    "evil.\u092d\u093e\u0930\u0924/x",
    "10.0.0.1/x",
    "https://EVIL.com:443",
    "https://evil.com./",
    "evil.com.Then",
    "www.evil.com@ x",
    "www.evil.com@x",
    "evil.co.uk",
]
HARMLESS = [
    "",
    "https://shop.test",
    "https://shop.test/a?b=c#d.",
    "https://www.shop.test:443/x",
    "HTTPS://SHOP.TEST./",
    "see (https://shop.test/x).",
    "//shop.test/x",
    "shop.test/x and cdn.example.com/y",
    "ada@example.com wrote",
    "mailto:ada@evil.com",
    "shop://order/7",
    "tel:+4915112345678",
    "and/or; either//or // comment",
    "https://shop.test//double//slash",
    "z.B. 12.50 Euro, 3.5/4, node.js, J.R.R. Tolkien",
    "The end.Next sentence",
    "a.b.c",
    "Paid 12/2026, and/or e.g. this; see file.txt, 3.5/5, Size:M/L, v1.2/3, 1.5l/100km, 24/7, 9:30-17:00",
    "/static/logo.png?v=2 img/a.min.js?x Rechnung.pdf#2",
    "Danke...shop.test/x",
    "Visit\nshop.test/x\nhttps://shop.test\nBye",
    "Link:shop.test/a (shop.test/b) -shop.test/c \u201cshop.test/d\u201d \U0001f449\ufe0fshop.test/e",
    "shop.test/brands/evil.com/x?y=evil.com",
    "https://shop.test/brands/evil.com/x?to=https%3A%2F%2Fevil.com",
    "[x](https://shop.test), \u201chttps://shop.test\u201d, **https://shop.test**. <https://shop.test>!",
    '{"url":"https://shop.test","n":1}',
    "https://shop.test\u3002",
    "_https://shop.test_ https://shop.test:443. https://shop.test\U0001f600 https://shop.test!!",
    "https://\uff53\uff48\uff4f\uff50.test/x",
    "http: and https:, ftp; https:",
    "see ///// there",
    "ada.me.smith@example.com or mailto:ada@mail.evil.com?subject=x",
    "geo:1.5,2.5 sms:+4915112345678 whatsapp://send?text=x",
]
# Each would take minutes if looking for links took more than a few looks at each letter.
LONG = [
    *("a", "a.", "a-", "a..", "a.com", "a.com/", "a/", ".", "@a", "@a.", "1.", "www.", "\u3002", "\u200b", "a\u3002"),
    *("h", "ht\n", "ht\n\n", "http:", "http:/", "https://", "https://a,", ":", ":1", "://a.", "/", " //", "\n"),
]


@pytest.mark.parametrize("text", ELSEWHERE)
def test_a_link_elsewhere_is_seen(text: str) -> None:
    assert foreign(hosts_in(text), ALLOWED)
    assert foreign_in_value({"a": [{"b": text}]}, ALLOWED)
    assert foreign_in_value({text: 1}, ALLOWED)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_leads_nowhere_else_passes(text: str) -> None:
    assert foreign(hosts_in(text), ALLOWED) == []
    assert not foreign_in_value(("x", 7, None, True, {text: text}), ALLOWED)


@pytest.mark.parametrize("piece", LONG)
def test_a_long_text_is_read_in_one_go(piece: str) -> None:
    long = piece * (100_000 // len(piece))
    text = f"x {long}! https://shop.test/{long} https://{long} https://evil.com"
    assert "evil.com" in foreign(hosts_in(text), ALLOWED)


def test_a_host_of_many_labels_is_foreign_and_no_failure() -> None:
    assert foreign_in_value("a." * 1_200 + "com", {"a.io"})
    assert foreign(["a." * 1_200 + "a.io"], {"a.io"})
    longest = "a." * 124 + "xa.io"
    assert len(longest) == 253
    assert foreign([longest], {"xa.io"}) == []
    assert foreign([f"a{longest}"], {"xa.io"})


def test_a_host_of_ours_may_have_a_country_behind_a_common_ending() -> None:
    assert foreign(hosts_in("Visit shop.co.uk."), {"shop.co.uk"}) == []


@pytest.mark.parametrize(("lists", "trusted"), [(33, True), (34, False)])
def test_what_is_nested_too_deeply_is_not_trusted(lists: int, trusted: bool) -> None:
    deep: object = "harmless"
    for _ in range(lists):
        deep = [deep]
    assert foreign_in_value(deep, ALLOWED) is not trusted


def test_a_host_that_is_not_there_cannot_be_read() -> None:
    assert list(hosts_in("https://:443/ https://?q")) == [UNREADABLE, UNREADABLE]


def test_every_host_is_named_once_in_order() -> None:
    assert foreign(hosts_in("https://b.io/ https://a.io/ https://b.io/x"), ALLOWED) == ["b.io", "a.io"]


@pytest.mark.parametrize(
    "html",
    [
        '<a href="https://evil.com/x">x</a>',
        "<a href='&#104;ttps://evil.com'>x</a>",
        '<img src="//evil.com/p.png">',
        "<p>go to https://evil.com</p>",
        '<td background="https://evil.com/p.png">',
    ],
)
def test_the_html_of_an_email_is_read_as_mail_clients_do(html: str) -> None:
    assert foreign(hosts_of(Content(html=html)), ALLOWED) == ["evil.com"]


@pytest.mark.parametrize(
    "link",
    [
        "https://shop.test @evil.com/",
        "https://shop.test\n@evil.com/",
        "https://shop.test\nevil.museum/",
        'https://shop.test"@evil.com/',
        "https://shop.test<@evil.com/",
        "\x01https://shop.test @evil.com/",
        "/\t/shop.test @evil.com/",
    ],
)
def test_what_is_followed_is_read_as_browsers_do(link: str) -> None:
    assert foreign(hosts_of(Content(html=f'<a href="{escape(link)}">x</a>')), ALLOWED)
    assert foreign(hosts_of(Content(url=link)), ALLOWED)
    assert foreign(hosts_of(Content(image=link)), ALLOWED)


@pytest.mark.parametrize(
    "link", ["https://shop.test", " https://shop.test/@evil.com ", "shop://order/7", "#top", "/a@b"]
)
def test_what_is_followed_to_a_host_of_ours_passes(link: str) -> None:
    assert foreign(hosts_of(Content(html=f'<a href="{link}">x</a>', url=link)), ALLOWED) == []


def test_what_nobody_follows_in_a_document_passes() -> None:
    html = (
        '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1.dtd">'
        '<html xmlns="http://www.w3.org/1999/xhtml"><head><style>a{background:url(https://x.com/)}</style></head>'
        '<body><a href="https://shop.test/x">https://shop.test/x</a><a href="#top">top</a><a href>end</a></body></html>'
    )
    assert foreign(hosts_of(Content(html=html)), ALLOWED) == []


@pytest.mark.parametrize("part", ["text", "subject", "title", "body", "url", "image"])
def test_every_part_of_a_message_is_read(part: str) -> None:
    assert foreign(hosts_of(Content(**{part: "https://evil.com"})), ALLOWED) == ["evil.com"]  # type: ignore[arg-type]
    assert foreign(hosts_of(Content(data={"link": "https://evil.com"})), ALLOWED) == ["evil.com"]
