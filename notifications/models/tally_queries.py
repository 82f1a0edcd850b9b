"""The SQL of tallies: what a change of deliveries adds in its own statement, and how that is added up."""

from __future__ import annotations

from datetime import UTC, datetime

from ..enums import REACHED_STATES, TAKEN_STATES

#: Whoever adds up holds this advisory lock.
LOCK = 0x0CA2
#: The slot of what is too old to tell a rate.
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Which states say by themselves that a provider took a message, and that it arrived.
TAKEN = f"ARRAY{sorted(state.value for state in TAKEN_STATES)}"
REACHED = f"ARRAY{sorted(state.value for state in REACHED_STATES)}"


def waiting(state: str) -> str:
    """Return the SQL of the state that a delivery is counted in: sending counts as pending, so a claim adds nothing."""
    return f"CASE {state} WHEN 'sending' THEN 'pending' ELSE {state} END"


# Follows a WITH query named `changed`, one row per delivery. A notification is read once and not for each of them;
# the bounds let PostgreSQL plan for one partition, and LATERAL keeps it from reading all between them.
TALLIED = """
    tallied AS (
        INSERT INTO carillon_tally
            (slot, notification_id, channel, provider, category, was, state, reason, lag, moved, sent, delivered)
        SELECT date_bin('10 seconds', statement_timestamp(), 'epoch'), CASE WHEN n.recipient = '' THEN n.id END,
               c.channel, c.provider, coalesce(n.category, ''), c.was, c.state, c.reason,
               CASE WHEN c.sent_at IS NOT NULL THEN floor(2 / ln(2::float8) * ln(greatest(1::float8, 1000 * extract(
                   epoch FROM c.sent_at - greatest(n.created_at, n.send_at))::float8)))::smallint ELSE -1 END,
               sum(c.moved), sum(c.more_sent), sum(c.more_delivered)
        FROM (SELECT notification_id, channel, provider, was, state, reason,
                     CASE WHEN sent_now THEN sent_at END AS sent_at,
                     count(*) AS moved, sum(more_sent) AS more_sent, sum(more_delivered) AS more_delivered
              FROM (SELECT *, is_sent AND NOT was_sent AS sent_now,
                           is_sent::int - was_sent::int AS more_sent,
                           is_delivered::int - was_delivered::int AS more_delivered
                    FROM changed) d
              WHERE was <> state OR tried OR more_sent <> 0 OR more_delivered <> 0
              GROUP BY 1, 2, 3, 4, 5, 6, 7) c
        LEFT JOIN LATERAL (
            SELECT id, recipient, category, created_at, send_at FROM carillon_notification
            WHERE id = c.notification_id AND id >= %(first)s::uuid AND id < %(beyond)s::uuid LIMIT 1
        ) n ON true
        GROUP BY 2, 3, 4, 5, 6, 7, 8, 9
    )
"""

ADD_UP = """
    WITH gone AS (
        DELETE FROM carillon_tally WHERE id IN (SELECT id FROM carillon_tally ORDER BY id LIMIT %(limit)s) RETURNING *
    ), traffic AS (
        INSERT INTO carillon_traffic AS t
            (begins, seconds, channel, provider, category, was, state, reason, lag, moved)
        SELECT date_trunc('minute', slot), 60, channel, provider, category, was, state, reason, lag, sum(moved)
        FROM gone GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
        ON CONFLICT (begins, seconds, channel, provider, category, was, state, reason, lag)
        DO UPDATE SET moved = t.moved + EXCLUDED.moved
    ), totals AS (
        INSERT INTO carillon_total AS t (channel, provider, state, reason, lag, moved)
        SELECT channel, provider, state, reason, lag, sum(moved)
        FROM gone WHERE was <> state OR state = 'pending' GROUP BY 1, 2, 3, 4, 5
        ON CONFLICT (channel, provider, state, reason, lag) DO UPDATE SET moved = t.moved + EXCLUDED.moved
    ), broadcasts AS (
        INSERT INTO carillon_broadcasttally AS t (notification_id, slot, state, held, sent, delivered)
        SELECT notification_id, slot, state, sum(moved), sum(sent), sum(delivered)
        FROM (SELECT notification_id, slot, state, moved, sent, delivered FROM gone
              UNION ALL SELECT notification_id, slot, was, -moved, 0, 0 FROM gone WHERE was <> '') s
        WHERE notification_id IS NOT NULL GROUP BY 1, 2, 3
        ON CONFLICT (notification_id, slot, state) DO UPDATE
        SET held = t.held + EXCLUDED.held, sent = t.sent + EXCLUDED.sent, delivered = t.delivered + EXCLUDED.delivered
    )
    SELECT count(*) FROM gone
"""

