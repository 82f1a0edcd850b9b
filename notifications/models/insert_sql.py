"""The statement that inserts a page of deliveries and tallies those that were new."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..rules.identity import bounds_of
from .tally_queries import REACHED, TAKEN, TALLIED

if TYPE_CHECKING:
    from .log import Delivery

# What is the same in all rows is written once, as a constant; the rest comes as one document.
_INSERT = f"""
    WITH changed AS (
        INSERT INTO carillon_delivery ({{names}})
        SELECT {{sources}} FROM json_to_recordset(%(rows)s::json) AS r({{columns}})
        ON CONFLICT DO NOTHING
        RETURNING id, notification_id, channel, provider, '' AS was, state, reason, sent_at, true AS tried,
                  false AS was_sent, state = ANY({TAKEN}) OR sent_at IS NOT NULL AS is_sent,
                  false AS was_delivered, state = ANY({REACHED}) OR delivered_at IS NOT NULL AS is_delivered
    ), {TALLIED}
    SELECT id FROM changed
"""  # noqa: S608


def statement(fields: Sequence[tuple[str, str, str]], rows: Sequence[Delivery]) -> tuple[str, dict[str, Any]]:
    """Return the statement for rows with these fields (column, attribute, type), and its values.

    It returns the ids that were inserted.
    """
    first, beyond = bounds_of(row.notification_id for row in rows)
    values: dict[str, Any] = {"first": first, "beyond": beyond}
    names, sources, varying, kinds = [], [], {}, []
    given = [vars(row) for row in rows]  # attributes of models are slow to read, and there are many
    for name, attribute, full_kind in fields:
        kind = "text" if full_kind.startswith("varchar") else full_kind  # a cast to it would cut what is too long
        column = [row[attribute] for row in given]
        constant = name != "id" and column.count(column[0]) == len(column)
        if constant:
            values[name] = json.dumps(column[0]) if isinstance(column[0], dict) else _plain(column[0])
        else:
            varying[name] = [_plain(item) for item in column]
            kinds.append(f"{name} {kind}")
        names.append(name)
        sources.append(f"%({name})s::{kind}" if constant else f"r.{name}")
    keys = list(varying)
    values["rows"] = json.dumps([dict(zip(keys, row, strict=True)) for row in zip(*varying.values(), strict=True)])
    return _INSERT.format(names=", ".join(names), sources=", ".join(sources), columns=", ".join(kinds)), values


def _plain(value: object) -> object:
    """Return a value as JSON and PostgreSQL both read it; whatever else JSON has no form for stays, and is refused."""
    return str(value) if isinstance(value, UUID | datetime | Enum) else value
