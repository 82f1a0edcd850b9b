"""Broadcasts in the console: how far they are, what broke, whom they left out, and what a person may do about one."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..exceptions import RequestRejected
from ..flows.draft_preview import preview_broadcast
from ..flows.operate import By
from ..flows.operate_broadcasts import ALLOWED, control
from ..flows.status import Counts, Progress
from ..models import Broadcast, LeftOut, Notification
from .base import ReadOnlyAdmin, as_uuid, time_column, without_nul
from .broadcast_act import ACTS, BroadcastActs
from .broadcast_new import NewBroadcastPages
from .broadcast_page import page_context
from .broadcast_shown import audience_text, progress_in_time, shown
from .changelist import KeysetChangeList
from .confirm import DryRun, Operation, ask_or_do, selected
from .markup import moment, person_link, short_id


def _operation(name: str) -> Operation:
    def look(keys: Any) -> DryRun:
        able = Broadcast.objects.filter(pk__in=keys, status__in=ALLOWED[name]).count()
        lines = [(_("are in a status in which this can be done"), able), (_("are left alone"), len(keys) - able)]
        return DryRun(able, lines)

    def run(keys: Any, by: By) -> str:
        done, refused = control(name, keys, by)
        told = ngettext("Done for %(count)d broadcast.", "Done for %(count)d broadcasts.", done) % {"count": done}
        return " ".join((told, *refused))

    return Operation(name, ACTS[name].title, ACTS[name].button, ACTS[name].effect, look, run)


#: What can be done to several at once, as in an incident; the rest is done to one, on its page.
_TOGETHER = {name: _operation(name) for name in ("pause", "resume")}


class BroadcastList(KeysetChangeList):
    """The list, each broadcast with its template and progress."""

    def get_results(self, request: HttpRequest) -> None:
        """Add what a page of broadcasts has come to, in two statements."""
        super().get_results(request)
        rows: list[Any] = list(self.result_list)
        keys = [row.notification_id for row in rows]
        templates = dict(Notification.objects.filter(pk__in=keys).values_list("pk", "template")) if rows else {}
        progress = progress_in_time(rows)
        self.counts_missing = progress is None
        for row in rows:
            row.template = templates.get(row.notification_id) or (row.outcome or {}).get("template", "")
            row.shown = shown(row, (progress or {}).get(row.pk, Progress(Counts())))
            row.whom = audience_text(row.audience)
            row.created, row.begins = moment(row.created_at), moment(row.send_at)
        self.result_list = rows

    @property
    def empty_text(self) -> str:
        """What to do where there is none yet."""
        if self.query or self.has_active_filters or self.timed_out:
            return super().empty_text
        return _("Nobody has sent a broadcast yet. Draft one with “Add broadcast”: nothing goes out before a launch.")


class BroadcastAdmin(BroadcastActs, NewBroadcastPages, ReadOnlyAdmin):
    """Broadcasts with what became of them so far."""

    bounded: ClassVar[bool] = False  # its counts come from tallies
    change_list_template = "admin/carillon/broadcast_list.html"
    list_display = ("status",)
    list_filter = ("status",)
    search_fields = ("pk",)
    search_help_text = gettext_lazy("A broadcast's or its notification's id: exactly.")

    class Media:
        """The screens of what is sent to many have a style sheet of their own."""

        css: ClassVar = {"all": ["carillon/board.css"]}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        """List with progress."""
        return BroadcastList

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """What may be done to several broadcasts, for those who may."""
        if not self.has_control_permission(request):
            return {}
        return {name: (_asking(name), name, operation.title) for name, operation in _TOGETHER.items()}

    def get_urls(self) -> list[URLPattern]:
        """Add the pages of one broadcast."""
        named = (("preview", self.preview_view), ("live", self.live_view))
        own = [
            path(f"<uuid:key>/{name}/", self.admin_site.admin_view(view), name=f"carillon_broadcast_{name}")
            for name, view in named
        ]
        act = self.admin_site.admin_view(self.act_view)
        return [*own, path("<uuid:key>/do/<slug:action>/", act, name="carillon_broadcast_do"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Call the list by its name."""
        return super().changelist_view(request, {**(extra_context or {}), "title": _("Broadcasts")})

    @without_nul
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show how far it is, and what can be done."""
        made = self._shown_to(request, as_uuid(object_id))
        if request.method == "POST":
            raise PermissionDenied
        context = {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media}
        found = page_context(self, request, made)
        return TemplateResponse(request, "carillon/console/broadcast.html", {**context, **found})

    def live_view(self, request: HttpRequest, key: UUID) -> HttpResponse:
        """Return what of the page changes while it is open."""
        made = self._shown_to(request, key)
        response = TemplateResponse(request, "carillon/console/broadcast_live.html", page_context(self, request, made))
        response["Cache-Control"] = "no-store"
        return response

    def preview_view(self, request: HttpRequest, key: UUID) -> HttpResponse:
        """Render the first of a draft's recipients, and show what is missing."""
        made = self._shown_to(request, key)
        back = reverse("admin:carillon_broadcast_change", args=[key], current_app=self.admin_site.name)
        try:
            found = preview_broadcast(made.pk)
        except RequestRejected as error:
            self.message_user(request, error.detail, messages.WARNING)
            return HttpResponseRedirect(back)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Preview of a broadcast"),
            "opts": self.opts,
            "media": self.media,
            "found": found,
            "back": back,
        }
        return TemplateResponse(request, "carillon/console/broadcast_preview.html", context)

    def find(self, term: str) -> Q:
        """Find by its own or its notification's id."""
        return self.exactly("pk", term) | self.exactly("notification_id", term)

    def _shown_to(self, request: HttpRequest, key: UUID | None) -> Broadcast:
        """Return a broadcast to somebody who may see it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        made = Broadcast.objects.filter(pk=key).first() if key else None
        if made is None:
            raise Http404
        return made


def _asking(name: str) -> Any:
    def ask(page: Any, request: HttpRequest, _queryset: QuerySet[Broadcast]) -> HttpResponse:
        keys = [key for key in map(as_uuid, selected(request)) if key is not None]
        return ask_or_do(page, request, _TOGETHER[name], keys, request.get_full_path())

    return ask


class LeftOutAdmin(ReadOnlyAdmin):
    """Who could not be planned, broadcast by broadcast."""

    list_display = ("happened", "who", "error", "broadcast_link")
    search_fields = ("pk",)
    search_help_text = gettext_lazy("A broadcast's id, or a recipient key such as u:42: exactly.")
    happened = time_column("at", gettext_lazy("at"))
    fields: ClassVar = ("happened", "who", "error", "broadcast_link")

    def find(self, term: str) -> Q:
        """Find by broadcast or recipient."""
        key = as_uuid(term)
        return Q(broadcast_id=key) if key else Q(recipient__in=[term, f"u:{term}"])

    @admin.display(description=gettext_lazy("recipient"))
    def who(self, row: LeftOut) -> str:
        """Who it is."""
        return person_link(row.recipient, self.admin_site.name)

    @admin.display(description=gettext_lazy("broadcast"))
    def broadcast_link(self, row: LeftOut) -> str:
        """Of which broadcast."""
        url = reverse("admin:carillon_broadcast_change", args=[row.broadcast_id], current_app=self.admin_site.name)
        return format_html('<a href="{}">{}</a>', url, short_id(row.broadcast_id))
