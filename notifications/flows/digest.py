"""Digest: what was gathered becomes a notification of its own once its digest window has closed."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from uuid import UUID

from django.db import Error, InterfaceError, OperationalError, transaction

from ..declarations.slugs import DIGEST as BUILT_IN
from ..enums import Channel, State
from ..models import Category, Delivery, Digest, DigestItem, Notification, Template
from ..rules.digests import Item, Line, summary
from ..rules.grants import is_test
from ..rules.rendering import RenderError
from ..wakeups import wake_on_commit
from .alerts import raise_alert
from .compose import channels_with_words, compose
from .people import person_of
from .plan import plan
from .restored import doubt_planned
from .templates import published
from .time_box import in_time
from .unsubscribe import links_of

logger = logging.getLogger("notifications.digest")
SUFFIX = "-digest"
_MOST_DIGESTS = 200
_BATCH = 1_000
_WAIT_SECONDS = 300.0
#: When those that could not be closed have their next turn: this process's memory, of which a new leader needs nothing.
_again_at: dict[UUID, float] = {}


class _CategoryGone(Exception):
    """A digest's category is not declared any more."""


def close_digests() -> int:
    """Make notifications of the digests that are due and return how many there were, as far as time allows.

    Each is closed in a transaction of its own, under its lock: whoever would join it at this moment waits for the
    lock, finds it closed and joins the next one. One that cannot be closed stays as it is, with what it gathered, and
    has its next turn in five minutes; operators are told, and the others go on.
    """
    done = 0
    due = Digest.objects.due().exclude(pk__in=_kept_waiting()).order_by("due_at")
    for key, category in in_time(list(due.values_list("pk", "category")[:_MOST_DIGESTS])):
        try:
            done += _close_one(key)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:  # noqa: BLE001
            # Whatever is wrong with this one must not hold up the others; an error's text may hold values.
            _again_at[key] = time.monotonic() + _WAIT_SECONDS
            logger.error("closing digest %s failed with %s", key, type(error).__name__)  # noqa: TRY400
            raise_alert("digest_not_closed", category, _why(key, error))
    return done


def _kept_waiting() -> list[UUID]:
    """Return the digests that could not be closed a moment ago."""
    now = time.monotonic()
    for key in [key for key, again in _again_at.items() if again <= now]:
        del _again_at[key]
    return list(_again_at)


def _why(key: UUID, error: Exception) -> str:
    if isinstance(error, _CategoryGone):
        return f"digest {key} waits, since its category is not declared any more: declare it again, and it goes out"
    return f"digest {key} waits with all that it gathered: closing it failed with {type(error).__name__}"


def _close_one(key: UUID) -> bool:
    """Close a digest and return whether it was still to be closed, and nobody else is about to."""
    with transaction.atomic():
        digest = Digest.objects.due().select_for_update(skip_locked=True, of=("self",)).filter(pk=key).first()
        if digest is not None:
            _close(digest)
    return digest is not None


def _close(digest: Digest) -> None:
    category = Category.objects.filter(slug=digest.category).first()
    items = list(_gathered(digest))
    if not items:
        digest.delete()
        return
    if category is None:
        # Deleted, its deliveries would be "digested" for ever, and in no digest.
        raise _CategoryGone
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
        # A digest of tests is a test.
        owner=of_newest.owner if is_test(of_newest.owner) else "carillon",
        created_at=now,
    )
    notification.save(force_insert=True)
    digest.notification_id = notification.pk
    digest.save(update_fields=["notification_id"])
    person = person_of(digest.recipient, notification)
    rows = plan(notification, category, [person] if person else [], now)
    doubt_planned(notification, [row.pk for row in rows], digest.due_at)
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
        version = row.version_id or notification.version_id
        content = compose(version, Channel(row.channel), row.locale, row.time_zone, data)
    except RenderError:
        # It still counts; what is wrong with its words is told where the template is checked.
        return Line()
    except Error:
        # Not the line's fault, and no further statement would be taken.
        raise
    except Exception as error:  # noqa: BLE001
        logger.error("composing a line of %s failed with %s", row.pk, type(error).__name__)  # noqa: TRY400
        return Line()
    return Line(content.title or content.subject or content.text, content.body, content.url)
