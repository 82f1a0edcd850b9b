"""What an export holds: everything that is kept about one recipient."""

from __future__ import annotations

from ...enums import Channel, Reason, State
from .words import Schema, by_name, choice, flag, key, many, moment, one, or_null, part, text, whole

_CHANNEL = choice(Channel.values)
_DEVICE = one(
    "A device, with its whole address.",
    id=key(),
    channel=_CHANNEL,
    platform=text(),
    token_type=text(),
    address=text(),
    locale=text(),
    time_zone=text(),
    is_active=flag(),
    deactivated_reason=text(),
    created_at=moment(),
    last_seen_at=moment(),
)
_SUPPRESSION = one(
    "That an address must not be written to.",
    channel=_CHANNEL,
    cause=text(),
    source=text(),
    created_at=moment(),
    expires_at=or_null(moment()),
    lifted_at=or_null(moment()),
    lifted_reason=text(),
)
_TROUBLE = one(
    "That messages to an address fail.", channel=_CHANNEL, count=whole(), first_at=moment(), last_at=moment()
)
_EVENT = one(
    "A step of a delivery.",
    at=moment(),
    state=choice(State.values),
    reason=choice(Reason.values),
    detail={"description": "What was noted."},
)
_DELIVERY = one(
    "One message.",
    id=key(),
    channel=_CHANNEL,
    address=text(),
    state=choice(State.values),
    reason=choice(Reason.values),
    sent_at=or_null(moment()),
    delivered_at=or_null(moment()),
    events=many(_EVENT),
)
_NOTIFICATION = one(
    "A notification.",
    id=key(),
    template=text(),
    created_at=moment(),
    addresses={"description": "Where somebody without an account was written to."},
    data=by_name({}, "The variables, but for those that were declared sensitive."),
    deliveries=many(_DELIVERY),
)
_RECEIPT = one(
    "What a provider told.",
    delivery=or_null(key()),
    provider=text(),
    kind=text(),
    address=text(),
    code=text(),
    detail=text(),
    occurred_at=or_null(moment()),
    received_at=moment(),
    raw=or_null(text("The callback's own words; null where it told of others as well.")),
)
_DIGEST = one(
    "What is being gathered.",
    category=text(),
    channel=_CHANNEL,
    due_at=moment(),
    notification=or_null(key()),
    gathered=many(key()),
)
_WINDOW = one(
    "What counts against a throttle.", category=text(), channel=_CHANNEL, ends_at=moment(), admitted=many(key())
)
_REFUSED = one("A request that was refused.", template=text(), reason=text(), detail=text(), created_at=moment())

EXPORT: Schema = one(
    "Everything that is kept about one recipient.",
    recipient=text(),
    preferences=part("Preferences"),
    devices=many(_DEVICE),
    topics=many(text()),
    suppressions=many(_SUPPRESSION),
    addresses_in_trouble=many(_TROUBLE),
    notifications=many(_NOTIFICATION),
    receipts=many(_RECEIPT),
    broadcasts=many(key(), "Whose lists name the recipient."),
    left_out=many(one("A broadcast that left the recipient out.", broadcast=key(), error=text(), at=moment())),
    digests=many(_DIGEST),
    throttle_windows=many(_WINDOW),
    refused_requests=many(_REFUSED),
)
