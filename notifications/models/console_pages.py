"""What the pages of operators show: a channel's pause, and pages of their own over tables that are there."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from ..enums import Channel
from .operations import ProviderHold
from .tally import Traffic


class ChannelPause(models.Model):
    """A channel on which nothing is to be sent for now; what comes due waits, and the pause always has an end."""

    channel = models.CharField(max_length=8, choices=Channel.choices, unique=True)
    until = models.DateTimeField()
    reason = models.CharField(max_length=300)
    paused_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions: ClassVar = ("add", "delete", "view")
        verbose_name = _("pause of a channel")
        verbose_name_plural = _("pauses of channels")

    def __str__(self) -> str:
        return f"{self.channel} until {self.until:%Y-%m-%d %H:%M}"


class Overview(Traffic):
    """How the service does, in figures of the last minutes or hours."""

    class Meta:
        proxy = True
        default_permissions: ClassVar = ()
        verbose_name = _("overview")
        verbose_name_plural = _("overview")


class ProviderCard(ProviderHold):
    """The providers, a card each."""

    class Meta:
        proxy = True
        default_permissions: ClassVar = ()
        permissions: ClassVar = [("send_trial", _("Can send a trial message to oneself"))]
        verbose_name = _("provider")
        verbose_name_plural = _("providers")


class Queue(ChannelPause):
    """What waits, on which channel and why, and who works on it."""

    class Meta:
        proxy = True
        default_permissions: ClassVar = ()
        permissions: ClassVar = [("clear_waiting", _("Can expire and cancel what waits"))]
        verbose_name = _("queue")
        verbose_name_plural = _("queues and workers")
