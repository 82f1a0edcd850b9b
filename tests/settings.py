"""The project's settings with services of the test run's own and credentials that open nothing.

Each run gets its own PostgreSQL and Valkey, so that runs side by side, and a demo, never meet. The folder's name
is passed to xdist's workers and other child processes through the environment.
"""

import os
from pathlib import Path
from urllib.parse import urlsplit

BASE_DIR = Path(__file__).resolve().parent.parent
NOWHERE = "http://127.0.0.1:9"  # the discard port: a test that forgets its sandbox reaches nobody

os.environ.setdefault("CARILLON_SERVICES_DIR", str(BASE_DIR / ".services" / "tests" / str(os.getpid())))
os.environ["CARILLON_ENV_FILE"] = os.devnull
os.environ |= {
    "DJANGO_DEBUG": "true",
    "CARILLON_PUBLIC_URL": "http://testserver",
    "DJANGO_ALLOWED_HOSTS": "*",
    "FCM_SERVICE_ACCOUNT_FILE": str(Path(os.environ["CARILLON_SERVICES_DIR"]) / "service-account.json"),
    "FCM_BASE_URL": NOWHERE,
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "0" * 32,
    "TWILIO_FROM_NUMBER": "+15005550006",
    "TWILIO_BASE_URL": NOWHERE,
    "POSTMARK_SERVER_TOKEN": "00000000-0000-0000-0000-000000000000",
    "POSTMARK_WEBHOOK_SECRET": "hook:correct-horse-battery",
    "POSTMARK_BASE_URL": NOWHERE,
}
for name in (
    "CARILLON_ONLY_TO",
    "CARILLON_SANDBOX",
    "CARILLON_API_RATE",
    "CARILLON_ENCRYPTION_KEYS",
    "DJANGO_SECRET_KEY_FALLBACKS",
):
    os.environ.pop(name, None)

from project.settings import *  # noqa: E402, F403 - the environment has to be set first
from project.settings import REDIS_URL as _SHARED  # noqa: E402
from project.settings import RQ_QUEUES  # noqa: E402


def _own_redis(url: str, worker: str) -> str:
    """Return the URL of the Redis database that belongs to one xdist worker ("gw0", or "" for the only process)."""
    number = int(worker.removeprefix("gw")) + 1 if worker else 0
    if url.startswith("unix:"):
        return f"{url.partition('?')[0]}?db={number}"
    parts = urlsplit(url)
    return parts._replace(path=f"/{int(parts.path.strip('/') or 0) + number}").geturl()


REDIS_URL = _own_redis(_SHARED, os.environ.get("PYTEST_XDIST_WORKER", ""))
for _queue in RQ_QUEUES.values():
    _queue["URL"] = REDIS_URL
WHITENOISE_AUTOREFRESH = True  # nobody has collected static files
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
