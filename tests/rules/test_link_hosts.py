"""Links to other hosts are seen however they are written; what is no link passes."""

from __future__ import annotations

import pytest

from notifications.messages import Content
from notifications.rules.link_hosts import foreign, foreign_in_value, hosts_in, hosts_of

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


def test_what_is_nested_too_deeply_is_not_trusted() -> None:
    deep: object = "harmless"
    for _ in range(40):
        deep = [deep]
    assert foreign_in_value(deep, ALLOWED)


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


def test_what_nobody_follows_in_a_document_passes() -> None:
    html = (
        '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1.dtd">'
        '<html xmlns="http://www.w3.org/1999/xhtml"><head><style>a{background:url(https://x.com/)}</style></head>'
        '<body><a href="https://shop.test/x">https://shop.test/x</a><a href="#top">top</a></body></html>'
    )
    assert foreign(hosts_of(Content(html=html)), ALLOWED) == []


@pytest.mark.parametrize("part", ["text", "subject", "title", "body", "url", "image"])
def test_every_part_of_a_message_is_read(part: str) -> None:
    assert foreign(hosts_of(Content(**{part: "https://evil.com"})), ALLOWED) == ["evil.com"]  # type: ignore[arg-type]
    assert foreign(hosts_of(Content(data={"link": "https://evil.com"})), ALLOWED) == ["evil.com"]
