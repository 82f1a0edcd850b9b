"""An ESP's tracking webhook, verified and read by anymail's own views, as receipts."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property

from anymail.exceptions import AnymailConfigurationError
from anymail.signals import AnymailTrackingEvent, EventType, RejectReason
from anymail.webhooks.amazon_ses import AmazonSESTrackingWebhookView
from django.http import QueryDict

from ..enums import ReceiptKind, SuppressionCause
from ..exceptions import WebhookRejected
from ..messages import ReceiptEvent, WebhookRequest
from . import sns, svix
from .anymail_webhooks import PROOFS, SHORTEST_PASSWORD, check_time, django_request, signs, view_of
from .base import OptionProblem, as_mapping

logger = logging.getLogger("notifications.providers")
SES = "amazon_ses"

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
    # "blocked": refused for now, say for the sender's name. https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
    "sendgrid": ("type", frozenset({"blocked"})),
    # https://godocs.unisender.ru/web-api-ref#callback-format
    "unisender_go": (
        "delivery_info.delivery_status",
        frozenset({"err_mailbox_full", "err_too_large", "err_unreachable", "err_will_retry"}),
    ),
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
NEWER: Mapping[str, tuple[str, Mapping[str, ReceiptKind]]] = {
    # https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html#event-publishing-retrieving-sns-contents-delivery-delay-object
    SES: ("eventType", {"DeliveryDelay": ReceiptKind.DEFERRED}),
    # https://mailchimp.com/developer/transactional/docs/webhooks/
    "mandrill": ("event", {"delivered": ReceiptKind.DELIVERED}),
    # https://docs.postalserver.io/developer/webhooks#message-loaded-event
    "postal": ("event", {"MessageLoaded": ReceiptKind.OPENED}),
    # https://resend.com/docs/dashboard/webhooks/event-types
    "resend": ("type", {"email.failed": ReceiptKind.UNDELIVERED, "email.suppressed": ReceiptKind.UNDELIVERED}),
}
#: Of each message here only an ESP's token is signed, and so one token is good for one event.
_ONE_USE = frozenset({"mailgun"})


class Receipts:
    """Verifies and reads one provider's callbacks; without a secret it refuses all."""

    def __init__(self, alias: str, esp: str, secret: str, topic_arn: str = "") -> None:
        self._alias = alias
        self._esp = esp
        self._secret = secret
        self._topic = sns.Topic(topic_arn)
        self._topic_arn = topic_arn

    @property
    def are_there(self) -> bool:
        """Whether the ESP reports anything that can be read."""
        return self._esp in PROOFS or self._esp == SES

    @cached_property
    def _cannot_tell(self) -> bool:
        return bool(self.problems())

    def problems(self) -> list[OptionProblem]:
        """Return why callbacks cannot be taken."""
        if not self.are_there:
            return []
        if self._esp == SES:
            return self._topic_problems()
        if self._topic_arn:
            return [OptionProblem(f"sns_topic_arn is not for {self._esp}", "remove it")]
        if not self._secret:
            return [OptionProblem("webhook_secret is not set: every callback is refused", '"user:password" or a key')]
        if not signs(self._esp, self._secret):
            return self._password_problems()
        if self._esp == "resend" and not svix.is_key(self._secret):
            return [
                OptionProblem("webhook_secret is no signing key", 'copy the "whsec_..." of https://resend.com/webhooks')
            ]
        try:
            view_of(self._esp, self._secret)
        except WebhookRejected:
            return [OptionProblem("webhook_secret is no signing key", f"copy it from {self._esp}'s page of webhooks")]
        return []

    def _password_problems(self) -> list[OptionProblem]:
        user, colon, password = self._secret.partition(":")
        if not colon:
            return [OptionProblem("webhook_secret has no colon", f'{self._esp} signs nothing: "user:password"')]
        if not user or len(password) < SHORTEST_PASSWORD:
            hint = f'"user:" and a random password of {SHORTEST_PASSWORD} characters or more'
            return [OptionProblem("webhook_secret is too weak: every callback is refused", hint)]
        return []

    def _topic_problems(self) -> list[OptionProblem]:
        hint = '"arn:aws:sns:eu-west-1:123456789012:receipts"'
        if self._secret:
            return [OptionProblem("webhook_secret is not for amazon_ses: SNS signs", f'"sns_topic_arn": {hint}')]
        if not self._topic_arn:
            return [OptionProblem("webhook_secret is not set, nor sns_topic_arn: every callback is refused", hint)]
        if not self._topic.is_usable:
            return [OptionProblem("sns_topic_arn is not the name of a topic", hint)]
        return []

    def verify(self, request: WebhookRequest) -> None:
        """Return if the callback carries the secret or the ESP's signature, and is not old where it tells its time.

        Raises:
            WebhookRejected: it does not, or nothing is set that could tell.
        """
        if not self.are_there:
            raise WebhookRejected(f"anymail reads no callbacks of {self._esp!r}.")
        if request.method != "POST":
            raise WebhookRejected("A callback is a POST.")
        now = datetime.now(UTC)
        if self._esp == SES:
            self._topic.verify(request, now)
            return
        if not self._secret:
            raise WebhookRejected("No webhook_secret is set, so nothing can be told from a forgery.")
        if self._cannot_tell:
            raise WebhookRejected("The webhook_secret cannot tell a callback from a forgery.")
        if self._esp == "resend" and signs(self._esp, self._secret):
            if not svix.is_genuine(request.body, request.headers, self._secret, now):
                raise WebhookRejected("The callback's signature is missing, wrong or old.")
            return
        self._ask_anymail(request, now)

    def _ask_anymail(self, request: WebhookRequest, now: datetime) -> None:
        try:
            view_of(self._esp, self._secret, request.url).run_validators(django_request(request))
            if signs(self._esp, self._secret):
                check_time(self._esp, request, now)
        except WebhookRejected:
            raise
        except Exception as error:  # whatever a stranger sends, no part of anymail that it breaks lets it in
            raise WebhookRejected("The callback's secret or signature is missing or wrong.") from error

    def parse(self, request: WebhookRequest) -> list[ReceiptEvent]:
        """Return the events of a verified callback.

        Raises:
            WebhookRejected: it cannot be read, or is no tracking event.
        """
        try:
            if self._esp == SES:
                return _each_with_a_key([self._receipt(event) for event in self._told_by_sns(request)])
            return [self._receipt(event) for event in self._told(request)]
        except WebhookRejected:
            raise
        except AnymailConfigurationError as error:
            raise WebhookRejected("The callback is not a tracking event.") from error
        except Exception as error:  # an ESP's JSON may hold anything, and anymail reads it as documented
            raise WebhookRejected("The callback cannot be read.") from error

    def _told(self, request: WebhookRequest) -> Sequence[AnymailTrackingEvent]:
        view = view_of(self._esp, self._secret, request.url)
        events: Sequence[AnymailTrackingEvent] = view.parse_events(django_request(request))
        return events

    def _told_by_sns(self, request: WebhookRequest) -> Sequence[AnymailTrackingEvent]:
        """Return what SES says through SNS; confirm the subscription if that is what SNS asks for."""
        message = sns.read(request)
        if message.get("Type") == sns.SUBSCRIPTION:
            self._topic.confirm(str(message.get("Token")))
            logger.warning("%s: the subscription to %s is confirmed", self._alias, self._topic_arn)
            return []
        if message.get("Type") == sns.END:
            logger.warning("%s: the subscription to %s has ended: no more receipts", self._alias, self._topic_arn)
            return []
        text = str(message.get("Message"))
        if not text.lstrip().startswith("{"):
            return []  # "Successfully validated SNS topic for Amazon SES event publishing."
        # Made without its constructor, which asks for boto3: that is needed to send, and not to read.
        view = AmazonSESTrackingWebhookView.__new__(AmazonSESTrackingWebhookView)
        events: Sequence[AnymailTrackingEvent] = view.esp_to_anymail_events(json.loads(text), message)
        return events

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
            event_key=_event_key(self._esp, event, raw),
            provider_message_id=str(event.message_id or ""),
            carillon_id=str(as_mapping(event.metadata).get("carillon_id", "")),
            address=event.recipient if isinstance(event.recipient, str) else "",
            occurred_at=event.timestamp,
            code=str((not isinstance(said, bool) and said) or event.reject_reason or event.event_type),
            suppress=cause,
        )


def _event_key(esp: str, event: AnymailTrackingEvent, raw: Mapping[str, object]) -> str:
    """Return the ESP's id of the event, or a digest of all that it says: the same callback has the same key."""
    if event.event_id:
        return str(event.event_id) if esp in _ONE_USE else f"{event.event_type}:{event.event_id}"
    whole = json.dumps(raw, sort_keys=True, default=str).encode()
    return f"{event.event_type}:{hashlib.sha256(whole).hexdigest()}"


def _each_with_a_key(events: list[ReceiptEvent]) -> list[ReceiptEvent]:
    """Return the events of one message of SNS: where it tells of several people, all of them have its id."""
    if len({event.address for event in events}) < 2:
        return events
    return [replace(event, event_key=f"{event.event_key}:{_short(event.address)}") for event in events]


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


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
