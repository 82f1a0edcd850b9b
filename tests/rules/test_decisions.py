"""The table of decisions, and that its cases are as many and as different as they claim to be."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.rules.tables import deliveries, emails, planning, providers, quiet_hours, texts, throttling, words
from tests.rules.tables.cases import Case

TABLES = (quiet_hours, planning, throttling, deliveries, texts, words, emails, providers)
CASES: list[Case] = [case for table in TABLES for case in table.CASES]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_decision(case: Case) -> None:
    assert case.answer(*case.given) == case.outcome


def test_no_two_cases_share_rule_boundary_and_outcome() -> None:
    found = Counter((case.rule, case.boundary, case.outcome) for case in CASES)
    assert [case for case, times in found.items() if times > 1] == []


def test_no_two_cases_of_a_rule_are_given_the_same() -> None:
    found = Counter((case.answer.__module__, case.answer.__name__, repr(case.given)) for case in CASES)
    assert [given for given, times in found.items() if times > 1] == []


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 300
