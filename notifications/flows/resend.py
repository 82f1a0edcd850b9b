"""Resend: one person's message once more, as a new notification that is linked to the first; asked for by a person.

It is accepted as any other: preference, suppression, quiet hours and limits hold, and the words are those published
now. Its idempotency key counts the resends that there were when somebody looked, so that two presses, or two
operators who saw the same page, send one message.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from ..cipher import decrypt
from ..enums import TAKEN_STATES
from ..exceptions import InvalidData, Problem, RequestRejected, UnknownRecipient
from ..models import Delivery, Notification, Template
from .accept import accept
from .explain import Explanation, explain
from .operate import By, audit
from .people import person_of
from .requests import Accepted, Request

OWNER = "console"


@dataclass(frozen=True)
class Resendable:
    """A message as it could be sent again: the request, how often that was done, and which deliveries had gone out."""

    request: Request
    earlier: int
    taken: tuple[Delivery, ...]


def resendable(notification_id: UUID, recipient: str) -> Resendable:
    """Return what sending a message to this recipient again would ask for; nothing is written.

    Raises:
        RequestRejected: it cannot be sent again: it or its recipient is gone, or its secrets have been erased.
    """
    found = Notification.objects.filter(pk=notification_id).first()
    rows = list(Delivery.objects.filter(notification_id=notification_id, recipient=recipient))
    if found is None or not rows:
        raise _refused("unknown_notification", _("There is no such message to this person (any more)."))
    person = person_of(recipient, found)
    if person is None:
        raise UnknownRecipient(_("There is no such user any more."))
    data = _variables(found, rows)
    made = Request(
        person,
        found.template,
        data,
        channels=tuple(found.channels),
        ttl=found.expires_at - (found.send_at or found.created_at) if found.expires_at else None,
        collapse_key=found.collapse_key,
        tags=tuple(found.tags),
        owner=OWNER,
        resend_of=found.pk,
    )
    earlier = Notification.objects.filter(recipient=recipient, pk__gt=found.pk, resend_of=found.pk).count()
    return Resendable(made, earlier, tuple(row for row in rows if row.state in TAKEN_STATES))


def foresee(again: Resendable) -> Explanation:
    """Return what would become of it now, channel by channel; nothing is written.

    Raises:
        RequestRejected: it would be refused.
    """
    return explain(again.request)


def resend(again: Resendable, seen: int, by: By) -> Accepted:
    """Send it again, unless that was done since somebody saw `seen` resends; then return that one, as a replay.

    Raises:
        RequestRejected: it was refused; nothing was written.
    """
    request = again.request
    person = getattr(request.recipient, "recipient", "")
    with transaction.atomic():
        key = f"resend:{request.resend_of}:{person}:{seen}"
        done = accept(replace(request, idempotency_key=key))
        if not done.replayed:
            audit(
                by, "resend", subject=str(request.resend_of), planned=1, done=1, notification=str(done.notification_id)
            )
    return done


def _variables(found: Notification, rows: list[Delivery]) -> dict[str, object]:
    """Return all variables of a message to one person, the sensitive ones among them."""
    own = next((row.data for row in rows if row.data), None) or {}
    data: dict[str, object] = {**found.data, **own}
    if found.secrets:
        return data | decrypt(bytes(found.secrets))
    sensitive = Template.objects.filter(slug=found.template).values_list("sensitive", flat=True).first() or ()
    if any(name not in data for name in sensitive):
        raise _refused(
            "erased", _("Its sensitive variables have been erased after use, so it can never be sent again.")
        )
    return data


def _refused(code: str, detail: str) -> RequestRejected:
    return InvalidData(detail, Problem("/resend_of", code, detail))
