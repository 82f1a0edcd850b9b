"""The adapter of CONTRIBUTING.md, as it stands there, under the contract that all adapters are held to."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from notifications.enums import Channel
from notifications.exceptions import InvalidRecipient, ProviderMisconfigured, RateLimited
from notifications.providers.base import Adapter
from tests.contracts.adapter import AdapterContract, Make
from tests.contracts.server import Received, Reply, ScriptedProvider

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CODE = re.search(r"<!-- provider: acme.py -->\n```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    assert CODE is not None
    path = tmp_path_factory.mktemp("shop") / "acme.py"
    path.write_text(CODE[1])
    spec = spec_from_file_location("acme", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["acme"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["acme"]


@pytest.mark.usefixtures("acme")
class TestAcme(AdapterContract):
    provider = "acme"
    channel = Channel.SMS

    def build(self, server: ScriptedProvider, base_url: str, **options: object) -> Adapter:
        given = {"api_key": "s3cret-of-acme", "sender": "+15005550006", "base_url": base_url, **options}
        adapter: Adapter = sys.modules["acme"].AcmeAdapter("acme", given)
        return adapter

    def address(self, number: int) -> str:
        return f"+1555867{5310 + number}"

    def carried_id(self, request: Received) -> str:
        return str(json.loads(request.body)["reference"])

    def accepted(self, number: int) -> Reply:
        return Reply(200, json.dumps({"id": f"acme-{number}"}).encode())

    @pytest.mark.parametrize(
        "answer",
        [
            {"status": 401, "body": {"error": "bad_key"}, "outcome": "ProviderMisconfigured"},
            {"status": 429, "body": {"error": "too_fast"}, "outcome": "RateLimited"},
        ],
    )
    def test_every_recorded_answer(self, make: Make, server: ScriptedProvider, answer: dict[str, Any]) -> None:
        self.answer_with(server, answer)
        assert type(make().send(self.message()).error).__name__ == answer["outcome"]

    def test_its_table_is_what_fail_next_knows(self, make: Make) -> None:
        kinds = {row.outcome for row in make().known_answers.values()}
        assert kinds == {ProviderMisconfigured, InvalidRecipient, RateLimited}


def test_it_is_short() -> None:
    assert CODE is not None
    assert len(CODE[1].splitlines()) <= 120
