"""Categories and templates as stored: the contract from code, the words from files or the console."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ..declarations.limits import LEAST_RETENTION
from ..enums import Channel, Priority, Source, UncertainPolicy
from .template_queries import TemplateQuerySet


class Category(models.Model):
    """A kind of message: what it may override, how urgent it is and where it goes."""

    slug = models.SlugField(max_length=63, unique=True)
    label = models.CharField(max_length=100, blank=True, help_text=_("What recipients read on their preference page."))
    description = models.CharField(max_length=300, blank=True)
    mandatory = models.BooleanField(
        default=False, help_text=_("Overrides preference and quiet hours, never suppression.")
    )
    priority = models.CharField(max_length=8, choices=Priority.choices, default=Priority.NORMAL)
    channels = models.JSONField(default=list, help_text=_("Channels that every message goes to."))
    fallback = models.JSONField(default=list, blank=True, help_text=_("Channels tried in turn when those fail."))
    patience = models.DurationField(default=timedelta(minutes=5))
    fallback_after = models.DurationField(null=True, blank=True)
    ttl = models.DurationField(null=True, blank=True)
    throttle = models.CharField(max_length=20, blank=True)
    digest = models.CharField(max_length=20, blank=True)
    uncertain = models.CharField(max_length=8, choices=UncertainPolicy.choices, default=UncertainPolicy.RESEND)
    retention = models.DurationField(
        null=True,
        blank=True,
        validators=[MinValueValidator(LEAST_RETENTION)],
        help_text=_("How long its messages are kept once they are over; empty: for ever."),
    )
    source = models.CharField(max_length=8, choices=Source.choices, default=Source.CONSOLE, editable=False)

    class Meta:
        verbose_name = _("category")
        verbose_name_plural = _("categories")
        ordering = ("slug",)

    def __str__(self) -> str:
        return self.slug

    @property
    def name(self) -> str:
        """What recipients read: the label in their language, or the slug as words."""
        return gettext(self.label) if self.label else self.slug.replace("-", " ").replace("_", " ").capitalize()

    @property
    def all_channels(self) -> list[Channel]:
        """Channels in the order in which they are tried: the primary ones, then the fallbacks."""
        return [Channel(item) for item in (*self.channels, *self.fallback)]


class Template(models.Model):
    """A template's contract: its category and variables; `current` holds the published words."""

    slug = models.SlugField(max_length=63, unique=True)
    category = models.ForeignKey(Category, on_delete=models.PROTECT, related_name="templates")
    variables = models.JSONField(default=dict, blank=True, help_text=_('Name to type, as {"code": "str"}.'))
    sensitive = models.JSONField(default=list, blank=True, help_text=_("Variables encrypted at rest and never shown."))
    sample = models.JSONField(default=dict, blank=True)
    source = models.CharField(max_length=8, choices=Source.choices, default=Source.CONSOLE, editable=False)
    current = models.ForeignKey(
        "TemplateVersion", null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )

    objects = TemplateQuerySet.as_manager()

    class Meta:
        verbose_name = _("template")
        verbose_name_plural = _("templates")
        permissions: ClassVar = [("publish", _("Can publish words"))]
        ordering = ("slug",)

    def __str__(self) -> str:
        return self.slug


class TemplateVersion(models.Model):
    """One immutable set of words; a notification is pinned to the version it was accepted with."""

    template = models.ForeignKey(Template, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    source = models.CharField(max_length=8, choices=Source.choices, default=Source.CONSOLE)
    checksum = models.CharField(max_length=64, help_text=_("Of the words, so that a deploy sees what changed."))
    conflict = models.BooleanField(
        default=False,
        help_text=_("Came with a deploy after the console had published; not used until someone decides."),
    )
    draft = models.BooleanField(default=False, help_text=_("Written, and never published."))
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        verbose_name = _("template version")
        verbose_name_plural = _("template versions")
        ordering = ("template_id", "-number")
        constraints: ClassVar = [models.UniqueConstraint(fields=["template", "number"], name="carillon_version_number")]

    def __str__(self) -> str:
        return f"{self.template.slug} v{self.number}"


class Translation(models.Model):
    """The words of one version for one channel and locale, part by part."""

    version = models.ForeignKey(TemplateVersion, on_delete=models.CASCADE, related_name="translations")
    channel = models.CharField(max_length=8, choices=Channel.choices)
    locale = models.CharField(max_length=16)
    parts = models.JSONField(default=dict)

    class Meta:
        verbose_name = _("translation")
        verbose_name_plural = _("translations")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["version", "channel", "locale"], name="carillon_translation_once"),
            models.CheckConstraint(condition=~Q(parts={}), name="carillon_translation_has_words"),
        ]

    def __str__(self) -> str:
        return f"{self.version} {self.channel} {self.locale}"
