"""The wheel, in a project that is not ours, with nothing but the lines of README.md."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from notifications.sandbox.process import SandboxProcess, launch
from notifications.sandbox.server import SandboxOptions

from .host import Host, install_wheel, own_database, pasted
from .readme import BLOCKS, README, Unit, units, without

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("another-project")]
UNITS = [*units("settings"), *units("urls")]
_MESSAGE = re.compile(r"\((carillon\.[EW]\d{3})\)(?P<what>.*?)\n\tHINT: (?P<hint>.*)")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    file = tmp_path_factory.mktemp("sandbox") / "arrived.jsonl"
    with launch(SandboxOptions(file=file, port=0, callbacks=False)) as running:
        yield running


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """A database of the other project's own, as a DATABASES entry."""
    with own_database(f"another_{os.getpid()}") as made:
        yield made


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, sandbox: SandboxProcess, database: str) -> Host:
    packages = install_wheel(tmp_path_factory.mktemp("wheel"))
    environment = {
        "HOST_DATABASE": database,
        "REDIS_URL": settings.REDIS_URL,
        "SANDBOX_URL": sandbox.base_url,
    }
    made = Host(tmp_path_factory.mktemp("another"), packages, environment)
    made.write(pasted())
    assert made.manage("makemigrations", "people").returncode == 0
    return made


@pytest.fixture(scope="module")
def migrated(host: Host) -> Host:
    done = host.manage("migrate")
    assert done.returncode == 0, done.stderr
    return host


def test_it_is_the_wheel_that_is_imported(host: Host) -> None:
    found = host.python("-c", "import notifications; print(notifications.__file__)")

    assert "/packages/notifications/" in found.stdout, found.stderr


def test_the_lines_are_all_that_is_needed(migrated: Host) -> None:
    checked = migrated.manage("check", "--deploy", "--database", "default", "--tag", "carillon", "--tag", "database")

    assert checked.returncode == 0, checked.stderr
    # The test itself leads the providers to the sandbox, which no deployment should.
    assert {found[1] for found in _MESSAGE.finditer(checked.stderr)} <= {"carillon.W061"}, checked.stderr


@pytest.mark.parametrize(("channel", "to"), [("email", "ada@example.com"), ("sms", "+4915112345678")])
def test_a_trial_arrives(migrated: Host, sandbox: SandboxProcess, channel: str, to: str) -> None:
    tried = migrated.manage("carillon", "trial", to, "--channel", channel)

    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert to in arrived(sandbox)


def test_the_first_message_goes_out_through_a_worker(migrated: Host, sandbox: SandboxProcess) -> None:
    before = len(arrived(sandbox))
    called = migrated.manage("shell", "-c", USER + BLOCKS["call"])
    assert called.returncode == 0, called.stderr

    worked = migrated.manage("rqworker", "push", "sms", "email", "--burst")

    assert worked.returncode == 0, worked.stderr
    assert arrived(sandbox)[before:] == ["+4915112345678"], worked.stdout + worked.stderr


def test_the_api_answers_under_the_prefix(migrated: Host) -> None:
    made = migrated.manage("carillon", "api-key", "create", "Office", "--scope", "send", "--scope", "read")
    assert made.returncode == 0, made.stderr
    (key,) = made.stdout.split()

    answered = migrated.manage("shell", "-c", API_CALL, also={"KEY": key})

    assert answered.stdout.strip().endswith("202"), answered.stdout + answered.stderr


@pytest.mark.parametrize("unit", UNITS, ids=str)
def test_a_line_left_out_is_a_check_whose_hint_is_that_line(host: Host, unit: Unit) -> None:
    host.write(pasted(**{unit.block: without(unit)}))
    try:
        checked = host.manage("check", "--deploy")
    finally:
        host.write(pasted())

    hints = [found["hint"] for found in _MESSAGE.finditer(checked.stderr)]
    assert any(line in hint for hint in hints for line in unit.pasted), f"{unit.text}\n{checked.stderr}"


def test_words_left_out_are_a_check_that_names_the_file(host: Host) -> None:
    folder = host.folder / "people" / "notification_templates"
    moved = folder.rename(folder.with_name("elsewhere"))
    try:
        checked = host.manage("check")
    finally:
        moved.rename(folder)

    assert "carillon.E043" in checked.stderr
    assert "notification_templates/login-code/en/sms.txt" in checked.stderr


def test_readme_counts_its_lines_honestly() -> None:
    counted = sum(bool(line.strip()) for name in ("settings", "urls") for line in BLOCKS[name].splitlines())

    assert f"<!-- host: count -->\n{counted} lines" in README


def arrived(sandbox: SandboxProcess) -> list[str]:
    return [json.loads(line)["to"] for line in Path(sandbox.options.file).read_text().splitlines()]


USER = """
from people.models import Person
user = Person.objects.create(email="ada@example.com", phone="+4915112345678")
"""
API_CALL = """
import os
from django.test import Client
answer = Client().post(
    "/notify/api/v1/notifications/",
    {"to": {"email": "ada@example.com"}, "template": "login-code", "data": {"code": "1"}, "ttl": 60},
    content_type="application/json",
    headers={"Authorization": "Api-Key " + os.environ["KEY"], "Idempotency-Key": "k1"},
)
print(answer.status_code)
"""
