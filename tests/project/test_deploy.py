"""What deploy/ starts is what the docs say, and what is locked is what is pinned."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
import yaml
from django.conf import settings

from project.embedded_home import Home
from tests.contracts.server import closed_port
from tests.live import wait_for
from tests.packaging.host import own_database

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"
WORKER = "manage.py rqworker push sms email"
PROCFILE = dict(line.split(": ", 1) for line in (DEPLOY / "Procfile").read_text().splitlines())
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
RULES: list[dict[str, Any]] = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"][0]["rules"]
UNITS = sorted((DEPLOY / "systemd").iterdir())
_PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([^\s;#\\]+)", re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    """Return a requirements file's pins; names as the index compares them."""
    found = _PIN.findall((ROOT / name).read_text())
    return {re.sub(r"[-_.]+", "-", package).lower(): version for package, version in found}


def test_every_way_starts_the_same_worker_and_web() -> None:
    unit = (DEPLOY / "systemd" / "carillon-worker@.service").read_text()

    assert WORKER in PROCFILE["worker"]
    assert WORKER in " ".join(COMPOSE["services"]["worker"]["command"])
    assert WORKER in unit
    web = [PROCFILE["web"], (DEPLOY / "systemd/carillon-web.service").read_text(), (DEPLOY / "Dockerfile").read_text()]
    assert all("project.wsgi:application" in text.replace('", "', " ") for text in web)


def test_a_stop_leaves_time_for_what_is_in_flight() -> None:
    assert COMPOSE["services"]["worker"]["stop_grace_period"] == "45s"
    assert "TimeoutStopSec=45" in (DEPLOY / "systemd" / "carillon-worker@.service").read_text()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for unit in UNITS:
        # The programs are not installed here; all else is as it is.
        text = re.sub(r"^(Exec\w+=)\S+", r"\1/bin/true", unit.read_text(), flags=re.MULTILINE)
        (tmp_path / unit.name).write_text(text)

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    ours = [line for line in done.stderr.splitlines() if "carillon" in line and "network-online" not in line]
    assert ours == []


def test_every_rule_says_what_is_so_and_what_cures_it() -> None:
    for rule in RULES:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}, rule["alert"]
        assert set(rule["annotations"]) == {"summary", "cure"}, rule["alert"]
        assert rule["expr"].count("(") == rule["expr"].count(")")


def test_rules_ask_for_metrics_that_there_are() -> None:
    page = ROOT / "docs" / "operations.md"
    if not page.exists():
        pytest.skip("this tree has no page of metrics")
    asked = {name for rule in RULES for name in re.findall(r"carillon_[a-z_]+", rule["expr"])}

    assert asked
    assert asked - set(re.findall(r"carillon_[a-z_]+", page.read_text())) == set()


def test_what_is_locked_is_what_is_pinned() -> None:
    assert pins("requirements.lock") == pins("requirements.txt"), "run `make lock`"
    blocks = re.split(r"\n(?=[A-Za-z0-9])", (ROOT / "requirements.lock").read_text().partition("\n\n")[2].strip())
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("said", "status", "strict", "told"),
    [
        ({"dependencies": [{"name": "a", "version": "1", "vulns": []}]}, 0, 0, "1 packages audited"),
        ({"dependencies": [{"name": "a", "skip_reason": "not found"}]}, 0, 2, "NOT AUDITED: 1 of 1"),
        (
            {"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}]},
            *(1, 1, "a 1: CVE-1, mended in 2"),
        ),
        ("ConnectionError: nobody there", 0, 2, "NOT AUDITED: ConnectionError: nobody there"),
    ],
)
def test_an_audit_fails_for_what_was_found_and_tells_of_what_was_not(
    audit: ModuleType, capsys: pytest.CaptureFixture[str], said: Any, status: int, strict: int, told: str
) -> None:
    text = said if isinstance(said, str) else json.dumps(said)

    assert audit.main([], lambda _: text) == status
    assert audit.main(["--strict"], lambda _: text) == strict

    shown = capsys.readouterr()
    assert told in shown.out + shown.err


@pytest.fixture
def database_url() -> Iterator[str]:
    name = f"deploy_{os.getpid()}"
    with own_database(name):
        server = urlsplit(os.environ.get("DATABASE_URL") or Home.of().database_url)
        yield server._replace(path=f"/{name}").geturl()


@pytest.mark.long
def test_the_procfile_starts_an_installation_that_the_doctor_finds_well(tmp_path: Path, database_url: str) -> None:
    port = closed_port()
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DATABASE_URL": database_url,
        "REDIS_URL": settings.REDIS_URL,
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "DJANGO_DEBUG": "false",
        "DJANGO_SECRET_KEY": "only-for-this-test-0000000000000000000000000000000000000",
        "DJANGO_SSL_REDIRECT": "false",
        "DJANGO_STATIC_ROOT": str(tmp_path / "static"),
        "FCM_SERVICE_ACCOUNT_FILE": "",
        "PORT": str(port),
        "WEB_CONCURRENCY": "1",
    }
    run: Callable[..., Any] = subprocess.run
    for command in (PROCFILE["release"], "python manage.py collectstatic --noinput"):
        run(["sh", "-c", command], cwd=ROOT, env=environment, check=True, timeout=240)
    log = (tmp_path / "log").open("wb")
    started = [
        subprocess.Popen(["sh", "-c", f"exec {PROCFILE[name]}"], cwd=ROOT, env=environment, stdout=log, stderr=log)
        for name in ("web", "worker")
    ]
    try:
        wait_for(lambda: _answers(f"http://127.0.0.1:{port}/readyz"), "the web process", 120)
        wait_for(lambda: "serves push, sms, email" in (tmp_path / "log").read_text(), "the worker", 120)
        doctor = shlex.split("python manage.py carillon doctor --offline")
        wait_for(lambda: run(doctor, cwd=ROOT, env=environment, capture_output=True).returncode == 0, "health", 120)
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
        ended = [process.wait(60) for process in started]
        log.close()
    assert ended == [0, 0], (tmp_path / "log").read_text()


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False
