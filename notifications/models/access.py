"""Who may call, what they already asked for, and what was refused."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from ..rules.grants import Grant, is_test
from .accept_queries import ApiKeyQuerySet, IdempotencyKeyQuerySet


class ApiKey(models.Model):
    """A key for the HTTP API: only its digest is kept; `owner` survives rotation and owns idempotency keys.

    `templates` and `categories` are what it is for, everything where both are empty.
    """

    prefix = models.CharField(max_length=12, unique=True)
    digest = models.CharField(max_length=64)
    name = models.CharField(max_length=80)
    owner = models.CharField(max_length=80)
    scopes = models.JSONField(default=list)
    templates = models.JSONField(default=list, db_default=models.Value([], models.JSONField()), blank=True)
    categories = models.JSONField(default=list, db_default=models.Value([], models.JSONField()), blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def grant(self) -> Grant:
        """What it may send."""
        return Grant(frozenset(self.templates), frozenset(self.categories), is_test(self.owner))


class IdempotencyKey(models.Model):
    """A caller's key and what it led to: the first response is replayed for as long as the row lives."""

    owner = models.CharField(max_length=80)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    notification_id = models.UUIDField()
    response = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = IdempotencyKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("idempotency key")
        verbose_name_plural = _("idempotency keys")
        constraints: ClassVar = [models.UniqueConstraint(fields=["owner", "key"], name="carillon_key_once")]

    def __str__(self) -> str:
        # The key itself may name somebody, and this is in the title of a page.
        return f"{self.owner} {self.pk}"


class RefusedRequest(models.Model):
    """A request that was refused: enough for the timeline, never its data."""

    recipient = models.CharField(max_length=80, blank=True)
    template = models.CharField(max_length=80, blank=True)
    reason = models.CharField(max_length=40)
    detail = models.TextField(blank=True)
    owner = models.CharField(max_length=80, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("refused request")
        verbose_name_plural = _("refused requests")
        indexes: ClassVar = [
            models.Index(fields=["recipient", "-created_at"], name="carillon_refused_who"),
            models.Index(fields=["created_at"], name="carillon_refused_when"),
        ]

    def __str__(self) -> str:
        return f"{self.template}: {self.reason}"
