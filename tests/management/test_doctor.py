"""`manage.py carillon doctor`: what newcomers get wrong, each tried, and each told with what cures it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import StringIO
from typing import Any

import django_rq
import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.db.migrations.recorder import MigrationRecorder
from redis import Redis
from rq import SimpleWorker

from notifications import notify, wakeups
from notifications.doctor.database import clocks
from notifications.doctor.findings import PAGE, Level
from notifications.enums import Channel
from notifications.exceptions import InvalidData
from notifications.flows import gate
from notifications.flows.declare import load_declarations
from notifications.flows.sweep import sweep
from notifications.models import Template
from notifications.providers import registry
from notifications.sandbox.process import SandboxProcess
from tests.contracts.server import closed_port
from tests.packaging.readme import ROOT

pytestmark = pytest.mark.django_db(transaction=True)
_ID = re.compile(r"carillon\.[DEW]\d{3}")


def doctor(*arguments: str) -> tuple[int, str]:
    """Run it; return its exit status and what it printed."""
    out = StringIO()
    try:
        call_command("carillon", "doctor", *arguments, stdout=out, stderr=out)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    return 0, out.getvalue()


def ids(text: str) -> set[str]:
    return set(_ID.findall(text))


@pytest.fixture(autouse=True)
def a_developers_machine(settings: Any) -> None:
    """What checks for deployments say is not of interest; the test runner has switched DEBUG off."""
    settings.DEBUG = True


@pytest.fixture
def worker(sandbox: SandboxProcess) -> Iterator[SimpleWorker]:
    """A worker at all three queues that tells so, and a sweeper that leads."""
    redis = wakeups.connection("push")
    made = SimpleWorker([django_rq.get_queue(channel, connection=redis) for channel in Channel], connection=redis)
    made.register_birth()
    wakeups.beat(Channel, "doctor's")
    sweep("doctor's")
    yield made
    made.register_death()
    wakeups.leave(Channel, "doctor's")


@pytest.mark.usefixtures("worker")
def test_an_installation_that_works(sandbox: SandboxProcess) -> None:
    before = sandbox.client.counts()["accepted"]  # the sandbox keeps what other tests sent
    status, text = doctor()

    assert (status, ids(text)) == (0, set()), text
    for said in (
        "Google gives the service account access tokens",
        "the account is active",
        "accepts the account's key",
    ):
        assert said in text
    # What to paste; the secret that travels in it is named and not shown.
    assert "twilio: http://testserver/webhooks/twilio/" in text
    assert "email: http://<webhook_secret>@testserver/webhooks/email/" in text
    assert sandbox.client.counts()["accepted"] == before


def test_no_worker_and_nobody_who_sweeps(sandbox: SandboxProcess) -> None:
    status, text = doctor("--offline")

    assert status == 1
    assert ids(text) == {"carillon.D115", "carillon.D123"}
    assert text.count("cure: manage.py rqworker push sms email") == 3
    assert "Google" not in text


def test_no_redis(sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    port = closed_port()
    wakeups.connection.cache_clear()
    monkeypatch.setattr(wakeups.django_rq, "get_connection", lambda _: Redis(port=port, password="hidden-word"))
    try:
        status, text = doctor("--offline")
    finally:
        wakeups.connection.cache_clear()

    assert status == 1
    assert f"nobody answers at localhost:{port}/0 (ConnectionError)" in text
    assert "start Redis or Valkey there" in text
    assert "hidden-word" not in text
    assert text.count("carillon.D122  cure") == 1


@pytest.mark.usefixtures("worker")
def test_a_wrong_key(settings: Any) -> None:
    changed = {alias: dict(entry) for alias, entry in settings.NOTIFICATIONS["PROVIDERS"].items()}
    changed["twilio"]["OPTIONS"] = {**changed["twilio"]["OPTIONS"], "auth_token": "wrong-word"}
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "PROVIDERS": changed}
    registry.reset()
    gate.forget()

    status, text = doctor()

    assert status == 1
    assert "refused, 20003 Twilio does not accept the account SID and auth token." in text
    assert 'cure: correct NOTIFICATIONS["PROVIDERS"]["twilio"]["OPTIONS"]' in text
    assert "wrong-word" not in text


@pytest.mark.usefixtures("worker")
def test_a_provider_that_does_not_answer_is_a_warning(sandbox: SandboxProcess) -> None:
    sandbox.client.fault("postmark", "outage")

    assert doctor()[0] == 0
    status, text = doctor("--strict")

    assert status == 1
    assert "carillon.D141" in text


@pytest.mark.usefixtures("worker")
def test_a_migration_that_was_not_applied() -> None:
    newest = MigrationRecorder(connection).migration_qs.filter(app="carillon").order_by("-name").first()
    assert newest is not None
    MigrationRecorder(connection).record_unapplied("carillon", newest.name)
    try:
        status, text = doctor("--offline")
    finally:
        MigrationRecorder(connection).record_applied("carillon", newest.name)

    assert status == 1
    assert f"carillon.{newest.name}" in text
    assert "carillon.D112  cure: manage.py migrate" in text


@pytest.mark.usefixtures("worker")
def test_templates_that_nobody_loaded() -> None:
    Template.objects.filter(slug="invoice").delete()
    try:
        status, text = doctor("--offline")
    finally:
        load_declarations()

    assert status == 1
    assert "declared, but not in the database: invoice" in text
    assert "carillon templates sync" in text


@pytest.mark.usefixtures("worker")
def test_no_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    made = connections["default"]
    made.close()
    with monkeypatch.context() as patched:
        patched.setitem(made.settings_dict, "HOST", "127.0.0.1")
        patched.setitem(made.settings_dict, "PORT", str(closed_port()))
        status, text = doctor("--offline")
        made.close()

    assert status == 1
    assert "carillon.D110  cure: start it, or correct HOST and PORT in DATABASES" in text
    assert "All is well" not in text


@pytest.mark.usefixtures("worker")
def test_a_typo_in_a_setting(settings: Any) -> None:
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "PUBLIC_ULR": "https://example.com"}

    status, text = doctor("--offline")

    assert status == 1
    assert "did you mean 'PUBLIC_URL'?" in text
    assert "docs/settings.md#checks" in text


@pytest.mark.usefixtures("worker")
def test_a_guest_list_and_a_sandbox_where_real_people_are(settings: Any) -> None:
    settings.DEBUG = False
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "ONLY_TO": ["example.com"]}

    status, text = doctor("--offline")

    assert status == 0
    assert {"carillon.D101", "carillon.W061", "carillon.W062"} <= ids(text)
    assert doctor("--offline", "--strict")[0] == 1


def test_a_wrong_variable_is_told_where_the_call_is(person: Any) -> None:
    with pytest.raises(InvalidData) as caught:
        notify(person(), "login-code", {"cod": "493021"})

    assert "/data/code" in str(caught.value)
    assert "/data/cod:" in str(caught.value)


def test_clocks_that_disagree() -> None:
    assert clocks("Redis", 1_000.0, 999.0, 1_001.0).level is Level.OK
    assert clocks("Redis", 1_003.5, 999.0, 1_001.0).id == "carillon.D130"
    assert "14 s apart" in clocks("Redis", 985.0, 999.0, 1_001.0).what


def test_every_id_has_its_heading() -> None:
    source = "".join(path.read_text() for path in (ROOT / "notifications" / "doctor").glob("*.py"))
    numbers = set(re.findall(r"\b(?:error|warning)\((\d{3}),", source))
    page = (ROOT / PAGE).read_text(encoding="utf-8")

    assert numbers
    assert set(re.findall(r"^### carillon\.D(\d{3})$", page, re.MULTILINE)) == numbers
