"""The SQL that accepts: idempotency keys, what holds at the moment, and the rows of any number of requests at once."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from django.db import connections, models

if TYPE_CHECKING:
    from .access import ApiKey, IdempotencyKey  # noqa: F401 - QuerySet names them in quotes
    from .log import Notification

_USABLE_KEY = """
    SELECT id, prefix, digest, name, owner, scopes::text, templates::text, categories::text, created_at, expires_at,
           revoked_at, last_used_at,
           last_used_at IS NULL OR last_used_at < statement_timestamp() - make_interval(secs => %s)
    FROM carillon_apikey
    WHERE prefix = %s AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > statement_timestamp())
"""
# Of many requests at the same moment one notes the use, and the others do not wait for it.
_NOTE_USE = """
    UPDATE carillon_apikey SET last_used_at = statement_timestamp() WHERE id = (
        SELECT id FROM carillon_apikey
        WHERE id = %s AND (last_used_at IS NULL OR last_used_at < statement_timestamp() - make_interval(secs => %s))
        FOR NO KEY UPDATE SKIP LOCKED
    )
"""
# A key that is there already is not locked: to be told its answer, nobody has to wait.
_MOMENT = """
    SELECT clock_timestamp(), (
        SELECT json_agg(json_build_array(s.channel, s.address_hash)) FROM carillon_suppression s
        WHERE s.address_hash = ANY(%(hashes)s::text[]) AND s.lifted_at IS NULL
          AND (s.expires_at IS NULL OR s.expires_at > clock_timestamp())
    )::text, (
        SELECT json_agg(json_build_array(k.notification_id, k.fingerprint, k.response,
                        CASE WHEN k.id IS NULL THEN pg_try_advisory_xact_lock(w.lock) END) ORDER BY w.place)
        FROM unnest(%(locks)s::bigint[], %(owners)s::text[], %(keys)s::text[])
             WITH ORDINALITY AS w(lock, owner, key, place)
        LEFT JOIN carillon_idempotencykey k ON k.owner = w.owner AND k.key = w.key
    )::text
"""
# Who holds a key's lock is its only writer, so the insert waits for nobody. Where it finds the key, another request
# committed after our look and before our lock: that one's notification counts, and this one is not written.
_STORE = """
    WITH asked AS (
        SELECT * FROM json_to_recordset(%(rows)s::json) AS r(
            id uuid, recipient text, template text, category text, version_id bigint, data jsonb, secrets text,
            channels jsonb, tags jsonb, addresses jsonb, locale text, time_zone text, collapse_key text,
            send_at timestamptz, expires_at timestamptz, resend_of uuid, owner text, request_id text,
            created_at timestamptz, key text, fingerprint text, response jsonb)
    ), kept AS (
        INSERT INTO carillon_idempotencykey (owner, key, fingerprint, notification_id, response, created_at)
        SELECT owner, key, fingerprint, id, response, created_at FROM asked WHERE key IS NOT NULL
        ON CONFLICT DO NOTHING RETURNING notification_id
    )
    INSERT INTO carillon_notification (
        id, recipient, template, category, version_id, data, secrets, channels, tags, addresses, locale, time_zone,
        collapse_key, send_at, expires_at, resend_of, owner, request_id, created_at)
    SELECT id, recipient, template, category, version_id, data, decode(secrets, 'hex'), channels, tags, addresses,
           locale, time_zone, collapse_key, send_at, expires_at, resend_of, owner, request_id, created_at
    FROM asked WHERE key IS NULL OR id IN (SELECT notification_id FROM kept)
    RETURNING id
