"""The recorded answers and callbacks of providers, in the shapes that their documentation gives."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from .server import Reply

HOME = Path(__file__).resolve().parents[2] / "fixtures" / "payloads"


def recorded(provider: str, kind: str) -> list[Any]:
    """Return every recorded payload of one kind ("answer", "webhook") as pytest parameters, named by its file."""
    files = sorted((HOME / provider).glob(f"{kind}_*.json"))
    assert files, f"{HOME / provider} has no {kind}_*.json"
    return [pytest.param(load(path), id=path.stem.removeprefix(f"{kind}_")) for path in files]


def load(path: Path) -> dict[str, Any]:
    """Return one recorded payload."""
    payload: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return payload


def as_reply(answer: Mapping[str, Any]) -> Reply:
    """Return a recorded answer as the server's reply."""
    body = answer["body"]
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return Reply(answer["status"], raw, {"Content-Type": "application/json", **answer.get("headers", {})})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give `answer` every recorded answer of the class's provider; imported by each provider's test module."""
    for name in ("answer", "webhook"):
        if name in metafunc.fixturenames and metafunc.cls is not None:
            metafunc.parametrize(name, recorded(metafunc.cls.provider, name))
