"""Totals: how many deliveries ever came into each state, for counters that only ever rise.

The sweeper adds to them in the statement that adds tallies up. There is a row for each combination that was ever
seen, some hundreds: reading all of them is cheap, whatever the log holds.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _


class Total(models.Model):
    """How many deliveries came into a state since this was first counted."""

    channel = models.CharField(max_length=8)
    provider = models.CharField(max_length=63, blank=True)
    state = models.CharField(max_length=12, help_text=_("What is sending counts as pending."))
    reason = models.CharField(max_length=20, blank=True)
    lag = models.SmallIntegerField(help_text=_("2 log2 of the milliseconds until it was sent; -1 if it was not."))
    moved = models.BigIntegerField()

    class Meta:
        verbose_name = _("total")
        verbose_name_plural = _("totals")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["channel", "provider", "state", "reason", "lag"], name="carillon_total_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.moved} {self.channel} {self.state}"
