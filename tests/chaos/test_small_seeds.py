"""The smallest kill runs that still prove something; `make chaos` runs the large ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.digest_kills import digest_kills
from tests.chaos.kill_loop import kill_loop
from tests.chaos.one_load import one_load
from tests.chaos.outage_recovery import outage_recovery
from tests.chaos.textbook import textbook
from tests.ground.figures import Run
from tests.ground.services import Ground

SEED = 7


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a ground that all runs here share."""
    folder = tmp_path_factory.mktemp("chaos")
    with Ground.at(folder):
        yield folder


@pytest.mark.long
def test_a_sender_as_the_textbook_has_it_is_caught(ground: Path) -> None:
    run = Run(ground / "textbook", SEED, quick=True)
    verdict, detail = textbook(run, messages=30, kills=14, every=0.4, compressed=20)
    assert verdict.lost, detail
    assert verdict.doubled, detail
    assert not verdict.clean


def test_kills_lose_nothing_and_repeat_nothing_in_silence(ground: Path) -> None:
    figure = kill_loop(Run(ground / "kill-loop", SEED, quick=True), messages=100, kills=5, rate=12)
    assert figure.passed, figure.detail
    assert figure.detail["sigkills"] == 5


@pytest.mark.long
def test_kills_lose_nothing_that_is_gathered_and_repeat_nothing(ground: Path) -> None:
    run = Run(ground / "digest-kills", SEED, quick=True)
    figure = digest_kills(run, messages=150, kills=3, lasting=8)
    assert figure.passed, figure.detail


@pytest.mark.long
def test_restarts_and_services_that_are_killed_emptied_or_hang_lose_nothing_under_load(ground: Path) -> None:
    figure = one_load(Run(ground / "one-load", SEED, quick=True), per_second=15)
    assert figure.passed, figure.detail


@pytest.mark.long
def test_a_provider_that_comes_back_is_not_run_over(ground: Path) -> None:
    run = Run(ground / "outage-recovery", SEED, quick=True)
    figure = outage_recovery(run, users=200, limit=40, outage=4, retry_after=2)
    assert figure.passed, figure.detail
