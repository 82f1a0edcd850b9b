"""Overview: how the service does, in one sentence with its reason, and in the figures behind it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..enums import BroadcastStatus, Family
from ..flows.dead_letters import cause_of
from ..flows.overview import MOST_DUE, USUAL, WINDOWS, ChannelRow, Running, Seen, look
from ..models.figures import OpenAlert
from ..rules.overview import Finding, duration
from .frame import OperatorPage, pill
from .markup import EMPTY, moment, reason_text, redacted, sees_personal_data
from .plot import plot
from .provider_shown import state_pill

_LABELS = {"15m": gettext_lazy("15 minutes"), "1h": gettext_lazy("1 hour"), "24h": gettext_lazy("24 hours")}
_CAUSES_SHOWN = 6
_EVERY_SECONDS = 15
_STATUS_FAMILIES = {
    BroadcastStatus.PAUSED: Family.WAITING,
    BroadcastStatus.STOPPED: Family.FAILED,
}


class OverviewAdmin(OperatorPage):
    """The first page in an outage, and on a quiet morning."""

    looks: ClassVar[str] = "carillon.view_traffic"

    def shown(self, request: HttpRequest) -> HttpResponse:
        """Show the figures of a window."""
        seen = look(request.GET.get("window", USUAL))
        if not sees_personal_data(request):  # what somebody wrote about a pause may name somebody
            seen = replace(seen, findings=[replace(item, text=redacted(item.text)) for item in seen.findings])
        context = {
            **self.frame(request, _("Overview")),
            "windows": [
                {"label": label, "url": f"?{urlencode({'window': name})}", "chosen": name == seen.window}
                for name, label in _LABELS.items()
                if name in WINDOWS
            ],
            "now": moment(seen.now),
            "first": self._finding(seen.findings[0]),
            "others": [self._finding(item) for item in seen.findings[1:]],
            "channels": [self._channel(row) for row in seen.channels],
            "plot": plot(seen),
            **self._around(request, seen),
            "as_text": as_text(seen),
            "every": _EVERY_SECONDS,
        }
        return TemplateResponse(request, "carillon/console/overview.html", context)

    def _around(self, request: HttpRequest, seen: Seen) -> dict[str, Any]:
        """Return what is beside the figures, as far as the user may see it elsewhere too."""
        may = request.user.has_perm
        return {
            "dead": self._dead(seen) if may("carillon.view_delivery") else None,
            "dead_url": self.url("deadletter_changelist"),
            "dead_count": f"{seen.dead_count:,}{'+' if seen.dead_more else ''}",
            "providers": [
                {"alias": item.alias, "state": state_pill(item), "channel": item.channel.label if item.channel else ""}
                for item in seen.providers
            ],
            "providers_url": self.url("providercard_changelist") if may("carillon.view_providerhold") else "",
            "queue_url": self.url("queue_changelist") if may("carillon.view_claim") else "",
            "broadcasts": [self._broadcast(item) for item in seen.broadcasts]
            if may("carillon.view_broadcast")
            else None,
            "broadcast_url": self.url("broadcast_changelist"),
            "alerts": [self._alert(item) for item in seen.alerts] if may("carillon.view_alert") else None,
            "alert_url": self.url("alert_changelist") + "?acknowledged_at__isempty=1",
        }

    def _finding(self, item: Finding) -> dict[str, Any]:
        words = {
            Family.FAILED: _("trouble"),
            Family.WAITING: _("attention"),
            Family.REACHED: _("well"),
            Family.NOT_SENT: _("quiet"),
        }
        return {"text": item.text, "pill": pill(item.family, words.get(item.family, item.family.label))}

    def _channel(self, row: ChannelRow) -> dict[str, Any]:
        share = row.figures.error_share
        return {
            "name": row.channel.label,
            "sent": f"{row.figures.sent:,}",
            "failed": f"{row.figures.failed:,}",
            "share": f"{share:.1%}" if share is not None else "",
            "tried_again": f"{row.figures.tried_again:,}",
            "delivered": f"{row.figures.delivered:,}",
            "skipped": f"{row.skipped:,}",
            "p95": duration(row.figures.p95 / 1000) if row.figures.p95 is not None else EMPTY,
            "due": f"{row.due:,}{'+' if row.due >= MOST_DUE else ''}",
            "oldest": duration(row.oldest) if row.oldest is not None else EMPTY,
            "paused": moment(row.paused_until) if row.paused_until else "",
        }

    def _dead(self, seen: Seen) -> list[dict[str, Any]]:
        return [
            {
                "count": f"{group.count:,}",
                "why": reason_text(group.reason),
                "where": " · ".join(filter(None, (group.channel, group.provider, group.template, group.code))),
                "url": f"{self.url('deadletter_changelist')}?{urlencode(cause_of(group).values())}",
            }
            for group in seen.dead[:_CAUSES_SHOWN]
        ]

    def _broadcast(self, item: Running) -> dict[str, Any]:
        made, counts = item.broadcast, item.progress.counts if item.progress else None
        status = BroadcastStatus(made.status)
        rate = item.progress.per_second if item.progress else None
        return {
            "template": item.template,
            "url": self.url("broadcast_change", made.pk),
            "status": pill(_STATUS_FAMILIES.get(status, Family.ON_ITS_WAY), status.label, made.stopped_for),
            "sent": f"{counts.sent:,}" if counts else EMPTY,
            "planned": f"{counts.planned:,}" if counts else f"{made.planned:,}",
            "failed": f"{counts.failed + counts.dead:,}" if counts else EMPTY,
            "rate": f"{rate:,.0f}" if rate else EMPTY,
            "max": max(1, counts.planned if counts else made.planned),
            "value": min(counts.planned, counts.planned - counts.waiting) if counts else 0,
        }

    def _alert(self, item: OpenAlert) -> dict[str, Any]:
        return {"text": f"{item.kind.replace('_', ' ')}: {item.subject}", "count": item.count}


def as_text(seen: Seen) -> str:
    """Return the page as lines for a ticket."""
    lines = [f"{seen.now:%Y-%m-%d %H:%M:%S} UTC, {_LABELS[seen.window]}", *(item.text for item in seen.findings), ""]
    for row in seen.channels:
        p95 = duration(row.figures.p95 / 1000) if row.figures.p95 is not None else EMPTY
        oldest = duration(row.oldest) if row.oldest is not None else EMPTY
        told = _("%(channel)s: %(sent)s sent, %(failed)s failed, p95 %(p95)s, %(due)s due, the oldest for %(oldest)s")
        values = {"channel": row.channel.label, "sent": f"{row.figures.sent:,}", "failed": f"{row.figures.failed:,}"}
        lines.append(told % {**values, "p95": p95, "due": f"{row.due:,}", "oldest": oldest})
    lines += [f"{item.alias}: {item.state.label}" for item in seen.providers]
    for group in seen.dead[:_CAUSES_SHOWN]:
        where = " ".join(filter(None, (group.channel, group.provider, group.template, group.code)))
        lines.append(f"{group.count:,} · {reason_text(group.reason)} · {where}")
    return "\n".join(line.rstrip() for line in lines)
