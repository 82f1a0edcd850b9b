"""What the tests in a browser share: the browser itself, and a whole deployment with a bad hour behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from project import embedded
from project.demo.stack import Stack
from tests.promises.conftest import database_url, stack, valkey

from . import deployment
from .deployment import PASSWORD, shell

__all__ = ["database_url", "stack", "valkey"]

PROVIDERS = ("fcm", "twilio", "vonage", "postmark")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser of the system's."""
    with deployment.chromium() as browser:
        yield browser


def seeded(stack: Stack, call: str) -> None:
    """Run a part of the bad hour inside the deployment."""
    shell(stack, f"from tests.browser import outage; outage.{call}")


@pytest.fixture
def outage(tmp_path: Path, database_url: str, valkey: embedded.Services) -> Iterator[Stack]:
    """A deployment in an outage, its worker still at work; `grace` may do everything."""
    with Stack(tmp_path / "stack", database_url, valkey.redis_url, providers=PROVIDERS) as made:
        made.manage("migrate", "--verbosity", "0")
        seeded(made, f"seed({PASSWORD!r})")
        made.start_web()
        made.start_worker()
        seeded(made, "happen()")
        yield made
