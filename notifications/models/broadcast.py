"""Broadcasts: where planning stands, what an operator asked for, and who had to be left out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, NamedTuple
from uuid import UUID

from django.db import connections, models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ..enums import BroadcastStatus, Priority
from ..rules.identity import new_id

# statement_timestamp(), since an index is no use against a clock that goes on. What is due is counted in the index
# alone; only where several broadcasts share it are the rows read, to tell whose they are. One that waits for
# its next page leaves its part to the others.
_CROWDS = """
    SELECT CASE WHEN b.sharing > 1 OR c.later THEN (
        SELECT count(*) FROM (
            SELECT notification_id FROM carillon_delivery
            WHERE channel = c.channel AND lane = %(lane)s AND state = 'pending' AND due_at <= statement_timestamp()
            LIMIT %(most)s
        ) first WHERE first.notification_id = %(notification)s::uuid
    ) END, (
        SELECT count(*) FROM (
            SELECT 1 FROM carillon_delivery
            WHERE channel = c.channel AND lane = %(lane)s AND state = 'pending' AND due_at <= statement_timestamp()
            LIMIT %(most)s
        ) first
    ), b.sharing, c.later
    FROM (
        SELECT unnest(%(first)s::text[]) AS channel, false AS later UNION ALL SELECT unnest(%(later)s::text[]), true
    ) c
    CROSS JOIN LATERAL (
        SELECT 1 + count(*) AS sharing FROM carillon_broadcast o
        JOIN carillon_notification n ON n.id = o.notification_id
        JOIN carillon_category k ON k.slug = n.category
        WHERE o.status = 'planning' AND o.notification_id <> %(notification)s::uuid AND k.priority = %(priority)s
          AND (o.retry_at IS NULL OR o.retry_at <= statement_timestamp())
          AND (k.channels || k.fallback) @> to_jsonb(c.channel)
          AND (n.channels = '[]' OR n.channels @> to_jsonb(c.channel))
    ) b
"""

# A merge join reads both of its sides from their beginning, so that a page costs what all pages before it cost
# together: the thousand people after the 582,000th took 0.3 s, and a third of PostgreSQL's time in a broadcast to a
# million. Without it they are looked up one by one, which for the first page is chosen anyway.
_PAGE_NOW = "SELECT clock_timestamp(), set_config('enable_mergejoin', 'off', true)"


class Crowd(NamedTuple):
    """How much is due now on a channel and lane: a broadcast's own, all, and how many broadcasts share it.

    Its own is not counted on a channel of its first step that it shares with none.
    """

    own: int | None
    due: int
    sharing: int


class Channels(NamedTuple):
    """A broadcast's channels: those of its first step, and those that it may fall back to."""

    first: Sequence[str]
    later: Sequence[str] = ()


class BroadcastQuerySet(models.QuerySet["Broadcast"]):
    """Broadcasts, and the statements that planning a page begins with."""

    def page_now(self) -> datetime:
        """Return the database's clock; until it ends, this transaction plans no merge join."""
        with connections[self.db].cursor() as cursor:
            cursor.execute(_PAGE_NOW)
            now: datetime = cursor.fetchone()[0]
        return now

    def crowds(self, notification_id: UUID, channels: Channels, priority: str, most: int) -> list[Crowd]:
        """Return what is due in a priority's lane on each channel that concerns a broadcast, counted up to `most`.

        A channel that it only may fall back to concerns it while something of its own is due there.
        """
        values: dict[str, str | int | list[str]] = {
            "notification": str(notification_id), "most": most, "priority": str(priority),
            "first": [str(item) for item in channels.first], "later": [str(item) for item in channels.later],
            "lane": int(Priority(priority).lane),
        }  # fmt: skip
        with connections[self.db].cursor() as cursor:
            cursor.execute(_CROWDS, values)
            return [Crowd(*row) for *row, later in cursor.fetchall() if not later or row[0]]


class Broadcast(models.Model):
    """One notification to an audience: where planning stands and what an operator asked for."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    notification_id = models.UUIDField(unique=True)
    status = models.CharField(max_length=10, choices=BroadcastStatus.choices)
    audience = models.JSONField()
    exclude = models.JSONField(null=True)
    cursor = models.CharField(max_length=80, blank=True, help_text=_("Where in its audience planning stands."))
    members = models.PositiveIntegerField(default=0)
    planned = models.PositiveIntegerField(default=0)
    problems = models.PositiveIntegerField(default=0, help_text=_("Recipients that could not be planned."))
    expected = models.PositiveIntegerField(null=True, help_text=_("How many people were counted when it was launched."))
    per_second = models.PositiveIntegerField(null=True, help_text=_("The most messages due in a second."))
    ramp_minutes = models.PositiveSmallIntegerField(null=True, help_text=_("How long it starts slowly."))
    send_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    paced_from = models.DateTimeField(null=True, help_text=_("What rate and ramp count from."))
    failures = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text=_("How often in a row its next page could not be planned.")
    )
    retry_at = models.DateTimeField(null=True, help_text=_("When that page is tried again."))
    stopped_for = models.CharField(
        max_length=300, blank=True, default="", db_default="", help_text=_("Why it stopped itself.")
    )
    judged_from = models.JSONField(null=True, help_text=_("What had failed when somebody last let it go on."))
    planned_at = models.DateTimeField(null=True, help_text=_("When the last page was planned."))
    finished_at = models.DateTimeField(null=True)
    outcome = models.JSONField(
        null=True, help_text=_("Its template and counts as they were when its deliveries began to be deleted.")
    )
    tallied = models.BooleanField(
        default=True, db_default=False, help_text=_("Whether its tallies tell its counts; else its rows are counted.")
    )

    objects = BroadcastQuerySet.as_manager()

    class Meta:
        verbose_name = _("broadcast")
        verbose_name_plural = _("broadcasts")
        indexes: ClassVar = [
            models.Index(
                fields=["status"],
                condition=Q(status__in=["scheduled", "planning", "sending"]),
                name="carillon_broadcast_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.status} {self.id}"


class LeftOut(models.Model):
    """A member of a broadcast whose deliveries could not be planned, while those of others could."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    broadcast = models.ForeignKey(Broadcast, on_delete=models.CASCADE, related_name="left_out")
    recipient = models.CharField(max_length=80)
    error = models.CharField(max_length=60, help_text=_("The kind of error; never its text, which may quote a value."))
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("recipient left out")
        verbose_name_plural = _("recipients left out")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["broadcast", "recipient"], name="carillon_left_out_once")
        ]
        indexes: ClassVar = [models.Index(fields=["recipient"], name="carillon_left_out_recipient")]

    def __str__(self) -> str:
        return f"{self.recipient} {self.error}"
