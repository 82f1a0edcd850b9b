"""Digest: what was gathered becomes a notification of its own once its digest window has closed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import UUID

from django.db import transaction

from ..declarations.slugs import DIGEST as BUILT_IN
from ..enums import Channel, State
from ..models import Category, Delivery, Digest, DigestItem, Notification, Template
from ..rules.digests import Item, Line, summary
from ..rules.rendering import RenderError
from ..wakeups import wake_on_commit
from .compose import channels_with_words, compose
from .people import person_of
from .plan import plan
from .templates import published
from .time_box import in_time
from .unsubscribe import links_of

SUFFIX = "-digest"
_MOST_DIGESTS = 200
_BATCH = 1_000


def close_digests() -> int:
    """Make notifications of the digests that are due and return how many there were, as far as time allows.

    Each is closed in a transaction of its own, under its lock: whoever would join it at this moment waits for the
    lock, finds it closed and joins the next one.
    """
    done = 0
    due = list(Digest.objects.due().order_by("due_at").values_list("pk", flat=True)[:_MOST_DIGESTS])
    for key in in_time(due):
        with transaction.atomic():
            digest = Digest.objects.due().select_for_update(skip_locked=True, of=("self",)).filter(pk=key).first()
            if digest is not None:
                _close(digest)
                done += 1
    return done


def _close(digest: Digest) -> None:
    category = Category.objects.filter(slug=digest.category).first()
    items = list(_gathered(digest))
    if category is None or not items:
        digest.delete()
        return
    now = Delivery.objects.database_now()
    template = _template(digest)
    newest = Delivery.objects.get(pk=items[-1].id)
    of_newest = Notification.objects.get(pk=newest.notification_id)
    notification = Notification(
        recipient=digest.recipient,
        template=template.slug,
        category=category.slug,
        version_id=published(template),
        data=summary(items, lambda shown: _lines(shown, category)),
        channels=[digest.channel],
        addresses=of_newest.addresses,
        locale=of_newest.locale or newest.locale,
        time_zone=of_newest.time_zone or newest.time_zone,
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


def _gathered(digest: Digest) -> Iterator[Item[UUID]]:
    """Yield what the digest gathered, oldest first and by delivery, without what was cancelled or erased since."""
    rows, seen = DigestItem.objects.filter(digest=digest).order_by("pk"), 0
    while page := list(rows.filter(pk__gt=seen).values_list("pk", "notification_id", "delivery_id")[:_BATCH]):
        seen = page[-1][0]
        notifications = Notification.objects.filter(pk__in=[row[1] for row in page], cancelled_at=None)
        kinds = {key: kind for key, *kind in notifications.values_list("pk", "template", "collapse_key")}
        there = set(Delivery.objects.filter(pk__in=[row[2] for row in page]).values_list("pk", flat=True))
        for _, notification, delivery in page:
            if notification in kinds and delivery in there:
                yield Item(delivery, *kinds[notification])


def _template(digest: Digest) -> Template:
    """Return the category's own digest template, named after it, if it has words for the channel; else the built-in."""
    own = Template.objects.filter(slug=f"{digest.category}{SUFFIX}", current__isnull=False).first()
    if own is not None and Channel(digest.channel) in channels_with_words(published(own)):
        return own
    return Template.objects.get(slug=BUILT_IN)


def _lines(deliveries: Sequence[UUID], category: Category) -> dict[UUID, Line]:
    """Return the lines of the notifications that these deliveries were made for."""
    rows = Delivery.objects.in_bulk(deliveries)
    notifications = Notification.objects.in_bulk([row.notification_id for row in rows.values()])
    return {key: _line(notifications[row.notification_id], row, category) for key, row in rows.items()}


def _line(notification: Notification, row: Delivery, category: Category) -> Line:
    """Return the line of one notification: its own words, shortened to a headline."""
    data = {**links_of(row, category), **notification.data, **(row.data or {})}
    try:
        content = compose(notification.version_id, Channel(row.channel), row.locale, row.time_zone, data)
    except RenderError:
        # It still counts; what is wrong with its words is told where the template is checked.
        return Line()
    return Line(content.title or content.subject or content.text, content.body, content.url)
