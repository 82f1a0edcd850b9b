"""What the page of a template's words tells beside them: languages and gaps, variables, versions, who sends them."""

from __future__ import annotations

import json
from typing import Any

from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from ..enums import BroadcastStatus, Channel
from ..flows.layout import Words
from ..models import Broadcast, Notification, Template, TemplateVersion
from .broadcast_shown import status_badge
from .markup import moment

_UNFINISHED = (
    BroadcastStatus.SCHEDULED,
    BroadcastStatus.PLANNING,
    BroadcastStatus.SENDING,
    BroadcastStatus.PAUSED,
    BroadcastStatus.STOPPED,
)
_MOST_BROADCASTS, _MOST_VERSIONS = 200, 20


def running_broadcasts(template: Template, site: str) -> list[dict[str, Any]]:
    """Return the broadcasts that go out with a template at this moment, in two statements."""
    unfinished = Broadcast.objects.filter(status__in=_UNFINISHED).defer("audience", "exclude")
    found = list(unfinished.order_by("-pk")[:_MOST_BROADCASTS])
    if not found:
        return []
    keys = [made.notification_id for made in found]
    numbers = dict(
        Notification.objects.filter(pk__in=keys, template=template.slug).values_list("pk", "version__number")
    )
    return [
        {
            "url": reverse("admin:carillon_broadcast_change", args=[made.pk], current_app=site),
            "badge": status_badge(made.status),
            "created": moment(made.created_at),
            "number": numbers[made.notification_id],
        }
        for made in found
        if made.notification_id in numbers
    ]


def language_table(words: Words) -> dict[str, Any]:
    """Return which channel has words in which language, and how many are missing."""
    locales = sorted({locale for _channel, locale in words})
    rows = []
    for channel in sorted({channel for channel, _locale in words}):
        cells = [
            {
                "locale": locale,
                "there": (channel, locale) in words,
                "parts": ", ".join(words.get((channel, locale), {})),
            }
            for locale in locales
        ]
        rows.append({"channel": channel.value, "label": Channel(channel).label, "cells": cells})
    missing = sum(not cell["there"] for row in rows for cell in row["cells"])
    return {"locales": locales, "rows": rows, "missing": missing}


def variable_rows(template: Template) -> list[dict[str, Any]]:
    """Return the variables of a template with their types and what words are tried with."""
    return [
        {
            "name": name,
            "kind": kind,
            "sensitive": name in template.sensitive,
            "sample": _text(template.sample.get(name)),
        }
        for name, kind in template.variables.items()
    ]


def version_rows(template: Template, start: TemplateVersion | None, words_url: str) -> list[dict[str, Any]]:
    """Return the newest versions, each with where it stands; they were read with the template."""
    found = sorted(template.versions.all(), key=lambda item: -item.number)[:_MOST_VERSIONS]
    return [
        {
            "number": item.number,
            "url": f"{words_url}?{urlencode({'from': item.pk})}",
            "created": moment(item.created_at),
            "by": item.created_by or item.get_source_display(),
            "standing": standing(item, template),
            "is_current": item.pk == template.current_id,
            "is_shown": start is not None and item.pk == start.pk,
        }
        for item in found
    ]


def standing(version: TemplateVersion, template: Template) -> str:
    """Return whether a version is in use, and why not."""
    if version.pk == template.current_id:
        return _("in use")
    if version.conflict:
        return _("conflict: not used")
    return _("draft") if version.draft else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
