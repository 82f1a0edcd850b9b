"""Trials: one message in words that may not be published yet, to the person who asks for it."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import Model

from ..enums import Channel
from ..exceptions import Problem, UnknownRecipient
from ..messages import Address
from ..models import TemplateVersion
from .accept import accept
from .operate import By, audit
from .recipients import find_recipient
from .requests import Request

TAG = "test-send"


def send_test(version: TemplateVersion, channel: Channel, user: Model, locale: str, by: By) -> UUID:
    """Accept a message with the template's sample to a user's own address, and return the notification's id.

    It goes through the same flows as any other and is in the log, marked with a tag. Suppression and the guest list
    apply; preferences and quiet hours of the person do not, since they have just asked for it (but on push, where
    devices belong to them as a user).

    Raises:
        RequestRejected: they have no address on this channel, or the sample does not fit.
    """
    template = version.template
    recipient: object = user
    if channel != Channel.PUSH:
        own = next((item.address for item in find_recipient(user).targets if item.channel == channel), "")
        if not own:
            raise UnknownRecipient(f"You have no {channel} address.", Problem("/user", "no_address", "add one"))
        recipient = Address(
            email=own if channel == Channel.EMAIL else None, sms=own if channel == Channel.SMS else None, locale=locale
        )
    with transaction.atomic():
        request = Request(
            recipient, template.slug, template.sample, channels=(channel,), tags=(TAG,), version_id=version.pk
        )
        accepted = accept(request)
        subject = f"{template.slug} v{version.number}"
        audit(by, "test_send", subject=subject, channel=channel.value, notification=str(accepted.notification_id))
    return accepted.notification_id
