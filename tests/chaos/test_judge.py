"""The judge objects to what it must object to: doctored books, provider's files and records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.chaos.acknowledged import Book, read
from tests.chaos.checker import Outcome, judge

SENT = Outcome("sent")
BOOK = ("a", "b", "c")


def well() -> dict[str, list[Outcome]]:
    """Return records in which all is well."""
    return {to: [SENT] for to in BOOK}


def test_what_was_sent_once_is_well() -> None:
    verdict = judge(BOOK, BOOK, well())
    assert verdict.clean
    assert (verdict.acknowledged, verdict.accepted, verdict.copies) == (3, 3, 0)


@pytest.mark.parametrize("state", ["sent", "delivered", "pending", "uncertain", "failed"])
def test_a_message_that_the_provider_never_took_is_lost_whatever_the_records_say(state: str) -> None:
    verdict = judge(BOOK, ["a", "c"], well() | {"b": [Outcome(state)]})
    assert list(verdict.lost) == ["b"]
    assert not verdict.clean


def test_a_message_of_which_the_records_know_nothing_is_lost() -> None:
    assert list(judge(BOOK, ["a", "b"], {"a": [SENT], "b": [SENT]}).lost) == ["c"]


@pytest.mark.parametrize("state", ["failed", "expired", "cancelled", "skipped", "dead"])
def test_a_message_that_ended_with_a_reason_of_its_own_is_not_lost(state: str) -> None:
    verdict = judge(BOOK, ["a", "c"], well() | {"b": [Outcome(state, "ttl")]})
    assert verdict.clean
    assert dict(verdict.ended) == {"ttl": 1}


def test_a_second_copy_that_nobody_flagged_is_seen() -> None:
    verdict = judge(BOOK, ["a", "b", "c", "b"], well())
    assert (list(verdict.doubled), list(verdict.unflagged), verdict.copies) == (["b"], ["b"], 1)
    assert not verdict.clean


def test_a_second_copy_that_is_flagged_is_counted() -> None:
    verdict = judge(BOOK, ["a", "b", "c", "b", "b"], well() | {"b": [Outcome("sent", "", possible_duplicate=True)]})
    assert verdict.clean
    assert (list(verdict.doubled), verdict.copies, verdict.flagged) == (["b"], 2, 1)


@pytest.mark.parametrize("state", ["pending", "sending", "uncertain"])
def test_a_message_that_is_still_open_is_stuck_even_if_the_provider_took_it(state: str) -> None:
    verdict = judge(BOOK, BOOK, well() | {"b": [Outcome(state)]})
    assert list(verdict.stuck) == ["b"]
    assert not verdict.clean


def test_a_message_that_nobody_asked_for_is_seen() -> None:
    verdict = judge(BOOK, [*BOOK, "rolled back"], well(), lambda to: to in BOOK)
    assert list(verdict.unasked) == ["rolled back"]
    assert not verdict.clean


def test_the_book_holds_what_was_written_and_no_torn_line(tmp_path: Path) -> None:
    book = Book(tmp_path / "book.jsonl")
    book.append({"to": "a"}, {"to": "b"})
    book.close()
    with book.path.open("ab") as torn:
        torn.write(json.dumps({"to": "c"}).encode()[:-3])
    assert [line["to"] for line in read(book.path)] == ["a", "b"]