FOLD_BROADCASTS = """
    WITH gone AS (
        DELETE FROM carillon_broadcasttally WHERE id IN (
            SELECT id FROM carillon_broadcasttally
            WHERE slot > '1970-01-01 00:00:00+00' AND slot < statement_timestamp() - make_interval(secs => %(age)s)
            ORDER BY slot LIMIT %(limit)s
        ) RETURNING *
    ), folded AS (
        INSERT INTO carillon_broadcasttally AS t (notification_id, slot, state, held, sent, delivered)
        SELECT notification_id, %(epoch)s, state, sum(held), sum(sent), sum(delivered) FROM gone GROUP BY 1, 3
        ON CONFLICT (notification_id, slot, state) DO UPDATE
        SET held = t.held + EXCLUDED.held, sent = t.sent + EXCLUDED.sent, delivered = t.delivered + EXCLUDED.delivered
    )
    SELECT count(*) FROM gone
"""

# An hour is folded as a whole where the limit allows it; else what is left is added to it by the next turn.
FOLD_TRAFFIC = """
    WITH gone AS (
        DELETE FROM carillon_traffic WHERE id IN (
            SELECT id FROM carillon_traffic
            WHERE seconds = 60 AND begins < statement_timestamp() - make_interval(secs => %(age)s)
            ORDER BY begins LIMIT %(limit)s
        ) RETURNING *
    ), folded AS (
        INSERT INTO carillon_traffic AS t
            (begins, seconds, channel, provider, category, was, state, reason, lag, moved)
        SELECT date_bin('1 hour', begins, 'epoch'), 3600, channel, provider, category, was, state, reason, lag,
               sum(moved)
        FROM gone GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
        ON CONFLICT (begins, seconds, channel, provider, category, was, state, reason, lag)
        DO UPDATE SET moved = t.moved + EXCLUDED.moved
    )
    SELECT count(*) FROM gone
"""

FORGET_TRAFFIC = """
    WITH gone AS (
        DELETE FROM carillon_traffic WHERE id IN (
            SELECT id FROM carillon_traffic WHERE begins < statement_timestamp() - make_interval(secs => %(age)s)
            ORDER BY begins LIMIT %(limit)s
        ) RETURNING 1
    )
    SELECT count(*) FROM gone
"""

_HELD = """
    SELECT notification_id, slot, state, held, sent, delivered FROM carillon_broadcasttally
    WHERE notification_id = ANY(%(notifications)s::uuid[])
    UNION ALL SELECT notification_id, slot, state, moved, sent, delivered FROM carillon_tally
    WHERE notification_id = ANY(%(notifications)s::uuid[])
    UNION ALL SELECT notification_id, slot, was, -moved, 0, 0 FROM carillon_tally
    WHERE notification_id = ANY(%(notifications)s::uuid[]) AND was <> ''
"""

# The clock comes along, with a row of its own where there is no tally.
COUNTS = f"""
    SELECT statement_timestamp(), t.* FROM (SELECT 1) one LEFT JOIN (
        SELECT notification_id, state, sum(held), sum(sent), sum(delivered),
               coalesce(sum(sent) FILTER (WHERE slot >= statement_timestamp() - make_interval(secs => %(late)s)), 0)
        FROM ({_HELD}) h GROUP BY 1, 2
    ) t ON true
"""  # noqa: S608 - built from names of ours only

# A correction belongs to no minute and to no traffic: nothing moved.
RECOUNT = f"""
    INSERT INTO carillon_broadcasttally AS t (notification_id, slot, state, held, sent, delivered)
    SELECT %(notification)s::uuid, 'epoch', state, sum(held), sum(sent), sum(delivered) FROM (
        SELECT {waiting("state")} AS state, count(*) AS held,
               count(*) FILTER (WHERE state = ANY({TAKEN}) OR sent_at IS NOT NULL) AS sent,
               count(*) FILTER (WHERE state = ANY({REACHED}) OR delivered_at IS NOT NULL) AS delivered
        FROM carillon_delivery
        WHERE notification_id = %(notification)s::uuid AND id >= %(first)s::uuid AND id < %(beyond)s::uuid GROUP BY 1
        UNION ALL SELECT state, -held, -sent, -delivered FROM carillon_broadcasttally
        WHERE notification_id = %(notification)s::uuid
        UNION ALL SELECT state, -moved, -sent, -delivered FROM carillon_tally
        WHERE notification_id = %(notification)s::uuid
        UNION ALL SELECT was, moved, 0, 0 FROM carillon_tally
        WHERE notification_id = %(notification)s::uuid AND was <> ''
    ) s GROUP BY state
    ON CONFLICT (notification_id, slot, state) DO UPDATE
    SET held = t.held + EXCLUDED.held, sent = t.sent + EXCLUDED.sent, delivered = t.delivered + EXCLUDED.delivered
"""  # noqa: S608
