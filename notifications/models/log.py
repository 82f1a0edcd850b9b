"""The log, partitioned by time from migration 0001: notifications, deliveries and what happened to them.

Rows carry no database foreign keys: those would cost a third of the insert rate and lock the host's user rows.
Every primary key begins with a time, so that the key is the partition key as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ..enums import RARE_STATES, Channel, Reason, State
from ..rules.identity import new_id
from .category import TemplateVersion
from .delivery_queries import DeliveryQuerySet, forget_standing
from .log_queries import DeliveryEventQuerySet, NotificationQuerySet
from .receipt_queries import ReceiptQuerySet
from .recipient import Device


class Notification(models.Model):
    """One accepted request; its deliveries say what became of it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    recipient = models.CharField(max_length=80, blank=True, help_text=_("Empty for a broadcast."))
    template = models.CharField(max_length=63)
    category = models.CharField(max_length=63)
    version = models.ForeignKey(
        TemplateVersion, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    unsent_version = models.ForeignKey(
        TemplateVersion,
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
        help_text=_("What a resumed broadcast sends from now on, instead of the version that it began with."),
    )
    data = models.JSONField(default=dict)
    secrets = models.BinaryField(null=True, help_text=_("Sensitive variables, encrypted; erased after use."))
    channels = models.JSONField(default=list)
    tags = models.JSONField(default=list)
    addresses = models.JSONField(default=dict, help_text=_("By channel, for somebody without an account."))
    locale = models.CharField(max_length=16, blank=True)
    time_zone = models.CharField(max_length=64, blank=True)
    collapse_key = models.CharField(max_length=64, blank=True)
    send_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)
    resend_of = models.UUIDField(null=True)
    digest_id = models.UUIDField(null=True, help_text=_("The digest that it is, if it is one."))
    owner = models.CharField(max_length=80, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()

    objects = NotificationQuerySet.as_manager()

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        indexes: ClassVar = [
            models.Index(fields=["recipient", "-id"], name="carillon_ntf_recipient"),
            models.Index(fields=["category", "id"], name="carillon_ntf_category"),
            models.Index(fields=["expires_at"], condition=Q(secrets__isnull=False), name="carillon_ntf_secrets"),
        ]

    def __str__(self) -> str:
        return f"{self.template} {self.id}"

    @property
    def words_id(self) -> int:
        """The version of its template that what is unsent goes out with."""
        return self.unsent_version_id or self.version_id


class Delivery(models.Model):
    """One message to one device or address; `flows.record` is the only writer of its state."""

    id = models.UUIDField(primary_key=True, editable=False)
    notification = models.ForeignKey(
        Notification, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="deliveries"
    )
    recipient = models.CharField(max_length=80)
    channel = models.CharField(max_length=8, choices=Channel.choices)
    step = models.PositiveSmallIntegerField(default=0, help_text=_("0 for a primary channel, then each fallback."))
    lane = models.PositiveSmallIntegerField()
    device = models.ForeignKey(
        Device, null=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    address = models.TextField(blank=True, help_text=_("As it was when planned."))
    locale = models.CharField(max_length=16, blank=True)
    time_zone = models.CharField(max_length=64, blank=True)
    data = models.JSONField(null=True, help_text=_("Variables of this recipient alone."))
    version = models.ForeignKey(
        TemplateVersion,
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
        help_text=_("Empty: the notification's own."),
    )
    state = models.CharField(max_length=12, choices=State.choices)
    reason = models.CharField(max_length=20, choices=Reason.choices, blank=True)
    due_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    fallback_at = models.DateTimeField(null=True, help_text=_("When to consider the next channel."))
    attempt = models.PositiveSmallIntegerField(default=0, help_text=_("Sends started so far."))
    retries = models.PositiveSmallIntegerField(default=0, help_text=_("Failed attempts since the last replay."))
    generation = models.PositiveSmallIntegerField(default=0, help_text=_("Raised by a replay."))
    lost_leases = models.PositiveSmallIntegerField(default=0)
    client = models.IntegerField(
        null=True, help_text=_("A number for whose request it is: clients take turns. Empty: a broadcast's.")
    )
    claim_id = models.BigIntegerField(null=True)
    position = models.PositiveIntegerField(null=True)
    possible_duplicate = models.BooleanField(default=False)
    maybe_sent = models.BooleanField(
        default=False, help_text=_("An earlier attempt was written and not definitively refused.")
    )
    keyed_at = models.DateTimeField(
        null=True, help_text=_("When an attempt whose end is unknown first used this generation's key.")
    )
    provider = models.CharField(max_length=63, blank=True)
    provider_message_id = models.CharField(max_length=255, blank=True)
    error_code = models.CharField(max_length=60, blank=True)
    error_detail = models.TextField(blank=True)
    sent_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField()

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        permissions: ClassVar = [
            ("view_pii", _("Can see personal data: addresses, names and variables")),
            ("replay", _("Can replay and discard dead letters")),
        ]
        indexes: ClassVar = [
            models.Index(fields=["notification", "recipient"], name="carillon_dlv_notification"),
            models.Index(fields=["recipient", "-id"], name="carillon_dlv_recipient"),
            models.Index(
                fields=["notification"],
                condition=Q(state__in=[State.PENDING, State.SENDING, State.UNCERTAIN]),
                name="carillon_dlv_open",
            ),
            models.Index(
                fields=["notification"],
                condition=Q(state=State.PENDING, reason=Reason.PAUSED),
                name="carillon_dlv_parked",
            ),
            models.Index(
                fields=["notification"],
                condition=Q(state__in=[State.BOUNCED, State.COMPLAINED, State.FAILED, State.DEAD]),
                name="carillon_dlv_broken",
            ),
            # The console's list of one such state: by the primary key it would read all that went well in between.
            models.Index(fields=["id"], condition=Q(state__in=list(RARE_STATES)), name="carillon_dlv_rare"),
            models.Index(
                fields=["channel", "lane", "due_at"], condition=Q(state=State.PENDING), name="carillon_dlv_due"
            ),
            models.Index(
                fields=["channel", "lane", "client", "due_at"],
                condition=Q(state=State.PENDING, client__isnull=False),
                name="carillon_dlv_client",
            ),
            models.Index(fields=["claim_id", "position"], condition=Q(state=State.SENDING), name="carillon_dlv_claim"),
            models.Index(fields=["due_at"], condition=Q(state=State.UNCERTAIN), name="carillon_dlv_uncertain"),
            models.Index(fields=["updated_at"], condition=Q(state=State.DEAD), name="carillon_dlv_dead"),
            models.Index(fields=["fallback_at"], condition=Q(fallback_at__isnull=False), name="carillon_dlv_fallback"),
            models.Index(
                fields=["expires_at"],
                condition=Q(state=State.PENDING, expires_at__isnull=False),
                name="carillon_dlv_expiry",
            ),
            models.Index(
                fields=["provider_message_id"], condition=~Q(provider_message_id=""), name="carillon_dlv_provider_id"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.state} {self.id}"

    def refresh_from_db(
        self, using: str | None = None, fields: Iterable[str] | None = None, from_queryset: Any = None
    ) -> None:
        """Read the row again."""
        super().refresh_from_db(using, fields, from_queryset)
        forget_standing(self)


class DeliveryEvent(models.Model):
    """Something that happened to a delivery and that its row no longer tells: a failed attempt, a replay, a receipt."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    delivery = models.ForeignKey(Delivery, on_delete=models.DO_NOTHING, db_constraint=False, related_name="events")
    at = models.DateTimeField()
    attempt = models.PositiveSmallIntegerField(default=0)
    state = models.CharField(max_length=12, choices=State.choices)
    reason = models.CharField(max_length=20, choices=Reason.choices, blank=True)
    provider = models.CharField(max_length=63, blank=True)
    code = models.CharField(max_length=60, blank=True)
    detail = models.TextField(blank=True)
    actor = models.CharField(max_length=150, blank=True)

    objects = DeliveryEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("delivery event")
        verbose_name_plural = _("delivery events")

    def __str__(self) -> str:
        return f"{self.state} {self.reason}"


class Claim(models.Model):
    """A worker's hold on some due deliveries of one channel and provider, until its lease ends."""

    worker = models.CharField(max_length=120)
    channel = models.CharField(max_length=8, choices=Channel.choices)
    lane = models.PositiveSmallIntegerField()
    provider = models.CharField(max_length=63)
    started_upto = models.PositiveIntegerField(default=0, help_text=_("Sends up to this position may have started."))
    lease_expires_at = models.DateTimeField()
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = _("claim")
        verbose_name_plural = _("claims")
        indexes: ClassVar = [
            models.Index(fields=["lease_expires_at"], name="carillon_claim_lease"),
            models.Index(fields=["worker"], name="carillon_claim_worker"),
        ]

    def __str__(self) -> str:
        return f"{self.worker}: {self.channel}"


class Receipt(models.Model):
    """A provider's callback, stored before it is understood; the unique key makes a repeat harmless."""

    provider = models.CharField(max_length=63)
    event_key = models.CharField(max_length=255)
    kind = models.CharField(max_length=16)
    delivery_id = models.UUIDField(null=True)
    attempt = models.PositiveSmallIntegerField(null=True)
    generation = models.PositiveSmallIntegerField(null=True, help_text=_("Instead, where the provider has our key."))
    provider_message_id = models.CharField(max_length=255, blank=True)
    address = models.CharField(max_length=320, blank=True)
    address_hash = models.CharField(max_length=64, blank=True)
    code = models.CharField(max_length=60, blank=True)
    detail = models.TextField(blank=True)
    suppress = models.CharField(max_length=16, blank=True)
    deactivate = models.BooleanField(default=False)
    deactivate_after = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text=_("How many of these in a row cost the device; 0: none.")
    )
    retries = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text=_("How often the message may be sent again after it.")
    )
    misconfigured = models.BooleanField(
        default=False, db_default=False, help_text=_("The provider's account is at fault.")
    )
    filtered = models.BooleanField(
        default=False, db_default=False, help_text=_("A content filter stopped the message.")
    )
    occurred_at = models.DateTimeField(null=True)
    raw = models.TextField(blank=True)
    received_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True, help_text=_("When to reconcile; empty when done."))
    verdict = models.CharField(max_length=40, blank=True)

    objects = ReceiptQuerySet.as_manager()

    class Meta:
        verbose_name = _("receipt")
        verbose_name_plural = _("receipts")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["provider", "event_key"], name="carillon_receipt_once")
        ]
        indexes: ClassVar = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="carillon_receipt_due"),
            models.Index(fields=["delivery_id"], condition=Q(delivery_id__isnull=False), name="carillon_receipt_dlv"),
            models.Index(fields=["address_hash"], condition=~Q(address_hash=""), name="carillon_receipt_address"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.kind}"
