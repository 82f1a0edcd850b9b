"""Deliver: send what a claim holds, group by group, and record what became of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from django.db import Error, connection

from .. import conf
from ..cipher import decrypt
from ..enums import Channel, Reason, State
from ..messages import Content, OutboundMessage
from ..models import Delivery, Notification
from ..models.delivery_queries import standing_of
from ..rules.identity import time_of
from ..rules.masking import unquoted
from ..rules.receipt_tokens import receipt_token
from ..rules.rendering import RenderError
from ..rules.transitions import ended, parked
from . import gate
from .claim import Batch
from .compose import compose, wants_links
from .outcomes import Outcomes
from .recheck import PAUSED_FOR
from .turns import Turns, lease_seconds
from .unsubscribe import headers_of, links_of

logger = logging.getLogger("notifications.deliver")
#: The claims that this process is sending from: one, and those that wait while it serves something more urgent.
_in_hand: list[int] = []


def deliver(batch: Batch, between_groups: Callable[[], bool]) -> None:
    """Send a claimed batch through its adapter's send window and record every outcome.

    `between_groups` is called before each group of sends, and while a slow provider is waited for: it may serve more
    urgent work first, and returns False when the worker should stop; what was not started then goes back to pending.
    """
    outcomes = Outcomes(batch)

    def idle() -> None:
        outcomes.flush_if_old()
        try:
            between_groups()
        except Exception as error:
            # What is in flight here must not suffer; whoever claims next finds the more urgent work.
            logger.exception("urgent work was left for later", exc_info=unquoted(error))
            if isinstance(error, Error):
                connection.close()

    _in_hand.append(batch.claim_id)
    try:
        for result in batch.adapter.send_many(_started(batch, outcomes, between_groups), idle):
            outcomes.add(result)
    finally:
        try:
            outcomes.finish()
        finally:
            _in_hand.remove(batch.claim_id)


def _started(batch: Batch, outcomes: Outcomes, between_groups: Callable[[], bool]) -> Iterator[OutboundMessage]:
    """Yield messages group by group; before a group, declare it started and renew the lease.

    `started_upto` is advanced before anything of the group is composed: whatever may have gone out is beyond doubt
    within it, and whatever lies beyond it has certainly not.
    """

    def meanwhile() -> bool:
        outcomes.flush_if_old()
        return between_groups()

    turns = Turns(batch.adapter, batch.deliveries[0].lane, batch.permit, batch.turn, meanwhile)
    done = 0
    try:
        while done < len(batch.deliveries):
            outcomes.flush_if_old()
            if done and not between_groups():
                return
            # Asked for last, so that what is granted goes out at once.
            size = turns.next(len(batch.deliveries) - done)
            stopped = _advance(batch, done, done + size) if size else None
            if stopped is None:
                return
            group = batch.deliveries[done : done + size]
            done += size
            yield from _messages(batch, group, stopped, outcomes, turns)
    finally:
        turns.close()


def _messages(
    batch: Batch, group: Sequence[Delivery], stopped: Mapping[UUID, str], outcomes: Outcomes, turns: Turns
) -> Iterator[OutboundMessage]:
    """Yield the messages of a group that was declared started, each at its turn."""
    late = False
    for row in group:
        message = None if late else _message(batch, row, stopped.get(row.notification_id), outcomes)
        if message is not None and turns.go():
            outcomes.handed(row)
            yield message
        elif message is not None or late:
            # The send window was full for so long that the turn is over, or the account must pause: certainly not sent.
            late = True
            outcomes.settle(row, parked(standing_of(row), Reason.PACED, outcomes.now()))
        else:
            turns.skip()


def _advance(batch: Batch, done: int, upto: int) -> dict[UUID, str] | None:
    """Return what of the next group must be left out, by notification, or None if the claim is lost or the database is.

    None too where the channel was paused since: what was not started goes back to pending, as it was.
    """
    try:
        if gate.paused_until(batch.channel) is not None:
            return None
        asked_for = {row.notification_id for row in batch.deliveries[done:upto]}
        lease = lease_seconds(batch.adapter)
        others = [item for item in _in_hand if item != batch.claim_id]
        stopped = Delivery.objects.start_group(batch.claim_id, batch.worker, upto, lease, asked_for, others)
    except Error:
        # What is in flight is still recorded when the database is back; nothing more is started.
        logger.warning("claim %s: the database is away, no further group is started", batch.claim_id)
        connection.close()
        return None
    if stopped is None:
        logger.warning("claim %s was taken over; stopped sending", batch.claim_id)
    return stopped


def _message(batch: Batch, row: Delivery, stop: str | None, outcomes: Outcomes) -> OutboundMessage | None:
    before, now = standing_of(row), outcomes.now()
    held = gate.known_hold(batch.adapter.alias, _platform(batch, row))
    if stop == "cancelled":
        outcomes.settle(row, ended(before, State.CANCELLED, Reason.NONE, now))
    elif row.expires_at is not None and row.expires_at <= now:
        outcomes.settle(row, ended(before, State.EXPIRED, Reason.TTL, now))
    elif stop == "paused":
        outcomes.settle(row, parked(before, Reason.PAUSED, now + PAUSED_FOR))
    elif held is not None:
        # Since it was claimed, the provider turned out to reach nobody on this platform.
        outcomes.settle(row, parked(before, Reason.BREAKER_OPEN, held))
    else:
        try:
            return _outbound(batch, row)
        except RenderError as error:
            outcomes.dead(row, str(error))
        except Exception as error:  # noqa: BLE001
            # Whatever is wrong with this one must not take its neighbours along; its text may hold values.
            told = {"delivery": str(row.id), "notification": str(row.notification_id)}
            logger.error("composing failed with %s", type(error).__name__, extra=told)  # noqa: TRY400
            outcomes.dead(row, f"composing failed with {type(error).__name__}")
    return None


def _platform(batch: Batch, row: Delivery) -> str:
    device = batch.facts.devices.get(row.device_id) if row.device_id else None
    return device.platform if device else ""


def _outbound(batch: Batch, row: Delivery) -> OutboundMessage:
    """Return the message of a delivery, composed for this attempt.

    Raises:
        RenderError: the words cannot be rendered.
    """
    notification = batch.facts.notifications[row.notification_id]
    category = batch.facts.category_of(row)
    device = batch.facts.devices.get(row.device_id) if row.device_id else None
    try:
        secrets = decrypt(bytes(notification.secrets)) if notification.secrets else {}
    except ValueError as error:
        raise RenderError(str(error)) from error
    channel = Channel(row.channel)
    version = row.version_id or notification.version_id
    links = links_of(row, category) if wants_links(version, channel) else {}
    own = {**links, **secrets, **(row.data or {})}
    alias, keyed = batch.adapter.alias, batch.adapter.idempotency_key_lifetime is not None
    return OutboundMessage(
        delivery_id=row.id,
        attempt=row.attempt + 1,
        generation=row.generation,
        channel=channel,
        address=row.address,
        content=_content(batch, row, version, own),
        platform=device.platform if device else "",
        token_type=device.token_type if device else "",
        collapse_key=notification.collapse_key,
        expires_at=row.expires_at,
        high_priority=category.priority in ("critical", "high"),
        tags=tuple(notification.tags),
        headers=headers_of(row, category, links.get("unsubscribe_url", "")),
        keyed=keyed,
        receipt_token=_receipt_token(row, notification, keyed=keyed) if channel == Channel.PUSH else "",
        callback_url=f"{conf.get().public_url}/webhooks/{alias}/" if conf.get().public_url else "",
    )


def _receipt_token(row: Delivery, notification: Notification, *, keyed: bool) -> str:
    """Return what lets the phone report this attempt; under a provider's key it is the same for all of a generation."""
    if not keyed:
        return receipt_token(row.id, row.attempt + 1, datetime.now(UTC))
    asked_for = notification.send_at or time_of(row.id)
    return receipt_token(row.id, row.generation, asked_for, is_generation=True)


def _content(batch: Batch, row: Delivery, version: int, own: Mapping[str, object]) -> Content:
    """Return a delivery's words; where nothing in them is the recipient's own, they are rendered once for a batch."""
    notification, channel = batch.facts.notifications[row.notification_id], Channel(row.channel)
    if own:
        return compose(version, channel, row.locale, row.time_zone, {**notification.data, **own})
    key = (row.notification_id, version, row.locale, row.time_zone)
    content = batch.composed.get(key)
    if content is None:
        content = batch.composed[key] = compose(version, channel, row.locale, row.time_zone, notification.data)
    return content
