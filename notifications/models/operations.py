"""What operators work with: alerts, audit, held providers, and the lease of the sweeper."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Alert(models.Model):
    """Something an operator must see; the same trouble counts up until it is acknowledged."""

    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=80)
    detail = models.TextField(blank=True)
    count = models.PositiveIntegerField(default=1)
    first_at = models.DateTimeField(auto_now_add=True)
    last_at = models.DateTimeField(auto_now=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "subject"], condition=Q(acknowledged_at=None), name="carillon_alert_open_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.subject}"


class AuditEntry(models.Model):
    """Who did what in the console or API, and why; only ever added to."""

    actor = models.CharField(max_length=150)
    action = models.CharField(max_length=40)
    reason = models.CharField(max_length=300, blank=True)
    subject = models.CharField(max_length=200, blank=True)
    planned = models.PositiveIntegerField(null=True)
    done = models.PositiveIntegerField(null=True)
    detail = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")

    def __str__(self) -> str:
        return f"{self.actor}: {self.action}"


class ProviderHold(models.Model):
    """A provider that must not be used for now: held by an operator or by its own misconfiguration."""

    alias = models.CharField(max_length=63, primary_key=True)
    until = models.DateTimeField()
    reason = models.CharField(max_length=300)
    held_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("provider hold")
        verbose_name_plural = _("provider holds")

    def __str__(self) -> str:
        return f"{self.alias}: {self.reason}"


class Mark(models.Model):
    """What this installation must not lose, kept in order to notice when it has changed."""

    HASH_KEY = "hash-key"

    name = models.CharField(max_length=40, primary_key=True)
    value = models.CharField(max_length=80)

    class Meta:
        verbose_name = _("mark")
        verbose_name_plural = _("marks")

    def __str__(self) -> str:
        return self.name


class Lease(models.Model):
    """Who leads, and until when; the database's clock judges."""

    name = models.CharField(max_length=40, primary_key=True)
    holder = models.CharField(max_length=120)
    expires_at = models.DateTimeField()

    class Meta:
        verbose_name = _("lease")
        verbose_name_plural = _("leases")

    def __str__(self) -> str:
        return f"{self.name}: {self.holder}"
