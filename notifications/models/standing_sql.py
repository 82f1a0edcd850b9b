"""The statement that writes new standings of many deliveries, no wider than what changes.

Most changes of a group agree: all become `sending` under one claim, or `sent` at nearly one time. What differs from row
to row goes out as an array, what is the same for all as one value, and what nobody changes not at all. Measured for
groups of 64: a sixth of the client's work and half of PostgreSQL's, against all columns as arrays.

What only some of a group change, the others keep as the table has it, and not as they were read: somebody else may have
changed it since, while state and claim stayed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from operator import ne
from typing import Any

from ..enums import State
from ..rules.identity import bounds_of
from ..rules.standing import STANDING_FIELDS, Change
from .tally_queries import REACHED, TAKEN, TALLIED, waiting

_TYPES = {
    "due_at": "timestamptz",
    "fallback_at": "timestamptz",
    "attempt": "smallint",
    "retries": "smallint",
    "generation": "smallint",
    "lost_leases": "smallint",
    "claim_id": "bigint",
    "position": "integer",
    "possible_duplicate": "boolean",
    "maybe_sent": "boolean",
    "keyed_at": "timestamptz",
    "sent_at": "timestamptz",
    "delivered_at": "timestamptz",
    "was_claim": "bigint",
    "touched": "integer",
}
# Built from names of ours only, no value. The ids stand there once more beside the joins, so that PostgreSQL plans for
# their partitions alone; as bounds they would invite it to read all between them. Joined as text, since a join must
# not become a look into the index for each row, for which all the ids would be sorted each time (78 ms). Nor may
# PostgreSQL judge from its statistics how many will be found: of 64 among a million it expects none by their keys, and
# then reads all of them once more for each (four times the work on a large log). Of text that is made here it knows
# nothing. What stood there before is asked of what is locked, and so the newest: asked of `d`, it would lead to the
# partial index of all that is pending, whose size PostgreSQL does not know (23 ms instead of 6 for a claim of 500 among
# 12,000).
_APPLY = """
    WITH u AS (
        SELECT l.id, l.state = {was_given} AND l.claim_id IS NOT DISTINCT FROM {claim_given} AS stands,
               l.attempt AS old_attempt, l.sent_at AS old_sent_at, l.delivered_at AS old_delivered_at{given}
        FROM carillon_delivery l JOIN unnest(%(ids)s::uuid[]{arrays}) AS g(id{names}) ON g.id::text = l.id::text
        WHERE l.id = ANY(%(ids)s::uuid[]) ORDER BY l.id FOR UPDATE OF l
    ), changed AS (
        UPDATE carillon_delivery d SET {assign}updated_at = clock_timestamp()
        FROM u
        WHERE d.id::text = CASE WHEN u.stands THEN u.id::text END AND d.id = ANY(%(ids)s::uuid[])
        RETURNING {returned}
    ){tallied}
    SELECT count(*), CASE WHEN count(*) < cardinality(%(ids)s::uuid[]) THEN coalesce(array_agg(id), '{{}}') END
    FROM changed
"""
_COUNTED = """d.id, d.notification_id, d.channel, d.provider, d.reason, d.sent_at,
                  {was} AS was, {state} AS state,
                  d.attempt > u.old_attempt AS tried,
                  {was_state} = ANY({taken}) OR u.old_sent_at IS NOT NULL AS was_sent,
                  d.state = ANY({taken}) OR d.sent_at IS NOT NULL AS is_sent,
                  {was_state} = ANY({reached}) OR u.old_delivered_at IS NOT NULL AS was_delivered,
                  d.state = ANY({reached}) OR d.delivered_at IS NOT NULL AS is_delivered"""
#: What a tally goes by, besides the state.
_COUNTED_BY = frozenset({"attempt", "sent_at", "delivered_at"})
_UNWRITTEN = ("was_state", "was_claim", "touched")


def statement(changes: Sequence[Change]) -> tuple[str, dict[str, Any]]:
    """Return the statement that writes and tallies these changes, and its values.

    It returns how many were written, and their ids where it was not each of them.
    """
    columns: dict[str, list[object]] = {
        "was_state": [change.before.state.value for change in changes],
        "was_claim": [change.before.claim_id for change in changes],
    }
    mixed: dict[str, list[bool]] = {}
    before = zip(*(change.before for change in changes), strict=True)
    after = zip(*(change.after for change in changes), strict=True)
    for name, old, new in zip(STANDING_FIELDS, before, after, strict=True):
        if old == new:
            continue
        columns[name] = [str(item) for item in new] if name in ("state", "reason") else list(new)
        changed = list(map(ne, old, new))
        if not all(changed):
            mixed[name] = changed
    if mixed:
        # One bit of a number for each such column, whether the row changes it.
        columns["touched"] = [
            sum(1 << bit for bit, changed in enumerate(row) if changed) for row in zip(*mixed.values(), strict=True)
        ]
    same = tuple(name for name, values in columns.items() if all(item == values[0] for item in values))
    ids = [change.delivery_id for change in changes]
    first, beyond = bounds_of(ids)  # of their notifications too
    given = {name: values[0] if name in same else values for name, values in columns.items()}
    varying = tuple(name for name in columns if name not in same)
    counted = not (_is_claim(changes) and columns.keys().isdisjoint(_COUNTED_BY))
    return _sql(same, varying, tuple(mixed), counted=counted), {
        "ids": f"{{{','.join(map(str, ids))}}}", "first": first, "beyond": beyond, **given
    }  # fmt: skip


def _is_claim(changes: Sequence[Change]) -> bool:
    """Whether all that happens is that what waited is claimed: it counts as waiting still, so there is no tally."""
    return all(change.before.state == State.PENDING and change.after.state == State.SENDING for change in changes)


@lru_cache(maxsize=256)
def _sql(same: tuple[str, ...], varying: tuple[str, ...], mixed: tuple[str, ...], *, counted: bool) -> str:
    def value(name: str, of: str = "u") -> str:
        return f"%({name})s::{_type(name)}" if name in same else f"{of}.{name}"

    def assigned(name: str) -> str:
        if name not in mixed:
            return value(name)
        return f"CASE WHEN {value('touched')} & {1 << mixed.index(name)} <> 0 THEN {value(name)} ELSE d.{name} END"

    written = [name for name in (*same, *varying) if name not in _UNWRITTEN]
    was_state = value("was_state")
    words = {"was_state": was_state, "was": waiting(was_state), "state": waiting("d.state")}
    return _APPLY.format(
        assign="".join(f"{name} = {assigned(name)}, " for name in written),
        given="".join(f", g.{name}" for name in varying),
        arrays="".join(f", %({name})s::{_type(name)}[]" for name in varying),
        names="".join(f", {name}" for name in varying),
        was_given=value("was_state", "g"),
        claim_given=value("was_claim", "g"),
        returned=_COUNTED.format(**words, taken=TAKEN, reached=REACHED) if counted else "d.id",
        tallied=f", {TALLIED}" if counted else "",
    )


def _type(name: str) -> str:
    return _TYPES.get(name, "text")
