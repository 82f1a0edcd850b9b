"""A deployment without processes of its own yet: a sandbox over a new database, and Python run inside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from project.demo.stack import Stack
from tests.ground.services import Ground


@contextmanager
def own_stack(ground_folder: Path, folder: Path, redis_number: int = 0) -> Iterator[Stack]:
    """Make a database and start a sandbox; web, workers and what runs inside are for the caller to start.

    Making one empties all of Valkey: whoever needs several makes them all before the first begins to work.
    """
    with Ground.at(ground_folder) as ground:
        url = ground.new_database()
        redis_url = ground.services.redis_url.replace("db=0", f"db={redis_number}")
        with Stack(folder / "stack", url, redis_url) as stack:
            # Whatever the environment asks of a test server must not keep messages from the sandbox.
            stack.env = {**stack.env, "CARILLON_ONLY_TO": "", "CARILLON_ENCRYPTION_KEYS": ""}
            yield stack
        ground.drop(url)


def run_inside(stack: Stack, module: str, **order: Any) -> Any:
    """Run a module inside the deployment with an order in JSON; return what it wrote to the order's `answer`."""
    answer = stack.folder / f"{module.rpartition('.')[2]}.answer.json"
    answer.unlink(missing_ok=True)
    stack.run("-m", module, json.dumps({**order, "answer": str(answer)}))
    return json.loads(answer.read_text(encoding="utf-8"))
