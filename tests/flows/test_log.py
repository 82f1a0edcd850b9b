"""What fails is logged without the row that it was about: PostgreSQL quotes it in its error."""

from __future__ import annotations

import traceback
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction

from notifications import jobs, notify
from notifications.enums import State
from notifications.flows import sweep
from notifications.models import Delivery
from notifications.rules.masking import Unquoted, unquoted
from notifications.sandbox.process import SandboxProcess
from tests.live import work

pytestmark = pytest.mark.django_db
TOKEN = "token-quoted-0001"


@pytest.fixture
def forbid(person: Callable[..., User]) -> Callable[[str], None]:
    """Notify somebody, and let PostgreSQL refuse a state from then on."""

    def refuse(state: str) -> None:
        notify(person(TOKEN), "new-follower", {"name": "Ada Unmistakable"})
        with connection.cursor() as cursor:
            cursor.execute(
                f"ALTER TABLE carillon_delivery ADD CONSTRAINT forbidden CHECK (state <> '{state}') NOT VALID"
            )

    return refuse


def test_postgresql_does_quote_the_row(forbid: Callable[[str], None]) -> None:
    forbid("sent")
    with pytest.raises(IntegrityError, match=TOKEN) as caught, transaction.atomic():
        Delivery.objects.update(state=State.SENT)
    told = "".join(traceback.format_exception(unquoted(caught.value)))
    assert "IntegrityError: 23514" in told
    assert "forbidden" in told
    assert "test_postgresql_does_quote_the_row" in told  # where it happened
    assert TOKEN not in told


def test_a_result_that_cannot_be_recorded_is_logged_without_the_row(
    sandbox: SandboxProcess, forbid: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    forbid("sent")
    work()
    assert Delivery.objects.get().state == State.UNCERTAIN
    assert "could not be recorded" in caplog.text
    assert "IntegrityError: 23514" in caplog.text
    assert TOKEN not in caplog.text


def test_a_job_fails_without_the_row(
    sandbox: SandboxProcess, forbid: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """RQ logs a job's traceback, and keeps it in Redis."""
    forbid("sending")
    monkeypatch.setattr(jobs, "close_old_connections", lambda: None)  # the test's own transaction is on this one
    with pytest.raises(Unquoted) as caught:
        jobs.drain("push")
    told = "".join(traceback.format_exception(caught.value))
    assert "IntegrityError: 23514" in told
    assert TOKEN not in told


def test_a_repair_fails_without_the_row(
    forbid: Callable[[str], None], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def expire() -> None:
        with transaction.atomic():
            Delivery.objects.update(state=State.EXPIRED)

    forbid("expired")
    monkeypatch.setattr(sweep, "_REPAIRS", (expire,))
    assert sweep.sweep("tests")
    assert "sweep: expire failed" in caplog.text
    assert TOKEN not in caplog.text
