"""The recipients: real ones, made by set SQL and the same for a seed. Runs inside a deployment's environment.

Of 100 people 10 opted out of push, 5 have two devices, 5 have none, 3 have a suppressed token, 10 are in quiet hours
now, and the others have one device. Who is what follows from a hash of seed and number, so each slice has its share.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

OPTED_OUT, TWO_DEVICES, NO_DEVICE, SUPPRESSED, QUIET = (
    range(10),
    range(10, 15),
    range(15, 20),
    range(20, 23),
    range(23, 33),
)
#: Quiet hours began this long ago and last this much longer: they cover any run.
QUIET_BEFORE, QUIET_AFTER = timedelta(hours=2), timedelta(hours=12)
CATEGORY = "bench-news"

_BUCKET = "('x' || substr(md5(%(seed)s || ':' || n), 1, 8))::bit(32)::bigint %% 100"
_TOKEN = (
    "'t' || n || '-' || d || ':' || md5(n || 'a' || d) || md5(n || 'b' || d) || md5(n || 'c' || d) || md5(n || 'd')"
)
# HMAC-SHA256 in SQL, as the app's own address hash: the inner and outer pads are given.
_HASH = (
    "encode(sha256(%(outer)s || sha256(%(inner)s || convert_to('address' || chr(31) || 'push' || chr(31) || {0}, "
    "'UTF8'))), 'hex')"
)

STATEMENTS = (
    """
    CREATE TEMPORARY TABLE made AS
        SELECT n, {bucket} AS bucket FROM generate_series(1, %(people)s) AS n
    """,
    """
    INSERT INTO auth_user (id, username, first_name, last_name, email, password, is_superuser, is_staff, is_active,
                           date_joined)
        SELECT n, 'u' || n, 'Ada' || n, 'Lovelace', 'u' || n || '@bench.example.org', '!', false, false, true, now()
        FROM made
    """,
    """
    INSERT INTO shop_profile (user_id, phone, locale, time_zone) SELECT n, '', 'en', 'UTC' FROM made
    """,
    """
    INSERT INTO shop_follow (user_id, author_id)
        SELECT n, size FROM made, unnest(%(sizes)s::int[]) AS size WHERE n <= size
    """,
    """
    INSERT INTO carillon_device (id, user_id, channel, platform, token_type, address, address_hash, locale, time_zone,
                                 is_active, deactivated_reason, created_at, last_seen_at)
        SELECT md5(%(seed)s || 'device' || n || '-' || d)::uuid, n, 'push', 'android', 'fcm', token, {hash}, '', '',
               true, '', now(), now()
        FROM (
            SELECT n, d, {token} AS token FROM made, generate_series(1, 2) AS d
            WHERE NOT bucket = ANY (%(no_device)s) AND (d = 1 OR bucket = ANY (%(two_devices)s))
        ) AS devices
    """,
    """
    INSERT INTO carillon_preference (recipient, locale, time_zone, quiet_hours, channels, categories, devices,
                                     updated_at)
        SELECT 'u:' || n, '', '',
               CASE WHEN bucket = ANY (%(quiet)s) THEN %(window)s::jsonb ELSE '[]' END,
               CASE WHEN bucket = ANY (%(opted_out)s) AND n %% 2 = 0 THEN '{{"push": false}}'::jsonb ELSE '{{}}' END,
               CASE WHEN bucket = ANY (%(opted_out)s) AND n %% 2 = 1
                    THEN '{{"{category}": {{"push": false}}}}'::jsonb ELSE '{{}}' END,
               '{{}}', now()
        FROM made WHERE bucket = ANY (%(quiet)s) OR bucket = ANY (%(opted_out)s)
    """,
    """
    INSERT INTO carillon_suppression (channel, address_hash, hint, cause, source, created_at, lifted_reason)
        SELECT 'push', d.address_hash, '', 'manual', 'bench', now(), ''
        FROM carillon_device d JOIN made ON made.n = d.user_id WHERE bucket = ANY (%(suppressed)s)
    """,
    """
    CREATE TABLE bench_bare (
        id bigserial PRIMARY KEY, recipient text, template text, data jsonb, created_at timestamptz
    )
    """,
    "SELECT setval(pg_get_serial_sequence('auth_user', 'id'), %(people)s)",
    "DROP TABLE made",
)


def statements() -> list[str]:
    """Return the statements in their order, for the values of `values_for`."""
    parts = {"bucket": _BUCKET, "token": _TOKEN, "hash": _HASH.format("token"), "category": CATEGORY}
    return [sql.format(**parts) for sql in STATEMENTS]


def values_for(
    people: int, sizes: list[int], seed: int, secret: bytes, now: datetime | None = None
) -> Mapping[str, Any]:
    """Return what the statements are given; `secret` is the key of the app's own address hashes."""
    return {
        "people": people,
        "sizes": sizes,
        "seed": str(seed),
        "inner": pad(secret, 0x36),
        "outer": pad(secret, 0x5C),
        "window": quiet_window(now or datetime.now(UTC)),
        "opted_out": list(OPTED_OUT),
        "two_devices": list(TWO_DEVICES),
        "no_device": list(NO_DEVICE),
        "suppressed": list(SUPPRESSED),
        "quiet": list(QUIET),
    }


def pad(secret: bytes, with_byte: int) -> bytes:
    """Return HMAC's inner (0x36) or outer (0x5c) pad of a key no longer than a block."""
    return bytes(byte ^ with_byte for byte in secret.ljust(hashlib.sha256().block_size, b"\0"))


def quiet_window(now: datetime) -> str:
    """Return quiet hours, in UTC, that cover now and the hours to come."""
    start, end = (now - QUIET_BEFORE).strftime("%H:%M"), (now + QUIET_AFTER).strftime("%H:%M")
    return f'[{{"days": [0, 1, 2, 3, 4, 5, 6], "start": "{start}", "end": "{end}"}}]'


def bucket(seed: int, number: int) -> int:
    """Return what a person is, from 0 to 99."""
    return int(hashlib.md5(f"{seed}:{number}".encode()).hexdigest()[:8], 16) % 100


def due_count(seed: int, people: int) -> int:
    """Return how many pushes the first `people` are due, by arithmetic alone: no database is asked."""
    nothing = {*OPTED_OUT, *NO_DEVICE, *SUPPRESSED, *QUIET}
    buckets = (bucket(seed, number) for number in range(1, people + 1))
    return sum(2 if kind in TWO_DEVICES else 1 for kind in buckets if kind not in nothing)


def keyed(secret: bytes, text: str) -> str:
    """Return the hash that the SQL makes, in Python: what the test compares it with."""
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
