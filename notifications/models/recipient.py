"""What belongs to recipients: devices, preferences, suppressions and topics."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from ..enums import Channel, DeactivatedReason, Platform, SuppressionCause, TokenType
from ..rules.identity import new_id


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
        indexes: ClassVar = [models.Index(fields=["address_hash"], name="carillon_device_address")]

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
        return set(self.in_force(at).filter(address_hash__in=hashes).values_list("channel", "address_hash"))


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
