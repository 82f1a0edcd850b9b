"""Recipients: whom a call means, as a person with targets."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from django.db.models import Model

from .. import conf
from ..channels import SPECS
from ..cipher import address_hash
from ..enums import Channel
from ..exceptions import Problem, UnknownRecipient
from ..messages import Address
from ..rules.identity import UserKey, hash_recipient, user_recipient
from ..rules.locales import usable_locale
from ..rules.planning import Person, Target
from ..rules.quiet_hours import zone
from .people import people_from_rows
from .users import keys_by_lookup, rows_by_key, rows_by_lookup


def find_recipient(recipient: object) -> Person:
    """Return the person that a user, an `Address` or a look-up value (HTTP's "user") means.

    Raises:
        UnknownRecipient: no such user, or no usable address.
    """
    (found,) = find_recipients([recipient])
    if isinstance(found, UnknownRecipient):
        raise found
    return found


def find_recipients(
    recipients: Sequence[object], channels: Collection[Channel] = tuple(Channel)
) -> list[Person | UnknownRecipient]:
    """Return the person that each of these means, or why there is none: set-wise, in order.

    Where users can be reached is told for these channels only: reading an address costs more than all that is decided
    about it. A person that was found already (`carillon trial`) is returned as it is.
    """
    keys = [item.pk for item in recipients if isinstance(item, Model)]
    texts = [str(item) for item in recipients if not isinstance(item, Person | Address | Model)]
    named = rows_by_lookup(texts)
    rows = {row["pk"]: row for row in [*rows_by_key([key for key in keys if key is not None]), *named.values()]}
    people = {person.recipient: person for person in people_from_rows(list(rows.values()), channels=channels)}

    def found(recipient: object) -> Person | UnknownRecipient:
        if isinstance(recipient, Person):
            return recipient
        if isinstance(recipient, Address):
            return _address_person(recipient)
        if isinstance(recipient, Model):
            return people.get(user_recipient(recipient.pk)) or _not_saved(recipient)
        row = named.get(str(recipient))
        return _no_such_user() if row is None else people[user_recipient(row["pk"])]

    return [found(recipient) for recipient in recipients]


def find_user_key(value: str) -> UserKey:
    """Return the primary key of the user that a look-up value names.

    Raises:
        UnknownRecipient: there is none.
    """
    found = keys_by_lookup([value])
    if value not in found:
        raise _no_such_user()
    return found[value]


def find_user_keys(values: Iterable[str]) -> dict[str, UserKey]:
    """Return the primary keys of those users that look-up values name, by value."""
    return keys_by_lookup(values)


def address_recipient(channel: Channel, normal: str) -> str:
    """Return the recipient key of somebody without an account."""
    return hash_recipient(address_hash(channel, normal))


def _no_such_user() -> UnknownRecipient:
    lookup = conf.get().recipient.lookup
    return UnknownRecipient("There is no such user.", Problem("/user", "unknown_user", f"no user has this {lookup}"))


def _not_saved(user: Model) -> UnknownRecipient:
    if user.pk is None:
        return UnknownRecipient("This user was never saved.", Problem("/user", "unknown_user", "save the user first"))
    return UnknownRecipient("There is no such user.", Problem("/user", "unknown_user", "the user was not saved"))


def _address_person(address: Address) -> Person | UnknownRecipient:
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
        return UnknownRecipient("The address cannot be used.", *problems)
    first = targets[0]
    return Person(
        recipient=address_recipient(first.channel, first.address),
        targets=tuple(targets),
        locale=usable_locale(address.locale),
        zone=zone(address.time_zone),
    )
