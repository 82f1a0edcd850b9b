"""What a newcomer gets wrong on the first afternoon, each tried: the message says what, where and what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import OperationalError, connection
from redis import Redis
from redis.exceptions import AuthenticationError

from notifications.checks.database import unreached
from notifications.wakeups import unreached as redis_unreached
from tests.contracts.server import closed_port

REPOSITORY = Path(__file__).resolve().parent.parent
SECRET = "hidden-word"
# Push needs a file of Google's, which the suite has not.
SETTINGS = """
from tests.settings import *
del NOTIFICATIONS["PROVIDERS"]["fcm"], NOTIFICATIONS["ROUTES"]["push"]
"""


def manage(*arguments: str, settings: str = "", folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command as somebody does who has the suite's services, but for what is changed."""
    (folder / "newcomers_settings.py").write_text(f"{SETTINGS}{settings}\n")
    environment = {
        **os.environ,
        **environ,
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(folder)]),
        "DJANGO_SETTINGS_MODULE": "newcomers_settings",
    }
    command = [sys.executable, "-m", "django", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)


@pytest.mark.long
def test_a_worker_without_redis(tmp_path: Path) -> None:
    port = closed_port()
    away = f'for queue in RQ_QUEUES.values(): queue["URL"] = "redis://:{SECRET}@127.0.0.1:{port}/0"'

    done = manage("rqworker", "push", "sms", "email", settings=away, folder=tmp_path)

    assert done.returncode == 1
    assert f"A worker needs Redis to start: nobody answers at 127.0.0.1:{port}/0" in done.stderr
    assert 'start Redis or Valkey there, or correct RQ_QUEUES["push"]["URL"]' in done.stderr
    assert "Connection refused" in done.stderr  # the cause itself
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stderr


def test_redis_with_another_password() -> None:
    redis = Redis(host="redis.test", password=SECRET)

    what, cure = redis_unreached(redis, "sms", AuthenticationError("WRONGPASS"))

    assert what == "Redis at redis.test:6379/0 refuses user or password"
    assert 'RQ_QUEUES["sms"]' in cure


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("command", ["migrate", "check --database default"])
def test_postgresql_is_not_running(tmp_path: Path, command: str) -> None:
    port = closed_port()
    away = f'DATABASES["default"] |= {{"HOST": "127.0.0.1", "PORT": "{port}", "PASSWORD": "{SECRET}"}}'

    done = manage(*command.split(), settings=away, folder=tmp_path)

    assert done.returncode == 1
    assert "(carillon.E058) PostgreSQL cannot be reached: " in done.stderr
    assert f"port {port} failed: Connection refused" in done.stderr
    assert 'HINT: start it, or correct HOST and PORT in DATABASES["default"]' in done.stderr
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stderr


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    done = manage("migrate", settings='DATABASES["default"]["NAME"] = "not_there"', folder=tmp_path)

    assert done.returncode == 1
    assert 'database "not_there" does not exist' in done.stderr
    assert "HINT: create it with `createdb not_there`, or correct NAME in DATABASES" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_a_user_that_is_not_there(tmp_path: Path) -> None:
    done = manage("carillon", "api-key", "list", settings='DATABASES["default"]["USER"] = "nobody"', folder=tmp_path)

    assert done.returncode == 1
    assert "Create it with `createuser nobody`, or correct USER in DATABASES" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        ('FATAL:  password authentication failed for user "ada"', 'correct USER and PASSWORD in DATABASES["default"]'),
        ("fe_sendauth: no password supplied", 'correct USER and PASSWORD in DATABASES["default"]'),
        ('could not translate host name "db.test" to address', 'correct HOST in DATABASES["default"]'),
        ("[Errno -2] failed to resolve host 'db.test'", 'correct HOST in DATABASES["default"]'),
        ("FATAL:  sorry, too many clients already", "raise max_connections of the server"),
        ("FATAL:  das Datenbanksystem startet", "start it, or correct HOST and PORT"),
    ],
)
def test_other_reasons_that_postgresql_is_not_reached(said: str, cure: str) -> None:
    what, told = unreached(connection.alias, OperationalError(f"{said}\nDETAIL:  {SECRET}"))

    assert what == f"PostgreSQL cannot be reached: {said}"
    assert told.startswith(cure)


DECLARED = "from notifications import category\nnews = category('newcomers', channels=['email'])\n"


@pytest.mark.long
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "from notifications import categry\n",
            "1: ImportError: cannot import name 'categry' from 'notifications'; did you mean 'category'?",
        ),
        (
            DECLARED + "import no_such_library\n",
            "3: ModuleNotFoundError: No module named 'no_such_library'; install what has no_such_library, or correct",
        ),
        (
            "from newcomers.helpers import send\n",
            "1 (raised in newcomers/helpers.py:2): ModuleNotFoundError: No module named 'no_such_library'",
        ),
        (DECLARED + "other = nwes\n", "3: NameError: name 'nwes' is not defined"),
        (DECLARED + "category(\n", "3: SyntaxError: '(' was never closed"),
    ],
    ids=["name", "library", "further", "typo", "syntax"],
)
def test_declarations_that_cannot_be_imported(tmp_path: Path, text: str, said: str) -> None:
    said, app = f"newcomers/notifications.py:{said}", tmp_path / "newcomers"
    app.mkdir()
    (app / "__init__.py").write_text("")
    (app / "helpers.py").write_text("import os\nimport no_such_library\n")
    (app / "notifications.py").write_text(text)
    installed = 'INSTALLED_APPS = [*INSTALLED_APPS, "newcomers"]'

    checked = manage("check", "--tag", "carillon", settings=installed, folder=tmp_path)

    assert f"(carillon.E054) {said}" in checked.stderr
    assert "HINT: correct that line" in checked.stderr
    assert "Traceback" not in checked.stderr
    assert checked.returncode == 1
    started = manage("showmigrations", settings=installed, folder=tmp_path)
    assert started.returncode == 1
    assert said in started.stderr.splitlines()[-1]
    assert "The above exception was the direct cause" in started.stderr  # nothing is hidden


@pytest.mark.parametrize("password", [SECRET, "p@ss:word/"])
def test_a_password_is_never_part_of_where_redis_is(password: str) -> None:
    redis = Redis.from_url(f"redis://ada:{quote(password, safe='')}@redis.test:6380/2")

    what, cure = redis_unreached(redis, "push", AuthenticationError(password))

    assert password not in what + cure
    assert "redis.test:6380/2" in what
