"""The wheel in environments that have nothing else: what it brings, what it leaves out, and other shapes of host.

`test_another_project` has UUID users, an own admin site, a URL prefix and psycopg 2. Here: integer users, no prefix,
two databases, psycopg 3, and the newest Python that this machine has: once on the suite's PostgreSQL with the newest
RQ, once on PostgreSQL 15, the oldest, with RQ 2.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from django.conf import settings

from notifications.sandbox.process import SandboxProcess, launch
from notifications.sandbox.server import SandboxOptions

from . import fresh, host, older
from .readme import BLOCKS, ROOT
from .test_another_project import API_CALL, USER, arrived
from .test_kit_in_a_host import FILES

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("matrix")]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SECOND = """
DATABASES["ledger"] = json.loads(os.environ["SECOND_DATABASE"])
class Router:
    def allow_migrate(self, db, app_label, **_):
        return (app_label == "ledger") == (db == "ledger")
DATABASE_ROUTERS = [Router()]
"""
# Often enough for psycopg 3 to have prepared what is asked again and again: it must see the clock that was moved.
TRAVEL = """
from datetime import timedelta
from django.test import TestCase
from notifications import Address, notify
from notifications.testing import outbox

class Travel(TestCase):
    def test_each_retry_is_due_later(self):
        self.enterContext(outbox)
        ada = Address(email="ada@example.com")
        for number in range(12):
            outbox.fail_next("postmark", "unreachable")
            notify(ada, "login-code", {"code": str(number)}, channels=["email"])
            outbox.assert_waiting(reason="retry")
            outbox.travel(timedelta(minutes=5))
            outbox.assert_sent_to(ada, times=number + 1)
            outbox.travel(timedelta(minutes=5))
"""
SURROUNDINGS = """
import rq
from django.db import connection
print(connection.pg_version // 10_000, rq.VERSION)
"""
TWO = "from django.db import connections; print('carillon_delivery' in connections['{}'].introspection.table_names())"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fresh.build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def newest(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The newest Python with the wheel, the extras of README's host, and psycopg 3 instead of 2."""
    extras = f"{wheel}[twilio,anymail,email,psycopg]"
    try:
        made = fresh.environment(tmp_path_factory.mktemp("newest") / "env", fresh.newest_python(), extras)
    except fresh.NotToBeHad as reason:
        pytest.skip(f"the packages cannot be had: {reason}")
    return made


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    file = tmp_path_factory.mktemp("sandbox") / "arrived.jsonl"
    with launch(SandboxOptions(file=file, port=0, callbacks=False)) as running:
        yield running


@pytest.fixture(scope="module", params=["newest", "oldest"])
def surroundings(
    request: pytest.FixtureRequest, newest: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Mapping[str, object] | None, Path | None]]:
    """Another server than the suite's, and a folder of packages that go before the environment's; None: neither."""
    if request.param == "newest":
        yield None, None
        return
    if not (older.PROGRAMS / "postgres").exists():
        pytest.skip(f"PostgreSQL 15 is not at {older.PROGRAMS}: on Debian 12, apt-get install postgresql-15")
    try:
        packages = older.rq_2(tmp_path_factory.mktemp("rq") / "2", newest)
    except fresh.NotToBeHad as reason:
        pytest.skip(f"RQ 2 cannot be had: {reason}")
    with older.postgresql_15(tmp_path_factory.mktemp("postgresql") / "15") as server:
        yield server, packages


