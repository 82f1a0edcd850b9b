"""What is taken: serializers become schemas; what a serializer leaves to a flow is said here."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction
from rest_framework import serializers

from ...enums import Channel, Platform, TokenType
from ...flows.receive_phone import EVENTS
from ...rules.ramp import MOST_MINUTES
from ..batch import MOST_ITEMS
from ..fields import LONGEST_LOOKUP, Flag, Moment, Object, Ramp, UserText, Version, Whole
from .words import Schema, by_name, choice, flag, key, many, one, or_null, part, text, whole

#: The names of parts that come from serializers.
NAMES = {
    "NotificationFields": "NewNotification",
    "AddressFields": "Address",
    "ItemFields": "BatchItem",
    "BroadcastFields": "NewBroadcast",
    "ResumeFields": "Resume",
    "SubscriberFields": "Users",
    "DeviceFields": "NewDevice",
    "ReceiptFields": "PhoneReceipt",
}
_LABEL = "^[^\\x00-\\x1f\\x7f]*$"
_CHANNELS = or_null(many(choice(Channel.values), "Narrows the category's channels."))
#: What is known of a field beyond its type, by part and field; it is laid over what the serializer says.
_KNOWN: dict[str, dict[str, Schema]] = {
    "NewNotification": {
        "user": {"description": 'The value of `RECIPIENT["lookup"]`.'},
        "template": {"description": "Its slug.", "examples": ["login-code"]},
        "data": {"description": "The variables that the template declares."},
        "channels": _CHANNELS,
        "send_at": {"description": "Not before this time."},
        "ttl": {"description": "Seconds after which it is of no use."},
        "collapse_key": {"description": "A newer message with the same key replaces this one.", "pattern": _LABEL},
        "tags": {"items": text(minLength=1, maxLength=64, pattern=_LABEL)},
    },
    "NewBroadcast": {
        "audience": part("Audience"),
        "exclude": or_null(part("Audience")),
        "template": {"description": "Its slug.", "examples": ["new-post"]},
        "data": {"description": "The variables that the template declares and members do not bring."},
        "channels": _CHANNELS,
        "rate": {"description": "Messages per second."},
        "draft": {"description": "Wait for a launch."},
        "ttl": {"description": "Seconds after which it is of no use."},
    },
    "Address": {
        "email": {"examples": ["ada@example.com"]},
        "sms": {"examples": ["+4915112345678"]},
        "time_zone": {"examples": ["Europe/Berlin"]},
    },
    "NewDevice": {
        "channel": choice(Channel.values),
        "platform": or_null(choice(["", *Platform.values], "A push device has one.")),
        "token_type": or_null(choice(["", *TokenType.values], "Found by the platform unless it is given.")),
        "address": {"description": "The token; of another channel the number or mailbox."},
    },
    "PhoneReceipt": {"event": choice(EVENTS)},
}
_KNOWN["BatchItem"] = {**_KNOWN["NewNotification"], "idempotency_key": {"examples": ["order-1042-shipped"]}}
_RULES: dict[str, Schema] = {
    "NewNotification": {"oneOf": [{"required": ["user"]}, {"required": ["to"]}]},
    "BatchItem": {"oneOf": [{"required": ["user"]}, {"required": ["to"]}]},
}
_ABOUT = {
    "NewNotification": "Whom to notify with what.",
    "Address": "Somebody without an account: a mailbox, a number or both.",
    "BatchItem": "One notification of a batch, with its key.",
    "NewBroadcast": "Whom to notify with what.",
    "Resume": "With which words to go on.",
    "Users": 'Users by the value of `RECIPIENT["lookup"]`.',
    "NewDevice": "A device as the app knows it.",
    "PhoneReceipt": "What became of a push message.",
}


def closed(about: str, **fields: Schema) -> Schema:
    """Return an object with these fields, all of them needed, and no others."""
    return {**one(about, **fields), "additionalProperties": False}


BODIES: dict[str, Schema] = {
    "Batch": closed("Notifications.", items=many(part("BatchItem"), minItems=1, maxItems=MOST_ITEMS)),
    "Nothing": {
        "type": "object",
        "description": "No fields; there need not be a body at all.",
        "additionalProperties": False,
    },
    "Audience": {
        "description": "Who is meant.",
        "oneOf": [
            {
                **one("A function declared with `@audience`.", ("params",), name=text(), params=by_name({})),
                "additionalProperties": False,
            },
            closed("Who is on a topic.", topic=text()),
            closed("These users.", users=many({"type": ["string", "integer"]}, minItems=1, maxItems=100_000)),
            closed("Everybody.", all={"const": True}),
            {
                **one("Whom an earlier broadcast reached.", ("state",), broadcast=key(), state=choice(["sent"])),
                "additionalProperties": False,
            },
        ],
    },
    "PreferenceChanges": {
        **one(
            "What is to be otherwise; null removes a switch.",
            ("locale", "time_zone", "quiet_hours", "channels", "categories", "devices"),
            locale=or_null(text(maxLength=16)),
            time_zone=or_null(text(maxLength=64, examples=["Europe/Berlin"])),
            quiet_hours=or_null(
                many(
                    closed(
                        "A window.",
                        days=many(whole("0 is Monday.", maximum=6), minItems=1, uniqueItems=True),
                        start=text(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$"),
                        end=text(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$"),
                    ),
                    "All of them: they replace those before.",
                    maxItems=20,
                )
            ),
            channels=or_null(by_name(or_null(flag()), propertyNames=choice(Channel.values))),
            categories=or_null(by_name(or_null(by_name(or_null(flag()), propertyNames=choice(Channel.values))))),
            devices=or_null(by_name(or_null(flag()))),
        ),
        "additionalProperties": False,
    },
}


class StrictBody(OpenApiSerializerExtension):
    """A serializer with its own fields and no others."""

    target_class = "notifications.api.fields.StrictSerializer"
    match_subclasses = True

    def get_name(self, auto_schema: AutoSchema, direction: Direction) -> str:
        """Return what it is called in the document."""
        return NAMES[type(self.target).__name__]

    def map_serializer(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        """Return its schema."""
        name = NAMES[type(self.target).__name__]
        found: Schema = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)  # noqa: SLF001 - as its extensions are meant to
        known = _KNOWN.get(name, {})
        fields = {
            field: schema if "$ref" in schema else {**schema, **known.get(field, {})}
            for field, schema in found["properties"].items()
        }
        fields.update({field: schema for field, schema in known.items() if "$ref" in schema or "anyOf" in schema})
        return {
            **found,
            "description": _ABOUT[name],
            "properties": fields,
            "additionalProperties": False,
            **_RULES.get(name, {}),
        }


_FIELDS: dict[type[serializers.Field[Any, Any, Any, Any]], Schema] = {
    UserText: {"type": ["string", "integer"], "minLength": 1, "maxLength": LONGEST_LOOKUP},
    Flag: flag(),
    Moment: text(format="date-time", examples=["2027-01-31T09:00:00+01:00"]),
    Object: by_name({}),
    Ramp: {
        "description": "Start slowly: for so many minutes, or true for ten.",
        "oneOf": [flag(), whole(least=1, maximum=MOST_MINUTES)],
    },
    Version: {"description": "The number of a version.", "oneOf": [whole(least=1), {"const": "newest"}]},
}


class StrictField(OpenApiSerializerFieldExtension):
    """A field of our own."""

    target_class = "rest_framework.serializers.Field"
    match_subclasses = True
    priority = -1

    @classmethod
    def _matches(cls, target: Any) -> bool:
        return type(target) in _FIELDS or type(target) is Whole

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        """Return its schema; whether it may be null is the caller's to add."""
        if type(self.target) is Whole:
            return whole(least=self.target.min_value or 0, maximum=self.target.max_value)
        return deepcopy(_FIELDS[type(self.target)])
