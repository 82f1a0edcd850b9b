"""Asked: requests whose template, recipient and variables were found and are sound; the others with their refusal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..exceptions import InvalidData, NotAllowed, RequestRejected, SandboxOnly, UnknownRecipient, UnknownTemplate
from ..models import IdempotencyKey, Template
from ..models.accept_queries import Known
from ..rules.identity import user_key
from ..rules.planning import Person
from .grants import assert_may_send
from .idempotency import KeyName, check_key, fingerprint_of, fingerprint_of_refused
from .recipients import find_recipients
from .requests import Accepted, Request, check_request
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


@dataclass(frozen=True)
class _Refused:
    """A request that cannot be accepted as things are now, unless its key says that it was before they changed."""

    error: RequestRejected
    key: KeyName
    fingerprint: str


def check_requests(requests: Sequence[Request]) -> list[Asked | Accepted | RequestRejected]:
    """Return each request as it can be accepted, or why it cannot be; templates and recipients are read set-wise.

    What was accepted is not refused when it is repeated, whatever has changed since: it is what it was.
    """
    templates = find_templates({request.template for request in requests})
    found = {slug: template for slug, template in templates.items() if isinstance(template, Template)}
    channels = {channel for template in found.values() for channel in template.category.all_channels}
    people = find_recipients([item.recipient for item in requests], channels)
    checked = [_check(item, templates[item.template], person) for item, person in zip(requests, people, strict=True)]
    keys = [item.key for item in checked if isinstance(item, _Refused)]
    known = IdempotencyKey.objects.known(keys) if keys else {}
    return [_recalled(item, known.get(item.key)) if isinstance(item, _Refused) else item for item in checked]


def _check(
    request: Request, template: Template | UnknownTemplate, person: Person | UnknownRecipient
) -> Asked | _Refused | RequestRejected:
    if isinstance(template, UnknownTemplate):
        # Its category is gone with it: for a key that is for certain categories, nobody can tell any more.
        return _refused(template, request, person) if request.grant.covers(request.template, "") else template
    try:
        assert_may_send(request.grant, template)
        if isinstance(person, UnknownRecipient):
            return person
        public, secret = check_request(request, template)
        if request.idempotency_key is not None:
            check_key(request.idempotency_key)
    except (NotAllowed, SandboxOnly) as refusal:
        return refusal
    except InvalidData as refusal:
        return _refused(refusal, request, person)
    return Asked(request, template, person, public, secret, fingerprint_of(_canonical(request, person)))


def _refused(
    refusal: RequestRejected, request: Request, person: Person | UnknownRecipient
) -> _Refused | RequestRejected:
    """Return a refusal with what tells a repeat of a request that was accepted, where that can be told."""
    if request.idempotency_key is None or isinstance(person, UnknownRecipient):
        return refusal
    fingerprint = fingerprint_of_refused(request.idempotency_key, lambda: _canonical(request, person))
    return _Refused(refusal, (request.owner, request.idempotency_key), fingerprint) if fingerprint else refusal


def _recalled(refused: _Refused, known: Known | None) -> Accepted | RequestRejected:
    if known is None or known.fingerprint != refused.fingerprint:
        return refused.error
    return Accepted(known.notification_id, known.response, replayed=True)


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
