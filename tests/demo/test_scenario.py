"""The ten run side by side; one that breaks takes only its own row with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from notifications.sandbox.client import SandboxClient
from project.demo.__main__ import last_words
from project.demo.client import Api, ApiError
from project.demo.console import Operator
from project.demo.finding import Finding
from project.demo.ledger import Ledger
from project.demo.outcomes import Outcome, World
from project.demo.scenario import missed, run_all

NOWHERE = "http://127.0.0.1:9"


class Good(Outcome):
    """Is seen."""

    name, expected = "good", "good"

    def show(self, world: World) -> Finding:
        """Be seen."""
        return Finding(ok=True, seen="good")


class Later(Good):
    """Is seen, but not before the outage is over."""

    name = "later"
    after_outage = True

    def show(self, world: World) -> Finding:
        """Look whether it is over."""
        return Finding(ok=world.push_works.is_set(), seen="later")


class Outage(Good):
    """Ends by itself."""

    name = "outage"

    def show(self, world: World) -> Finding:
        """End."""
        world.push_works.set()
        raise ApiError("GET notifications/: 500 broken")


class Surprise(Good):
    """Meets an answer of another shape."""

    name = "surprise"

    def show(self, world: World) -> Finding:
        """Miss a key."""
        raise KeyError("deliveries")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A world in which nothing answers."""
    api, operator = Api(NOWHERE, "key"), Operator(NOWHERE, "admin", "")
    return World(api, operator, Ledger(tmp_path / "file"), SandboxClient(NOWHERE), "run1", lambda name, text: None)


def test_rows_keep_their_order_and_failures_their_words(world: World) -> None:
    rows = run_all(world, [Good(), Surprise(), Later(), Outage()])
    assert [row.name for row in rows] == ["good", "surprise", "later", "outage"]
    assert [row.ok for row in rows] == [True, False, True, False]
    assert rows[1].seen == "KeyError: 'deliveries'"
    assert rows[3].seen == "GET notifications/: 500 broken"
    assert missed(rows) == ["surprise", "outage"]


def test_a_service_that_is_away_is_said_in_words(world: World) -> None:
    with pytest.raises(ApiError, match=r"POST notifications/: no answer \(ConnectionError\)"):
        world.api.notify({})


def test_long_errors_are_cut_to_their_beginning_and_end() -> None:
    said = last_words(RuntimeError("\n".join(f"line {number}" for number in range(40)))).splitlines()
    assert said[0] == "line 0"
    assert said[1] == "…"
    assert said[-1] == "line 39"
    assert len(said) == 12
    assert last_words(RuntimeError("short")) == "short"
