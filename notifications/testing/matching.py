"""Whom an assertion means, and which deliveries are theirs."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Model, Q

from ..channels import SPECS
from ..conf import did_you_mean
from ..enums import Channel, Family, State
from ..exceptions import UnknownRecipient
from ..flows.recipients import find_recipients
from ..messages import Address
from ..models import Delivery
from ..rules.identity import user_recipient
from .telling import templates_of

Whom = Model | Address | str


def stored(user: Whom | None, channel: str | None, template: str | None) -> list[Delivery]:
    """Return the deliveries to somebody (None: to anybody) on a channel, of a template; oldest first.

    Raises:
        ValueError: there is no such channel, or the user was never saved.
    """
    known = tuple(Channel.values)
    if channel is not None and channel not in known:
        raise ValueError(f"there is no channel {channel!r}: {did_you_mean(channel, known)}")
    wanted = _theirs(user) & (Q(channel=channel) if channel else Q())
    rows = list(Delivery.objects.filter(wanted).order_by("pk"))
    if template is None:
        return rows
    templates = templates_of(rows)
    return [row for row in rows if templates.get(row.notification_id) == template]


def is_held_back(row: Delivery) -> bool:
    """Whether it was not sent on purpose."""
    return State(row.state).family is Family.NOT_SENT


def named(what: str, user: Whom | None, channel: str | None, template: str | None) -> str:
    """Return what was asked for, as a sentence goes on."""
    whom = _name(user) if user is not None else "anybody"
    by = f" by {channel}" if channel else ""
    of = f" with template {template!r}" if template else ""
    return f"{what} {whom}{by}{of}"


def _theirs(user: Whom | None) -> Q:
    if user is None:
        return Q()
    if isinstance(user, Model):
        if user.pk is None:
            raise ValueError(f"{user!r} was never saved, so nothing can have been sent to it")
        return Q(recipient=user_recipient(user.pk))
    if isinstance(user, Address):
        (found,) = find_recipients([user])
        if isinstance(found, UnknownRecipient):
            raise ValueError(f"{user!r} cannot be written to") from found  # noqa: TRY004 - of the right type
        return Q(recipient=found.recipient)
    return Q(address__in=_spellings(user))


def _spellings(address: str) -> Sequence[str]:
    """Return an address as given, and as each channel writes it."""
    spellings = [address]
    for spec in SPECS.values():
        try:
            spellings.append(spec.normalise(address))
        except ValueError:
            continue
    return spellings


def _name(user: Whom) -> str:
    if isinstance(user, Model):
        return f"{user} ({user_recipient(user.pk)})"
    return user if isinstance(user, str) else str(user.email or user.sms)
