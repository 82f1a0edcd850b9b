"""The OpenAPI document: it is what the code makes, it names every address, and it holds of itself what it says."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urljoin

import pytest
import yaml
from django.test import Client
from django.urls import URLPattern
from drf_spectacular.validation import validate_schema

from notifications.api import urls
from notifications.api.base import NothingHere
from notifications.api.schema import build, common
from notifications.api.schema.text import as_json, as_yaml, packaged
from notifications.api.schema.words import Answer
from notifications.enums import Scope
from tests.api.conftest import API
from tests.api.described import document, mistakes, operations, resolved


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return build.document()


def test_the_packaged_document_is_current(made: dict[str, Any]) -> None:
    assert packaged() == as_json(made), "run `python .ci/generate_docs.py`"


def test_it_is_openapi_3_1(made: dict[str, Any]) -> None:
    assert made["openapi"].startswith("3.1.")
    validate_schema(made)


def addresses() -> list[tuple[str, type]]:
    """Return every address of the API as the document writes it, with its view."""
    found = []
    for pattern in urls.urlpatterns:
        assert isinstance(pattern, URLPattern)
        view = pattern.callback.cls  # type: ignore[attr-defined]
        if view is not NothingHere:
            parts = [part.partition(":")[2] if ":" in part else part for part in str(pattern.pattern).split("<")]
            path = "/" + "{".join(parts).replace(">", "}")
            found.append((path, view))
    return found


def test_every_address_and_method_is_in_it() -> None:
    wanted = {
        f"{method} {path}" for path, view in addresses() for method in view().allowed_methods if method != "OPTIONS"
    }
    assert wanted == set(operations())


def test_an_address_that_nobody_described_stops_the_making(monkeypatch: pytest.MonkeyPatch) -> None:
    fewer = {label: operation for label, operation in build.OPERATIONS.items() if label != "GET /topics/"}
    monkeypatch.setattr(build, "OPERATIONS", fewer)
    with pytest.raises(build.Undescribed, match="GET /topics/"):
        build.document()
    one = next(iter(fewer.values()))
    monkeypatch.setattr(build, "OPERATIONS", {**build.OPERATIONS, "GET /topics/": one, "GET /none/": one})
    with pytest.raises(build.Undescribed, match="GET /none/"):
        build.document()


def test_every_operation_says_what_its_view_asks_for() -> None:
    for path, view in addresses():
        for method in view().allowed_methods:
            if method == "OPTIONS":
                continue
            operation = operations()[f"{method} {path}"]
            scope = view.scopes.get(method)
            assert operation.get("x-scope") == (str(scope) if scope else None)
            assert ("apiKey" in str(operation["security"])) == (scope is not None)
            assert ("session" in str(operation["security"])) == path.startswith(
                ("/users/{user}/dev", "/users/{user}/pref")
            )
        named = {
            one["name"]
            for label, operation in operations().items()
            for one in operation.get("parameters", ())
            if label.endswith(f" {path}") and one["in"] == "query"
        }
        assert named == set(view.query_fields), path
    assert {operation.get("x-scope") for operation in operations().values()} == {None, *Scope.values}


@pytest.mark.parametrize("label", sorted(operations()))
def test_its_examples_are_what_its_schemas_say(label: str) -> None:
    operation = operations()[label]
    found = 0
    described = [operation.get("requestBody", {}), *map(resolved, operation["responses"].values())]
    for content in (media for one in described for media in one.get("content", {}).values()):
        values = [item["value"] for item in content.get("examples", {}).values()]
        for value in [*values, *([content["example"]] if "example" in content else [])]:
            assert not list(mistakes(content["schema"], value)), value
            found += 1
    assert found


def test_a_header_or_problem_that_all_have_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "HEADERS", {**common.HEADERS, "X-Of-All": ({"schema": {"type": "string"}}, None)})
    monkeypatch.setattr(build, "HEADERS", common.HEADERS)
    monkeypatch.setattr(common, "PROBLEMS", {**common.PROBLEMS, "too-many-requests": lambda _: True})
    paths = build.document()["paths"]
    for operation in (found for methods in paths.values() for found in methods.values()):
        assert operation["responses"]["429"] == {"$ref": "#/components/responses/too-many-requests"}
        assert all("X-Of-All" in one["headers"] for one in operation["responses"].values() if "$ref" not in one)


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html", "application/json"),
        ("application/yaml", "application/yaml"),
        ("application/yaml;q=0.5, application/json", "application/json"),
        ("application/*;q=0.5, application/yaml", "application/yaml"),
    ],
)
def test_it_is_served_as_json_or_yaml_to_anybody(accept: str, media: str) -> None:
    answer = Client().get(f"{API}/schema/", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer["Content-Type"] == media
    assert "Accept" in answer["Vary"]
    read = json.loads if media == "application/json" else yaml.safe_load
    assert read(answer.content) == json.loads(packaged())


@pytest.mark.urls("tests.api.prefixed_urls")
def test_it_names_the_address_where_the_api_is_mounted() -> None:
    answer = Client().get("/deep/down/api/v1/schema/")
    assert answer.json()["servers"] == [{"url": "/deep/down/api/v1"}]


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        [[]],
        {"a": {}, "b": [], "yes": "no", "null": None, "1": 1.5, "x y": ["- a", {"b": [True, [1, {"c": "\n"}]]}]},
        [[1, [2]], {"a": [{"b": 1, "c": 2}]}],
        {'quote"d': "ümläut \u2028 \x7f # : {x} 😀", "{a}": "~"},
    ],
)
def test_yaml_means_what_json_does(value: object) -> None:
    assert yaml.safe_load(as_yaml(value)) == value


def test_an_answer_says_no_more_than_is_described() -> None:
    page = document()["components"]["schemas"]["Topic"]
    assert list(mistakes(page, {"slug": "news", "created_at": "2027-01-31T08:00:00Z", "more": 1}))
    assert list(mistakes(page, {"slug": "news", "created_at": "yesterday"}))
    assert Answer("Nothing.").schema is None


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    answer = Client().get(f"{API}/docs/")
    assert answer.status_code == 200
    policy = answer["Content-Security-Policy"]
    nonce = policy.partition("'nonce-")[2].partition("'")[0]
    assert "default-src 'none'" in policy
    assert nonce != Client().get(f"{API}/docs/")["Content-Security-Policy"].partition("'nonce-")[2].partition("'")[0]
    html = answer.content.decode()
    assert f'<style nonce="{nonce}">' in html
    assert "<script" not in html
    assert " style=" not in html
    assert "src=" not in html
    assert "http://testserver/api/v1" in html


def test_the_page_shows_all_and_each_link_leads_somewhere() -> None:
    html = Client().get(f"{API}/docs/").content.decode()
    ids = re.findall(r'id="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert {operation["operationId"] for operation in operations().values()} <= set(ids)
    assert {f"part-{name}" for name in document()["components"]["schemas"]} <= set(ids)
    links = set(re.findall(r'href="([^"]+)"', html))
    assert {link.removeprefix("#") for link in links if link.startswith("#")} <= set(ids)
    for link in links:
        if not link.startswith("#"):
            assert Client().get(urljoin(f"{API}/docs/", link)).status_code == 200, link
