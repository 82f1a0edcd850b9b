"""Recipients: whom a call means, as a person with targets."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import Model

from .. import conf
from ..channels import SPECS
from ..cipher import address_hash
from ..enums import Channel
from ..exceptions import Problem, UnknownRecipient
from ..messages import Address
from ..rules.identity import ADDRESS_PREFIX, UserKey, user_recipient
from ..rules.locales import usable_locale
from ..rules.planning import Person, Target
from ..rules.quiet_hours import zone
from .people import load_people


def find_recipient(recipient: object) -> Person:
    """Return the person that a user, an `Address` or a look-up value (HTTP's "user") means.

    A person that was found already (`carillon trial`) is returned as it is.

    Raises:
        UnknownRecipient: no such user, or no usable address.
    """
    if isinstance(recipient, Person):
        return recipient
    if isinstance(recipient, Address):
        return _address_person(recipient)
    if isinstance(recipient, Model):
        if recipient.pk is None:
            problem = Problem("/user", "unknown_user", "save the user first")
            raise UnknownRecipient("This user was never saved.", problem)
        return _user_person(recipient.pk)
    return _user_person(find_user_key(str(recipient)))


def find_user_key(value: str) -> UserKey:
    """Return the primary key of the user that a look-up value names.

    Raises:
        UnknownRecipient: there is none.
    """
    lookup = conf.get().recipient.lookup
    manager = get_user_model()._default_manager
    try:
        key = manager.filter(**{lookup: value}).values_list("pk", flat=True).first()
    except (ValueError, TypeError, ValidationError, OverflowError):
        key = None
    # Django reads " 1", "+1" and "1_0" as numbers; a look-up by key means the key as it is written.
    if key is None or (lookup == "pk" and str(key) != value.lower()):
        raise UnknownRecipient("There is no such user.", Problem("/user", "unknown_user", f"no user has this {lookup}"))
    return key


def address_recipient(channel: Channel, normal: str) -> str:
    """Return the recipient key of somebody without an account."""
    return f"{ADDRESS_PREFIX}{address_hash(channel, normal)[:40]}"


def _user_person(key: UserKey) -> Person:
    people = load_people([user_recipient(key)])
    if not people:
        raise UnknownRecipient("There is no such user.", Problem("/user", "unknown_user", "the user was not saved"))
    return people[0]


def _address_person(address: Address) -> Person:
    targets, problems = [], []
    for channel, value in ((Channel.EMAIL, address.email), (Channel.SMS, address.sms)):
        if not value:
            continue
        try:
            normal = SPECS[channel].normalise(value)
        except ValueError as error:
            problems.append(Problem(f"/to/{channel}", "invalid_address", str(error)))
            continue
        targets.append(Target(channel, normal, address_hash(channel, normal)))
    if not targets and not problems:
        problems.append(Problem("/to", "no_address", "give an email address or a phone number"))
    if address.time_zone and zone(address.time_zone) is None:
        problems.append(Problem("/to/time_zone", "unknown_time_zone", "use an IANA name such as Europe/Berlin"))
    if problems:
        raise UnknownRecipient("The address cannot be used.", *problems)
    first = targets[0]
    return Person(
        recipient=address_recipient(first.channel, first.address),
        targets=tuple(targets),
        locale=usable_locale(address.locale),
        zone=zone(address.time_zone),
    )
