"""Trial send: the built-in trial message to the person who asks, through a channel's route, to see that it works."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Model

from .. import conf
from ..declarations.slugs import TRIAL
from ..enums import Channel
from ..exceptions import Problem, UnknownRecipient
from ..messages import Address
from .accept import accept
from .operate import By, audit
from .recipients import find_recipient
from .requests import Request
from .trials import TAG

_OWNER = "console"


def send_trial(channel: Channel, user: Model, press: str, by: By, alias: str = "") -> UUID:
    """Accept the trial message to a user's own address or devices, and return the notification's id.

    It takes the channel's route as any other does: a provider that is held is passed over. `press` tells one press of
    a button from another; the same press twice is one message.

    Raises:
        RequestRejected: they have no address on this channel, or there are no words for it.
    """
    recipient: object = user
    if channel != Channel.PUSH:
        own = next((item.address for item in find_recipient(user).targets if item.channel == channel), "")
        if not own:
            raise UnknownRecipient(f"You have no {channel} address.", Problem("/user", "no_address", "add one"))
        recipient = Address(
            email=own if channel == Channel.EMAIL else None, sms=own if channel == Channel.SMS else None
        )
    data = {"installation": conf.get().public_url or settings.ROOT_URLCONF.partition(".")[0]}
    with transaction.atomic():
        request = Request(
            recipient, TRIAL, data, channels=(channel,), idempotency_key=f"trial-{press}", owner=_OWNER, tags=(TAG,)
        )
        accepted = accept(request)
        if not accepted.replayed:
            audit(by, "trial_send", subject=f"{alias} {channel}".strip(), notification=str(accepted.notification_id))
    return accepted.notification_id
