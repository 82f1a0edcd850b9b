"""Find a person or message: one search box, one timeline, and what holds for the person today beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from ..enums import Channel
from ..flows.find import Somebody, find
from ..flows.timeline import Entry, timeline
from ..models import Delivery, Device, Suppression
from ..models.console_queries import Line
from ..rules.identity import user_key
from .base import ReadOnlyAdmin
from .markup import (
    address,
    badge,
    explanation,
    facts,
    history_table,
    moment,
    person_url,
    reason_text,
    redacted,
    sees_personal_data,
)
from .what_if import what_if

_LONGEST_NUMBER = 18


class PersonAdmin(ReadOnlyAdmin):
    """The home of support."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Shown to those who may look at deliveries."""
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        """Looking needs the permission to look at deliveries."""
        return bool(request.user.has_perm("carillon.view_delivery"))

    def get_urls(self) -> list[URLPattern]:
        """There is one page."""
        return [path("", self.admin_site.admin_view(self.changelist_view), name="carillon_person_changelist")]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the search box and, for a search, the timeline of the best match."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        term = request.GET.get("q", "").strip()
        context = {
            **self.admin_site.each_context(request),
            "title": _("Find a person or message"),
            "opts": self.opts,
            "media": self.media,
            "term": term,
        }
        if term:
            context |= self._found(request, term)
        return TemplateResponse(request, "carillon/console/person.html", context)

    def _found(self, request: HttpRequest, term: str) -> dict[str, Any]:
        found = find(term)
        site = self.admin_site.name
        if found.broadcast is not None:
            url = reverse("admin:carillon_notification_change", args=[found.broadcast], current_app=site)
            return {"broadcast_url": url}
        if not found.people:
            return {"nothing": True}
        person = found.people[0]
        before = request.GET.get("before", "")
        at = int(before) if before.isdecimal() and len(before) <= _LONGEST_NUMBER else None
        page = timeline(person, before=at, message=found.message)
        if not page.entries and not person.username and not before and not page.devices:
            return {"nothing": True}
        view = _View(request, person, found.message, site)
        return {
            "person": view.person(),
            "what_if": what_if(request, person.recipient, term, site),
            "others": [(key.recipient, person_url(key.recipient, site)) for key in found.people[1:]],
            "entries": [view.entry(entry) for entry in page.entries],
            "devices": [view.device(row) for row in page.devices],
            "suppressions": [view.suppression(row) for row in page.suppressions],
            "preference": _preference(person.wishes),
            "newest_url": person_url(person.recipient, site) if before or found.message else "",
            "older_url": f"{person_url(person.recipient, site)}&before={page.older}" if page.older else "",
        }


class _View:
    """Turns what a timeline holds into what its template shows, masked where the reader may not see more."""

    def __init__(self, request: HttpRequest, person: Somebody, message: Any, site: str) -> None:
        self.full = sees_personal_data(request)
        self.who, self.message, self.site = person, message, site
        self.zone = (person.wishes or {}).get("time_zone") or person.facts.get("time_zone", "")

    def person(self) -> dict[str, Any]:
        """Who it is."""
        key = user_key(self.who.recipient)
        name = self.who.username if self.full else ""
        if not name:
            name = _("User %(key)s") % {"key": key} if key else _("Somebody without an account")
        shown = {
            str(channel.label): address(channel, self.who.facts[channel], full=self.full)
            for channel in (Channel.EMAIL, Channel.SMS)
            if self.who.facts.get(channel)
        }
        unknown = bool(key) and not self.who.username
        return {"name": name, "recipient": self.who.recipient, "addresses": facts(shown), "unknown": unknown}

    def entry(self, entry: Entry) -> dict[str, Any]:
        """One notification with its deliveries, or one refused request."""
        if entry.refused is not None:
            line = entry.refused
            return {
                "at": moment(line.at, self.zone),
                "refused": line.state,
                "template": line.reason,
                "detail": line.detail,
            }
        first = entry.deliveries[0][0]
        notification = entry.notification
        return {
            "id": first.notification_id,
            "at": moment(entry.at, self.zone or first.time_zone),
            "template": notification.template if notification else _("(its notification is gone)"),
            "category": notification.category if notification else "",
            "url": reverse("admin:carillon_notification_change", args=[first.notification_id], current_app=self.site),
            "data": facts(notification.data) if notification and self.full and notification.data else "",
            "deliveries": [self.delivery(row, lines) for row, lines in entry.deliveries],
            "is_sought": self.message in {first.notification_id, *(row.pk for row, _lines in entry.deliveries)},
        }

    def delivery(self, row: Delivery, lines: list[Line]) -> dict[str, Any]:
        """One delivery with what happened to it."""
        where = self.zone or row.time_zone
        return {
            "id": row.pk,
            "url": reverse("admin:carillon_delivery_change", args=[row.pk], current_app=self.site),
            "badge": badge(row.state, duplicate=row.possible_duplicate),
            "reason": reason_text(row.reason),
            "explanation": explanation(row),
            "channel": row.get_channel_display(),
            "is_fallback": row.step > 0,
            "address": address(row.channel, row.address, full=self.full),
            "provider": row.provider,
            "attempt": row.attempt,
            "error": f"{row.error_code} {row.error_detail if self.full else redacted(row.error_detail)}".strip(),
            "due": moment(row.due_at, where) if row.state == "pending" else "",
            "updated": moment(row.updated_at, where),
            "history": history_table(lines, where, full=self.full) if lines else "",
            "is_sought": row.pk == self.message,
        }

    def device(self, row: Device) -> dict[str, Any]:
        """One device as it stands today."""
        return {
            "url": reverse("admin:carillon_device_change", args=[row.pk], current_app=self.site),
            "channel": row.get_channel_display(),
            "platform": row.get_platform_display(),
            "address": address(row.channel, row.address, full=self.full),
            "is_active": row.is_active,
            "why": row.get_deactivated_reason_display(),
            "seen": moment(row.last_seen_at, self.zone),
        }

    def suppression(self, row: Suppression) -> dict[str, Any]:
        """One suppression in force."""
        return {
            "url": reverse("admin:carillon_suppression_change", args=[row.pk], current_app=self.site),
            "channel": row.get_channel_display(),
            "hint": row.hint,
            "cause": row.get_cause_display(),
            "since": moment(row.created_at, self.zone),
        }


def _preference(wishes: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a stored preference as lines for people, or None if the recipient never changed anything."""
    if wishes is None:
        return None
    lines = [_switch(channel, on) for channel, on in wishes["channels"].items()]
    for category, switches in wishes["categories"].items():
        lines += [_switch(f"{category} · {channel}", on) for channel, on in switches.items()]
    return {
        "switches": lines,
        "quiet_hours": [
            {**window, "days": ", ".join(_day(day) for day in window.get("days", []))}
            for window in wishes["quiet_hours"]
            if isinstance(window, dict)
        ],
        "locale": wishes["locale"],
        "time_zone": wishes["time_zone"],
    }


def _switch(name: str, on: object) -> tuple[str, bool]:
    return str(Channel(name).label) if name in Channel.values else name, bool(on)


def _day(number: object) -> str:
    names = (_("Mon"), _("Tue"), _("Wed"), _("Thu"), _("Fri"), _("Sat"), _("Sun"))
    return names[number] if isinstance(number, int) and 0 <= number < len(names) else str(number)
