"""Receive: store what a provider reports, once, before anybody tries to understand it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

from ..cipher import address_hash
from ..enums import Channel
from ..messages import ReceiptEvent, WebhookRequest, split_carillon_id
from ..models import Receipt
from ..models.receipt_queries import Reported
from ..wakeups import RECONCILE_JOB, wake_on_commit
from . import gate
from .people import address_target

_LARGEST_RAW = 64 * 1024
_LONGEST_KEY = 200
_YEARS = range(2000, 2100)  # a time outside them is none, and PostgreSQL has some that Python has not
_DEEPEST = 4  # of JSON within text within JSON; nobody sends more than two, and what is deeper is left out
_CONTENT = frozenset(
    {"content", "subject", "body", "html", "text", "htmlbody", "textbody", "stripped-text", "body-plain"}
)


def receive(alias: str, request: WebhookRequest) -> int:
    """Verify a callback, store its events and ask a worker to reconcile them; return how many were new.

    Raises:
        WebhookRejected: it is not the provider's; nothing was stored.
    """
    adapter = gate.adapter(alias)
    adapter.verify(request)
    events = [_storable(adapter.channel, event) for event in adapter.parse(request)]
    if not events:
        return 0
    return store(alias, adapter.channel, events, without_content(request.body)[:_LARGEST_RAW])


def store(alias: str, channel: str, events: Sequence[ReceiptEvent], raw: str) -> int:
    """Store what is known to be genuine and wake a worker with the commit; return how many events were new."""
    new = Receipt.objects.store(alias, [_reported(channel, event) for event in events], raw)
    if new:  # whoever stored the others has asked for a worker, or the sweeper will
        wake_on_commit([channel], RECONCILE_JOB)
    return new


def probes(alias: str) -> frozenset[str]:
    """Return the methods by which the provider looks whether its callbacks are wanted; they bring nothing."""
    return gate.adapter(alias).probed_by


def without_content(body: bytes) -> str:
    """Return a callback's body without what quotes the message itself: that may hold a secret, and outlive it."""
    text = body.decode("utf-8", "replace").replace("\x00", "")
    try:
        try:
            return json.dumps(_pruned(json.loads(text)))
        except ValueError:
            pairs = parse_qsl(text, keep_blank_values=True)
            return urlencode([(name, _pruned_text(value, 0)) for name, value in pairs if name.lower() not in _CONTENT])
    except RecursionError:
        return ""


def _pruned(value: object, depth: int = 0) -> object:
    """Return JSON without content; `depth` counts how often it was text in other JSON."""
    if isinstance(value, str):
        return _pruned_text(value, depth)
    if isinstance(value, list):
        return [_pruned(item, depth) for item in value]
    if not isinstance(value, dict):
        return value
    # A header of the message, as SES lists them: {"name": "Subject", "value": "..."}
    hidden = {"value"} if str(value.get("name")).lower() in _CONTENT else set()
    return {name: _pruned(inner, depth) for name, inner in value.items() if name.lower() not in _CONTENT | hidden}


def _pruned_text(text: str, depth: int) -> str:
    """Return text without content where it is JSON itself: SNS wraps what SES says, Mandrill sends a form."""
    if not text.lstrip().startswith(("{", "[", '"')):
        return text
    try:
        inner = json.loads(text)
    except ValueError:
        return text
    return json.dumps(_pruned(inner, depth + 1)) if depth < _DEEPEST else ""


def _storable(channel: Channel, event: ReceiptEvent) -> ReceiptEvent:
    """Return the event in text that PostgreSQL can store: a provider's JSON may hold anything, of any type."""
    return replace(
        event,
        event_key=_key(_text(event.event_key)),
        provider_message_id=_text(event.provider_message_id),
        carillon_id=_text(event.carillon_id),
        address=_address(channel, _text(event.address)),
        code=_text(event.code),
        detail=_text(event.detail),
    )


def _text(value: object) -> str:
    """Return text without NUL and lone surrogates; what is no text is not what the field means."""
    return value.replace("\x00", "").encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _address(channel: Channel, told: str) -> str:
    """Return an address as messages to it are addressed, so that what is reported of it takes hold.

    A provider may spell it in its own way, such as a domain as "xn--...". What we could not send to stays as it is.
    """
    found = address_target(channel, told)
    return told if found is None else found.address


def _key(text: str) -> str:
    """Return an event's key, or a digest of one that is too long: two keys that begin alike are two."""
    return text if len(text) <= _LONGEST_KEY else hashlib.sha256(text.encode()).hexdigest()


def _small(number: int) -> int:
    return max(0, min(number, 100))


def _reported(channel: str, event: ReceiptEvent) -> Reported:
    ours = split_carillon_id(event.carillon_id)
    return Reported(
        event_key=event.event_key,
        kind=event.kind.value,
        delivery_id=ours.delivery_id if ours else None,
        attempt=ours.attempt if ours else None,
        generation=ours.generation if ours else None,
        provider_message_id=event.provider_message_id[:255],
        address=event.address[:320],
        address_hash=address_hash(channel, event.address) if event.address else "",
        code=event.code[:60],
        detail=event.detail,
        suppress=event.suppress or "",
        deactivate=event.deactivate,
        deactivate_after=_small(event.deactivate_after),
        retries=_small(event.retries),
        misconfigured=event.misconfigured,
        filtered=event.filtered,
        occurred_at=event.occurred_at if event.occurred_at and event.occurred_at.year in _YEARS else None,
    )
