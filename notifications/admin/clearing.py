"""Expiring and cancelling what waits: choose by filter, look at a dry run, type the count if large, watch it go."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..enums import Channel, Lane, Priority, Reason
from ..flows import clear
from ..flows.filters import MOST_AT_ONCE, BadFilter
from ..flows.operate import By
from ..flows.waiting import NAMES, REASONS, Chosen, WouldClear, try_out, waiting_from
from ..models import AuditEntry, Delivery
from ..models.console_queries import TooSlow, deadline
from .base import actor_of, narrowed, without_nul
from .changelist import MILLISECONDS
from .confirm import CountedForm, ReasonForm, to_be_typed
from .frame import OperatorPage, pill
from .inputs import looked_at, moment_in, number_in
from .markup import moment, reason_text, redacted, sees_personal_data

CLEAR = "carillon.clear_waiting"
_WORK_SECONDS = 2.0
_ANY = ("", gettext_lazy("any"))


class ClearForm(CountedForm):
    """Why, and how many messages it is about where they are many."""

    typed = forms.IntegerField(label=gettext_lazy("How many messages is it about? Type the number"), min_value=0)


class WaitingForm(forms.Form):
    """Which of what waits; the rules are those of `flows.waiting`, here are only the fields."""

    channel = forms.ChoiceField(label=gettext_lazy("Channel"), choices=Channel.choices)
    waits_for = forms.ChoiceField(
        label=gettext_lazy("Waits for"), choices=[_ANY, *((item.value, item.label) for item in REASONS)], required=False
    )
    lane = forms.ChoiceField(
        label=gettext_lazy("Lane"),
        choices=[_ANY, *((lane.name.lower(), Priority[lane.name].label) for lane in Lane)],
        required=False,
    )
    older_than = forms.CharField(
        label=gettext_lazy("Asked for more than so many minutes ago"),
        widget=forms.NumberInput(attrs={"min": "0"}),
        required=False,
    )
    template = forms.CharField(label=gettext_lazy("Template"), required=False)
    about = forms.CharField(label=gettext_lazy("Notification or broadcast (id)"), required=False)


class ClearPages(OperatorPage):
    """The pages that clear away what waits, beside those that show it."""

    def more_urls(self) -> list[URLPattern]:
        """Return the addresses of the filter with its dry run, and of a run."""
        wrap = self.admin_site.admin_view
        return [
            path("clear/", wrap(self.clear_view), name="carillon_queue_clear"),
            path("runs/<int:key>/", wrap(self.run_view), name="carillon_queue_run"),
        ]

    def may_clear(self, request: HttpRequest) -> bool:
        """Whether this user may expire and cancel what waits."""
        return bool(request.user.has_perm(CLEAR))

    def _sees_runs(self, request: HttpRequest) -> bool:
        """Whether this user may see who cleared what: to whom the queue shows it, and who may clear."""
        return self.may_clear(request) or bool(request.user.has_perm("carillon.view_auditentry"))

    @without_nul
    def clear_view(self, request: HttpRequest) -> HttpResponse:
        """Show the filter and a dry run; a POST with a reason begins the run."""
        if not (self.has_view_permission(request) and self.may_clear(request)):
            raise PermissionDenied
        given = request.POST if request.method == "POST" else request.GET
        asked = {name: given.get(name, "") for name in NAMES}
        errors: dict[str, str] = {}
        chosen: Chosen | None = None
        if any(asked.values()):
            try:
                chosen = Chosen(waiting_from(asked), looked_at(given.get("until", "")))
            except BadFilter as error:
                errors = error.errors
        if request.method == "POST" and chosen is not None and request.POST.get("action") in clear.ACTIONS:
            return self._begin(request, chosen, request.POST["action"])
        return self._shown(request, asked, errors, chosen, None)

    @narrowed
    def run_view(self, request: HttpRequest, key: int) -> HttpResponse:
        """Show how far a run is; a POST with a reason stops it."""
        if not self.has_view_permission(request) or not self._sees_runs(request):
            raise PermissionDenied
        entry = AuditEntry.objects.filter(pk=key, action__in=clear.ACTIONS).first()
        if entry is None:
            raise Http404
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if request.method == "POST":
            if not self.may_clear(request):
                raise PermissionDenied
            if form.is_valid():
                if clear.CLEARINGS.stop(entry.pk, By(actor_of(request), form.cleaned_data["reason"])):
                    self.message_user(request, _("It was stopped; what it has not come to still waits."))
                return HttpResponseRedirect(request.path)
        under_way = clear.CLEARINGS.is_under_way(entry.pk)
        context = {
            **self.frame(request, _run_title(entry)),
            "entry": entry,
            "facts": self._facts(request, entry),
            "under_way": under_way,
            "state": _run_state(entry, under_way=under_way),
            "done": f"{entry.done or 0:,}",
            "planned": f"{entry.planned or 0:,}",
            "left_alone": f"{max(0, entry.detail.get('seen', 0) - (entry.done or 0)):,}",
            "may_clear": self.may_clear(request),
            "form": form,
            "every": 2 if under_way else 0,
        }
        return TemplateResponse(request, "carillon/console/clear_run.html", context)

    def run_line(self, entry: AuditEntry) -> dict[str, Any]:
        """Return a run that is under way, for the list of them."""
        return {
            "title": _run_title(entry),
            "url": self.url("queue_run", entry.pk),
            "actor": entry.actor,
            "done": f"{entry.done or 0:,}",
            "planned": f"{entry.planned or 0:,}",
        }

    def _begin(self, request: HttpRequest, chosen: Chosen, action: str) -> HttpResponse:
        counted = to_be_typed(number_in(request.POST.get("counted", "")), chosen.count())
        form = ClearForm(request.POST, counted=counted)
        if not form.is_valid():
            return self._shown(request, chosen.filter.values(), {}, chosen, form)
        entry = clear.begin(action, chosen, By(actor_of(request), form.cleaned_data["reason"]))
        entry = clear.CLEARINGS.work_for(entry.pk, _WORK_SECONDS)
        if "finished_at" in entry.detail:
            self.message_user(request, _("That is done."), messages.SUCCESS)
        else:
            self.message_user(request, _("That is under way; workers do the rest."), messages.SUCCESS)
        return HttpResponseRedirect(self.url("queue_run", entry.pk))

    def _shown(
        self,
        request: HttpRequest,
        asked: dict[str, str],
        errors: dict[str, str],
        chosen: Chosen | None,
        form: ClearForm | None,
    ) -> HttpResponse:
        found, timed_out = None, False
        if chosen is not None:
            try:
                with deadline(Delivery.objects.db, MILLISECONDS):
                    found = try_out(chosen)
            except TooSlow:
                timed_out = True
        filters = WaitingForm(initial=asked)
        context = {
            **self.frame(request, _("Expire or cancel what waits")),
            "fields": [{"field": filters[name], "error": errors.get(name, "")} for name in filters.fields],
            "chosen": chosen is not None,
            "values": chosen.filter.values() if chosen else {},
            "until": chosen.until.isoformat() if chosen else "",
            "until_shown": moment(chosen.until) if chosen else "",
            "timed_out": timed_out,
            "found": _found(found) if found else None,
            "form": form or (ClearForm(counted=found.count) if found else None),
            "buttons": [
                (clear.CANCEL, _("Cancel them"), _("No other channel takes over. This cannot be undone.")),
                (clear.EXPIRE, _("Expire them"), _("As if their time had run out. This cannot be undone.")),
            ],
        }
        return TemplateResponse(request, "carillon/console/clear.html", context)

    def _facts(self, request: HttpRequest, entry: AuditEntry) -> list[tuple[str, str]]:
        why = entry.reason if sees_personal_data(request) else redacted(entry.reason)
        asked = ", ".join(f"{name}: {value}" for name, value in entry.detail.get("filter", {}).items())
        lines = [(_("Who"), entry.actor), (_("Why"), why), (_("Which"), asked), (_("Begun"), moment(entry.created_at))]
        if finished := moment_in(entry.detail.get("finished_at", "")):
            lines.append((_("Finished"), moment(finished)))
        return lines


def _found(found: WouldClear) -> dict[str, Any]:
    return {
        "count": found.count,
        "shown": f"{found.count:,}{'+' if found.count >= MOST_AT_ONCE else ''}",
        "capped": found.count >= MOST_AT_ONCE,
        "most": f"{MOST_AT_ONCE:,}",
        "looked_at": f"{found.looked_at:,}" if found.looked_at < found.count else "",
        "reasons": [
            (reason_text(reason) if reason in Reason.values else reason, f"{count:,}")
            for reason, count in sorted(found.by_reason.items(), key=lambda item: -item[1])
        ],
        "templates": [
            (template, f"{count:,}")
            for template, count in sorted(found.by_template.items(), key=lambda item: -item[1])[:10]
        ],
        "maybe_sent": f"{found.maybe_sent:,}" if found.maybe_sent else "",
    }


def _run_title(entry: AuditEntry) -> str:
    return _("Expiring what waits") if entry.action == clear.EXPIRE else _("Cancelling what waits")


def _run_state(entry: AuditEntry, *, under_way: bool) -> str:
    if under_way:
        return pill("on_its_way", _("under way"))
    return pill("reached", _("finished")) if "finished_at" in entry.detail else pill("not_sent", _("stopped"))
