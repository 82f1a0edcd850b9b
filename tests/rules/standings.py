"""Standings to begin with, for the tables of this folder."""

from __future__ import annotations

from datetime import UTC, datetime

from notifications.enums import Reason, State
from notifications.rules.standing import Standing

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def at(state: State, reason: Reason = Reason.NONE, **values: object) -> Standing:
    """Return a standing."""
    return Standing(state, reason, NOW)._replace(**values)  # type: ignore[arg-type]
