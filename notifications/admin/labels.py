"""What columns are called on the console, in the reader's language; in the models they have their plain names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.utils import display_for_field
from django.core.exceptions import FieldDoesNotExist
from django.db.models import BooleanField, Field, Model
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from .markup import EMPTY

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

_OF_MESSAGES: dict[str, _StrPromise] = {
    "attempt": _("attempt"), "attempts": _("attempts"), "cancelled_at": _("cancelled"), "category": _("category"),
    "channel": _("channel"), "channels": _("channels"), "collapse_key": _("collapse key"),
    "delivered_at": _("delivered"), "due_at": _("due"), "error_code": _("error code"),
    "error_detail": _("error detail"), "expires_at": _("expires"), "possible_duplicate": _("possible duplicate"),
    "fallback_at": _("other channel from"), "generation": _("generation"), "lane": _("lane"), "locale": _("language"),
    "lost_leases": _("lost leases"), "notification": _("notification"), "owner": _("owner"),
    "provider": _("provider"), "provider_message_id": _("the provider's id"), "recipient": _("recipient"),
    "request_id": _("request"), "resend_of": _("sent again for"), "retries": _("retries"), "send_at": _("send at"),
    "sent_at": _("sent"), "state": _("state"), "step": _("place in the fallback order"), "tags": _("tags"),
    "template": _("template"), "time_zone": _("time zone"), "updated_at": _("last changed"), "version": _("version"),
}  # fmt: skip
_OF_WORK: dict[str, _StrPromise] = {
    "address": _("address"), "raw": _("as it came"),
    "code": _("code"), "deactivate": _("switches the device off"), "error": _("error"), "event_key": _("event key"),
    "id": _("id"), "key": _("key"), "kind": _("kind"), "occurred_at": _("occurred"), "received_at": _("received"),
    "started_upto": _("started up to"), "status": _("status"), "suppress": _("suppresses the address"),
    "verdict": _("verdict"), "worker": _("worker"),
}  # fmt: skip
_OF_WORDS: dict[str, _StrPromise] = {
    "checksum": _("checksum"), "conflict": _("conflict"), "created_by": _("by"), "description": _("description"),
    "digest": _("digest"), "draft": _("draft"), "fallback": _("fallback"), "fallback_after": _("fallback after"),
    "label": _("label"), "mandatory": _("mandatory"), "number": _("number"), "patience": _("patience"),
    "priority": _("priority"), "retention": _("retention"), "sample": _("sample"), "sensitive": _("sensitive"),
    "slug": _("name"), "source": _("source"), "throttle": _("throttle"), "ttl": _("time to live"),
    "uncertain": _("when uncertain"), "variables": _("variables"),
}  # fmt: skip
_OF_PEOPLE: dict[str, _StrPromise] = {
    "categories": _("categories"), "cause": _("cause"), "created_at": _("created"),
    "deactivated_at": _("switched off"), "deactivated_by": _("switched off by"),
    "deactivated_reason": _("reason it is off"), "devices": _("devices"), "hint": _("ends with"),
    "is_active": _("active"), "last_seen_at": _("last seen"), "lifted_at": _("lifted"),
    "lifted_reason": _("reason for lifting"),
    "platform": _("platform"), "quiet_hours": _("quiet hours"), "restored_at": _("brought back"),
    "token_type": _("kind of token"), "topic": _("topic"), "user": _("user"),
}  # fmt: skip
_OF_OPERATORS: dict[str, _StrPromise] = {
    "acknowledged_at": _("acknowledged"), "acknowledged_by": _("acknowledged by"), "action": _("action"),
    "actor": _("who"), "alias": _("provider"), "count": _("count"), "detail": _("detail"), "done": _("done"),
    "holder": _("holder"), "last_used_at": _("last used"), "name": _("name"), "planned": _("planned"),
    "prefix": _("prefix"), "reason": _("reason"), "revoked_at": _("revoked"), "subject": _("subject"),
}  # fmt: skip
LABELS = {**_OF_MESSAGES, **_OF_WORK, **_OF_WORDS, **_OF_PEOPLE, **_OF_OPERATORS}
#: The same as labels of forms, which begin with a capital.
FORM_LABELS = {name: capfirst(text) for name, text in LABELS.items()}


def field_of(model: type[Model], name: object) -> Field[Any, Any] | None:
    """Return the column of a model that a list shows under this name, if it shows one."""
    if not isinstance(name, str):
        return None
    try:
        found = model._meta.get_field(name)
    except FieldDoesNotExist:
        return None
    return found if isinstance(found, Field) else None


def labelled(field: Field[Any, Any]) -> Any:
    """Return a list's column that shows a model's field under its label."""

    @admin.display(description=LABELS[field.name], boolean=isinstance(field, BooleanField))
    def shown(row: Model) -> Any:
        value = getattr(row, field.name)
        if isinstance(field, BooleanField):
            return value
        if value is None or value == "":
            return EMPTY
        return str(value) if field.is_relation else display_for_field(value, field, EMPTY)

    shown.__name__ = field.name  # which becomes the cell's class
    return shown
