"""docs/testing.md, line for line, in a project that has only the wheel: no Redis, no network, unittest and pytest."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.server import closed_port

from .host import Host, install_wheel, own_database, pasted
from .readme import ROOT

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("kit-in-a-host")]
PAGE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
FILES = {
    found[1]: found[2]
    for found in re.finditer(r"<!-- file: (\S+) -->\n```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
}
OUTPUT = re.search(r"<!-- output: .*? -->\n```text\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    packages = install_wheel(tmp_path_factory.mktemp("wheel"))
    with own_database(f"kit_{os.getpid()}") as database:
        nowhere = f"http://127.0.0.1:{closed_port()}"
        environment = {
            "HOST_DATABASE": database,
            "REDIS_URL": nowhere.replace("http", "redis"),
            "SANDBOX_URL": nowhere,
        }
        made = Host(tmp_path_factory.mktemp("kit"), packages, environment)
        made.write(pasted())
        for name, text in FILES.items():
            made.put(name, text)
        assert made.manage("makemigrations", "people").returncode == 0
        yield made


def test_the_page_has_the_files_that_are_tried() -> None:
    assert set(FILES) == {"people/accounts.py", "people/tests.py", "people/test_with_pytest.py"}


def test_djangos_runner_runs_them(host: Host) -> None:
    ran = host.manage("test", "people", "--noinput")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Ran 1 test" in ran.stderr


def test_pytest_runs_them_with_the_plugin_alone(host: Host) -> None:
    ran = host.python("-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "people/test_with_pytest.py")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "3 passed" in ran.stdout


def test_broken_code_fails_for_the_reason_that_the_page_shows(host: Host) -> None:
    broken = FILES["people/accounts.py"].replace('notify(person, "login-code", {"code": code})', "pass")
    host.put("people/accounts.py", broken)
    try:
        ran = host.manage("test", "people", "--noinput")
    finally:
        host.put("people/accounts.py", FILES["people/accounts.py"])

    assert ran.returncode == 1
    assert OUTPUT is not None
    # The key of a user is the host's own: here a UUID.
    said = re.sub(r"u:[0-9a-f-]{36}", "u:1", ran.stderr)
    assert OUTPUT[1].strip() in said, ran.stderr


def test_an_application_without_django_is_not_disturbed(host: Host, tmp_path: Path) -> None:
    (tmp_path / "test_plain.py").write_text("def test_plain():\n    pass\n")

    ran = host.python(
        *("-m", "pytest", "-q", "-p", "no:django", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)), str(tmp_path),
        also={"DJANGO_SETTINGS_MODULE": ""},
    )  # fmt: skip

    assert ran.returncode == 0, ran.stdout + ran.stderr
