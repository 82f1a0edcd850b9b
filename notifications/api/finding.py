"""Finding: the object that an address names, or a 404."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404

from ..exceptions import UnknownRecipient
from ..flows.belongings import known_recipient
from ..flows.grants import assert_may_change, assert_may_read, notification_of
from ..flows.recipients import find_user_key
from ..models import Broadcast, Notification
from ..rules.grants import Grant
from ..rules.identity import UserKey


def find_notification(key: UUID, grant: Grant, *, to_change: bool = False) -> Notification:
    """Return a notification to one recipient.

    Raises:
        Http404: there is none; a broadcast's is reached through its broadcast.
        NotAllowed, SandboxOnly: it is not for this caller to see, or to change.
    """
    found = Notification.objects.exclude(recipient="").filter(pk=key).first()
    if found is None:
        raise Http404
    (assert_may_change if to_change else assert_may_read)(grant, found)
    return found


def find_broadcast(key: UUID, grant: Grant, *, to_change: bool = False) -> Broadcast:
    """Return a broadcast.

    Raises:
        Http404: there is none.
        NotAllowed, SandboxOnly: it is not for this caller to see, or to change.
    """
    found = Broadcast.objects.defer("audience", "exclude").filter(pk=key).first()
    if found is None:
        raise Http404
    (assert_may_change if to_change else assert_may_read)(grant, notification_of(grant, found))
    return found


def find_user(value: str) -> UserKey:
    """Return the key of the user that an address names.

    Raises:
        Http404: there is none.
    """
    try:
        return find_user_key(value)
    except UnknownRecipient:
        raise Http404 from None


def find_person(value: str) -> str:
    """Return the recipient that an address names, even if the host has deleted the user, as long as we know them.

    Raises:
        Http404: neither the host nor we do.
    """
    try:
        return known_recipient(value)
    except UnknownRecipient:
        raise Http404 from None
