"""Checks of the database: its kind always; its version only where Django was told to look (`--database`)."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.core.checks import CheckMessage
from django.db import connections, router

from ..cipher import key_mark
from ..models import Delivery, Mark
from .base import error, usable

OLDEST = 150_000
ENGINE = '"ENGINE": "django.db.backends.postgresql",'


def check_engine(**_: object) -> list[CheckMessage]:
    """E050, E052: another database than PostgreSQL, or times without zones."""
    messages = []
    alias = router.db_for_write(Delivery)
    if connections[alias].vendor != "postgresql":
        what = f'DATABASES["{alias}"] is {connections[alias].vendor}: Carillon keeps its queue in PostgreSQL.'
        messages.append(error(50, what, ENGINE))
    if not settings.USE_TZ:
        messages.append(error(52, "USE_TZ is off: due times could not be compared.", "USE_TZ = True"))
    return messages


def check_version(databases: Sequence[str] | None = None, **_: object) -> list[CheckMessage]:
    """E051: PostgreSQL older than 15."""
    alias = router.db_for_write(Delivery)
    connection = connections[alias]
    if not databases or alias not in databases or connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        version = int(cursor.fetchone()[0])
    if version >= OLDEST:
        return []
    what = f'DATABASES["{alias}"] is PostgreSQL {version // 10_000}; 15 is the oldest that Carillon works with.'
    return [error(51, what, "upgrade the server to PostgreSQL 15 or newer")]


def check_hash_key(databases: Sequence[str] | None = None, **_: object) -> list[CheckMessage]:
    """E053: the key behind every address hash has gone, so that suppressed addresses are not recognised."""
    alias = router.db_for_write(Mark)
    if not databases or alias not in databases or connections[alias].vendor != "postgresql":
        return []
    if usable() is None:
        return []  # another check says why; without settings there is no key
    if Mark._meta.db_table not in connections[alias].introspection.table_names():
        return []
    mark = Mark.objects.filter(name=Mark.HASH_KEY).first()
    if mark is None or mark.value == key_mark():
        return []
    what = "The key that addresses are hashed with has gone: suppressions, devices and keys are not found any more."
    return [error(53, what, "put the oldest key back as the last of ENCRYPTION_KEYS (or SECRET_KEY_FALLBACKS)")]
