"""What belongs to recipients: devices, preferences, suppressions and topics."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from django.conf import settings
from django.db import connections, models
from django.db.models import Q
from django.db.models.functions import Now, Right
from django.utils.translation import gettext_lazy as _

from ..enums import Channel, DeactivatedReason, Platform, SuppressionCause, TokenType
from ..rules.identity import new_id
from .any_of import any_of


class Device(models.Model):
    """Something of a user's that can be reached: a push token, or an explicit number or mailbox."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    channel = models.CharField(max_length=8, choices=Channel.choices, default=Channel.PUSH)
    platform = models.CharField(max_length=8, choices=Platform.choices, blank=True)
    token_type = models.CharField(max_length=8, choices=TokenType.choices, blank=True)
    address = models.TextField()
    address_hash = models.CharField(max_length=64, editable=False)
    locale = models.CharField(max_length=16, blank=True)
    time_zone = models.CharField(max_length=64, blank=True)
    is_active = models.BooleanField(default=True)
    deactivated_reason = models.CharField(max_length=16, choices=DeactivatedReason.choices, blank=True)
    deactivated_at = models.DateTimeField(null=True, blank=True)
    deactivated_by = models.CharField(
        max_length=63, blank=True, db_default="", default="", help_text=_("The provider whose answer it was.")
    )
    restored_at = models.DateTimeField(null=True, blank=True, help_text=_("When a deactivation was last undone."))
    created_at = models.DateTimeField(auto_now_add=True)
    last_seen_at = models.DateTimeField()

    class Meta:
        verbose_name = _("device")
        verbose_name_plural = _("devices")
        permissions: ClassVar = [("prune", _("Can prune devices and bring them back"))]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["channel", "address_hash"],
                condition=Q(is_active=True, channel=Channel.PUSH),
                name="carillon_device_one_owner",
            ),
            models.UniqueConstraint(
                fields=["user", "channel", "address_hash"], condition=Q(is_active=True), name="carillon_device_once"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["address_hash"], name="carillon_device_address"),
            models.Index(Right("address", 6), condition=Q(channel=Channel.PUSH), name="carillon_device_ending"),
            models.Index(fields=["deactivated_at"], condition=Q(is_active=False), name="carillon_device_gone"),
            models.Index(
                fields=["last_seen_at"],
                condition=Q(is_active=True, channel=Channel.PUSH),
                name="carillon_device_seen",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel} …{self.address[-4:]}"


class Preference(models.Model):
    """What one recipient wants: switches by channel and category, quiet hours, language and zone."""

    recipient = models.CharField(max_length=80, primary_key=True)
    locale = models.CharField(max_length=16, blank=True)
    time_zone = models.CharField(max_length=64, blank=True)
    quiet_hours = models.JSONField(default=list, blank=True)
    channels = models.JSONField(default=dict, blank=True)
    categories = models.JSONField(default=dict, blank=True)
    devices = models.JSONField(default=dict, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("preference")
        verbose_name_plural = _("preferences")

    def __str__(self) -> str:
        return self.recipient


class SuppressionQuerySet(models.QuerySet["Suppression"]):
    """Suppressions, by what they are asked."""

    def in_force(self, at: datetime | None = None) -> SuppressionQuerySet:
        """Those that hold now, by the database's clock, or at a moment: neither lifted nor run out."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=at or Now()), lifted_at=None)

    def active_among(self, hashes: Collection[str], at: datetime | None = None) -> set[tuple[str, str]]:
        """Return (channel, address hash) of those addresses that must not be written to now, or at a moment."""
        found = self.in_force(at).filter(any_of("address_hash", hashes)) if hashes else self.none()
        return set(found.values_list("channel", "address_hash"))


class Suppression(models.Model):
    """An address that must not be written to on a channel, until it is lifted or runs out."""

    channel = models.CharField(max_length=8, choices=Channel.choices)
    address_hash = models.CharField(max_length=64)
    hint = models.CharField(max_length=80, blank=True, help_text=_("The masked address."))
    cause = models.CharField(max_length=16, choices=SuppressionCause.choices)
    source = models.CharField(max_length=80, blank=True, help_text=_("The provider, user or page it came from."))
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_reason = models.CharField(max_length=200, blank=True)

    objects = SuppressionQuerySet.as_manager()

    class Meta:
        verbose_name = _("suppression")
        verbose_name_plural = _("suppressions")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["channel", "address_hash"], condition=Q(lifted_at=None), name="carillon_suppression_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.hint}: {self.cause}"


_COUNT_UP = """
    INSERT INTO carillon_addresstrouble AS t (channel, address_hash, count, first_at, last_at, last_delivery_id)
    VALUES (%(channel)s, %(hash)s, 1, clock_timestamp(), clock_timestamp(), %(delivery)s)
    ON CONFLICT (channel, address_hash) DO UPDATE SET
        count = CASE WHEN t.first_at < EXCLUDED.last_at - make_interval(secs => %(within)s) THEN 1
                     WHEN t.last_delivery_id = EXCLUDED.last_delivery_id THEN t.count
                     ELSE least(t.count + 1, 32767) END,
        first_at = CASE WHEN t.first_at < EXCLUDED.last_at - make_interval(secs => %(within)s)
                        THEN EXCLUDED.first_at ELSE t.first_at END,
        last_at = EXCLUDED.last_at, last_delivery_id = EXCLUDED.last_delivery_id
    RETURNING count
"""


class AddressTroubleQuerySet(models.QuerySet["AddressTrouble"]):
    """Addresses in trouble, and the statement that counts."""

    def count_up(self, channel: str, hashed: str, delivery_id: UUID | None, within: timedelta) -> int:
        """Count one more failure and return how many there were in a row, beginning anew after `within`.

        With a delivery's id, another failure of the same delivery does not count again.
        """
        values: dict[str, str | UUID | float | None] = {
            "channel": channel, "hash": hashed, "delivery": delivery_id, "within": within.total_seconds()
        }  # fmt: skip
        with connections[self.db].cursor() as cursor:
            cursor.execute(_COUNT_UP, values)
            return int(cursor.fetchone()[0])


class AddressTrouble(models.Model):
    """Messages in a row that did not reach an address, though it exists; the first that arrives deletes the row."""

    channel = models.CharField(max_length=8, choices=Channel.choices)
    address_hash = models.CharField(max_length=64)
    count = models.PositiveSmallIntegerField(default=1)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField(db_index=True)
    last_delivery_id = models.UUIDField(null=True)

    objects = AddressTroubleQuerySet.as_manager()

    class Meta:
        verbose_name = _("address in trouble")
        verbose_name_plural = _("addresses in trouble")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["channel", "address_hash"], name="carillon_trouble_once"),
        ]

    def __str__(self) -> str:
        return f"{self.channel}: {self.count}"


class Topic(models.Model):
    """A named list that users subscribe to."""

    slug = models.SlugField(max_length=63, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("topic")
        verbose_name_plural = _("topics")

    def __str__(self) -> str:
        return self.slug


class TopicSubscription(models.Model):
    """One user on one topic."""

    topic = models.ForeignKey(Topic, on_delete=models.CASCADE, related_name="subscriptions")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("topic subscription")
        verbose_name_plural = _("topic subscriptions")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["topic", "user"], name="carillon_subscription_once"),
        ]

    def __str__(self) -> str:
        return f"{self.topic_id}: {self.user_id}"
