"""Many emails in one request, each with words of its own, for ESPs whose answer tells what became of each.

Postmark is the only one here. SendGrid, Mailgun and Brevo refuse the whole call for one bad address and answer for all
at once; Amazon SES takes many only of a template of its own; Resend honours a key, and what has a key goes alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import NamedTuple

import requests
from anymail.backends.postmark import EmailBackend as PostmarkBackend
from anymail.backends.postmark import PostmarkPayload
from anymail.message import AnymailMessage, AnymailRecipientStatus
from anymail.signals import post_send, pre_send
from anymail.utils import EmailAddress
from django.core.mail import EmailMultiAlternatives

from ..exceptions import ProviderError, UnknownOutcome
from ..messages import OutboundMessage, SendResult
from .answers import by_status
from .anymail_answers import ANSWERS, RECIPIENT_ANSWERS
from .base import as_mapping

#: By ESP: how many messages, and how many bytes of them, one request takes. https://postmarkapp.com/developer/api/email-api
MOST: dict[str, tuple[int, int]] = {"postmark": (500, 40_000_000)}

_PLAIN_ADDRESS = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@(?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]+")
_BAD_RECIPIENT = re.compile(r"(Invalid|Error\s+parsing)\s+'To'", re.IGNORECASE)
_UNPROCESSABLE = 422


class _Plain(NamedTuple):
    """An address that is written as it is; anymail's own parse each, twice, at several times the cost of the rest."""

    addr_spec: str

    @property
    def address(self) -> str:
        return self.addr_spec


class OwnWordsPayload(PostmarkPayload):  # type: ignore[misc]  # anymail has no types
    """anymail's payload, in which each recipient of a batch may have words of their own."""

    def set_recipients(self, recipient_type: str, emails: Sequence[EmailAddress]) -> None:
        """Take the recipients; those of a batch are on the message."""
        super().set_recipients(recipient_type, emails)
        if recipient_type == "to":
            self.to_emails = getattr(self.message, "plain_to", emails)

    def data_for_recipient(self, to: EmailAddress | _Plain) -> dict[str, object]:
        """Return one message of the batch."""
        data: dict[str, object] = super().data_for_recipient(to)
        return {**data, **getattr(self.message, "own_words", {}).get(to.addr_spec, {})}


class OwnWordsBackend(PostmarkBackend):  # type: ignore[misc]
    """anymail's backend with that payload: Postmark takes any messages together, anymail only those of one text."""

    def build_message_payload(self, message: AnymailMessage, defaults: Mapping[str, object]) -> OwnWordsPayload:
        """Return the payload."""
        return OwnWordsPayload(message, defaults, self)

    def parse_recipient_status(
        self, response: requests.Response, payload: OwnWordsPayload, message: AnymailMessage
    ) -> dict[str, AnymailRecipientStatus]:
        """Return what became of each; that of a batch nobody reads, since `each_result` reads its answer."""
        if hasattr(message, "plain_to") and response.status_code == HTTPStatus.OK:
            return {to.addr_spec: AnymailRecipientStatus(None, "unknown") for to in message.plain_to}
        status: dict[str, AnymailRecipientStatus] = super().parse_recipient_status(response, payload, message)
        return status


def alike(one: OutboundMessage, other: OutboundMessage) -> bool:
    """Whether two messages may go in one request: what is not theirs alone has to be the same.

    A receiver of anymail's signals sees one email for all, and may change it: then their words have to be the same.
    """
    same_words = one.content == other.content
    may_differ = bool(one.content.html) == bool(other.content.html) and not _watched()
    return (same_words or may_differ) and one.headers.keys() == other.headers.keys() and one.tags == other.tags


def _watched() -> bool:
    """Whether the host looks at what anymail sends."""
    return bool(pre_send.receivers or post_send.receivers)


def most_together(esp: str, message: OutboundMessage) -> int:
    """Return how many messages like this one may go in one request; 1 for what goes alone.

    What is urgent waits for no company, what has a key must be the same request again, and an address that has to be
    rewritten first (a name beside it, another alphabet) could not be told from the others in the answer.
    """
    if message.keyed or message.high_priority or not _PLAIN_ADDRESS.fullmatch(message.address):
        return 1
    most, most_bytes = MOST[esp]
    content = message.content
    # Twice: a letter outside ASCII takes up to six bytes in JSON, three in UTF-8.
    size = 2 * len(f"{content.subject}{content.text}{content.html}".encode()) + 4_096
    return max(1, min(most, most_bytes // size))


def addressed_to(email: EmailMultiAlternatives, messages: Sequence[OutboundMessage]) -> EmailMultiAlternatives:
    """Return the first message's email, for all of them: each gets one of its own, which carries its own id."""
    if _watched():
        email.to = [message.address for message in messages]
    else:
        email.to = [messages[0].address]
        email.plain_to = [_Plain(message.address) for message in messages]  # type: ignore[attr-defined]
    del email.metadata  # type: ignore[attr-defined]
    if messages[0].headers:
        # Each has its own, such as the link to unsubscribe by.
        email.extra_headers = {}
        email.merge_headers = {message.address: dict(message.headers) for message in messages}  # type: ignore[attr-defined]
    if any(message.content != messages[0].content for message in messages):
        email.own_words = {message.address: _words(message) for message in messages}  # type: ignore[attr-defined]
    email.merge_metadata = {  # type: ignore[attr-defined]
        message.address: {"carillon_id": message.carillon_id} for message in messages
    }
    return email


def _words(message: OutboundMessage) -> dict[str, str]:
    content = message.content
    words = {"Subject": " ".join(content.subject.split()), "TextBody": content.text}
    return {**words, "HtmlBody": content.html} if content.html else words


def each_result(
    alias: str, esp: str, messages: Sequence[OutboundMessage], response: requests.Response
) -> list[SendResult]:
    """Return what an answered request says about each message, in their order.

    anymail gives up on the whole answer where one message of it was refused, so it is read here.
    """
    try:
        items = response.json()
    except ValueError:
        items = None
    if not isinstance(items, list) or len(items) != len(messages):
        error = UnknownOutcome(alias, "garbage", "The ESP's answer does not say what became of each message.")
        return [SendResult(message, error=error) for message in messages]
    return [_result(alias, esp, message, as_mapping(item)) for message, item in zip(messages, items, strict=True)]


def _result(alias: str, esp: str, message: OutboundMessage, item: Mapping[str, object]) -> SendResult:
    to, identity, code = item.get("To"), item.get("MessageID"), str(item.get("ErrorCode", 0))
    if to is not None and str(to).casefold() != message.address.casefold():
        return SendResult(message, error=UnknownOutcome(alias, "garbage", "The ESP answers for somebody else."))
    if code == "0" and isinstance(identity, str) and identity:
        return SendResult(message, provider_message_id=identity)
    if code == "0":
        return SendResult(message, error=UnknownOutcome(alias, "garbage", "The ESP names no message."))
    return SendResult(message, error=_refusal(alias, esp, code, str(item.get("Message", ""))))


def _refusal(alias: str, esp: str, code: str, text: str) -> ProviderError:
    row = RECIPIENT_ANSWERS["invalid"] if code == "300" and _BAD_RECIPIENT.match(text) else None
    row = row or ANSWERS[esp][1].get(code) or by_status(_UNPROCESSABLE)
    if row is None:
        return UnknownOutcome(alias, code, "The ESP's answer is not its own.")
    return row.to_error(alias, code)
