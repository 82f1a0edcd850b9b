"""The provider that how-to/add-a-provider.md writes, as it stands there, under the contract of all adapters."""

from __future__ import annotations

import sys
from types import ModuleType

from .pages import DOCS, blocks

PAGE = DOCS / "how-to" / "add-a-provider.md"
BLOCKS = {
    block.mark.removeprefix("provider: "): block.text for block in blocks(PAGE) if block.mark.startswith("provider: ")
}
SHIPPED, HERE = "notifications.providers.bellgate", "tower_of_the_docs"


def _run(name: str, block: str) -> ModuleType:
    module = sys.modules[name] = ModuleType(name)
    exec(compile(BLOCKS[block].replace(SHIPPED, HERE), f"{PAGE}: {block}", "exec"), module.__dict__)
    return module


_run(HERE, "bellgate.py")
#: pytest collects it here, with all that it inherits from the contract.
TestBellgate = _run(f"{HERE}_test", "test_bellgate.py").TestBellgate


def test_it_is_two_short_files() -> None:
    lines = {name: len(text.splitlines()) for name, text in BLOCKS.items()}

    assert lines.keys() == {"bellgate.py", "test_bellgate.py"}
    assert sum(lines.values()) <= 120
    assert f"this one has {sum(lines.values())}." in PAGE.read_text(encoding="utf-8")
