"""Digest: what was gathered becomes a notification of its own once its digest window has closed."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from ..declarations.slugs import DIGEST as BUILT_IN
from ..enums import Channel, State
from ..models import Category, Delivery, Digest, DigestItem, Notification, Template
from ..rules.digests import Item, summary
from ..rules.rendering import RenderError
from ..wakeups import wake_on_commit
from .compose import channels_with_words, compose
from .people import person_of
from .plan import plan
from .templates import published

SUFFIX = "-digest"
MOST_GATHERED = 1_000
_MOST_DIGESTS = 200


def close_digests() -> int:
    """Make notifications of the digests that are due and return how many there were.

    Each is closed in a transaction of its own, under its lock: whoever would join it at this moment waits for the
    lock, finds it closed and joins the next one.
    """
    done = 0
    for key in list(Digest.objects.due().order_by("due_at").values_list("pk", flat=True)[:_MOST_DIGESTS]):
        with transaction.atomic():
            digest = Digest.objects.due().select_for_update(skip_locked=True, of=("self",)).filter(pk=key).first()
            if digest is not None:
                _close(digest)
                done += 1
    return done


def _close(digest: Digest) -> None:
    category = Category.objects.filter(slug=digest.category).first()
    members = _members(digest)
    if category is None or not members:
        digest.delete()
        return
    now = Delivery.objects.database_now()
    template = _template(digest)
    newest = members[-1][0]
    delivery = members[-1][1]
    notification = Notification(
        recipient=digest.recipient,
        template=template.slug,
        category=category.slug,
        version_id=published(template),
        data=summary([_item(item, row, Channel(digest.channel)) for item, row in members]),
        channels=[digest.channel],
        addresses=newest.addresses,
        locale=newest.locale or delivery.locale,
        time_zone=newest.time_zone or delivery.time_zone,
        expires_at=now + category.ttl if category.ttl else None,
        digest_id=digest.pk,
        owner="carillon",
        created_at=now,
    )
    notification.save(force_insert=True)
    digest.notification_id = notification.pk
    digest.save(update_fields=["notification_id"])
    person = person_of(digest.recipient, notification)
    rows = plan(notification, category, [person] if person else [], now)
    wake_on_commit(row.channel for row in rows if row.state == State.PENDING and row.due_at <= now)


def _members(digest: Digest) -> list[tuple[Notification, Delivery]]:
    """Return what the digest gathered, oldest first, without what was cancelled or erased since."""
    items = list(DigestItem.objects.filter(digest=digest).order_by("pk")[:MOST_GATHERED])
    notifications = Notification.objects.in_bulk([item.notification_id for item in items])
    deliveries = Delivery.objects.in_bulk([item.delivery_id for item in items])
    found = []
    for item in items:
        notification, row = notifications.get(item.notification_id), deliveries.get(item.delivery_id)
        if notification is not None and row is not None and notification.cancelled_at is None:
            found.append((notification, row))
    return found


def _template(digest: Digest) -> Template:
    """Return the category's own digest template, named after it, if it has words for the channel; else the built-in."""
    own = Template.objects.filter(slug=f"{digest.category}{SUFFIX}", current__isnull=False).first()
    if own is not None and Channel(digest.channel) in channels_with_words(published(own)):
        return own
    return Template.objects.get(slug=BUILT_IN)


def _item(notification: Notification, row: Delivery, channel: Channel) -> Item:
    """Return the line of one notification: its own words, shortened to a headline."""
    data = {**notification.data, **(row.data or {})}
    try:
        content = compose(notification.version_id, channel, row.locale, row.time_zone, data)
    except RenderError:
        # It still counts; what is wrong with its words is told where the template is checked.
        return Item("", "", "", notification.template, notification.collapse_key)
    title = content.title or content.subject or content.text
    return Item(title, content.body, content.url, notification.template, notification.collapse_key)


def digest_of(notification_id: UUID) -> UUID | None:
    """Return the notification that a digested one became part of, or None while its digest still gathers."""
    item = DigestItem.objects.filter(notification_id=notification_id).select_related("digest").first()
    return item.digest.notification_id if item else None
