"""manage.py starts the services for the commands that need them, and gives them back however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from project import embedded
from project.embedded_home import Home
from project.embedded_postgres import Postgres
from project.embedded_valkey import Valkey

CHECKOUT = Path(__file__).resolve().parents[2]


class Recorder:
    """Stands in for `embedded.start` and keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[dict[str, object]] = []

    def __call__(self, **options: object) -> embedded.Services:
        self.asked.append(options)
        return embedded.Services(Home(Path("/nonexistent")), None, None)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    recorder = Recorder()
    monkeypatch.setattr(embedded, "start", recorder)
    yield recorder
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    "command",
    [
        "migrate", "shell", "runserver", "rqworker push sms email", "carillon sweep", "check --database default",
    ],
)  # fmt: skip
def test_a_command_that_needs_the_services_gets_them(recorder: Recorder, command: str) -> None:
    with embedded.for_command(["manage.py", *command.split()]):
        pass
    assert recorder.asked == [{"reset": False, "postgres": True, "valkey": True}]


@pytest.mark.parametrize(
    "command",
    ["", "help", "check", "makemigrations --check", "migrate --help", "--version", "carillon sandbox --port 0"],
)
def test_a_command_that_does_not_need_them_starts_nothing(recorder: Recorder, command: str) -> None:
    with embedded.for_command(["manage.py", *command.split()]):
        pass
    assert recorder.asked == []


def test_only_what_the_environment_does_not_name_is_started(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "DATABASE_URL", "postgresql://db/carillon")
    with embedded.for_command(["manage.py", "migrate"]):
        pass
    assert recorder.asked == [{"reset": False, "postgres": False, "valkey": True}]
    monkeypatch.setitem(os.environ, "REDIS_URL", "redis://cache/0")
    with embedded.for_command(["manage.py", "migrate"]):
        pass
    assert len(recorder.asked) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_command_told_to_go_stops_what_it_started(number: signal.Signals) -> None:
    root = CHECKOUT / ".services" / "scratch" / f"m{uuid.uuid4().hex[:8]}"
    gone = {"DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE"}
    env = {name: value for name, value in os.environ.items() if name not in gone}
    env["CARILLON_SERVICES_DIR"] = str(root)
    code = "import signal; print('up', flush=True); signal.pause()"
    process = subprocess.Popen(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", code],
        cwd=CHECKOUT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        home = Home.of(root)
        assert Postgres(home).pid is not None
        process.send_signal(number)
        process.communicate(timeout=120)
        assert process.returncode
        assert Postgres(home).pid is None
        assert Valkey(home).pid is None
    finally:
        process.kill()
        embedded.remove(embedded.start(root, reset=False, postgres=False, valkey=False))
