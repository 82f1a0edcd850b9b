"""What a timeline holds as its template shows it, masked where the reader may not see more."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from ..channels import SPECS
from ..enums import REACHED_STATES, Channel
from ..flows.find import Somebody
from ..flows.requests import PYTHON
from ..flows.resend import OWNER
from ..flows.story import Asked, Decided, Happened, Step, story
from ..flows.timeline import Entry
from ..models import Delivery, Device, Suppression
from ..models.console_queries import Line
from ..rules.explanations import explain
from ..rules.foresight import Verdict
from ..rules.identity import user_key
from .markup import (
    address,
    badge,
    explanation,
    facts,
    moment,
    person_url,
    reason_text,
    redacted,
    sees_personal_data,
)

_MARKS = {Verdict.PASSES: "✓", Verdict.WAITS: "◷", Verdict.STOPS: "⊘", Verdict.NOT_ASKED: "–"}


class PersonView:
    """Turns one person's records into what is shown of them."""

    def __init__(self, request: HttpRequest, person: Somebody, message: UUID | None, site: str) -> None:
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
                "detail": line.detail if self.full else redacted(line.detail),
            }
        first = entry.deliveries[0][0]
        notification = entry.notification
        resent = notification.resend_of if notification else None
        return {
            "id": first.notification_id,
            "at": moment(entry.at, self.zone or first.time_zone),
            "template": notification.template if notification else _("(its notification is gone)"),
            "is_known": notification is not None,
            "category": notification.category if notification else "",
            "url": reverse("admin:carillon_notification_change", args=[first.notification_id], current_app=self.site),
            "data": facts(notification.data) if notification and self.full and notification.data else "",
            "deliveries": [self.delivery(entry, row, lines) for row, lines in entry.deliveries],
            "is_sought": self.message in {first.notification_id, *(row.pk for row, _lines in entry.deliveries)},
            "is_reached": any(row.state in REACHED_STATES for row, _lines in entry.deliveries),
            "resend_of_url": person_url(resent, self.site) if resent else "",
        }

    def delivery(self, entry: Entry, row: Delivery, lines: list[Line]) -> dict[str, Any]:
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
            "steps": [self.step(step, where) for step in story(row, entry.notification, lines)],
            "is_sought": row.pk == self.message,
        }

    def step(self, step: Step, where: str) -> dict[str, Any]:
        """One step: when, what, and in which words; rules as a row of verdicts."""
        at = moment(step.at, where)
        if isinstance(step, Asked):
            return {"at": at, "name": _("Request"), "text": self._asked(step, where)}
        if isinstance(step, Decided):
            said = [(rule.label, _MARKS[verdict], verdict) for rule, verdict in step.verdicts]
            return {"at": at, "name": _("Rules"), "verdicts": said}
        if isinstance(step, Happened):
            return {"at": at, **self._happened(step.line)}
        return {"at": at, "badge": badge(step.state), "text": explain(step.state, step.reason)}

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
            "key": row.pk,
            "url": reverse("admin:carillon_suppression_change", args=[row.pk], current_app=self.site),
            "channel": row.get_channel_display(),
            "hint": row.hint,
            "cause": row.get_cause_display(),
            "since": moment(row.created_at, self.zone),
        }

    def summary(self, headline: str, entry: Entry) -> str:
        """Return a message as text for a ticket: addresses shortened for everybody, times in UTC."""
        lines = [headline, ""]
        if entry.refused is not None:
            told = entry.refused
            return "\n".join([*lines, f"{_utc(entry.at)} refused: {told.state} {told.reason} {redacted(told.detail)}"])
        first = entry.deliveries[0][0]
        name = entry.notification.template if entry.notification else ""
        lines += [f"{name} {first.notification_id}", f"{self.who.recipient} {_utc(entry.at)}"]
        for row, history in entry.deliveries:
            shown = " ".join([row.channel, _hidden(row), row.state, row.reason, row.provider, row.error_code])
            lines += ["", f"{' '.join(shown.split())} ({row.pk})", explanation(row)]
            for line in history:
                parts = (line.kind, line.state, line.reason, line.provider, line.code, redacted(line.detail))
                lines.append(f"  {_utc(line.at)} {' '.join(filter(None, parts))}")
        return "\n".join(lines)

    def _asked(self, step: Asked, where: str) -> str:
        by = {PYTHON: _("asked for by the application itself"), OWNER: _("asked for in the console")}
        parts = [by.get(step.owner) or _("asked for through the API by %(owner)s") % {"owner": step.owner or "–"}]
        if step.send_at:
            parts.append(_("to go out at %(at)s UTC") % {"at": f"{step.send_at:%Y-%m-%d %H:%M}"})
        if step.collapse_key:
            parts.append(_("replaces what waits under %(key)s") % {"key": step.collapse_key})
        if step.resend_of:
            parts.append(_("sends again %(id)s") % {"id": step.resend_of})
        return "; ".join(parts)

    def _happened(self, line: Line) -> dict[str, Any]:
        detail = line.detail if self.full else redacted(line.detail)
        text = " · ".join(filter(None, (reason_text(line.reason), line.provider, line.code, detail, line.actor)))
        if line.kind == "receipt":
            return {"name": _("receipt: %(kind)s") % {"kind": line.state}, "text": text}
        shown = {"badge": badge(line.state), "text": text}
        return {**shown, "attempt": line.attempt} if line.attempt else shown


def preference_lines(wishes: Mapping[str, Any] | None) -> dict[str, Any] | None:
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


def _hidden(row: Delivery) -> str:
    return SPECS[Channel(row.channel)].mask(row.address) if row.address else ""


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
