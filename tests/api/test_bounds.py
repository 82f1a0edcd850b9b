"""A bad body costs a bounded amount of work and a bounded answer; what Django itself refuses is a problem too."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from notifications.api import fields, parsing
from notifications.api.problems import MOST_LISTED
from notifications.models import Notification
from tests.api.conftest import Caller, login_code
from tests.api.matrix import BEHIND_A_KEY
from tests.api.test_problems import assert_problem

MANY = {f"unknown{number}": 1 for number in range(300)}


@pytest.fixture
def suggestions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names for which a near one was looked for."""
    asked: list[str] = []
    real = fields.did_you_mean

    def counted(word: str, known: tuple[str, ...]) -> str:
        asked.append(word)
        return real(word, known)

    monkeypatch.setattr(fields, "did_you_mean", counted)
    return asked


def assert_cut(errors: list[dict[str, str]]) -> None:
    assert len(errors) == MOST_LISTED + 1
    assert (errors[-1]["pointer"], errors[-1]["code"]) == ("", "more")


def test_only_so_many_unknown_fields_are_listed(call: Caller, suggestions: list[str]) -> None:
    errors = assert_problem(call.notify(MANY), 400, "invalid-request")["errors"]
    assert_cut(errors)
    assert errors[0]["pointer"] == "/template"  # what is missing comes before what is too much
    assert len(suggestions) <= MOST_LISTED


def test_a_batch_looks_for_so_many_near_names_in_all(call: Caller, suggestions: list[str]) -> None:
    results = call("POST", "notifications/batch/", {"items": [MANY] * 30}).json()["results"]
    assert len(results) == 30
    for result in results:
        assert_cut(result["problem"]["errors"])
    assert len(suggestions) <= MOST_LISTED


def test_just_so_many_are_all_listed(call: Caller, person: Any) -> None:
    more = {f"unknown{number}": 1 for number in range(MOST_LISTED)}
    errors = call.notify({**login_code(person()), **more}).json()["errors"]
    assert [item["code"] for item in errors] == ["unknown_field"] * MOST_LISTED


def test_unknown_parameters_are_listed_so_many_times(call: Caller) -> None:
    query = "&".join(f"x{number}=1" for number in range(200))
    assert_cut(assert_problem(call("GET", f"notifications/?{query}"), 400, "invalid-request")["errors"])


def test_what_a_list_is_narrowed_by_is_no_parameter_of_what_is_sent(call: Caller, person: Any) -> None:
    answer = call("POST", "notifications/?limit=1", login_code(person()), Idempotency_Key="k1")
    (error,) = assert_problem(answer, 400, "invalid-request")["errors"]
    assert (error["pointer"], error["code"]) == ("/limit", "unknown_parameter")
    assert not Notification.objects.exists()


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("notifications/batch/", {"items": [None] * 1001, **MANY}, "/items"),
        ("notifications/", {"tags": [None] * 40_000}, "/tags"),
        ("topics/news/subscribers/", {"users": [None] * 100_000}, "/users"),
    ],
)
def test_a_list_that_is_too_long_is_not_looked_into(
    call: Caller, monkeypatch: pytest.MonkeyPatch, path: str, body: Any, pointer: str
) -> None:
    looked: list[object] = []
    real = fields.Text.run_validation
    monkeypatch.setattr(fields.Text, "run_validation", lambda self, data: looked.append(data) or real(self, data))
    answer = call("POST", path, body, Idempotency_Key="k1")
    assert pointer in [item["pointer"] for item in assert_problem(answer, 400, "invalid-request")["errors"]]
    assert len(looked) < 10


def test_of_a_list_of_mistakes_the_first_are_named(call: Caller) -> None:
    answer = call("POST", "topics/news/subscribers/", {"users": [None] * 10_000})
    errors = assert_problem(answer, 400, "invalid-request")["errors"]
    assert_cut(errors)
    assert errors[0]["pointer"] == "/users/0"


def test_too_many_values_are_refused_before_anything_looks_at_them(call: Caller) -> None:
    inside = b"[],".join([b""] * (parsing.MOST_VALUES + 1))
    for raw in (b'{"items": [' + inside + b"1]}", b'{"items": [["\\u0000",' + inside + b"1]]}"):
        answer = assert_problem(call("POST", "notifications/batch/", raw), 400, "malformed-request")
        assert f"{parsing.MOST_VALUES:,} values" in answer["detail"]


def test_preferences_hold_few_values(call: Caller, person: Any) -> None:
    body = {f"x{number}": 1 for number in range(2_001)}
    answer = call("PATCH", f"users/{person().pk}/preferences/", body)
    assert "2,000 values" in assert_problem(answer, 400, "malformed-request")["detail"]


def test_a_full_batch_is_within_the_bounds(call: Caller, person: Any) -> None:
    items = [{**login_code(person(), tags=["a"] * 20), "idempotency_key": f"k{number}"} for number in range(3)]
    items += [{**items[0], "user": "0", "tags": ["a"] * 32, "idempotency_key": "z"}] * 997
    raw = json.dumps({"items": items}).encode()
    assert parsing.parse_json(raw, parsing.MOST_VALUES) == {"items": items}


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        (b'["\\u0000"]', "/0"),
        (b'{"a": [1, {"b~": [[], "x\\ud800"]}], "c": 1}', "/a/1/b~0/1"),
        (b'{"a": {"b": {"\\u0000": 1}}}', "/a/b"),
        (b'"\\udfff"', ""),
    ],
)
def test_a_bad_text_is_found_wherever_it_is(raw: bytes, pointer: str) -> None:
    with pytest.raises(parsing.Malformed) as caught:
        parsing.parse_json(raw)
    assert [item.pointer for item in caught.value.problems] == [pointer]


def test_a_pair_of_surrogates_is_a_letter() -> None:
    assert parsing.parse_json(b'{"a": "\\ud83d\\udd14"}') == {"a": "\N{BELL}"}


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("accept", ["application/json", "text/html"])
@pytest.mark.parametrize("path", ["notifications/", "broadcasts/", "users/1/devices/", "nothing/"])
def test_more_parameters_than_django_takes(call: Caller, settings: Any, path: str, accept: str, debug: bool) -> None:
    settings.DEBUG = debug
    query = "&".join(f"x{number}=1" for number in range(settings.DATA_UPLOAD_MAX_NUMBER_FIELDS + 1))
    answer = call("GET", f"{path}?{query}", Accept=accept)
    if path == "nothing/":
        assert_problem(answer, 404, "not-found")
    else:
        assert_problem(answer, 400, "invalid-request")
    assert not Notification.objects.exists()


@pytest.mark.parametrize("deep", [b'{"a":' * 40_000, b"[" * 200_000, b'{"items":' + b"[" * 33 + b"]" * 33 + b"}"])
@pytest.mark.parametrize(
    "route", [route for route, address in BEHIND_A_KEY.items() if {"POST", "PATCH"} & {*address.calls}]
)
def test_a_body_nested_too_deeply_is_a_problem_at_every_address(call: Caller, route: str, deep: bytes) -> None:
    nobody = "00000000-0000-7000-8000-000000000000"
    path = re.sub(r"<(\w+):\w+>", lambda found: nobody if found[1] == "uuid" else "42", route)
    for method in {"POST", "PATCH"} & {*BEHIND_A_KEY[route].calls}:
        answer = call(method, path, deep, Idempotency_Key="k")
        assert answer.status_code in (400, 404, 413), answer.content
        assert answer.headers["Content-Type"] == "application/problem+json"
