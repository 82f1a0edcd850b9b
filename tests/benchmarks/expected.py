"""Who is due a message, computed from the dataset's tables alone: plain SQL that knows nothing of the app's rules."""

from __future__ import annotations

from tests.ground.database import Database

_QUIET = """
    EXISTS (
        SELECT FROM jsonb_array_elements(p.quiet_hours) AS w,
               LATERAL (SELECT (w ->> 'start')::time AS a, (w ->> 'end')::time AS b,
                               (now() AT TIME ZONE 'UTC')::time AS t) AS c
        WHERE CASE WHEN a < b THEN t >= a AND t < b ELSE t >= a OR t < b END
    )
"""
#: Every day of the week is in the dataset's quiet hours, and everybody's zone is UTC.
PUSH_SQL = f"""
    SELECT d.address
    FROM shop_follow f
    JOIN auth_user u ON u.id = f.user_id AND u.is_active
    JOIN carillon_device d ON d.user_id = u.id AND d.channel = 'push' AND d.is_active
    LEFT JOIN carillon_preference p ON p.recipient = 'u:' || u.id
    WHERE f.author_id = %s
      AND coalesce(p.channels ->> 'push', 'true') <> 'false'
      AND coalesce(p.categories -> 'bench-news' ->> 'push', 'true') <> 'false'
      AND NOT EXISTS (
          SELECT FROM carillon_suppression s
          WHERE s.channel = 'push' AND s.address_hash = d.address_hash AND s.lifted_at IS NULL
      )
      AND NOT (p.recipient IS NOT NULL AND {_QUIET})
"""
EMAIL_SQL = f"""
    SELECT u.email
    FROM shop_follow f
    JOIN auth_user u ON u.id = f.user_id AND u.is_active
    LEFT JOIN carillon_preference p ON p.recipient = 'u:' || u.id
    WHERE f.author_id = %s AND u.email <> '' AND NOT (p.recipient IS NOT NULL AND {_QUIET})
"""


def due(database: Database, author: int, channel: str = "push") -> list[str]:
    """Return every address that a broadcast to an author's followers is due at now, each as often as it is due."""
    return [str(address) for (address,) in database.rows(PUSH_SQL if channel == "push" else EMAIL_SQL, author)]


def due_how_many(database: Database, author: int, channel: str = "push") -> int:
    """Return how many messages a broadcast is due to make."""
    sql = PUSH_SQL if channel == "push" else EMAIL_SQL
    return int(database.value(f"SELECT count(*) FROM ({sql}) AS due", author))
