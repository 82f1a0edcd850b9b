"""Whether variables are what a template declared; a refusal names variables and types, never values."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.rules.data import MOST_BYTES, own_value, problems_with

SECRET = "s3cr3t-value"


def nested(depth: int) -> object:
    """Return a list in a list in a list."""
    value: object = "x"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("kind", "value", "fits"),
    [
        pytest.param("str", "", True, id="an empty text is a text"),
        pytest.param("str", 1, False, id="number for text"),
        pytest.param("str", b"x", False, id="bytes for text"),
        pytest.param("int", 0, True, id="zero"),
        pytest.param("int", True, False, id="True is not 1"),
        pytest.param("int", 1.0, False, id="float for int"),
        pytest.param("float", 1, True, id="a whole number is a float, too"),
        pytest.param("float", False, False, id="False is not 0.0"),
        pytest.param("float", "1", False, id="text for float"),
        pytest.param("bool", True, True, id="bool"),
        pytest.param("bool", 1, False, id="1 is not True"),
        pytest.param("list", [1], True, id="list"),
        pytest.param("list", "abc", False, id="a text is no list"),
        pytest.param("dict", {"a": 1}, True, id="object"),
        pytest.param("dict", [("a", 1)], False, id="pairs are no object"),
        pytest.param("str", None, False, id="null is nothing"),
    ],
)
def test_types(kind: str, value: object, fits: bool) -> None:
    problems = problems_with({"v": value}, {"v": kind})
    assert [(problem.pointer, problem.code) for problem in problems] == ([] if fits else [("/data/v", "wrong_type")])


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param({"v": [Decimal(1)]}, "not_plain", id="decimal"),
        pytest.param({"v": [{1: "a"}]}, "not_plain", id="a number as a key would come back as text"),
        pytest.param({"v": [float("nan")]}, "not_plain", id="NaN is not JSON"),
        pytest.param({"v": [float("inf")]}, "not_plain", id="infinity is not JSON"),
        pytest.param({"v": [10**5_000]}, "not_plain", id="a number too long to print"),
        pytest.param({"v": [{"x"}]}, "not_plain", id="set"),
        pytest.param({"v": nested(31)}, None, id="deep enough"),
        pytest.param({"v": nested(40)}, "not_plain", id="too deep"),
        pytest.param({"v": nested(20_000)}, "not_plain", id="deeper than Python's stack"),
        pytest.param({"v": ["a\x00b"]}, "not_text", id="NUL"),
        pytest.param({"v": [{"a\x00": 1}]}, "not_text", id="NUL in a key"),
        pytest.param({"v": ["\ud800"]}, "not_text", id="half a character"),
        pytest.param({"v": ["\\u0000"]}, None, id="NUL spelled out is plain text"),
        pytest.param({"v": ["😀"]}, None, id="a whole character outside the first plane"),
        pytest.param({"v": [None, True, 1, 1.5, "x", [], {}]}, None, id="everything plain"),
        pytest.param({"v": ["x" * (MOST_BYTES - 12)]}, None, id="just fits"),
        pytest.param({"v": ["x" * (MOST_BYTES - 9)]}, "too_large", id="a little too large"),
    ],
)
def test_values(data: dict[str, Any], code: str | None) -> None:
    assert [problem.code for problem in problems_with(data, {"v": "list"})] == ([code] if code else [])


def test_every_problem_is_told_at_once() -> None:
    problems = problems_with({"b": 1, "c": 2}, {"a": "str", "b": "str"})
    assert {(problem.pointer, problem.code) for problem in problems} == {
        ("/data/a", "missing_variable"),
        ("/data/b", "wrong_type"),
        ("/data/c", "unknown_variable"),
    }


def test_what_each_recipient_brings_may_be_missing_but_not_wrong() -> None:
    assert problems_with({}, {"a": "str"}, ["a"]) == []
    assert [problem.code for problem in problems_with({"a": 1}, {"a": "str"}, ["a"])] == ["wrong_type"]


def test_a_pointer_is_escaped() -> None:
    assert [problem.pointer for problem in problems_with({"a/b~c": 1}, {})] == ["/data/a~1b~0c"]


@given(
    st.dictionaries(st.text(max_size=8), st.sampled_from([SECRET, [SECRET], {SECRET: 1}, b"s3cr3t-value", object])),
    st.dictionaries(st.text(max_size=8), st.sampled_from(["str", "int", "list", "dict"])),
)
def test_no_value_is_ever_told(data: dict[str, object], variables: dict[str, str]) -> None:
    assert SECRET not in str(problems_with(data, variables))


@given(st.text(st.characters(exclude_categories=()), max_size=40), st.sampled_from([1, 100, 300]))
def test_a_short_text_of_ones_own_is_judged_as_any_variable_is(text: str, times: int) -> None:
    long = text * times
    fits = not problems_with({"": long}, {"": "str"})
    assert own_value(long, "str") == (long if fits else None)


@pytest.mark.parametrize("length", [MOST_BYTES // 16, MOST_BYTES // 12, MOST_BYTES // 12 + 1, MOST_BYTES])
def test_a_text_of_ones_own_is_as_large_as_its_json(length: int) -> None:
    for letter in "x\N{BELL}":
        fits = not problems_with({"": letter * length}, {"": "str"})
        assert own_value(letter * length, "str") == (letter * length if fits else None)