"""
_OF_A_KEY = (
    *("id", "prefix", "digest", "name", "owner", "scopes", "templates", "categories"),
    *("created_at", "expires_at", "revoked_at", "last_used_at"),
)
_COLUMNS = (
    *("id", "recipient", "template", "category", "version_id", "data", "channels", "tags", "addresses", "locale"),
    *("time_zone", "collapse_key", "send_at", "expires_at", "resend_of", "owner", "request_id", "created_at"),
)


class Wanted(NamedTuple):
    """An idempotency key that somebody wants to use, and the number of its lock."""

    owner: str
    key: str
    lock: int


class Known(NamedTuple):
    """What an idempotency key stands for already."""

    notification_id: UUID
    fingerprint: str
    response: object


class Moment(NamedTuple):
    """What held when it was asked: the clock, suppressed (channel, hash), and each key: known, ours (True) or not."""

    now: datetime
    suppressed: set[tuple[str, str]]
    keys: list[Known | bool]


class Keyed(NamedTuple):
    """A notification to store, with the idempotency key that it is stored under, if there is one."""

    notification: Notification
    key: str | None
    fingerprint: str
    response: object


class IdempotencyKeyQuerySet(models.QuerySet["IdempotencyKey"]):
    """Idempotency keys, by what they are asked."""

    def moment(self, wanted: Sequence[Wanted], hashes: Collection[str] = ()) -> Moment:
        """Try to take keys, waiting for none, and tell the time and which addresses are suppressed."""
        values: dict[str, object] = {
            "hashes": list(hashes),
            "locks": [item.lock for item in wanted],
            "owners": [item.owner for item in wanted],
            "keys": [item.key for item in wanted],
        }
        with connections[self.db].cursor() as cursor:
            cursor.execute(_MOMENT, values)  # type: ignore[arg-type]  # lists are what ANY takes
            now, suppressed, keys = cursor.fetchone()
        return Moment(
            now,
            {(channel, hashed) for channel, hashed in json.loads(suppressed or "[]")},
            [
                Known(UUID(identity), fingerprint, response) if identity else bool(taken)
                for identity, fingerprint, response, taken in json.loads(keys or "[]")
            ],
        )

    def known(self, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], Known]:
        """Return what these (owner, key) led to, as far as it is committed."""
        owners, keys = {owner for owner, _ in names}, {key for _, key in names}
        rows = self.filter(owner__in=owners, key__in=keys)
        found = {(row.owner, row.key): Known(row.notification_id, row.fingerprint, row.response) for row in rows}
        return {name: found[name] for name in names if name in found}


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """API keys, by what they are asked."""

    def usable(self, prefix: str, use_kept_seconds: float) -> tuple[ApiKey, bool] | None:
        """Return the key of a prefix that may be used now, and whether the note of its last use is old."""
        with connections[self.db].cursor() as cursor:
            cursor.execute(_USABLE_KEY, [use_kept_seconds, prefix])
            row = cursor.fetchone()
        if row is None:
            return None
        *values, is_old = row
        key = self.model.from_db(self.db, _OF_A_KEY, values)
        for name in ("scopes", "templates", "categories"):
            setattr(key, name, json.loads(getattr(key, name)))
        return key, is_old

    def note_use(self, key: int, kept_seconds: float) -> None:
        """Note that a key was used just now, unless that was noted a moment ago."""
        with connections[self.db].cursor() as cursor:
            cursor.execute(_NOTE_USE, [key, kept_seconds])


def store(using: str, rows: Sequence[Keyed]) -> set[UUID]:
    """Insert notifications with their keys; return the ids of those whose key was not used meanwhile."""
    with connections[using].cursor() as cursor:
        cursor.execute(_STORE, {"rows": json.dumps([_as_row(row) for row in rows], default=str)})
        return {row[0] for row in cursor.fetchall()}


def _as_row(row: Keyed) -> dict[str, object]:
    given = vars(row.notification)  # attributes of models are slow to read
    secrets = given["secrets"]
    return {
        **{name: given[name] for name in _COLUMNS},
        "secrets": bytes(secrets).hex() if secrets else None,
        "key": row.key,
        "fingerprint": row.fingerprint,
        "response": row.response,
    }
