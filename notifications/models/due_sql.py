"""The SQL that asks what is due.

What waits comes and goes faster than PostgreSQL's statistics follow: it takes "pending" for a handful of rows, however
many wait, and would read and sort all of them for every claim. So these statements leave it one way only. LATERAL with
a LIMIT is asked lane by lane, where EXISTS may be turned into a join with all that waits; what is asked for in order of
`due_at` is found by the index that has it; and while a claim locks its rows, `enable_sort` is off for the same reason.
Measured with 10,000 waiting: 17 ms became 2 for a claim, and 8 ms became 0.1 for a look at what is more urgent.
"""

DUE_LANE = """
    SELECT l.lane FROM unnest(%s::smallint[]) AS l(lane) CROSS JOIN LATERAL (
        SELECT 1 FROM carillon_delivery
        WHERE channel = %s AND lane = l.lane AND state = 'pending' AND due_at <= statement_timestamp()
        ORDER BY due_at LIMIT 1
    ) d
    ORDER BY l.lane LIMIT 1
"""
#: The same, and from now on in this transaction what has an index in its order is read in it.
DUE_LANE_IN_ORDER = f"""
    SELECT due.lane, set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true)
    FROM ({DUE_LANE}) due
"""  # noqa: S608 - of our own text only
#: The clock, and the planner is free again.
NOW_IN_ANY_ORDER = """
    SELECT clock_timestamp(), set_config('enable_sort', 'on', true), set_config('enable_bitmapscan', 'on', true)
"""
CHANNELS_DUE = """
    SELECT DISTINCT c.channel FROM unnest(%s::text[]) AS c(channel) CROSS JOIN unnest(%s::smallint[]) AS l(lane)
    CROSS JOIN LATERAL (
        SELECT 1 FROM carillon_delivery
        WHERE channel = c.channel AND lane = l.lane AND state = 'pending' AND due_at <= statement_timestamp()
        ORDER BY due_at LIMIT 1
    ) d
"""
NEXT_DUE = """
    SELECT extract(epoch FROM min(d.due_at) - clock_timestamp())::float8
    FROM unnest(%s::smallint[]) AS l(lane) CROSS JOIN LATERAL (
        SELECT due_at FROM carillon_delivery
        WHERE channel = %s AND lane = l.lane AND state = 'pending' ORDER BY due_at LIMIT 1
    ) d
"""
