"""Broadcasts in the console: how far they are, whom they left out, and what a person may do about one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..enums import BroadcastStatus
from ..exceptions import RequestRejected
from ..flows.draft_preview import preview_broadcast
from ..flows.left_out import errors_of
from ..flows.newer_words import sent_with
from ..flows.operate import By
from ..flows.operate_broadcasts import ALLOWED, control
from ..flows.status import progress_of
from ..models import Broadcast, LeftOut, Notification
from ..models.console_queries import TooSlow, deadline
from .base import ReadOnlyAdmin, as_uuid, time_column
from .changelist import MILLISECONDS
from .confirm import DryRun, Operation, ask_or_do, selected
from .markup import EMPTY, person_link, short_id

_COUNTS = {
    "members": gettext_lazy("people"),
    "planned": gettext_lazy("planned deliveries"),
    "waiting": gettext_lazy("waiting"),
    "sent": gettext_lazy("taken by the provider, or later"),
    "delivered": gettext_lazy("delivered, or later"),
    "skipped": gettext_lazy("skipped"),
    "failed": gettext_lazy("failed"),
    "dead": gettext_lazy("dead letters"),
    "cancelled": gettext_lazy("cancelled"),
    "expired": gettext_lazy("expired"),
    "digested": gettext_lazy("digested"),
    "uncertain": gettext_lazy("uncertain"),
}


def _looking(name: str) -> Callable[[Sequence[Any]], DryRun]:
    def look(keys: Sequence[Any]) -> DryRun:
        able = Broadcast.objects.filter(pk__in=keys, status__in=ALLOWED[name]).count()
        lines = [(_("are in a status in which this can be done"), able), (_("are left alone"), len(keys) - able)]
        return DryRun(able, lines)

    return look


def _doing(name: str) -> Callable[[Sequence[Any], By], str]:
    def run(keys: Sequence[Any], by: By) -> str:
        done, refused = control(name, keys, by)
        told = ngettext("Done for %(count)d broadcast.", "Done for %(count)d broadcasts.", done) % {"count": done}
        return " ".join((told, *refused))

    return run


def _operation(name: str, title: Any, effect: Any, *, dangerous: bool = False) -> Operation:
    return Operation(name, title, title, effect, _looking(name), _doing(name), dangerous)


_ACTIONS = {
    item.name: item
    for item in (
        _operation("pause", gettext_lazy("Pause"), gettext_lazy("Nothing more goes out until somebody resumes it.")),
        _operation(
            "resume",
            gettext_lazy("Resume"),
            gettext_lazy("It goes on where it was; only new failures may stop it again."),
        ),
        _operation(
            "resume_newest",
            gettext_lazy("Resume with the newest words"),
            gettext_lazy("What is unsent goes out with the words published last; what was sent keeps its own."),
        ),
        _operation(
            "plan_left_out",
            gettext_lazy("Plan those left out once more"),
            gettext_lazy("Whoever can be planned by now gets the message; the others stay listed."),
        ),
        _operation(
            "cancel",
            gettext_lazy("Cancel"),
            gettext_lazy("What waits is cancelled. This cannot be undone."),
            dangerous=True,
        ),
    )
}


def _asking(name: str) -> Callable[[Any, HttpRequest, QuerySet[Broadcast]], HttpResponse]:
    def ask(page: Any, request: HttpRequest, _queryset: QuerySet[Broadcast]) -> HttpResponse:
        keys = [key for key in map(as_uuid, selected(request)) if key is not None]
        return ask_or_do(page, request, _ACTIONS[name], keys, request.get_full_path())

    return ask


class BroadcastAdmin(ReadOnlyAdmin):
    """Broadcasts with what became of them so far."""

    bounded: ClassVar[bool] = False  # its counts come from tallies
    list_display = ("created", "status", "audience_text", "members", "planned", "problems", "finished", "identifier")
    list_filter = ("status",)
    search_fields = ("pk",)
    search_help_text = gettext_lazy("A broadcast's or its notification's id: exactly.")
    created = time_column("created_at", gettext_lazy("created"))
    finished = time_column("finished_at", gettext_lazy("finished"))
    fields: ClassVar = (
        *("id", "status", "stopped_for", "counts", "left_out_text", "versions_text", "preview_link"),
        *("notification_link", "audience_text", "exclude", "per_second", "ramp_minutes"),
        *("send_at", "created_at", "started_at", "planned_at", "finished_at"),
    )

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """What may be done to broadcasts, for those who may."""
        if not self.has_control_permission(request):
            return {}
        return {name: (_asking(name), name, operation.title) for name, operation in _ACTIONS.items()}

    def has_control_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may do more than look."""
        return bool(request.user.has_perm("carillon.change_broadcast"))

    def get_urls(self) -> list[URLPattern]:
        """Add the page of the preview."""
        view = self.admin_site.admin_view(self.preview_view)
        return [path("<uuid:key>/preview/", view, name="carillon_broadcast_preview"), *super().get_urls()]

    def preview_view(self, request: HttpRequest, key: UUID) -> HttpResponse:
        """Render the first of a draft's recipients, and show what is missing."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if not Broadcast.objects.filter(pk=key).exists():
            raise Http404
        back = reverse("admin:carillon_broadcast_change", args=[key], current_app=self.admin_site.name)
        try:
            found = preview_broadcast(key)
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

    @admin.display(description=gettext_lazy("id"))
    def identifier(self, row: Broadcast) -> str:
        """The end of its id."""
        return short_id(row.pk)

    @admin.display(description=gettext_lazy("audience"))
    def audience_text(self, row: Broadcast) -> str:
        """Who it goes to; of a list of users only how many."""
        audience = row.audience if isinstance(row.audience, dict) else {}
        if users := audience.get("users"):
            return _("%(count)d users by name") % {"count": len(users)}
        if name := audience.get("name"):
            given = ", ".join(f"{key}={value}" for key, value in (audience.get("params") or {}).items())
            return f"{name}({given})"
        return ", ".join(f"{key}: {value}" for key, value in audience.items())

    @admin.display(description=gettext_lazy("notification"))
    def notification_link(self, row: Broadcast) -> str:
        """Its notification, and the list of its deliveries; only the id once they are past their retention."""
        if row.outcome is not None:
            return str(row.notification_id)
        site = self.admin_site.name
        return format_html(
            '<a href="{}">{}</a> · <a href="{}?q={}">{}</a>',
            reverse("admin:carillon_notification_change", args=[row.notification_id], current_app=site),
            row.notification_id,
            reverse("admin:carillon_delivery_changelist", current_app=site),
            row.notification_id,
            _("Deliveries"),
        )

    @admin.display(description=gettext_lazy("left out"))
    def left_out_text(self, row: Broadcast) -> str:
        """How many could not be planned, and why; the API lists them."""
        errors = ", ".join(f"{count:,} × {error}" for error, count in errors_of(row).items())
        return f"{row.problems:,} ({errors})" if errors else f"{row.problems:,}"

    @admin.display(description=gettext_lazy("words"))
    def versions_text(self, row: Broadcast) -> str:
        """How many went out with which version, where a resume asked for another."""
        notification = Notification.objects.filter(pk=row.notification_id).first()
        told = _("%(sent)s with version %(version)d")
        parts = (told % {"sent": f"{part.sent:,}", "version": part.version} for part in sent_with(row, notification))
        return ", ".join(parts) or EMPTY

    @admin.display(description=gettext_lazy("preview"))
    def preview_link(self, row: Broadcast) -> str:
        """Where its first recipients are rendered, before it is launched."""
        if row.status not in (BroadcastStatus.DRAFT, BroadcastStatus.SCHEDULED):
            return EMPTY
        url = reverse("admin:carillon_broadcast_preview", args=[row.pk], current_app=self.admin_site.name)
        return format_html('<a href="{}">{}</a>', url, _("Render the first recipients and show what is missing"))

    @admin.display(description=gettext_lazy("counts"))
    def counts(self, row: Broadcast) -> str:
        """How many deliveries stand where, counted now unless that takes too long."""
        try:
            with deadline(Broadcast.objects.db, MILLISECONDS):
                found = asdict(progress_of([row])[row.pk].counts)
        except TooSlow:
            return _("There are too many to count at the moment.")
        rows = ((_COUNTS[name], f"{number:,}") for name, number in found.items() if name in _COUNTS)
        return format_html(
            '<table class="carillon-counts">{}</table>',
            format_html_join("", '<tr><th scope="row">{}</th><td>{}</td></tr>', rows),
        )


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
