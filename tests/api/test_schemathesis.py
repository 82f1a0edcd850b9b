"""Whatever the document allows, and what it does not: no server error, no answer that it does not foresee."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from random import Random
from typing import Any

import pytest
from django.db import Error as DjangoError
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException
from schemathesis import GenerationMode

from tests.api.conftest import Caller
from tests.api.described import operations
from tests.api.fuzzing import World, called, loaded, made_likely, make_world, send, undone, validate

LEAST_SHARE = 0.2
PARTS, EXAMPLES = 4, 250  # for as many processes; half as many again of what is not allowed
# Not st.randoms(): what Hypothesis draws itself is 0 again and again, so that far more than a share were duds.
_RANDOM = st.builds(Random, st.integers(0, 2**32))


@pytest.fixture
def world(call: Caller) -> World:
    return make_world(call)


def explore(world: World, label: str, mode: GenerationMode, examples: int, *, repeats: bool) -> None:
    """Send cases of one operation: what the document allows, or what it does not."""

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=repeats,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # to make a failure small takes minutes, and it names its request anyway
    )
    @given(case=_operation(label).as_strategy(generation_mode=mode), random=_RANDOM)
    def one(case: Any, random: Random) -> None:
        with undone():
            headers = (
                made_likely(world, case, random, duds=0 if repeats else 0.15) if mode is GenerationMode.POSITIVE else {}
            )
            send(world, case, headers)

    one()


@cache
def _schema() -> Any:
    return loaded()


def _operation(label: str) -> Any:
    method, path = label.split()
    return _schema()[path][method]


def can_be_wrong(operation: Mapping[str, Any]) -> bool:
    """Whether there is something to get wrong: any text may be a user's."""
    named = {one["name"] for one in operation.get("parameters", ())}
    return "requestBody" in operation or bool(named - {"user"})


def explore_all(world: World, labels: Sequence[str], examples: int, *, repeats: bool) -> None:
    """Explore operations; half as much of what is not allowed, where there is something to get wrong."""
    failures = []
    for label in labels:
        wrong = [(GenerationMode.NEGATIVE, (examples + 1) // 2)] if can_be_wrong(operations()[label]) else []
        for mode, most in [(GenerationMode.POSITIVE, examples), *wrong]:
            try:
                explore(world, label, mode, most, repeats=repeats)
            except (AssertionError, DjangoError, HypothesisException, BaseExceptionGroup) as error:
                failures.append(f"{label}, {mode.value}:\n{error}")
    assert not failures, "\n\n".join(failures)
    shares = {label: round(world.share(label), 2) for label in labels}
    assert min(shares.values()) >= LEAST_SHARE, (shares, world.tally)


def test_a_slice_of_all(world: World) -> None:
    explore_all(world, list(operations()), 2, repeats=True)


@pytest.mark.long
@pytest.mark.parametrize("part", range(PARTS))
def test_all_of_it(world: World, part: int) -> None:
    explore_all(world, list(operations())[part::PARTS], EXAMPLES, repeats=False)
    assert sum(world.tally.values()) >= 10_000 // PARTS, world.tally


@pytest.mark.long
def test_one_thing_after_another(world: World) -> None:
    """Follow the links from what was made to what can be done with it, within one state of the database."""

    class Following(_schema().as_state_machine()):  # type: ignore[misc]
        """A walk through the API."""

        def setup(self) -> None:
            self.point = transaction.savepoint()
            self.random = Random(0)

        def teardown(self) -> None:
            transaction.savepoint_rollback(self.point)

        def before_call(self, case: Any) -> None:
            self.headers = {} if _is_wrong(case) else made_likely(world, case, self.random, duds=0.15, keeps_ids=True)

        def call(self, case: Any, **options: Any) -> Any:
            answer = called(case, {**world.headers, **self.headers})
            world.tally[case.operation.label, answer.status_code] += 1
            return answer

        def validate_response(self, response: Any, case: Any, **options: Any) -> None:
            validate(case, response)

    Following.run(
        settings=settings(
            max_examples=250,
            stateful_step_count=10,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
    )
    followed = {label for label, status in world.tally if status == 200 and "{" in label}
    assert {"GET /notifications/{notification}/", "POST /broadcasts/{broadcast}/cancel/"} <= followed


def _is_wrong(case: Any) -> bool:
    return bool(case.meta and case.meta.generation.mode is GenerationMode.NEGATIVE)
