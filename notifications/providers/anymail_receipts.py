"""An ESP's tracking webhook, verified and read by anymail's own views, as receipts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import import_module
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from anymail.exceptions import AnymailConfigurationError, AnymailError
from anymail.signals import AnymailTrackingEvent, EventType, RejectReason
from anymail.webhooks.base import AnymailCoreWebhookView
from django.core.handlers.wsgi import WSGIRequest
from django.http import QueryDict

from ..enums import ReceiptKind, SuppressionCause
from ..exceptions import WebhookRejected
from ..messages import ReceiptEvent, WebhookRequest
from . import svix
from .base import OptionProblem, as_mapping

#: ESPs that sign what they send, and anymail's name of the key. The others are guarded by basic auth.
SIGNING_KEYS: Mapping[str, str] = {
    "mailersend": "signing_secret",
    "mailgun": "webhook_signing_key",
    "mailtrap": "signing_secret",
    "postal": "webhook_key",
    "resend": "signing_secret",
    "sendgrid": "tracking_webhook_verification_key",
}

#: https://anymail.dev/en/stable/sending/tracking/#anymail.signals.AnymailTrackingEvent.event_type
KINDS: Mapping[str, tuple[ReceiptKind, SuppressionCause | None]] = {
    EventType.SENT: (ReceiptKind.SENT, None),
    EventType.DELIVERED: (ReceiptKind.DELIVERED, None),
    EventType.OPENED: (ReceiptKind.OPENED, None),
    EventType.CLICKED: (ReceiptKind.CLICKED, None),
    EventType.DEFERRED: (ReceiptKind.DEFERRED, None),
    EventType.BOUNCED: (ReceiptKind.BOUNCED, SuppressionCause.HARD_BOUNCE),
    EventType.COMPLAINED: (ReceiptKind.COMPLAINED, SuppressionCause.COMPLAINT),
    EventType.UNSUBSCRIBED: (ReceiptKind.UNSUBSCRIBED, SuppressionCause.UNSUBSCRIBE),
    EventType.SUBSCRIBED: (ReceiptKind.RESUBSCRIBED, None),
    EventType.FAILED: (ReceiptKind.UNDELIVERED, None),
    EventType.REJECTED: (ReceiptKind.UNDELIVERED, None),
}
#: Why an ESP did not even try: only what is about the address suppresses it.
REJECTED_CAUSES: Mapping[str, SuppressionCause] = {
    RejectReason.INVALID: SuppressionCause.HARD_BOUNCE,
    RejectReason.BOUNCED: SuppressionCause.HARD_BOUNCE,
    RejectReason.SPAM: SuppressionCause.COMPLAINT,
    RejectReason.UNSUBSCRIBED: SuppressionCause.UNSUBSCRIBE,
}
#: Where anymail says "bounced" and the ESP's own field says that it may pass another time.
#: https://postmarkapp.com/developer/api/bounce-api#bounce-types and each ESP's page in anymail's documentation
SOFT_BOUNCES: Mapping[str, tuple[str, frozenset[str]]] = {
    "postmark": ("Type", frozenset({"SoftBounce"})),
    "brevo": ("event", frozenset({"soft_bounce"})),
    "mandrill": ("event", frozenset({"soft_bounce"})),
    "mailersend": ("type", frozenset({"activity.soft_bounced"})),
    "resend": ("data.bounce.type", frozenset({"Transient"})),
    # https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html#bounce-types
    "amazon_ses": ("bounce.bounceType", frozenset({"Transient", "Undetermined"})),
    # https://dev.mailjet.com/email/guides/webhooks/#possible-values-for-errors
    "mailjet": ("hard_bounce", frozenset({"False"})),
    # "Soft" and "undetermined"; 30, no recipient, is hard, and a block (50 to 54) says nothing of the mailbox.
    # https://support.sparkpost.com/docs/deliverability/bounce-classification-codes
    "sparkpost": (
        "msys.message_event.bounce_class",
        frozenset({"1", "20", "21", "22", "23", "24", "40", "60", "70", "100"}),
    ),
}
#: What anymail does not know of: the field, and what its values mean.
#: https://resend.com/docs/dashboard/webhooks/event-types
NEWER: Mapping[str, tuple[str, Mapping[str, ReceiptKind]]] = {
    "resend": ("type", {"email.failed": ReceiptKind.UNDELIVERED, "email.suppressed": ReceiptKind.UNDELIVERED}),
}


class Receipts:
    """Verifies and reads one provider's callbacks; without a secret it refuses all."""

    def __init__(self, alias: str, esp: str, secret: str) -> None:
        self._alias = alias
        self._esp = esp
        self._secret = secret

    def problems(self) -> list[OptionProblem]:
        """Return why callbacks cannot be taken."""
        if not self._secret:
            return [OptionProblem("webhook_secret is not set: every callback is refused", '"user:password" or a key')]
        if self._esp not in SIGNING_KEYS and ":" not in self._secret:
            return [OptionProblem("webhook_secret has no colon", f'{self._esp} signs nothing: "user:password"')]
        if self._esp == "resend" and ":" not in self._secret and not svix.is_key(self._secret):
            return [
                OptionProblem("webhook_secret is no signing key", 'copy the "whsec_..." of https://resend.com/webhooks')
            ]
        return []

    def verify(self, request: WebhookRequest) -> None:
        """Return if anymail's view finds the callback genuine."""
        if not self._secret:
            raise WebhookRejected("No webhook_secret is set, so nothing can be told from a forgery.")
        if request.method != "POST":
            raise WebhookRejected("A callback is a POST.")
        if self.problems():
            raise WebhookRejected("The webhook_secret cannot tell a callback from a forgery.")
        if self._esp == "resend" and ":" not in self._secret:
            if not svix.is_genuine(request.body, request.headers, self._secret, datetime.now(UTC)):
                raise WebhookRejected("The callback's signature is missing, wrong or old.")
            return
        try:
            self._view().run_validators(_django_request(request))
        except AnymailError as error:
            raise WebhookRejected("The callback's secret or signature is missing or wrong.") from error
        except (ValueError, KeyError, TypeError) as error:
            raise WebhookRejected("The callback cannot be read.") from error

    def parse(self, request: WebhookRequest) -> list[ReceiptEvent]:
        """Return the events of a verified callback."""
        try:
            events = self._view().parse_events(_django_request(request))
            return [self._receipt(event) for event in events]
        except AnymailConfigurationError as error:
            raise WebhookRejected("The callback is not a tracking event.") from error
        except (AnymailError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise WebhookRejected("The callback cannot be read.") from error

    def _view(self) -> AnymailCoreWebhookView:
        try:
            module = import_module(f"anymail.webhooks.{self._esp}")
        except ImportError as error:
            raise WebhookRejected(f"anymail reads no callbacks of {self._esp!r}.") from error
        name = next(name for name in vars(module) if name.endswith("TrackingWebhookView"))
        key = SIGNING_KEYS.get(self._esp)
        options: dict[str, object] = {"webhook_secret": [self._secret]}
        if key and self._esp != "resend" and ":" not in self._secret:
            options = {"webhook_secret": [], key: self._secret}
        try:
            return getattr(module, name)(**options)
        except AnymailConfigurationError as error:
            raise WebhookRejected("The webhook's settings are incomplete.") from error

    def _receipt(self, event: AnymailTrackingEvent) -> ReceiptEvent:
        kind, cause = KINDS.get(event.event_type, (ReceiptKind.IGNORED, None))
        raw = _raw(event.esp_event)
        field, values = SOFT_BOUNCES.get(self._esp, ("", frozenset()))
        said = _at(raw, field)
        if event.event_type == EventType.BOUNCED:
            if str(said) in values:
                kind, cause = ReceiptKind.SOFT_BOUNCED, None
            elif event.reject_reason not in (None, RejectReason.BOUNCED, RejectReason.INVALID):
                cause = None
        elif event.event_type == EventType.REJECTED:
            cause = REJECTED_CAUSES.get(event.reject_reason or "")
        elif event.event_type == EventType.UNKNOWN:
            newer, kinds = NEWER.get(self._esp, ("", {}))
            kind = kinds.get(str(_at(raw, newer)), kind)
        return ReceiptEvent(
            kind=kind,
            event_key=_event_key(event, raw),
            provider_message_id=str(event.message_id or ""),
            carillon_id=str(as_mapping(event.metadata).get("carillon_id", "")),
            address=event.recipient if isinstance(event.recipient, str) else "",
            occurred_at=event.timestamp,
            code=str((not isinstance(said, bool) and said) or event.reject_reason or event.event_type),
            suppress=cause,
        )


def _event_key(event: AnymailTrackingEvent, raw: Mapping[str, object]) -> str:
    """Return the ESP's id of the event, or a digest of all that it says: the same callback has the same key."""
    if event.event_id:
        return f"{event.event_type}:{event.event_id}"[:200]
    whole = json.dumps(raw, sort_keys=True, default=str).encode()
    return f"{event.event_type}:{hashlib.sha256(whole).hexdigest()}"


def _raw(event: object) -> Mapping[str, object]:
    if isinstance(event, QueryDict):
        return {key: values[0] if len(values) == 1 else values for key, values in event.lists()}
    return as_mapping(event)


def _at(raw: Mapping[str, object], path: str) -> object:
    """Return what an event holds at a path, "data.bounce.type"."""
    for name in path.split("."):
        found = raw.get(name)
        raw = as_mapping(found)
    return found


def _django_request(request: WebhookRequest) -> WSGIRequest:
    """Return the callback as the request that Django would have made of it."""
    url = urlsplit(request.url)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": url.path,
        "QUERY_STRING": url.query,
        "SERVER_NAME": url.hostname or "",
        "SERVER_PORT": str(url.port or (443 if url.scheme == "https" else 80)),
        "wsgi.url_scheme": url.scheme or "https",
        "wsgi.input": BytesIO(request.body),
        "CONTENT_LENGTH": str(len(request.body)),
    }
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        if key != "CONTENT_LENGTH":
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    return WSGIRequest(environ)
