"""Which mailboxes fail at the sandbox's mail server, and how: the table that door, tests and documentation share.

Facts: https://www.rfc-editor.org/rfc/rfc5321#section-4.2.3 and https://www.rfc-editor.org/rfc/rfc3463
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SmtpFault:
    """What the server answers for a mailbox ``word@`` or ``word-anything@``: to RCPT, or to the message itself."""

    word: str
    code: int
    enhanced: str
    message: str
    at_data: bool = False
    first_only: bool = False

    @property
    def reply(self) -> str:
        """The line of the reply."""
        return f"{self.code} {self.enhanced} {self.message}"


SMTP_FAULTS: tuple[SmtpFault, ...] = (
    SmtpFault("inactive", 550, "5.1.1", "The email account that you tried to reach does not exist"),
    SmtpFault("invalid", 553, "5.1.3", "The recipient address is not a valid RFC 5321 address"),
    SmtpFault("relay", 554, "5.7.1", "Relay access denied"),
    SmtpFault("full", 452, "4.2.2", "The recipient's mailbox is full"),
    SmtpFault("quota", 450, "4.7.1", "Rate limit exceeded, try again later"),
    SmtpFault("flaky", 451, "4.7.1", "Greylisted, try again later", first_only=True),
    SmtpFault("gone", 421, "4.3.2", "Service shutting down, closing connection"),
    SmtpFault("poison", 554, "5.6.0", "Message content rejected", at_data=True),
    SmtpFault("spam", 550, "5.7.1", "Message refused as spam", at_data=True),
    SmtpFault("large", 552, "5.3.4", "Message size exceeds fixed limit", at_data=True),
    SmtpFault("down", 451, "4.3.0", "Local error in processing", at_data=True),
)
"""By the local part, whole or up to its first hyphen; every other mailbox is accepted."""

_WORDS = {fault.word: fault for fault in SMTP_FAULTS}


def smtp_fault(address: str) -> SmtpFault | None:
    """Return the fault that this mailbox asks for, if any."""
    return _WORDS.get(address.partition("@")[0].partition("-")[0].lower())
