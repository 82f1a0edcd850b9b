"""What the console shows beside the tables: views of the delivery log under names and addresses of their own."""

from __future__ import annotations

from typing import ClassVar

from django.utils.translation import gettext_lazy as _

from .log import Delivery


class DeadLetter(Delivery):
    """A delivery that somebody must act on, listed by cause."""

    class Meta:
        proxy = True
        default_permissions: ClassVar = ()
        verbose_name = _("dead letter")
        verbose_name_plural = _("dead letters")


class Person(Delivery):
    """What one recipient was sent, as a timeline."""

    class Meta:
        proxy = True
        default_permissions: ClassVar = ()
        permissions: ClassVar = [("resend", _("Can send one person's message again"))]
        verbose_name = _("person or message")
        verbose_name_plural = _("find a person or message")
