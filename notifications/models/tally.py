"""Tallies: how many deliveries moved from where to where, so that nobody has to count the deliveries themselves.

Whoever changes deliveries adds rows to `Tally` in the same statement: no two workers ever write the same row, and
what rolls back was never counted. The sweeper adds them up into `Traffic` and `BroadcastTally` and deletes them.
The truth is always the sum of what was added up and what was not yet.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from django.db import connections, models, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .tally_queries import ADD_UP, COUNTS, EPOCH, FOLD_BROADCASTS, FOLD_TRAFFIC, FORGET_TRAFFIC, LOCK, RECOUNT


@dataclass(frozen=True)
class Tallied:
    """What a broadcast's tallies say: deliveries by state, how many were ever sent and delivered, how many of late."""

    states: dict[str, int] = field(default_factory=dict)
    sent: int = 0
    delivered: int = 0
    sent_of_late: int = 0

    def plus(self, state: str, held: int, sent: int, delivered: int, sent_of_late: int) -> Tallied:
        """Return it with what one more state has."""
        states = {**self.states, state: self.states.get(state, 0) + held}
        return Tallied(states, self.sent + sent, self.delivered + delivered, self.sent_of_late + sent_of_late)


class TallyQuerySet(models.QuerySet["Tally"]):
    """Tallies, and the statements that add them up."""

    def of_broadcasts(self, notifications: Collection[UUID], late: timedelta) -> tuple[datetime, dict[UUID, Tallied]]:
        """Return the database's clock, and by their notification what the tallies of broadcasts say.

        `late` is how long ago begins what counts as sent of late.
        """
        found: dict[UUID, Tallied] = {}
        with connections[self.db].cursor() as cursor:
            cursor.execute(COUNTS, {"notifications": list(notifications), "late": late.total_seconds()})
            rows = cursor.fetchall()
        for _now, key, state, *numbers in rows:
            if key is not None:
                found[key] = found.get(key, Tallied()).plus(state, *(int(number) for number in numbers))
        return rows[0][0], found

    def add_up(self, limit: int) -> int:
        """Add up to `limit` rows to what they belong to and delete them; return how many (0 while another does it)."""
        return self._alone(ADD_UP, {"limit": limit, "epoch": EPOCH})

    def fold_broadcasts(self, age: timedelta, limit: int) -> int:
        """Let a broadcast's tallies that are too old to tell a rate become one row per state; return how many."""
        return self._alone(FOLD_BROADCASTS, {"age": age.total_seconds(), "limit": limit, "epoch": EPOCH})

    def fold_traffic(self, age: timedelta, limit: int) -> int:
        """Let minutes of traffic that are older than that become hours; return how many rows that were."""
        return self._alone(FOLD_TRAFFIC, {"age": age.total_seconds(), "limit": limit})

    def forget_traffic(self, age: timedelta, limit: int) -> int:
        """Delete traffic that is older than that; return how many rows that were."""
        return self._alone(FORGET_TRAFFIC, {"age": age.total_seconds(), "limit": limit})

    def recount(self, notification_id: UUID, first: UUID, beyond: UUID) -> None:
        """Add what is missing between a broadcast's tallies and its rows, whose ids lie between these.

        Tallies commit with their rows, and one statement sees both as of one moment: whatever is written meanwhile
        is on both sides or on neither.
        """
        with connections[self.db].cursor() as cursor:
            cursor.execute(RECOUNT, {"notification": notification_id, "first": first, "beyond": beyond})

    def _alone(self, statement: str, values: Mapping[str, float | datetime]) -> int:
        with transaction.atomic(using=self.db), connections[self.db].cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
            if not cursor.fetchone()[0]:
                return 0
            # The lock was its holder's until it had committed: this statement sees all of it.
            cursor.execute(statement, values)
            return int(cursor.fetchone()[0])


class Tally(models.Model):
    """How many deliveries of one kind one statement moved; only ever added to, and deleted once it is added up."""

    slot = models.DateTimeField(help_text=_("When, to ten seconds."))
    notification_id = models.UUIDField(null=True, help_text=_("Of a broadcast; else empty."))
    channel = models.CharField(max_length=8)
    provider = models.CharField(max_length=63, blank=True)
    category = models.CharField(max_length=63, blank=True)
    was = models.CharField(max_length=12, blank=True, help_text=_("Empty: newly planned."))
    state = models.CharField(max_length=12, help_text=_("What is sending counts as pending."))
    reason = models.CharField(max_length=20, blank=True)
    lag = models.SmallIntegerField(help_text=_("2 log2 of the milliseconds until it was sent; -1 if it was not."))
    moved = models.IntegerField()
    sent = models.IntegerField(help_text=_("How many more were ever taken by a provider."))
    delivered = models.IntegerField(help_text=_("How many more ever arrived."))

    objects = TallyQuerySet.as_manager()

    class Meta:
        verbose_name = _("tally")
        verbose_name_plural = _("tallies")
        indexes: ClassVar = [
            models.Index(
                fields=["notification_id"], condition=Q(notification_id__isnull=False), name="carillon_tally_broadcast"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.moved} {self.channel} {self.was} > {self.state}"


class BroadcastTally(models.Model):
    """What a broadcast's tallies add up to: by state in ten seconds, or (its slot the epoch) in all time before."""

    notification_id = models.UUIDField()
    slot = models.DateTimeField()
    state = models.CharField(max_length=12)
    held = models.BigIntegerField(help_text=_("How many more deliveries are in the state; may be negative."))
    sent = models.BigIntegerField()
    delivered = models.BigIntegerField()

    class Meta:
        verbose_name = _("tally of a broadcast")
        verbose_name_plural = _("tallies of broadcasts")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["notification_id", "slot", "state"], name="carillon_broadcasttally_once"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["slot"], condition=Q(slot__gt=EPOCH), name="carillon_broadcasttally_slot"),
        ]

    def __str__(self) -> str:
        return f"{self.held} {self.state}"


class Traffic(models.Model):
    """A roll-up of all traffic: what moved in one minute, or in one hour once that is long ago."""

    begins = models.DateTimeField()
    seconds = models.SmallIntegerField(help_text=_("60, or 3600 where its minutes became an hour."))
    channel = models.CharField(max_length=8)
    provider = models.CharField(max_length=63, blank=True)
    category = models.CharField(max_length=63, blank=True)
    was = models.CharField(max_length=12, blank=True)
    state = models.CharField(max_length=12)
    reason = models.CharField(max_length=20, blank=True)
    lag = models.SmallIntegerField()
    moved = models.BigIntegerField()

    class Meta:
        verbose_name = _("traffic")
        verbose_name_plural = _("traffic")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["begins", "seconds", "channel", "provider", "category", "was", "state", "reason", "lag"],
                name="carillon_traffic_once",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["begins"], condition=Q(seconds=60), name="carillon_traffic_minutes"),
        ]

    def __str__(self) -> str:
        return f"{self.moved} {self.channel} {self.was} > {self.state}"
