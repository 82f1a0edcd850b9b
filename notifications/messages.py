"""The frozen values that pass between layers: what goes out, what came back, what a provider reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from .enums import Channel, ReceiptKind, SuppressionCause
from .exceptions import ProviderError


@dataclass(frozen=True)
class Address:
    """A person without an account: a recipient of its own, keyed by an HMAC of the normalised address."""

    email: str | None = None
    sms: str | None = None
    locale: str | None = None
    time_zone: str | None = None


@dataclass(frozen=True)
class Content:
    """The rendered words of one message; each channel fills the parts it has."""

    text: str = ""
    subject: str = ""
    html: str = ""
    title: str = ""
    body: str = ""
    image: str = ""
    url: str = ""
    data: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class OutboundMessage:
    """One attempt, ready to be handed to an adapter."""

    delivery_id: UUID
    attempt: int
    generation: int
    channel: Channel
    address: str = field(repr=False)
    content: Content = field(repr=False)
    platform: str = ""
    token_type: str = ""
    collapse_key: str = ""
    expires_at: datetime | None = None
    high_priority: bool = False
    tags: tuple[str, ...] = ()
    callback_url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    keyed: bool = False
    receipt_token: str = field(default="", repr=False)

    @property
    def carillon_id(self) -> str:
        """The id sent out with the message: a receipt that returns it names delivery and attempt.

        To a provider that honours an idempotency key (`keyed`) it names the generation instead: a retry under the
        same key must be the same request, byte for byte.
        """
        return f"{self.delivery_id}.g{self.generation}" if self.keyed else f"{self.delivery_id}.{self.attempt}"

    @property
    def provider_key(self) -> str:
        """The idempotency key for providers that honour one; an automatic retry keeps it, a replay raises it."""
        return f"{self.delivery_id}.{self.generation}"


@dataclass(frozen=True)
class SendResult:
    """What became of one attempt: the provider's id if it took the message, else the error."""

    message: OutboundMessage
    provider_message_id: str = ""
    error: ProviderError | None = None

    @property
    def accepted(self) -> bool:
        """Whether the provider took the message."""
        return self.error is None


@dataclass(frozen=True)
class WebhookRequest:
    """A callback as it came: the exact bytes, and the URL that the provider was told."""

    url: str
    method: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    remote: str = ""

    def header(self, name: str) -> str:
        """Return a header, whatever the case of its name; empty if it is not there."""
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), "")


@dataclass(frozen=True)
class ReceiptEvent:
    """One thing that a provider reports.

    `event_key` is unique within the provider's account, so that a callback sent twice counts once.
    `carillon_id` is ours if the provider returned it; else `provider_message_id` finds the delivery.
    After an undelivered message, `retries` says how many automatic attempts may follow it, `deactivate_after`
    how many of its kind in a row cost the device, `misconfigured` that the account is at fault, and `filtered` that a
    content filter stopped it: one such report is nothing, their rate is.
    """

    kind: ReceiptKind
    event_key: str
    provider_message_id: str = ""
    carillon_id: str = ""
    address: str = field(default="", repr=False)
    occurred_at: datetime | None = None
    code: str = ""
    detail: str = ""
    suppress: SuppressionCause | None = None
    deactivate: bool = False
    deactivate_after: int = 0
    retries: int = 0
    misconfigured: bool = False
    filtered: bool = False


class CarillonId(NamedTuple):
    """What an id that we sent out names: the attempt, or the generation where the provider honours our key."""

    delivery_id: UUID
    attempt: int | None
    generation: int | None


_LARGEST_NUMBER = 32_767


def split_carillon_id(value: str) -> CarillonId | None:
    """Return what an id that we sent out names, or None if it is not one of ours."""
    head, _, tail = value.rpartition(".")
    keyed = tail.startswith("g")
    try:
        delivery_id, number = UUID(head), int(tail[keyed:])
    except ValueError:
        return None
    if not 0 <= number <= _LARGEST_NUMBER:
        return None
    return CarillonId(delivery_id, None, number) if keyed else CarillonId(delivery_id, number, None)
