"""The SQL by which clients take turns in a lane: who has something due, and the first of each."""

from __future__ import annotations

# From one client's first entry of the index straight to the next client's, however much each has waiting.
_FIRST = """
    SELECT d.client, d.due_at FROM carillon_delivery d
    WHERE d.channel = %(channel)s AND d.lane = %(lane)s AND d.state = 'pending' AND d.client {beyond}
    ORDER BY d.client, d.due_at LIMIT 1
"""
CLIENTS_DUE = f"""
    WITH RECURSIVE c(client, due_at) AS (
        ({_FIRST.format(beyond="IS NOT NULL")})
        UNION ALL
        SELECT n.client, n.due_at FROM c CROSS JOIN LATERAL ({_FIRST.format(beyond="> c.client")}) n
    )
    SELECT client FROM c WHERE due_at <= statement_timestamp() LIMIT %(most)s
"""  # noqa: S608 - constants alone
# A range of one, and not "=": only the index by clients has the order that is then asked for. By the index of due_at
# alone, whatever others have waiting would be read past, and the planner takes that for a handful of rows.
LOCK_OF_CLIENTS = """
    SELECT first.* FROM unnest(%(clients)s::int[]) AS u(client) CROSS JOIN LATERAL (
        SELECT * FROM carillon_delivery d
        WHERE d.channel = %(channel)s AND d.lane = %(lane)s AND d.state = 'pending'
          AND d.client >= u.client AND d.client <= u.client AND d.due_at <= statement_timestamp()
        ORDER BY d.client, d.due_at LIMIT %(each)s FOR UPDATE SKIP LOCKED
    ) first
"""