@pytest.fixture(scope="module")
def other(
    newest: str,
    surroundings: tuple[Mapping[str, object] | None, Path | None],
    sandbox: SandboxProcess,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[host.Host]:
    server, packages = surroundings
    names = (f"matrix_{os.getpid()}", f"ledger_{os.getpid()}")
    with host.own_database(names[0], server) as first, host.own_database(names[1], server) as second:
        made = host.Host(
            tmp_path_factory.mktemp("other"),
            packages,
            {
                "HOST_DATABASE": first,
                "SECOND_DATABASE": second,
                "REDIS_URL": settings.REDIS_URL,
                "SANDBOX_URL": sandbox.base_url,
            },
            interpreter=newest,
        )
        without_prefix = BLOCKS["settings"].replace("https://example.com/notify", "https://example.com")
        made.write(
            host.pasted(settings=without_prefix + SECOND, urls=BLOCKS["urls"].replace('"notify/"', '""')),
            models=re.sub(r"^    id = .*\n", "", host.MODELS, flags=re.MULTILINE),
        )
        for name, text in FILES.items():
            made.put(name, text)
        assert made.manage("makemigrations", "people").returncode == 0
        migrated = made.manage("migrate")
        assert migrated.returncode == 0, migrated.stderr
        yield made


def test_the_wheel_holds_what_it_should(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        metadata = packed.read(next(name for name in names if name.endswith("METADATA"))).decode()
        entry_points = packed.read(next(name for name in names if name.endswith("entry_points.txt"))).decode()

    assert "notifications/py.typed" in names
    assert "notifications/notification_templates/carillon-mail/en/email.txt" in names
    assert {name.split("/")[0] for name in names} == {"notifications", names[-1].split("/")[0]}
    assert set(re.findall(r"^Provides-Extra: (.+)$", metadata, re.MULTILINE)) == set(PROJECT["optional-dependencies"])
    core = [line for line in re.findall(r"^Requires-Dist: (.+)$", metadata, re.MULTILINE) if "extra ==" not in line]
    assert len(core) == len(PROJECT["dependencies"])
    assert "carillon = notifications.testing.plugin" in entry_points


def test_it_runs_on_what_it_brings(newest: str) -> None:
    found = fresh.versions(newest)

    print({name: found.get(name) for name in ("python", "django", "rq", "django-rq", "psycopg", "redis")})
    assert found["psycopg"].startswith("3.")
    assert not {"psycopg2-binary", "pyfcm", "pytest", "gunicorn"} & set(found)


def test_it_runs_in_the_surroundings_that_are_meant(
    other: host.Host, surroundings: tuple[Mapping[str, object] | None, Path | None]
) -> None:
    told = other.manage("shell", "--verbosity", "0", "-c", SURROUNDINGS)

    print(told.stdout)
    server, rq = told.stdout.split()
    assert (server, rq.partition(".")[0]) == (("15", "2") if surroundings[0] else (server, "3"))
    assert surroundings[0] or int(server) >= 18


def test_a_type_checker_sees_its_types(other: host.Host) -> None:
    other.put("typed.py", "from notifications import notify\nnotify(1, 2)\n")

    seen = host.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--python-executable",
            other.interpreter,
            "--config-file",
            os.devnull,
            "typed.py",
        ],
        other.folder,
        other.environment,
    )

    assert 'Argument 2 to "notify" has incompatible type "int"' in seen.stdout, seen.stdout + seen.stderr


def test_the_lines_of_readme_are_all_it_needs(other: host.Host) -> None:
    checked = other.manage("check", "--deploy", "--database", "default", "--tag", "carillon")

    assert checked.returncode == 0, checked.stderr
    assert set(re.findall(r"carillon\.[EW]\d+", checked.stderr)) <= {"carillon.W061"}, checked.stderr


def test_a_message_goes_out_and_the_api_answers(other: host.Host, sandbox: SandboxProcess) -> None:
    called = other.manage("shell", "-c", USER + BLOCKS["call"])
    assert called.returncode == 0, called.stderr
    worked = other.manage("rqworker", "push", "sms", "email", "--burst")
    assert worked.returncode == 0, worked.stderr
    assert "+4915112345678" in arrived(sandbox), worked.stderr

    key = other.manage("carillon", "api-key", "create", "Office", "--scope", "send").stdout.strip()
    answered = other.manage("shell", "-c", API_CALL.replace("/notify/api", "/api"), also={"KEY": key})
    assert answered.stdout.strip().endswith("202"), answered.stdout + answered.stderr


def test_the_second_database_is_left_alone(other: host.Host) -> None:
    assert other.manage("migrate", "--database", "ledger").returncode == 0

    assert other.manage("shell", "-c", TWO.format("default")).stdout.strip().endswith("True")
    assert other.manage("shell", "-c", TWO.format("ledger")).stdout.strip().endswith("False")


def test_the_test_kit_works_with_psycopg_3(other: host.Host) -> None:
    other.put("people/tests_travel.py", TRAVEL)

    ran = other.manage("test", "people", "--noinput", "--pattern", "tests*.py")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Ran 2 tests" in ran.stderr


def test_the_doctor_tells_of_the_worker_that_is_not_there(other: host.Host) -> None:
    told = other.manage("carillon", "doctor")

    assert told.returncode == 1
    assert "carillon.D123" in told.stdout, told.stdout + told.stderr
    assert "the account is active" in told.stdout, told.stdout + told.stderr
    assert "https://<webhook_secret>@example.com/webhooks/postmark/" in told.stdout


def test_an_extra_that_is_not_there_is_named(other: host.Host) -> None:
    push = (
        '\nNOTIFICATIONS["PROVIDERS"]["fcm"] = {"BACKEND": "notifications.providers.fcm.FCMAdapter", "OPTIONS": {}}\n'
    )
    kept = (other.folder / "office" / "settings.py").read_text()
    other.put("office/settings.py", kept + push)
    try:
        checked = other.manage("check")
    finally:
        other.put("office/settings.py", kept)

    assert "carillon.E007" in checked.stderr
    assert "HINT: pip install 'pyfcm>=2.1,<3'" in checked.stderr, checked.stderr


def test_a_declaration_with_a_mistake_is_a_finding_of_the_doctor(other: host.Host) -> None:
    other.put("people/notifications.py", BLOCKS["declarations"].replace('channels=["sms"]', 'channels=["smoke"]'))
    try:
        told = other.manage("carillon", "doctor", "--offline")
    finally:
        other.put("people/notifications.py", BLOCKS["declarations"])

    assert told.returncode == 1
    assert "carillon.E054" in told.stdout, told.stdout + told.stderr
    assert json.dumps("Traceback") not in told.stderr
