"""What pages say of metrics, alerts, addresses, settings and files: each name is in the source, none is forgotten."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
import yaml

from notifications.conf import KEYS

from .pages import DOCS, PAGES, ROOT

APP = ROOT / "notifications"
SOURCE = "\n".join(path.read_text(encoding="utf-8") for path in sorted(APP.rglob("*.py")))
METRICS = set(re.findall(r"\"(carillon_[a-z_]+)\"", (APP / "flows" / "metrics.py").read_text(encoding="utf-8")))
#: What Prometheus derives from a histogram.
SUFFIXES = re.compile(r"_(?:bucket|count|sum)$")
OPERATIONS = (DOCS / "operations.md").read_text(encoding="utf-8")
RULES = (ROOT / "deploy" / "alerts.yml").read_text(encoding="utf-8")
#: Runs over many rows name the alert after themselves.
RUNS = {"replay_stopped", "clearing_stopped"}
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def test_every_metric_is_in_the_table_and_no_other() -> None:
    table = OPERATIONS.partition("| metric |")[2].partition("\n\n")[0]

    assert METRICS
    assert set(re.findall(r"carillon_[a-z_]+", table)) == METRICS


def test_rules_and_pages_ask_for_metrics_that_there_are() -> None:
    for name, text in (("deploy/alerts.yml", RULES), ("docs/operations.md", OPERATIONS)):
        asked = {SUFFIXES.sub("", metric) for metric in re.findall(r"\bcarillon_[a-z_]+", text)}
        assert asked <= METRICS, f"{name}: {asked - METRICS}"


def test_every_alert_is_in_the_table() -> None:
    raised = set(re.findall(r"raise_alert\(\s*\"([a-z_]+)\"", SOURCE)) | RUNS
    told = set(re.findall(r"`([a-z_]+)`", OPERATIONS.partition("| kind | subject")[2].partition("\n\n")[0]))

    assert raised
    assert raised - told == set()
    assert {kind for kind in told - RUNS if f'"{kind}"' not in SOURCE} == set()


def test_every_alert_that_a_runbook_names_is_raised() -> None:
    for page in (DOCS / "runbooks").glob("*.md"):
        for line in re.findall(
            r"[Aa]lerts? (`[a-z_]+`(?:(?:, | or |, or )`[a-z_]+`)*)", page.read_text(encoding="utf-8")
        ):
            for kind in re.findall(r"`([a-z_]+)`", line):
                assert f'"{kind}"' in SOURCE, f"{page.name}: {kind}"


def test_every_address_of_the_api_that_is_named_exists() -> None:
    known = {
        re.sub(r"\{[^}]*\}", "*", path)
        for path in yaml.safe_load((DOCS / "openapi.yaml").read_text(encoding="utf-8"))["paths"]
    }
    named = {
        (page.name, re.sub(r"\{[^}]*\}|\$\{?\w+\}?|<[^>]*>", "*", path).split("?")[0])
        for page in PAGES
        for path in re.findall(r"/api/v1(/[\w{}$<>/-]*)", page.read_text(encoding="utf-8"))
    }

    assert len(named) > 2
    assert {(page, path) for page, path in named if path != "/" and path not in known} == set()


def test_every_setting_that_is_named_exists() -> None:
    named = {
        (page.name, key)
        for page in PAGES
        for key in re.findall(r"NOTIFICATIONS\[\"(\w+)\"\]", page.read_text(encoding="utf-8"))
    }

    assert named
    assert {pair for pair in named if pair[1] not in KEYS} == set()


def links(page: Path) -> Iterator[str]:
    """Yield the links of a page that stay in the repository."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    yield from (link for link in _LINK.findall(text) if "://" not in link and not link.startswith(("mailto:", "#")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_is_linked_is_there(page: Path) -> None:
    for link in links(page):
        path = unquote(urldefrag(link).url)
        assert (page.parent / path).exists(), f"{page.name}: {link}"
