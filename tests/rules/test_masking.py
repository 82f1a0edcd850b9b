"""What may be logged of an error, and of what others wrote."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from notifications.rules.masking import masked, redacted, unquoted

ROW = "Failing row contains (ada@example.com, +49 151 12345678)."

# Each would take minutes if it were gone through once more for each of its letters.
PIECES = [
    *("!", "%", "%4", "%40", "x!", "a" * 59 + "!", "a" * 60 + "!", ":", "a:", "a@!", "!@", "@", "+", "+1", "+1 ("),
    *("+12 ", "1", "1 ", "1 1 (", "12345(", "+1234567", "+1234567(", "1234567x", "%2B1", "%2B1234567"),
]


class Refused(Exception):
    """As a driver's error: a text that quotes the row, and names apart from it."""

    diag = SimpleNamespace(sqlstate="23514", table_name="carillon_delivery", column_name=None, constraint_name="once")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("to ada@example.com: no", "to … no"),
        ("to +49 151 12345678, no", "to …, no"),
        ("token " + "a" * 32, "token …"),
        ("token " + "a" * 31, "token " + "a" * 31),
        ("error 30006", "error 30006"),
    ],
)
def test_addresses_numbers_and_tokens_are_left_out(text: str, said: str) -> None:
    assert redacted(text) == said


def test_of_a_databases_error_only_names_are_told() -> None:
    wrapped = ValueError(ROW)
    wrapped.__cause__ = Refused(ROW)
    assert str(unquoted(wrapped)) == "ValueError: 23514 carillon_delivery once"
    own = Refused(ROW)
    own.__cause__ = ValueError("something else")
    assert str(unquoted(own)) == "Refused: 23514 carillon_delivery once"


def test_of_any_other_error_the_text_is_told_without_what_is_personal() -> None:
    assert str(unquoted(KeyError("ada@example.com"))) == "KeyError: …"
    assert str(unquoted(ValueError("no such state"))) == "ValueError: no such state"


def test_where_it_was_raised_stays_and_what_caused_it_does_not() -> None:
    with pytest.raises(KeyError) as caught:
        {}[ROW]
    caught.value.__cause__ = Refused(ROW)
    told = unquoted(caught.value)
    assert told.__traceback__ is caught.value.__traceback__
    assert told.__cause__ is told.__context__ is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("to ada.b+c@mail.example.com: no", "to …: no"),
        ("GET /person/?q=ada%40example.com", "GET /person/?q=…"),
        ("Key (address)=(ada@example.com) exists", "Key (address)=(…) exists"),
        ("to +49 151 12345678, no", "to …, no"),
        ("GET /person/?q=%2B4915112345678: 404", "GET /person/?q=…: 404"),
        ("token " + "a" * 60 + ".", "token …"),
        ("Not Found: /unsubscribe/" + "a" * 30 + ":" + "b" * 43 + "/", "Not Found: /unsubscribe/…/"),
        ("0192f2a0-7c1e-7abc-8def-0123456789ab " + "f" * 32, "0192f2a0-7c1e-7abc-8def-0123456789ab " + "f" * 32),
        (
            "2026-11-23 05:21:07 pid=4711 30006 worker-1:4711:abc",
            "2026-11-23 05:21:07 pid=4711 30006 worker-1:4711:abc",
        ),
        ("to a…@example.com: +49…66", "to a…@example.com: +49…66"),
        ("x" * 400 + "@y.z, no", "…, no"),
        ("to " + "x!" * 400 + "ada@example.com: no", "to …: no"),
        ("q=" + "ada%20" * 99 + "ada%40example.com&x", "q=…&x"),
        ("k=" + "a" * 60 + "!" * 400 + "ada@example.com", "…"),
        ("+49 151 1234567ada@example.com", "…"),
        ("ada@example.com!bob@example.com", "…"),
        ("ada%40" + "a" * 70, "…"),
        ("a@!b@example.com", "a@…"),
        ('File "/srv/app/notifications/flows/a_name/' + "x" * 30 + '.py", line 7', None),
    ],
)
def test_a_log_names_messages_and_nobody(text: str, said: str | None) -> None:
    assert masked(text) == (text if said is None else said)


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("hide", [masked, redacted])
def test_a_long_text_is_read_in_one_go(hide: Callable[[str], str], piece: str) -> None:
    assert hide(f"{piece * (200_000 // len(piece))} to ada@example.com").endswith(" to …")
