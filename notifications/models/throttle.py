"""What throttles and digests count: exact, per recipient, category and channel, and therefore in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from django.contrib.postgres.fields import ArrayField
from django.db import connections, models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from ..enums import Channel, State
from ..rules.identity import new_id
from .weeks import weeks_around

if TYPE_CHECKING:
    from .log import Delivery

CODES = "*codes"
"""Where the codes to one address are counted together; no category can have this name."""


class Place(NamedTuple):
    """Whose messages of what kind on which channel are counted together, and the moment that the count ends."""

    recipient: str
    category: str
    channel: str
    at: datetime


class ThrottleWindow(models.Model):
    """The notifications that one throttle window admitted; whoever decides about another holds its lock."""

    recipient = models.CharField(max_length=80)
    category = models.CharField(max_length=63)
    channel = models.CharField(max_length=8, choices=Channel.choices)
    ends_at = models.DateTimeField()
    admitted = ArrayField(models.UUIDField(), default=list)

    class Meta:
        verbose_name = _("throttle window")
        verbose_name_plural = _("throttle windows")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["recipient", "category", "channel", "ends_at"], name="carillon_throttle_window"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["ends_at"], name="carillon_throttle_ends")]

    def __str__(self) -> str:
        return f"{self.category} {self.channel} until {self.ends_at:%Y-%m-%d %H:%M}"


class DigestQuerySet(models.QuerySet["Digest"]):
    """Digests, by what they are asked."""

    def due(self) -> DigestQuerySet:
        """Those whose digest window has closed and that have not become a notification yet."""
        return self.filter(notification_id=None, due_at__lte=Now())


class Digest(models.Model):
    """One digest of one recipient, category and channel: gathers until `due_at`, then becomes a notification."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    recipient = models.CharField(max_length=80)
    category = models.CharField(max_length=63)
    channel = models.CharField(max_length=8, choices=Channel.choices)
    due_at = models.DateTimeField()
    notification_id = models.UUIDField(null=True, help_text=_("What it became."))
    created_at = models.DateTimeField(auto_now_add=True)

    objects = DigestQuerySet.as_manager()

    class Meta:
        verbose_name = _("digest")
        verbose_name_plural = _("digests")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["recipient", "category", "channel", "due_at"], name="carillon_digest_once"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["due_at"], condition=Q(notification_id=None), name="carillon_digest_due"),
        ]

    def __str__(self) -> str:
        return f"{self.category} {self.channel} at {self.due_at:%Y-%m-%d %H:%M}"


class DigestItem(models.Model):
    """One notification that a digest gathered, whatever the number of its devices."""

    digest = models.ForeignKey(Digest, on_delete=models.CASCADE, related_name="items")
    notification_id = models.UUIDField()
    delivery_id = models.UUIDField(help_text=_("One of its deliveries, which has the recipient's own variables."))
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("digest item")
        verbose_name_plural = _("digest items")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["digest", "notification_id"], name="carillon_digest_item_once"),
        ]

    def __str__(self) -> str:
        return str(self.notification_id)


# "|| ''" so that no index of what waits is taken: while statistics are old PostgreSQL would read all that waits.
_HOLD = """
    SELECT pg_advisory_xact_lock(%(kind)s, held.bucket) FROM (
        SELECT DISTINCT hashtext(d.notification_id || ' ' || d.recipient) & %(most)s AS bucket FROM carillon_delivery d
        WHERE d.notification_id = ANY(%(notifications)s::uuid[]) AND d.recipient = ANY(%(recipients)s::text[])
        AND d.channel || '' = ANY(%(channels)s::text[]) AND d.state || '' = %(pending)s
        AND d.id >= %(first)s AND d.id < %(beyond)s AND d.id <> ALL(%(ours)s::uuid[])
        ORDER BY bucket OFFSET 0
    ) held
"""
_KIND = 0x11D
# As many at most, and one, are held by all workers together: PostgreSQL has room for some thousands.
_MOST = 0x3FF


def hold_notifications(rows: Sequence[Delivery]) -> None:
    """Let nobody else decide about other devices that these notifications still wait for, until the transaction ends.

    Two workers on either side of a window's end, each with a device of one notification, would have it in two digests.
    Where no other delivery waits nothing is held; in one order for everybody, and before windows and digests.
    """
    notifications = {row.notification_id for row in rows}
    if not notifications:
        return
    first, beyond = weeks_around(notifications)
    values: dict[str, object] = {
        "kind": _KIND, "most": _MOST, "pending": State.PENDING.value, "first": first, "beyond": beyond,
        "notifications": list(notifications),
        "recipients": list({row.recipient for row in rows}),
        "channels": list({row.channel for row in rows}),
        "ours": [row.pk for row in rows],
    }  # fmt: skip
    with connections[ThrottleWindow.objects.db].cursor() as cursor:
        cursor.execute(_HOLD, values)  # type: ignore[arg-type]  # lists for ANY


def hold_windows(places: Sequence[Place]) -> dict[Place, ThrottleWindow]:
    """Make and lock these throttle windows, in one order for everybody, so that nobody waits in a circle."""
    wanted = sorted(set(places))
    if not wanted:
        return {}
    made = [ThrottleWindow(**_fields(place, "ends_at")) for place in wanted]
    ThrottleWindow.objects.bulk_create(made, ignore_conflicts=True)
    rows = ThrottleWindow.objects.filter(_any_of(wanted, "ends_at")).order_by(*_ORDER, "ends_at").select_for_update()
    return {Place(row.recipient, row.category, row.channel, row.ends_at): row for row in rows}


def hold_digests(places: Sequence[Place]) -> dict[Place, Digest]:
    """Make and lock these digests, in one order for everybody; one that became a notification already is returned."""
    wanted = sorted(set(places))
    Digest.objects.bulk_create([Digest(**_fields(place, "due_at")) for place in wanted], ignore_conflicts=True)
    rows = Digest.objects.filter(_any_of(wanted, "due_at")).order_by(*_ORDER, "due_at").select_for_update()
    return {Place(row.recipient, row.category, row.channel, row.due_at): row for row in rows}


def peek_windows(places: Sequence[Place]) -> dict[Place, ThrottleWindow]:
    """Return these throttle windows as they stand; one that nobody made yet is empty and unsaved."""
    rows = ThrottleWindow.objects.filter(_any_of(places, "ends_at")) if places else ()
    found = {Place(row.recipient, row.category, row.channel, row.ends_at): row for row in rows}
    return {place: found.get(place) or ThrottleWindow(**_fields(place, "ends_at")) for place in places}


def peek_digests(places: Sequence[Place]) -> dict[Place, Digest]:
    """Return these digests as they stand; one that nobody made yet is unsaved."""
    rows = Digest.objects.filter(_any_of(places, "due_at")) if places else ()
    found = {Place(row.recipient, row.category, row.channel, row.due_at): row for row in rows}
    return {place: found.get(place) or Digest(**_fields(place, "due_at")) for place in places}


_ORDER = ("recipient", "category", "channel")


def _fields(place: Place, ends: str) -> dict[str, str | datetime]:
    return {**dict(zip(_ORDER, place, strict=False)), ends: place.at}


def _any_of(places: Sequence[Place], ends: str) -> Q:
    """Return a condition that takes these places, and at worst a few of the same recipients beside them."""
    recipients, categories, channels, moments = (set(column) for column in zip(*places, strict=True))
    return Q(recipient__in=recipients, category__in=categories, channel__in=channels, **{f"{ends}__in": moments})
