"""Django's own mail through Carillon: `EMAIL_BACKEND = "notifications.email_backend.EmailBackend"`.

What `send_mail()` sends is then stored, retried, failed over, explained and suppressed as every other message, and
joins the caller's transaction. It carries a subject and a plain text to mailboxes; anything else is refused, or goes to
the backend that a subclass names, never out without a part of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from email.utils import parseaddr
from typing import ClassVar

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.utils.translation import get_language

from .declarations.slugs import MAIL
from .exceptions import RequestRejected
from .flows.accept import accept_all
from .flows.requests import Request
from .messages import Address

OWNER = "email-backend"


class UnsupportedMail(ValueError):
    """A message has something that Carillon does not carry; the text says what, and nothing of it was sent."""


class EmailBackend(BaseEmailBackend):
    """Hands Django's messages to Carillon; each address in `to` becomes a notification of its own.

    The sender is that of the email provider. `otherwise` may name another backend (a dotted path) for messages with
    attachments, HTML, copies, a sender or headers of their own; without one they raise `UnsupportedMail`.
    """

    otherwise: ClassVar[str | None] = None

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Accept messages and return how many were; they go out when the caller's transaction has committed.

        Raises:
            UnsupportedMail: one has what cannot be carried, and there is no `otherwise`; none was accepted.
            RequestRejected: one cannot be accepted (no mailbox, too long); none was. With `fail_silently`, all others
                are, as with Django's own backends.
        """
        messages = [message for message in email_messages if message.recipients()]
        ours = [message for message in messages if not lacks(message)]
        others = [message for message in messages if lacks(message)]
        if others and self.otherwise is None and not self.fail_silently:
            raise UnsupportedMail(f"{lacks(others[0])}: Carillon does not carry that. {_CURE}")
        done = self._accept(ours)
        if others and self.otherwise is not None:
            done += get_connection(self.otherwise, fail_silently=self.fail_silently).send_messages(others) or 0
        return done

    def _accept(self, messages: Sequence[EmailMessage]) -> int:
        asked = [(number, request) for number, message in enumerate(messages) for request in _requests(message)]
        with transaction.atomic():
            outcomes = accept_all([request for _, request in asked], lambda *_: None)
            refused = {
                number: outcome
                for (number, _), outcome in zip(asked, outcomes, strict=True)
                if isinstance(outcome, RequestRejected)
            }
            if refused and not self.fail_silently:
                raise next(iter(refused.values()))
        return len(messages) - len(refused)


def lacks(message: EmailMessage) -> str:
    """Return what a message has that Carillon does not carry, or ""."""
    senders = {"", settings.DEFAULT_FROM_EMAIL, settings.SERVER_EMAIL}
    found = {
        "attachments": message.attachments,
        "an HTML part or another alternative": getattr(message, "alternatives", None),
        "a body that is not plain text": message.content_subtype != "plain",
        "cc or bcc": [*message.cc, *message.bcc],
        "reply_to": message.reply_to,
        "headers of its own": message.extra_headers,
        "a sender of its own": (message.from_email or "") not in senders,
    }
    return next((what for what, there in found.items() if there), "")


def _requests(message: EmailMessage) -> Iterator[Request]:
    data = {"subject": str(message.subject), "text": str(message.body)}
    for to in message.to:
        address = Address(email=parseaddr(str(to))[1] or str(to), locale=get_language())
        yield Request(address, MAIL, data, owner=OWNER)


_CURE = (
    'Send it through another backend: get_connection("..."), or a subclass of notifications.email_backend.EmailBackend'
    " whose `otherwise` names one."
)
