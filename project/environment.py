"""Reads the process environment once, with `.env` of the checkout filling in what is unset."""

from __future__ import annotations

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from environs import Env

BASE_DIR = Path(__file__).resolve().parent.parent
# The suite points this at /dev/null, so that a developer's real credentials never reach a test.
ENV_FILE = os.environ.get("CARILLON_ENV_FILE", str(BASE_DIR / ".env"))

env = Env()
if Path(ENV_FILE).is_file():
    env.read_env(ENV_FILE, recurse=False)


def require_services() -> None:
    """Raise unless the environment names the database and Redis, which a web server never starts by itself.

    Raises:
        ImproperlyConfigured: one of the two is unset; the text says how to set it.
    """
    missing = [name for name in ("DATABASE_URL", "REDIS_URL") if not os.environ.get(name)]
    if missing:
        raise ImproperlyConfigured(
            f"{' and '.join(missing)} must be set for a web server: see .env.example. "
            "For a try-out on this machine use `make demo`, which starts both."
        )
