"""Declarations and words that cannot be meant: one readable line each, with its place, from `check` and from others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from notifications import category, template
from notifications.checks.words import check_places
from notifications.declarations import CategoryDeclaration, Registry, registry
from notifications.enums import Channel
from notifications.exceptions import ConfigurationError
from notifications.flows.declare import find_words

REPOSITORY = Path(__file__).parents[1]
LOGIN = CategoryDeclaration("login", (Channel.SMS,))


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what a test declares."""
    for name, empty in vars(Registry()).items():
        monkeypatch.setattr(registry, name, empty)


def login(**values: Any) -> Callable[[], object]:
    return lambda: category("login", **{"channels": ["sms"], **values})


def code(**values: Any) -> Callable[[], object]:
    return lambda: template("code", **{"category": LOGIN, **values})


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        (login(priority="urgnt"), "priority must be one of critical, high, normal, bulk, not 'urgnt'"),
        (login(priority="critcal"), "not 'critcal'; did you mean 'critical'?"),
        (login(uncertain="hald"), "did you mean 'hold'?"),
        (login(channels=["smss"]), "unknown channel 'smss'; did you mean 'sms'?"),
        (login(channels="sms"), "channels must be a list, such as"),
        (login(channels=[]), "name at least one channel"),
        (login(channels=["sms", "sms"]), "channels lists a channel twice: sms, sms"),
        (login(fallback=["email", "email"]), "fallback lists a channel twice: email, email"),
        (login(fallback=["sms"]), "a fallback channel is already in channels"),
        (login(mandatry=True), "'mandatry' is not known; did you mean 'mandatory'?"),
        (lambda: category("login"), "missing a required argument: 'channels'"),
        (lambda: category("Log in", channels=["sms"]), "the slug must be"),
        (lambda: category(7, channels=["sms"]), "the slug must be"),  # type: ignore[arg-type]
        (code(variables=["code"]), 'variables must be a dict of names and types, such as {"code": str}'),
        (code(variables={"code": "str"}), "variable 'code' must be one of str, int"),
        (code(variables={"code": []}), "variable 'code' must be one of str, int"),
        (code(variables={"Code": str}), "variable 'Code' must be a lower-case identifier"),
        (code(sample=["1"]), "sample must be a dict"),
        (code(variables={"code": str}, sensitive="code"), "sensitive must be a list, such as ['code']"),
        (code(sensitive=["code"]), "sensitive names unknown variables: code"),
        (code(category="login"), "category must be what category(...) returned"),
    ],
)
def test_each_mistake_is_one_line_with_its_place(declared: Callable[[], object], says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        declared()

    text = str(caught.value)
    assert says in text
    assert text.startswith("tests/test_declarations.py:")
    assert "\n" not in text


@pytest.mark.parametrize("name", ["ttl", "patience", "fallback_after", "retention"])
@pytest.mark.parametrize("value", [0, -1, timedelta(0), timedelta(minutes=-10), True, False, 1.5, "600", 10**30])
def test_durations_are_positive_timedeltas_or_whole_seconds(name: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=rf"{name} must be a timedelta or whole seconds, more than 0, not "):
        login(**{name: value})()


@pytest.mark.parametrize("value", [604_800, timedelta(days=7)])
def test_durations_are_kept_as_timedeltas(value: object) -> None:
    declared = login(ttl=value, fallback_after=value, retention=value, patience=value)()

    assert isinstance(declared, CategoryDeclaration)
    assert declared.ttl == declared.fallback_after == declared.retention == timedelta(days=7)


@pytest.mark.parametrize("value", [604_799, timedelta(days=6, hours=23)])
def test_retention_is_long_enough_for_late_receipts(value: object) -> None:
    with pytest.raises(ConfigurationError, match=r"category\('login'\): retention must be at least 7 days, since "):
        login(retention=value)()


def test_a_slug_declared_differently_names_both_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    first, second = module(tmp_path, "first_app", "sms"), module(tmp_path, "second_app", "email")
    __import__(first)

    with pytest.raises(ConfigurationError) as caught:
        __import__(second)

    text = str(caught.value)
    assert f"{tmp_path / 'second_app.py'}:2: category 'login' is declared twice, differently" in text
    assert f"in first_app ({tmp_path / 'first_app.py'}:2) and in second_app" in text


def test_the_same_declaration_twice_is_one() -> None:
    assert login()() == login()()


def module(folder: Path, name: str, channel: str) -> str:
    (folder / f"{name}.py").write_text(f"import notifications\nnotifications.category('login', channels=['{channel}'])")
    return name


def test_problems_are_collected_for_check_and_spare_what_hangs_on_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "collecting", True)

    broken = category("login", channels=["smss"])
    template("code", category=broken)
    category("news", channels=["email"], ttl=-1)
    category("alerts", channels=["push"])

    assert [text.partition(": ")[2].partition(":")[0] for text in registry.problems] == [
        "category('login')",
        "category('news')",
    ]
    assert (list(registry.categories), list(registry.templates)) == (["alerts"], [])


