"""Checks of the database: its kind always; its version only where Django was told to look (`--database`)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from django.conf import settings
from django.core.checks import CheckMessage
from django.db import OperationalError, connections, router

from ..cipher import key_mark
from ..models import Delivery, Mark
from .base import error, usable

OLDEST = 150_000
ENGINE = '"ENGINE": "django.db.backends.postgresql",'
_START = "start it, or correct HOST and PORT in {where}"
# By the words of libpq and of the server; another language than English falls back to the general one.
_CURES = (
    (r'database ".*" does not exist', "create it with `createdb {name}`, or correct NAME in {where}"),
    (r'role ".*" does not exist', "create it with `createuser {user}`, or correct USER in {where}"),
    (r"authentication failed|no password supplied|no pg_hba.conf entry", "correct USER and PASSWORD in {where}"),
    (r"could not translate host name|failed to resolve host", "correct HOST in {where}"),
    (r"too many clients|connection slots", "raise max_connections of the server, or start fewer processes"),
)


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


def check_server(databases: Sequence[str] | None = None, **_: object) -> list[CheckMessage]:
    """E058 if it cannot be reached, which ends `migrate` without a driver's traceback; else E051 and E053."""
    alias = router.db_for_write(Delivery)
    if not _may_be_asked(alias, databases):
        return []
    try:
        return [*check_version(databases), *check_hash_key(databases)]
    except OperationalError as found:
        what, cure = unreached(alias, found)
        return [error(58, f"{what}.", cure)]


def check_version(databases: Sequence[str] | None = None, **_: object) -> list[CheckMessage]:
    """E051: PostgreSQL older than 15."""
    alias = router.db_for_write(Delivery)
    connection = connections[alias]
    if not _may_be_asked(alias, databases):
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
    if not _may_be_asked(alias, databases):
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


def unreached(alias: str, found: Exception) -> tuple[str, str]:
    """Return that a connection cannot be had, in PostgreSQL's own words, and its cure; no password is in either."""
    said, where = first_line(found), f'DATABASES["{alias}"]'
    cures = (cure for pattern, cure in _CURES if re.search(pattern, said))
    named = {name: str(connections[alias].settings_dict.get(name.upper()) or "") for name in ("name", "user")}
    return f"PostgreSQL cannot be reached: {said}", next(cures, _START).format(where=where, **named)


def first_line(found: Exception) -> str:
    """Return the first line of a database's complaint; further ones may quote a row."""
    return (str(found).strip().splitlines() or [type(found).__name__])[0]


def _may_be_asked(alias: str, databases: Sequence[str] | None) -> bool:
    return bool(databases) and alias in (databases or ()) and connections[alias].vendor == "postgresql"
