"""The first line of the file: what the figures were measured on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

from redis import Redis

from tests.ground.database import Database
from tests.ground.figures import Figure
from tests.ground.services import Ground

DURABILITY = ("fsync", "synchronous_commit", "full_page_writes")


def machine(ground: Ground) -> Figure:
    """Return the machine, the versions, and whether every durability setting is on."""
    database = Database(ground.services.database_url)
    settings = {name: database.value(f"SHOW {name}") for name in DURABILITY}
    with Redis.from_url(ground.services.redis_url) as redis:
        info = redis.info("server")
    detail = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "postgresql": database.value("SHOW server_version"),
        "valkey": info.get("valkey_version") or info.get("redis_version"),
        "rq": version("rq"),
        "django": version("django"),
        **settings,
        "sql": [f"SHOW {name}" for name in DURABILITY],
    }
    return Figure(
        "machine", os.cpu_count() or 0, "cores", "every durability setting on", set(settings.values()) == {"on"}, detail
    )
