"""anymail: which bounces are soft, from callbacks in the shapes that the ESPs document, read by anymail's own views."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from notifications.enums import ReceiptKind, SuppressionCause
from notifications.messages import ReceiptEvent, WebhookRequest
from notifications.providers.anymail_receipts import Receipts

SOFT = (ReceiptKind.SOFT_BOUNCED, None)
HARD = (ReceiptKind.BOUNCED, SuppressionCause.HARD_BOUNCE)
#: A bounce that says nothing against the mailbox: it was blocked, say.
BLOCKED = (ReceiptKind.BOUNCED, None)


def read(esp: str, body: object) -> ReceiptEvent:
    headers = {"Content-Type": "application/json"}
    request = WebhookRequest("https://example.com/webhooks/email/", "POST", headers, json.dumps(body).encode())
    [event] = Receipts("email", esp, "hook:s3cret").parse(request)
    return event


def ses(bounce: Mapping[str, str]) -> object:
    """https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html#bounce-object"""
    recipient = {"emailAddress": "ada@example.com", "status": "4.4.7", "action": "failed"}
    message = {
        "notificationType": "Bounce",
        "bounce": {**bounce, "bouncedRecipients": [recipient], "timestamp": "2026-11-22T12:00:00.000Z"},
        "mail": {
            "messageId": "0102-1",
            "destination": ["ada@example.com"],
            "headers": [{"name": "X-Metadata", "value": '{"carillon_id": "1.1"}'}],
        },
    }
    return {
        "Type": "Notification",
        "MessageId": "sns-1",
        "TopicArn": "arn:aws:sns:eu-west-1:1:bounces",
        "Message": json.dumps(message),
        "Timestamp": "2026-11-22T12:00:01.000Z",
    }


def mailjet(**fields: object) -> object:
    """https://dev.mailjet.com/email/guides/webhooks/#bounce"""
    return {
        "event": "bounce",
        "time": 1_795_000_000,
        "MessageID": 13792286917004336,
        "email": "ada@example.com",
        "blocked": False,
        "error_related_to": "recipient",
        "Payload": '{"carillon_id": "1.1"}',
        **fields,
    }


def sparkpost(bounce_class: str, kind: str = "bounce") -> object:
    """https://support.sparkpost.com/docs/deliverability/bounce-classification-codes"""
    event = {
        "type": kind,
        "bounce_class": bounce_class,
        "event_id": "92356927693813856",
        "raw_rcpt_to": "ada@example.com",
        "rcpt_meta": {"carillon_id": "1.1"},
        "timestamp": "1795000000",
        "transmission_id": "65832150921904138",
    }
    return [{"msys": {"message_event": event}}]


@pytest.mark.parametrize(
    ("esp", "body", "expected", "code"),
    [
        ("amazon_ses", ses({"bounceType": "Permanent", "bounceSubType": "General"}), HARD, "Permanent"),
        ("amazon_ses", ses({"bounceType": "Transient", "bounceSubType": "MailboxFull"}), SOFT, "Transient"),
        ("amazon_ses", ses({"bounceType": "Undetermined", "bounceSubType": "Undetermined"}), SOFT, "Undetermined"),
        ("mailjet", mailjet(hard_bounce=True, error="user unknown"), HARD, "bounced"),
        ("mailjet", mailjet(hard_bounce=False, error="quota exceeded"), SOFT, "bounced"),
        ("mailjet", [mailjet(hard_bounce=False, error="no mail host")], SOFT, "bounced"),
        ("sparkpost", sparkpost("10"), HARD, "10"),
        ("sparkpost", sparkpost("30"), HARD, "30"),
        ("sparkpost", sparkpost("10", "out_of_band"), HARD, "10"),
        *(("sparkpost", sparkpost(code), SOFT, code) for code in ("1", "20", "21", "22", "23", "24", "40", "70")),
        ("sparkpost", sparkpost("22", "out_of_band"), SOFT, "22"),
        *(("sparkpost", sparkpost(code), BLOCKED, code) for code in ("25", "50", "51", "54")),
    ],
)
def test_what_a_bounce_is(
    esp: str, body: object, expected: tuple[ReceiptKind, SuppressionCause | None], code: str
) -> None:
    event = read(esp, body)
    assert ((event.kind, event.suppress), event.code) == (expected, code)
    assert (event.address, event.carillon_id) == ("ada@example.com", "1.1")


def test_a_reply_of_a_machine_is_no_bounce() -> None:
    assert {read("sparkpost", sparkpost(code)).kind for code in ("60", "100")} == {ReceiptKind.IGNORED}
