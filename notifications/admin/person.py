"""Find a person or message: one search box, one timeline, and what holds for the person today beside it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..flows.find import Found, find
from ..flows.story import headline
from ..flows.timeline import Entry, timeline
from .base import ReadOnlyAdmin
from .markup import person_url
from .person_acts import lift_for, may_lift, may_resend, resend_to
from .person_view import PersonView, preference_lines
from .what_if import what_if

_LONGEST_NUMBER = 18
_EVER = "all"
_WINDOWS = {
    "1": gettext_lazy("the last 24 hours"),
    "7": gettext_lazy("the last 7 days"),
    "30": gettext_lazy("the last 30 days"),
    _EVER: gettext_lazy("everything that is kept"),
}
_USUAL = "30"


class PersonAdmin(ReadOnlyAdmin):
    """The home of support."""

    class Media:
        """What this page looks like."""

        css: ClassVar = {"all": ["carillon/people.css"]}

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Shown to those who may look at deliveries."""
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        """Looking needs the permission to look at deliveries."""
        return bool(request.user.has_perm("carillon.view_delivery"))

    def get_urls(self) -> list[URLPattern]:
        """The page itself, and what can be done from it."""
        wrap = self.admin_site.admin_view
        return [
            path("", wrap(self.changelist_view), name="carillon_person_changelist"),
            path("resend/", wrap(self.resend_view), name="carillon_person_resend"),
            path("lift/", wrap(self.lift_view), name="carillon_person_lift"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the search box and, for a search, the timeline of the best match."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        term = request.GET.get("q", "").strip()
        window = request.GET.get("window", _USUAL)
        window = window if window in _WINDOWS else _USUAL
        context = {
            **self.admin_site.each_context(request),
            "title": _("Find a person or message"),
            "opts": self.opts,
            "media": self.media,
            "term": term,
            "window": window,
            "windows": list(_WINDOWS.items()),
        }
        if term:
            context |= self._found(request, term, window)
        return TemplateResponse(request, "carillon/console/person.html", context)

    def resend_view(self, request: HttpRequest) -> HttpResponse:
        """Dry run, then send one message to one person again."""
        return resend_to(self, request)

    def lift_view(self, request: HttpRequest) -> HttpResponse:
        """Dry run, then lift one suppression and come back."""
        return lift_for(self, request)

    def _found(self, request: HttpRequest, term: str, window: str) -> dict[str, Any]:
        found = find(term)
        site = self.admin_site.name
        if found.broadcast is not None:
            url = reverse("admin:carillon_notification_change", args=[found.broadcast], current_app=site)
            return {"broadcast_url": url}
        if not found.people:
            return {"nothing": True}
        person = found.people[0]
        now = timezone.now()
        before = _cursor(request.GET.get("before", ""))
        page = timeline(person, before=before, message=found.message, since=_since(window, now))
        view = PersonView(request, person, found.message, site)
        home = person_url(person.recipient, site)
        if not page.entries and not person.username and before is None and not page.devices:
            # Whether nobody is so called, or only nothing happened of late, is found out where it was asked for.
            return {"nothing": True, "ever_url": "" if window == _EVER else _with(request, window=_EVER)}
        return {
            "person": view.person(),
            "what_if": what_if(request, person.recipient, term, site),
            "others": [(key.recipient, person_url(key.recipient, site)) for key in found.people[1:]],
            "entries": [view.entry(entry) for entry in page.entries],
            "devices": [view.device(row) for row in page.devices],
            "suppressions": [view.suppression(row) for row in page.suppressions],
            "preference": preference_lines(person.wishes),
            "newest_url": home if before is not None or found.message else "",
            "older_url": f"{home}&{urlencode({'window': window, 'before': str(page.older)})}" if page.older else "",
            "ever_url": "" if window == _EVER else f"{home}&window={_EVER}",
            "window_text": _WINDOWS[window],
            "may_resend": may_resend(request),
            "may_lift": may_lift(request),
            **_told(view, page.entries, found, now),
        }


def _told(view: PersonView, entries: tuple[Entry, ...], found: Found, now: datetime) -> dict[str, str]:
    """Return the sentence for the customer about the message that was looked for, or the newest, and it as text."""
    sought = (
        entry
        for entry in entries
        if entry.deliveries
        and found.message in {entry.deliveries[0][0].notification_id, *(row.pk for row, _lines in entry.deliveries)}
    )
    entry = next(sought, entries[0] if entries else None)
    if entry is None:
        return {}
    sentence = headline(entry, view.zone, now)
    return {"headline": sentence, "summary": view.summary(sentence, entry)}


def _since(window: str, now: datetime) -> datetime | None:
    return None if window == _EVER else now - timedelta(days=int(window))


def _cursor(text: str) -> int | None:
    return int(text) if text.isdecimal() and text.isascii() and len(text) <= _LONGEST_NUMBER else None


def _with(request: HttpRequest, **changed: str) -> str:
    query = request.GET.copy()
    for name, value in changed.items():
        query[name] = value
    return f"?{query.urlencode()}"