BROKEN = """
from notifications import category, template

login = category("broken-login", channels=["sms"], priority="urgent")
template("broken-code", category=login, variables={"code": str})
category("broken-news", channels=["emial"])
"""


def manage(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    app = folder / "broken_app"
    (app / "notification_templates" / "broken-code" / "en").mkdir(parents=True)
    (app / "notification_templates" / "broken-code" / "en" / "sms.txt").write_text("{{ code }}")
    (app / "__init__.py").write_text("")
    (app / "notifications.py").write_text(BROKEN)
    (folder / "broken_settings.py").write_text(
        "from tests.settings import *\nINSTALLED_APPS = [*INSTALLED_APPS, 'broken_app']\n"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(folder)]),
        "DJANGO_SETTINGS_MODULE": "broken_settings",
    }
    command = [sys.executable, "-m", "django", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)


def test_check_reports_every_broken_declaration_like_any_other_problem(tmp_path: Path) -> None:
    done = manage(tmp_path, "check", "--tag", "carillon")

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "(carillon.E054) broken_app/notifications.py:4: category('broken-login'): priority must be" in done.stderr
    assert "(carillon.E054) broken_app/notifications.py:6: category('broken-news'): unknown channel" in done.stderr
    assert "carillon.W049" not in done.stderr  # the words of a template whose category is broken are not blamed


def test_every_other_command_stops(tmp_path: Path) -> None:
    done = manage(tmp_path, "showmigrations")

    assert done.returncode == 1
    assert "broken_app/notifications.py:4: category('broken-login')" in done.stderr.splitlines()[-1]


class App:
    """An app config, as far as its folder goes."""

    def __init__(self, path: Path, files: dict[str, str]) -> None:
        self.path = str(path)
        for name, text in files.items():
            file = path / "notification_templates" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)


@pytest.fixture
def apps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install apps with these words, in this order."""

    def install(**words: dict[str, str]) -> None:
        found = [App(tmp_path / name, files) for name, files in words.items()]
        monkeypatch.setattr("notifications.flows.declare.apps.get_app_configs", lambda: found)

    return install


def test_the_words_of_the_first_app_win_and_both_folders_are_named(apps: Callable[..., None], tmp_path: Path) -> None:
    apps(
        host={"code/en/sms.txt": "host's"},
        installed={"code/en/sms.txt": "installed's", "code/de/sms.txt": "des Pakets"},
    )

    words = find_words()["code"]

    assert words == {(Channel.SMS, "en"): {"text": "host's"}, (Channel.SMS, "de"): {"text": "des Pakets"}}
    (found,) = check_places()
    assert found.id == "carillon.W055"
    assert str(tmp_path / "host/notification_templates/code/en") in found.msg
    assert str(tmp_path / "installed/notification_templates/code/en") in found.msg


def test_other_channels_of_one_folder_do_not_meet(apps: Callable[..., None]) -> None:
    apps(host={"code/en/sms.txt": "x"}, installed={"code/en/email.subject.txt": "x", "code/en/email.txt": "x"})

    assert set(find_words()["code"]) == {(Channel.SMS, "en"), (Channel.EMAIL, "en")}
    assert check_places() == []


def test_a_folder_that_is_no_language_tag_is_named(apps: Callable[..., None]) -> None:
    apps(host={"code/english/sms.txt": "x", "code/pt-BR/sms.txt": "x", "code/zh_Hant/sms.txt": "x"})

    (found,) = check_places()

    assert found.id == "carillon.E044"
    assert "'english' is no language tag" in found.msg
    assert '"en"' in (found.hint or "")


def test_files_outside_a_locale_folder_are_named(apps: Callable[..., None]) -> None:
    apps(host={"code/sms.txt": "x", "email.txt": "x", "code/.keep": "", "code/en/sms.txt": "x"})

    found = check_places()

    assert [item.id for item in found] == ["carillon.W056"] * 2
    assert "code/sms.txt lies outside" in found[0].msg + found[1].msg
    assert "move it to notification_templates/code/en/sms.txt" in [item.hint for item in found]


def test_an_audience_of_another_module_is_not_replaced_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "audiences", dict(registry.audiences))
    for name in ("first_audiences", "second_audiences"):
        code = "from notifications import audience\n\n@audience\ndef same_name():\n    return None\n"
        (tmp_path / f"{name}.py").write_text(code)
    __import__("first_audiences")
    with pytest.raises(ConfigurationError, match="audience 'same_name' is declared twice"):
        __import__("second_audiences")
