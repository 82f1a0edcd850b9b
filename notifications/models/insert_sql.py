"""The statement that inserts a page of deliveries and tallies those that were new."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

from ..rules.identity import bounds_of
from .tally_queries import REACHED, TAKEN, TALLIED

# What is the same in all rows is written once, as a constant; the rest comes column by column. Arrays are a third less
# work than one document of all rows, if their text is made here: psycopg2 takes longer for a list than PostgreSQL.
_INSERT = f"""
    WITH changed AS (
        INSERT INTO carillon_delivery ({{names}})
        SELECT {{sources}} FROM ROWS FROM ({{columns}}) AS r({{varying}})
        ON CONFLICT DO NOTHING
        RETURNING id, notification_id, channel, provider, '' AS was, state, reason, sent_at, true AS tried,
                  false AS was_sent, state = ANY({TAKEN}) OR sent_at IS NOT NULL AS is_sent,
                  false AS was_delivered, state = ANY({REACHED}) OR delivered_at IS NOT NULL AS is_delivered
    ), {TALLIED}
    SELECT id FROM changed WHERE %(tell)s
"""  # noqa: S608


#: What stands for more than itself between quotes.
_BEFORE = re.compile(r'["\\]')


class NewDelivery(NamedTuple):
    """A delivery as it was planned, by its columns; ids are text. An instance of the model takes ten times as long."""

    id: str
    notification_id: UUID
    recipient: str
    channel: str
    step: int
    lane: int
    device_id: str | None
    address: str
    locale: str
    time_zone: str
    data: Mapping[str, object] | None
    state: str
    reason: str
    due_at: datetime
    expires_at: datetime | None
    updated_at: datetime
    client: int | None


_PLANNED = tuple(NewDelivery.__annotations__)


class Column(NamedTuple):
    """A column of the table, with what it holds where planning says nothing."""

    name: str
    kind: str
    default: object


def statement(columns: Sequence[Column], rows: Sequence[NewDelivery], *, tell: bool) -> tuple[str, dict[str, Any]]:
    """Return the statement that inserts these rows, and its values; asked to tell, it returns the ids inserted."""
    planned: dict[str, tuple[Any, ...]] = dict(zip(_PLANNED, zip(*rows, strict=True), strict=True))
    first, beyond = bounds_of(set(planned["notification_id"]))
    values: dict[str, Any] = {"first": first, "beyond": beyond, "tell": tell}
    sources, varying = [], []
    for name, full_kind, default in columns:
        kind = "text" if full_kind.startswith("varchar") else full_kind  # a cast to it would cut what is too long
        items = planned.get(name, (default,))
        # To Python [1] and [True] are the same, to a reader they are not: variables agree where none has any.
        agree = all(item is None for item in items) if name == "data" else items.count(items[0]) == len(items)
        if name != "id" and agree:
            values[name] = json.dumps(items[0]) if isinstance(items[0], dict) else _plain(items[0])
            sources.append(f"%({name})s::{kind}")
        elif kind == "jsonb":
            # A document of its own: what is no variable is null in it, which is not yet NULL.
            values[name] = json.dumps(items)
            varying.append((name, f"jsonb_array_elements(%({name})s::jsonb)"))
            sources.append(f"nullif(r.{name}, 'null'::jsonb)")
        else:
            values[name] = _array(items, kind)
            varying.append((name, f"unnest(%({name})s::{kind}[])"))
            sources.append(f"r.{name}")
    names = ", ".join(column.name for column in columns)
    told = {"columns": ", ".join(call for _, call in varying), "varying": ", ".join(name for name, _ in varying)}
    return _INSERT.format(names=names, sources=", ".join(sources), **told), values


def _array(items: Sequence[Any], kind: str) -> str:
    """Return values as the text of an array: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO."""
    if kind == "text":
        quoted = '","'.join(items)
        if "\\" not in quoted and quoted.count('"') == 2 * (len(items) - 1):
            return f'{{"{quoted}"}}'  # nearly always
        return "{" + ",".join('"' + _BEFORE.sub(r"\\\g<0>", item) + '"' for item in items) + "}"
    # Numbers, keys and moments need no quotes, and many rows share one.
    told = {item: "NULL" if item is None else str(_plain(item)) for item in set(items)}
    return "{" + ",".join([told[item] for item in items]) + "}"


def _plain(value: object) -> object:
    return str(value) if isinstance(value, UUID | datetime | Enum) else value
