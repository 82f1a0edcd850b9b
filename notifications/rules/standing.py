"""The part of a delivery that changes over its life, as a value; rules return new ones, `flows.record` writes them."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from ..enums import Reason, State


class Standing(NamedTuple):
    """Where a delivery stands; times are aware, counts start at 0.

    A tuple, since each delivery goes through half a dozen of them: a frozen dataclass takes several times as long.
    """

    state: State
    reason: Reason
    due_at: datetime
    fallback_at: datetime | None = None
    attempt: int = 0
    retries: int = 0
    generation: int = 0
    lost_leases: int = 0
    claim_id: int | None = None
    position: int | None = None
    possible_duplicate: bool = False
    maybe_sent: bool = False
    keyed_at: datetime | None = None
    provider: str = ""
    provider_message_id: str = ""
    error_code: str = ""
    error_detail: str = ""
    sent_at: datetime | None = None
    delivered_at: datetime | None = None


def storable(text: str, longest: int) -> str:
    """Return a provider's text as PostgreSQL can keep it: without NUL, lone surrogates or too much of it."""
    return str(text).encode("utf-8", "replace").decode().replace("\x00", "")[:longest]


STANDING_FIELDS = tuple(Standing.__annotations__)


class Change(NamedTuple):
    """A delivery's step from one standing to the next; it is written only if the delivery still stands at `before`.

    `keep` asks for a line in the delivery's history; `actor` says who caused it, if a person did.
    """

    delivery_id: UUID
    before: Standing
    after: Standing
    keep: bool = False
    actor: str = ""
    note: str = ""
