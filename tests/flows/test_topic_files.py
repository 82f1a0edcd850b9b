"""Topics from CSV files: every shape that spreadsheets write, unknown users by line, in flat memory."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifications.exceptions import InvalidData
from notifications.flows import topic_files
from notifications.flows.recipients import find_user_key
from notifications.flows.topic_files import Import, Imported, import_users, read_users
from notifications.flows.topics import count_subscribers, subscribe
from notifications.flows.users import keys_by_lookup
from notifications.models import Topic, TopicSubscription
from project.shop.models import Profile

pytestmark = pytest.mark.django_db
BOM = "\ufeff"


@pytest.fixture
def crowd(person: Callable[..., User], monkeypatch: pytest.MonkeyPatch) -> list[User]:
    """Five people, and batches of two."""
    monkeypatch.setattr(topic_files, "BATCH", 2)
    return [person() for _ in range(5)]


def of(text: str, wanted: Import | None = None, *, at_once: bool = False) -> Imported:
    """Import a text."""
    return import_users(wanted or Import("news"), io.StringIO(text, newline=""), at_once=at_once)


def keys(users: list[User], end: str = "\n") -> str:
    """Return a file with a user a line."""
    return "".join(f"{user.pk}{end}" for user in users)


def subscribed() -> set[object]:
    """Return who is on the topic."""
    return set(TopicSubscription.objects.filter(topic__slug="news").values_list("user_id", flat=True))


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("7\n8\n", "", [(1, "7"), (2, "8")]),
        ("7\r\n8\r\n", "", [(1, "7"), (2, "8")]),
        ("7\r8", "", [(1, "7"), (2, "8")]),
        (f"{BOM}user\n7\n", "", [(2, "7")]),
        (f'{BOM}"user"\r\n"7"\r\n', "", [(2, "7")]),
        ("\n\nuser\n\n7\n\n", "", [(5, "7")]),
        ("name;USER_ID\nAda;7\n;\nBob;8\n", "", [(2, "7"), (4, "8")]),
        ("name\tpk\nAda\t7", "", [(2, "7")]),
        ('name,key\n"Ada, the\nfirst",7\nBob\nEve, 8 ', "KEY", [(3, "7"), (5, "8")]),
        ("", "", []),
        ("user\n", "", []),
    ],
)
def test_files_as_they_come(db: None, text: str, column: str, expected: list[tuple[int, str]]) -> None:
    assert list(read_users(io.StringIO(text, newline=""), column)) == expected


@pytest.mark.parametrize(
    ("text", "column", "code"),
    [
        ("a,b\n1,2\n", "", "no_column"),
        ("user\n7\n", "key", "no_column"),
        ('7\n"8\n9\n', "", "not_csv"),
        ('"7"8\n', "", "not_csv"),
        ('"' + "x" * 200_000, "", "not_csv"),
    ],
)
def test_files_that_cannot_be_read(db: None, text: str, column: str, code: str) -> None:
    with pytest.raises(InvalidData) as caught:
        list(read_users(io.StringIO(text, newline=""), column))
    assert [problem.code for problem in caught.value.problems] == [code]


def test_users_are_added_once_and_unknown_ones_named(crowd: list[User]) -> None:
    text = "user\n" + keys(crowd[:3]) + "0\nx\nnul\x00\n" + keys(crowd[1:4])
    done = of(text)
    assert (done.lines, done.added, done.unchanged, done.unknown) == (9, 4, 2, 3)
    assert done.unknown_lines == [5, 6, 7]
    assert subscribed() == {user.pk for user in crowd[:4]}
    again = of(text)
    assert (again.added, again.unchanged) == (0, 6)


def test_remove_and_replace(crowd: list[User]) -> None:
    of(keys(crowd))
    assert of(keys(crowd[:2]), Import("news", remove=True)).removed == 2
    other = Topic.objects.create(slug="other")
    TopicSubscription.objects.create(topic=other, user=crowd[0])
    done = of(keys(crowd[1:3]), Import("news", replace=True))
    assert (done.added, done.unchanged, done.removed) == (1, 1, 2)
    assert subscribed() == {user.pk for user in crowd[1:3]}
    assert other.subscriptions.count() == 1


def test_a_replacement_notes_whom_it_keeps_a_batch_at_a_time(crowd: list[User]) -> None:
    with CaptureQueriesContext(connection) as seen:
        of(keys(crowd), Import("news", replace=True))
    kept = [query["sql"] for query in seen if "INTO carillon_kept_subscribers" in query["sql"]]
    assert len(kept) == 3
    assert not [statement for statement in kept if " times: " in statement]  # `executemany`: a round trip for each
    assert subscribed() == {user.pk for user in crowd}


@pytest.mark.parametrize("text", ["", "user\n", "x\ny\n"])
def test_a_replacement_by_nobody_is_refused(crowd: list[User], text: str) -> None:
    of(keys(crowd))
    with pytest.raises(InvalidData):
        of(text, Import("news", replace=True))
    assert len(subscribed()) == 5


@pytest.mark.parametrize("wanted", [Import("news", dry_run=True), Import("news", replace=True, dry_run=True)])
def test_a_dry_run_changes_nothing(crowd: list[User], wanted: Import) -> None:
    of(keys(crowd[:2]))
    done = of(keys(crowd[1:]), wanted)
    assert (done.added, done.unchanged, done.removed) == (3, 1, 1 if wanted.replace else 0)
    assert subscribed() == {user.pk for user in crowd[:2]}


def test_at_once_is_all_or_nothing(crowd: list[User]) -> None:
    with pytest.raises(InvalidData):
        of(keys(crowd) + '"broken', at_once=True)
    assert not subscribed()


def test_memory_is_flat(db: None, person: Callable[..., User], monkeypatch: pytest.MonkeyPatch) -> None:
    def lines(count: int) -> Iterator[str]:
        yield "user\n"
        for number in range(count):
            yield f"{10_000_000 + number}\n"

    def peak(count: int) -> int:
        tracemalloc.start()
        assert import_users(Import("news"), lines(count)).unknown == count
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(2_000)
    assert peak(20_000) < 1.5 * peak(4_000)


def test_subscribers_are_counted_so_far(crowd: list[User], monkeypatch: pytest.MonkeyPatch) -> None:
    of(keys(crowd))
    topic = Topic.objects.get(slug="news")
    assert count_subscribers(topic).told() == "5"
    monkeypatch.setattr("notifications.flows.topics.COUNTED", 3)
    assert count_subscribers(topic).told().startswith("about ")


def test_the_command(crowd: list[User], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "users.csv"
    file.write_bytes(f"{BOM}Name;Key\r\nAda;{crowd[0].pk}\r\nBob;{crowd[1].pk}\r\n".encode())
    call_command("carillon", "topics", "import", "news", str(file), "--column", "key")
    assert subscribed() == {user.pk for user in crowd[:2]}
    file.write_text(f"{crowd[0].pk}\n0\n")
    with pytest.raises(SystemExit):
        call_command("carillon", "topics", "import", "news", str(file), "--replace")
    told = capsys.readouterr()
    assert "removed     1" in told.out
    assert "lines 2" in told.err
    call_command("carillon", "topics", "list")
    assert capsys.readouterr().out.split() == ["1", "news"]
    for wrong in (["No Slug", str(file)], ["news", str(tmp_path / "none.csv")], ["news", str(tmp_path)]):
        with pytest.raises(CommandError):
            call_command("carillon", "topics", "import", *wrong)
    file.write_bytes("ä".encode("utf-16"))
    with pytest.raises(CommandError, match="UTF-8"):
        call_command("carillon", "topics", "import", "news", str(file))


def test_a_look_up_other_than_the_key(crowd: list[User], settings: Any) -> None:
    paths = {**settings.NOTIFICATIONS["RECIPIENT"], "lookup": "email"}
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "RECIPIENT": paths}
    assert of(f"name,email\nAda,{crowd[0].email}\nBob,nobody@example.com\n").unknown_lines == [3]
    assert subscribed() == {crowd[0].pk}


@pytest.fixture
def by_number(crowd: list[User], settings: Any) -> list[str]:
    """The five people, whom callers know by a number of another table."""
    paths = {**settings.NOTIFICATIONS["RECIPIENT"], "lookup": "profile__id"}
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "RECIPIENT": paths}
    return [str(Profile.objects.get(user=user).pk) for user in crowd]


def test_users_are_spelt_as_at_every_other_door(crowd: list[User], by_number: list[str]) -> None:
    first, second, third = (f"0{number}" for number in by_number[:3])
    assert find_user_key(first) == crowd[0].pk
    assert of(f"{first}\n{second}\nx\n").unknown_lines == [3]
    assert subscribe("news", [third]) == 1
    assert subscribed() == {user.pk for user in crowd[:3]}


def test_what_no_user_can_be_called_costs_no_statement(
    crowd: list[User], by_number: list[str], django_assert_num_queries: Any
) -> None:
    junk = ["x", "9" * 40, "nul\x00", "", "-"]
    with django_assert_num_queries(1):
        assert keys_by_lookup([*junk, *by_number]) == dict(zip(by_number, [user.pk for user in crowd], strict=True))
    with django_assert_num_queries(0):
        assert keys_by_lookup(junk) == {}
