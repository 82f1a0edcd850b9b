"""Topics over HTTP: lists, counts, and users from a CSV body."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from notifications.api import topics
from notifications.models import Topic, TopicSubscription
from tests.api.conftest import API, Caller

PATH = "topics/news/subscribers/"


def send(call: Caller, content: bytes, path: str = PATH, kind: str = "text/csv") -> Any:
    """Send a file."""
    headers = {"Authorization": f"Api-Key {call.plain}"}
    return Client().generic("POST", f"{API}/{path}", content, content_type=kind, headers=headers)


def test_a_file(call: Caller, person: Any) -> None:
    users = [person() for _ in range(3)]
    content = f"\ufeffname;user\r\nAda;{users[0].pk}\r\nBob;0\r\nEve;{users[1].pk}\r\n".encode()
    answer = send(call, content, kind="text/csv; charset=utf-8")
    assert answer.json() == {"added": 2, "unchanged": 0, "unknown": 1, "unknown_lines": [3]}
    assert send(call, content).json() == {"added": 0, "unchanged": 2, "unknown": 1, "unknown_lines": [3]}
    gone = send(call, f"{users[0].pk}\n{users[2].pk}".encode(), "topics/news/subscribers/remove/")
    assert gone.json() == {"removed": 1, "unchanged": 1, "unknown": 0, "unknown_lines": []}
    assert [row.user_id for row in TopicSubscription.objects.all()] == [users[1].pk]


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"\xff", 400), (b"a,b\n1,2", 400), (b'1\n"2', 400), (b"1\n" * 100_002, 400), (b"x" * (5 * 1024 * 1024 + 1), 413)],
)
def test_a_file_that_cannot_be_used(call: Caller, content: bytes, status: int) -> None:
    answer = send(call, content)
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert not Topic.objects.exists()


def test_another_form_of_body(call: Caller) -> None:
    assert send(call, b"1", kind="text/plain").status_code == 415
    assert send(call, b"1", "broadcasts/estimate/").status_code == 415


def test_topics_are_listed_by_name(call: Caller, person: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for slug in ("c", "a", "b"):
        call("POST", f"topics/{slug}/subscribers/", {"users": [str(person().pk)]})
    first = call("GET", "topics/?limit=2").json()
    assert [row["slug"] for row in first["results"]] == ["a", "b"]
    rest = call("GET", first["next"]).json()
    assert ([row["slug"] for row in rest["results"]], rest["next"]) == (["c"], None)
    shown = call("GET", "topics/a/").json()
    assert (shown["slug"], shown["subscribers"], shown["exact"]) == ("a", 1, True)
    assert call("GET", "topics/none/").status_code == 404
    for wrong in ("limit=0", "limit=x", "after=%00", "cursor=x"):
        assert call("GET", f"topics/?{wrong}").status_code == 400
    assert topics.MOST_LINES == 100_000
