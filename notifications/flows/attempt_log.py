"""Attempt log: a line for each attempt, at DEBUG, so that a request can be followed to the provider's answer."""

from __future__ import annotations

import logging

from ..channels import SPECS
from ..enums import Channel
from ..messages import SendResult
from ..models import Delivery, Notification
from ..rules.standing import Standing

logger = logging.getLogger("notifications.attempts")


def tell_attempt(row: Delivery, notification: Notification, alias: str, result: SendResult, after: Standing) -> None:
    """Log what became of an attempt; costs next to nothing unless somebody listens."""
    if not logger.isEnabledFor(logging.DEBUG):
        return
    told = {
        "request_id": notification.request_id,
        "notification": str(row.notification_id),
        "delivery": str(row.pk),
        "channel": str(row.channel),
        "provider": alias,
        "attempt": result.message.attempt,
        "state": str(after.state),
        "reason": str(after.reason),
        "code": result.error.code if result.error else "",
        "address": SPECS[Channel(row.channel)].mask(row.address),
        "provider_message_id": result.provider_message_id,
    }
    logger.debug("attempt %s: %s", result.message.attempt, "taken" if result.accepted else "not taken", extra=told)
