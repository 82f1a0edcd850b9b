"""What operators work with: alerts, audit, held providers, and the lease of the sweeper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from django.conf import settings
from django.db import connections, models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ..enums import Platform

#: The kind of alert that is the brake: while one is open, no answer of its provider deactivates a device.
PRUNING_BRAKED = "pruning_braked"


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
    """Who did what in the console or API, and why; only ever added to. The counts of a replay follow as it goes on."""

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

    alias = models.CharField(max_length=63)
    platform = models.CharField(
        max_length=8,
        blank=True,
        choices=Platform.choices,
        default="",
        db_default="",
        help_text=_("Empty: whatever it carries."),
    )
    until = models.DateTimeField()
    reason = models.CharField(max_length=300)
    held_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("provider hold")
        verbose_name_plural = _("provider holds")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["alias", "platform"], name="carillon_hold_once"),
        ]

    def __str__(self) -> str:
        return f"{self.alias} {self.platform}".strip()


# Everything that the brake on pruning asks, in the one statement that counts.
_TALLY = """
    WITH told AS (
        INSERT INTO carillon_pruningtally AS t (provider, slot, results, gone)
        VALUES (%(provider)s, date_bin('10 minutes', clock_timestamp(), 'epoch'), %(results)s, %(gone)s)
        ON CONFLICT (provider, slot) DO UPDATE
        SET results = t.results + EXCLUDED.results, gone = t.gone + EXCLUDED.gone
        RETURNING slot, results, gone
    ), earlier AS (
        SELECT coalesce(sum(t.results), 0) AS results, coalesce(sum(t.gone), 0) AS gone
        FROM carillon_pruningtally t JOIN told
        ON t.provider = %(provider)s AND t.slot > told.slot - interval '1 hour' AND t.slot < told.slot
    ), alert AS (
        SELECT bool_or(acknowledged_at IS NULL) AS is_open,
               bool_or(acknowledged_at > clock_timestamp() - interval '1 hour') AS was_just_acknowledged
        FROM carillon_alert WHERE kind = %(alert)s AND subject = %(provider)s
    )
    SELECT told.results + earlier.results, told.gone + earlier.gone,
           coalesce(is_open, false), coalesce(was_just_acknowledged, false) FROM told, earlier, alert
"""


@dataclass(frozen=True)
class Tallied:
    """A provider's last hour: answers, those that called for pruning, and what operators said about it."""

    results: int
    gone: int
    braked: bool
    released: bool


class PruningTallyQuerySet(models.QuerySet["PruningTally"]):
    """Tallies, and the statement that counts and answers."""

    def add(self, provider: str, results: int, gone: int) -> Tallied:
        """Count answers of now and return the provider's last hour, these included."""
        values: dict[str, str | int] = {
            "provider": provider, "results": results, "gone": gone, "alert": PRUNING_BRAKED
        }  # fmt: skip
        with connections[self.db].cursor() as cursor:
            cursor.execute(_TALLY, values)
            row = cursor.fetchone()
        return Tallied(int(row[0]), int(row[1]), braked=row[2], released=row[3])


class PruningTally(models.Model):
    """How many of a provider's answers in ten minutes called for pruning; written only where some did."""

    provider = models.CharField(max_length=63)
    slot = models.DateTimeField(help_text=_("When the ten minutes began."))
    results = models.PositiveIntegerField(default=0)
    gone = models.PositiveIntegerField(default=0)

    objects = PruningTallyQuerySet.as_manager()

    class Meta:
        verbose_name = _("pruning tally")
        verbose_name_plural = _("pruning tallies")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["provider", "slot"], name="carillon_pruning_slot"),
        ]

    def __str__(self) -> str:
        return f"{self.provider}: {self.gone} of {self.results}"


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
