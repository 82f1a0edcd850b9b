"""Asked: requests whose template, recipient and variables were found and are sound; the others with their refusal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..exceptions import InvalidData, NotAllowed, RequestRejected, SandboxOnly, UnknownRecipient
from ..models import Template
from ..rules.identity import user_key
from ..rules.planning import Person
from .grants import assert_may_send
from .idempotency import KeyName, check_key, fingerprint_of
from .recipients import find_recipients
from .requests import Request, check_request
from .templates import find_templates


@dataclass(frozen=True, eq=False)
class Asked:
    """A request that can be accepted, unless its key says otherwise; variables public and sensitive ones apart."""

    request: Request
    template: Template
    person: Person
    public: dict[str, object]
    secret: dict[str, object]
    fingerprint: str

    @property
    def key(self) -> KeyName | None:
        """Return its idempotency key with the owner, if it has one."""
        key = self.request.idempotency_key
        return None if key is None else (self.request.owner, key)


def check_requests(requests: Sequence[Request]) -> list[Asked | RequestRejected]:
    """Return each request as it can be accepted, or why it cannot be; templates and recipients are read set-wise."""
    templates = find_templates({request.template for request in requests})
    found = {slug: template for slug, template in templates.items() if isinstance(template, Template)}
    channels = {channel for template in found.values() for channel in template.category.all_channels}
    people = iter(find_recipients([item.recipient for item in requests if item.template in found], channels))
    checked: list[Asked | RequestRejected] = []
    for request in requests:
        template = templates[request.template]
        checked.append(_check(request, template, next(people)) if isinstance(template, Template) else template)
    return checked


def _check(request: Request, template: Template, person: Person | UnknownRecipient) -> Asked | RequestRejected:
    try:
        assert_may_send(request.grant, template)
        if isinstance(person, UnknownRecipient):
            return person
        public, secret = check_request(request, template)
        if request.idempotency_key is not None:
            check_key(request.idempotency_key)
    except (InvalidData, NotAllowed, SandboxOnly) as refusal:
        return refusal
    return Asked(request, template, person, public, secret, fingerprint_of(_canonical(request, person)))


def _addressed(person: Person) -> dict[str, str] | None:
    """Return all that was said of somebody without an account; a user's own data may change between two tries."""
    if user_key(person.recipient) is not None:
        return None
    said = {str(target.channel): target.address for target in person.targets}
    return {**said, "locale": person.locale, "time_zone": person.zone.key if person.zone else ""}


def _canonical(request: Request, person: Person) -> dict[str, object]:
    return {
        "recipient": person.recipient,
        "to": _addressed(person),
        "template": request.template,
        "data": request.data,
        "channels": sorted(request.channels),
        "send_at": request.send_at,
        "ttl": request.ttl.total_seconds() if request.ttl else None,
        "collapse_key": request.collapse_key,
        "tags": sorted(request.tags),
    }
