"""The ground that scenarios stand on: one PostgreSQL and one Valkey, and a migrated database to copy for each."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from redis import Redis

from project import embedded
from project.demo.stack import ROOT
from tests.ground.database import Database

TEMPLATE = "carillon_template"
SECRET_KEY = "demo-only-not-a-secret-" + "0" * 32


@dataclass
class Ground:
    """The services of a run. Scenarios of one run share them: joining costs nothing, the last one stops them."""

    services: embedded.Services
    settings: str = "project.settings"
    """With which the database is migrated: the words of all apps in it are loaded."""

    @classmethod
    def at(cls, folder: Path, settings: str = "project.settings") -> Self:
        """Start or join the services of a run's folder."""
        return cls(embedded.start(folder / "services", reset=False), settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the hold back; the last one removes everything."""
        self.services.revive()
        embedded.remove(self.services)

    def new_database(self) -> str:
        """Return the URL of a new database with the schema, the shop's categories and its templates; empty Valkey."""
        self.services.revive()
        server = Database(self._url("postgres"))
        if not server.rows("SELECT 1 FROM pg_database WHERE datname = %s", TEMPLATE):
            server.do(f'CREATE DATABASE "{TEMPLATE}"')
            self._migrate()
        name = f"carillon_{uuid.uuid4().hex[:10]}"
        server.do(f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}"')
        server.close()
        with Redis.from_url(self.services.redis_url) as redis:
            redis.flushall()
        return self._url(name)

    def drop(self, url: str) -> None:
        """Drop a database that new_database made."""
        server = Database(self._url("postgres"))
        server.do(f'DROP DATABASE "{urlsplit(url).path.strip("/")}" WITH (FORCE)')
        server.close()

    def _url(self, name: str) -> str:
        return f"{self.services.database_url.rpartition('/')[0]}/{name}"

    def _migrate(self) -> None:
        env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": self.settings,
            "CARILLON_ENV_FILE": os.devnull,
            "DATABASE_URL": self._url(TEMPLATE),
            "REDIS_URL": self.services.redis_url,
            "DJANGO_DEBUG": "true",
            "DJANGO_SECRET_KEY": SECRET_KEY,
        }
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--skip-checks", "--verbosity", "0"], cwd=ROOT, env=env, check=True
        )
