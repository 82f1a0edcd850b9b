"""Words out to files, back in, and tried from the shell."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from django.core.management.base import CommandError

from notifications.models import AuditEntry, Template

from .test_carillon import run

pytestmark = pytest.mark.django_db


def test_out_changed_and_in_again(tmp_path: Path) -> None:
    status, listed = run("templates", "export", str(tmp_path))[:2]
    file = tmp_path / "order-shipped" / "en" / "email.txt"
    assert (status, str(file) in listed) == (0, True)
    file.write_text("Soon: {{ number }}")
    assert run("templates", "check", str(tmp_path))[0] == 0
    status, listed = run("templates", "import", str(tmp_path))[:2]
    assert (status, listed.splitlines()) == (
        0,
        ["order-shipped v2 is in use from now on", "  changed: email en", "  kept: email ar, email de"],
    )
    assert Template.objects.get(slug="order-shipped").current.source == "console"  # type: ignore[union-attr]
    assert str(tmp_path) in AuditEntry.objects.get().reason


def test_what_is_not_in_the_folder_is_removed_only_on_request(tmp_path: Path) -> None:
    run("templates", "export", str(tmp_path))
    for locale in ("ar", "en"):
        shutil.rmtree(tmp_path / "order-shipped" / locale)
    assert run("templates", "import", str(tmp_path))[1] == ""
    status, listed = run("templates", "import", str(tmp_path), "--remove")[:2]
    assert (status, listed.splitlines()) == (
        0,
        ["order-shipped v2 is in use from now on", "  kept: email de", "  removed: email ar, email en"],
    )
    with pytest.raises(CommandError, match="--remove"):
        run("templates", "check", str(tmp_path), "--remove")


def test_a_check_that_fails_ends_with_1_and_names_the_file(tmp_path: Path) -> None:
    run("templates", "export", str(tmp_path))
    file = tmp_path / "order-shipped" / "en" / "email.txt"
    file.write_text("{{ nummer }}")
    status, listed = run("templates", "check", str(tmp_path))[:2]
    assert status == 1
    assert listed.strip() == f"{file}: text: variable nummer is missing"
    with pytest.raises(CommandError, match="nummer"):
        run("templates", "import", str(tmp_path))


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["export"], "Which folder"),
        (["import"], "Which folder"),
        (["list", "x"], "no folder"),
        (["check", "x"], "x is no"),
    ],
)
def test_a_wrong_call_says_what_is_missing(words: list[str], complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint):
        run("templates", *words)
