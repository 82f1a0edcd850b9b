"""What stands above the lists of devices and suppressions: how many there are of which kind, and what can be undone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy

from ..enums import Channel, DeactivatedReason, Family, Platform, SuppressionCause
from ..flows import census
from .markup import EMPTY, family_icon, moment

_COLUMNS = (
    ("active", gettext_lazy("active"), Family.REACHED, {"is_active__exact": "1"}),
    ("unseen", gettext_lazy("of these unseen"), Family.WAITING, None),
    ("quarantined", gettext_lazy("quarantined"), Family.NOT_SENT, {"deactivated_reason__exact": "quarantined"}),
    ("invalid", gettext_lazy("invalid"), Family.FAILED, {"deactivated_reason__exact": "unregistered"}),
    ("stale", gettext_lazy("stale"), Family.NOT_SENT, {"deactivated_reason__exact": "stale"}),
    ("others", gettext_lazy("off otherwise"), Family.NOT_SENT, None),
)


def device_board(site: str, *, may_prune: bool) -> dict[str, Any]:
    """Return how devices stand by channel and platform, and the newest prunings with the way back."""
    found, listed = census.devices(), reverse("admin:carillon_device_changelist", current_app=site)
    columns = [
        {"label": label, "family": family.value, "icon": family_icon(family)} for _n, label, family, _f in _COLUMNS
    ]
    rows = []
    for row in found.rows:
        cells = []
        for name, label, _family, asked in _COLUMNS:
            count = getattr(row, name)
            query = {"channel__exact": row.channel, **({"platform__exact": row.platform} if row.platform else {})}
            url = f"{listed}?{urlencode({**query, **asked})}" if asked is not None and count else ""
            cells.append({"count": f"{count:,}", "label": label, "url": url})
        platform = Platform(row.platform).label if row.platform in Platform.values else EMPTY
        rows.append({"channel": Channel(row.channel).label, "platform": platform, "cells": cells})
    return {
        "columns": columns,
        "rows": rows,
        "exact": found.exact,
        "days": census.stale_days(),
        "prunings": _prunings(site) if may_prune else [],
    }


def suppression_board(site: str) -> dict[str, Any]:
    """Return how many suppressions are in force, by cause and channel."""
    found, exact = census.suppressions()
    listed = reverse("admin:carillon_suppression_changelist", current_app=site)
    rows = []
    for cause in SuppressionCause:
        counts = found.get(cause, {})
        if not counts:
            continue
        cells = []
        for channel in Channel:
            asked = {"cause__exact": cause.value, "channel__exact": channel.value, "lifted_at__isempty": "1"}
            count = counts.get(channel, 0)
            cells.append(
                {"count": f"{count:,}", "label": channel.label, "url": f"{listed}?{urlencode(asked)}" if count else ""}
            )
        rows.append({"cause": cause.label, "cells": cells})
    return {
        "columns": [channel.label for channel in Channel],
        "rows": rows,
        "exact": exact,
    }


def _prunings(site: str) -> list[dict[str, Any]]:
    """Return what was switched off of late, each with the undo that is about just that."""
    undo, found = reverse("admin:carillon_device_undo", current_app=site), []
    for item in census.recent_prunings():
        zone = timezone.get_current_timezone()
        since, until = (at.astimezone(zone).replace(tzinfo=None) for at in (item.first_at, item.last_at))
        asked = {
            "reason": item.reason,
            "provider": item.provider,
            "since": since.replace(microsecond=0).isoformat(" "),
            "until": (until.replace(microsecond=0) + timedelta(seconds=1)).isoformat(" "),
        }
        found.append(
            {
                "count": f"{item.count:,}",
                "why": DeactivatedReason(item.reason).label,
                "provider": item.provider,
                "at": moment(item.last_at),
                "url": f"{undo}?{urlencode(asked)}",
            }
        )
    return found
