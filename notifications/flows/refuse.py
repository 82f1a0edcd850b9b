"""Refuse: leave a row for the timeline, never the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import DatabaseError, connection

from ..declarations import SLUG
from ..exceptions import RequestRejected, UnknownRecipient
from ..messages import Address
from ..models import RefusedRequest
from ..rules.identity import user_recipient
from .recipients import find_recipient

_DETAIL = 2_000


@dataclass(frozen=True)
class Refusal:
    """One refused request: why, and what it asked for; `reason` is the kind of problem, if not the error's own."""

    error: RequestRejected
    template: str
    recipient: object = None
    reason: str = ""


def refuse(
    error: RequestRejected, *, template: str, recipient: object = None, owner: str = "", request_id: str = ""
) -> None:
    """Keep a refused request for the timeline; a database that is away must not hide the refusal itself."""
    refuse_all([Refusal(error, template, recipient)], owner=owner, request_id=request_id)


def refuse_all(refusals: Sequence[Refusal], *, owner: str = "", request_id: str = "") -> None:
    """Keep refused requests of one caller, in one statement."""
    if not refusals or (connection.in_atomic_block and connection.needs_rollback):
        return
    try:
        RefusedRequest.objects.bulk_create([_row(item, owner[:80], request_id[:64]) for item in refusals])
    except DatabaseError:
        if connection.in_atomic_block:
            raise


def _row(refusal: Refusal, owner: str, request_id: str) -> RefusedRequest:
    error = refusal.error
    # Codes and where in the request, but no name that the caller chose: it could be anything.
    where = "; ".join(f"/{problem.pointer.lstrip('/').partition('/')[0]} {problem.code}" for problem in error.problems)
    slug = refusal.template if SLUG.match(refusal.template) else ""
    return RefusedRequest(
        recipient=_recipient_text(refusal.recipient),
        template=slug,
        reason=refusal.reason or error.slug,
        detail=f"{error.detail if slug or refusal.reason else ''} {where}".strip()[:_DETAIL],
        owner=owner,
        request_id=request_id,
    )


def _recipient_text(recipient: object) -> str:
    """Return who was meant, as far as it may be kept: a user's key or a keyed hash, never an address."""
    if recipient is None:
        return ""
    if isinstance(recipient, Address):
        try:
            return find_recipient(recipient).recipient
        except UnknownRecipient:
            return ""
    return user_recipient(getattr(recipient, "pk", recipient))[:80]
