"""Starts what the suite needs, once for all of xdist's workers, where the environment names none."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from django.test import TransactionTestCase
from pytest_django import DjangoDbBlocker

from project import embedded
from project.embedded_home import Home
from tests.ground.untouched import Untouched, instead_of_flush

_HOLD = pytest.StashKey[embedded.Services]()


def _heed_signals() -> None:
    """Let child processes heed Ctrl-C and hang-ups, which a run in the background or under nohup ignores."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Start this run's own PostgreSQL and Valkey; xdist's workers find them through the environment."""
    _heed_signals()
    config = session.config
    missing = {name for name in ("DATABASE_URL", "REDIS_URL") if not os.environ.get(name)}
    if hasattr(config, "workerinput") or config.option.collectonly or not missing:
        return
    root = Home.of().root
    embedded.remove_abandoned(root.parent)
    config.stash[_HOLD] = embedded.start(
        root, reset=False, postgres="DATABASE_URL" in missing, valkey="REDIS_URL" in missing
    )


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop them and remove what they wrote."""
    services = config.stash.get(_HOLD, None)
    if services is not None:
        embedded.remove(services)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let a test that commits put back what it touched, and no more."""
    with django_db_blocker.unblock():
        untouched = Untouched()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", instead_of_flush(untouched))
        yield
