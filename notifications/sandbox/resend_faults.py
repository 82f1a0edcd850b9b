"""Which mailboxes fail at the sandbox's Resend, and how: the table that door, tests and documentation share.

Facts: https://resend.com/docs/api-reference/errors and https://resend.com/docs/dashboard/webhooks/event-types
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ResendFault:
    """What Resend does with a mailbox ``word@`` or ``word-anything@``: refuse it, or take it and post ``events``."""

    word: str
    message: str
    http: int = 200
    name: str = ""
    events: tuple[str, ...] = ()
    first_only: bool = False


DELIVERED: tuple[str, ...] = ("sent", "delivered")
"""What is reported of a mailbox without a fault."""

RESEND_FAULTS: tuple[ResendFault, ...] = (
    ResendFault("bounce", "taken, then bounces for good", events=("sent", "bounced")),
    ResendFault("soft", "taken, then delayed", events=("sent", "soft_bounced")),
    ResendFault("suppressed", "taken, then not sent: on Resend's list", events=("suppressed",)),
    ResendFault("complaint", "taken, delivered, then reported as spam", events=("sent", "delivered", "complained")),
    ResendFault("open", "taken, delivered, then opened", events=("sent", "delivered", "opened")),
    ResendFault("click", "taken, delivered, opened, clicked", events=("sent", "delivered", "opened", "clicked")),
    ResendFault("silent", "taken, and no word of it again"),
    ResendFault("invalid", "Invalid `to` field. The email address {address} is not valid.", 422, "validation_error"),
    ResendFault("poison", "Invalid `tags` field.", 422, "validation_error"),
    ResendFault("unverified", "The example.com domain is not verified.", 403, "validation_error"),
    ResendFault("daily", "You have reached your daily email sending quota.", 429, "daily_quota_exceeded"),
    ResendFault("quota", "Too many requests. You can only make 2 requests per second.", 429, "rate_limit_exceeded"),
    ResendFault("down", "An unexpected error occurred.", 500, "internal_server_error"),
    ResendFault("flaky", "An unexpected error occurred.", 500, "internal_server_error", first_only=True),
)
"""By the local part, whole or up to its first hyphen; every other mailbox is accepted and reported delivered."""

_WORDS = {fault.word: fault for fault in RESEND_FAULTS}


def resend_fault(address: str) -> ResendFault | None:
    """Return the fault that this mailbox asks for, if any."""
    return _WORDS.get(address.partition("@")[0].partition("-")[0].lower())
