"""The pytest plugin: the fixture `carillon_outbox`. Reading this file costs a run nothing; Django is not imported."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .kit import Outbox


@pytest.fixture
def carillon_outbox(db: None) -> Iterator[Outbox]:
    """Everything that Carillon sends in a test, and assertions about it; see `notifications.testing.Outbox`.

    It needs pytest-django, for a database: that of `db`, or of `transactional_db` where the test asks for it. (Asked
    for here and not later: pytest-django makes test databases only for what it sees in the fixtures' arguments.)
    """
    # Only now: when pytest reads its plugins, Django has no settings yet.
    outbox: Outbox = import_module("notifications.testing.kit").outbox
    with outbox:
        yield outbox
