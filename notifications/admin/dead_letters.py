"""Dead letters by cause or filter: look, see in a dry run what would go out, replay or discard, watch it go."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .. import conf
from ..enums import Channel, Hint, Reason, State
from ..flows.dead_letters import (
    MOST_COUNTED,
    NAMES,
    LetterFilter,
    cause_of,
    filter_from,
    groups,
    newest,
)
from ..flows.filters import BadFilter
from ..flows.operate import By
from ..flows.replay import DISCARD, REPLAY, REPLAYS, wanted_of
from ..models import AuditEntry, Delivery, Notification
from ..models.console_queries import DeadGroup, TooSlow, deadline
from ..rules.dead_letters import HINTS, hint
from ..rules.explanations import explain
from .base import ReadOnlyAdmin, actor_of, as_uuid, without_nul
from .changelist import MILLISECONDS
from .confirm import ReasonForm
from .markup import address, explanation, id_moment, moment, person_link, reason_text, redacted, sees_personal_data
from .replay_runs import progress_of, run_lines, steer
from .replaying import act_on_letters, may_replay, refusal_lines

_SHOWN = 50
_SPARK_HEIGHT = 20
_ANY = ("", gettext_lazy("any"))


class FilterForm(forms.Form):
    """Which dead letters to show; the rules are those of `flows.dead_letters`, here are only the fields."""

    channel = forms.ChoiceField(label=gettext_lazy("Channel"), choices=[_ANY, *Channel.choices])
    why = forms.ChoiceField(
        label=gettext_lazy("Died of"), choices=[_ANY, *((reason.value, reason.label) for reason in HINTS)]
    )
    provider = forms.CharField(label=gettext_lazy("Provider"), widget=forms.TextInput(attrs={"list": "providers"}))
    template = forms.CharField(label=gettext_lazy("Template"))
    code = forms.CharField(label=gettext_lazy("Error code"), help_text=gettext_lazy("“-” for those without one"))
    code_begins = forms.CharField(label=gettext_lazy("Error code begins with"))
    about = forms.CharField(label=gettext_lazy("Notification or broadcast (id)"))
    died_from = forms.CharField(
        label=gettext_lazy("Died from (UTC)"), widget=forms.TextInput(attrs={"type": "datetime-local", "step": "1"})
    )
    died_before = forms.CharField(
        label=gettext_lazy("Died before (UTC)"), widget=forms.TextInput(attrs={"type": "datetime-local", "step": "1"})
    )


class DeadLetterAdmin(ReadOnlyAdmin):
    """Dead letters grouped by cause, with replay and discard for a selection, a cause or any filter."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Shown to those who may look at deliveries."""
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        """Looking needs the permission to look at deliveries."""
        return bool(request.user.has_perm("carillon.view_delivery"))

    def get_urls(self) -> list[URLPattern]:
        """Only the pages that there are: the list, the two acts, and what they led to."""
        wrap = self.admin_site.admin_view
        return [
            path("", wrap(self.changelist_view), name="carillon_deadletter_changelist"),
            path("replay/", wrap(self.replay_view), name="carillon_deadletter_replay"),
            path("discard/", wrap(self.discard_view), name="carillon_deadletter_discard"),
            path("runs/<int:key>/", wrap(self.run_view), name="carillon_deadletter_run"),
        ]

    @without_nul
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the causes, or the newest letters of a filter."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = {name: request.GET.get(name, "") for name in NAMES}
        errors: dict[str, str] = {}
        try:
            wanted = filter_from(asked)
        except BadFilter as error:
            wanted, errors = LetterFilter(), error.errors
        context = {
            **self._frame(request),
            "title": _("Dead letters"),
            "filter_fields": _fields(asked, wanted, errors),
            "filtered": any(asked.values()),
            "providers": list(conf.get().providers),
        }
        try:
            with deadline(Delivery.objects.db, MILLISECONDS):
                if not errors:
                    context |= self._letters(request, wanted) if wanted else self._causes(request)
        except TooSlow:
            context["timed_out"] = True
        return TemplateResponse(request, "carillon/console/dead_letters.html", context)

    def replay_view(self, request: HttpRequest) -> HttpResponse:
        """Dry run, then replay."""
        return self._act(request, REPLAY)

    def discard_view(self, request: HttpRequest) -> HttpResponse:
        """Dry run, then discard."""
        return self._act(request, DISCARD)

    def run_view(self, request: HttpRequest, key: int) -> HttpResponse:
        """Show how far a replay or discard is; a POST with a reason pauses it, lets it go on, or stops it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        entry = AuditEntry.objects.filter(pk=key, action__in=(REPLAY, DISCARD), detail__has_key="until").first()
        if entry is None:
            raise Http404
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if request.method == "POST":
            if not may_replay(request):
                raise PermissionDenied
            if form.is_valid():
                by = By(actor_of(request), form.cleaned_data["reason"])
                self.message_user(request, steer(entry, request.POST.get("act", ""), by))
                return HttpResponseRedirect(request.path)
        wanted = wanted_of(entry)
        context = {
            **self._frame(request),
            **progress_of(entry),
            "title": _("Replay of dead letters") if entry.action == REPLAY else _("Discard of dead letters"),
            "entry": entry,
            "facts": run_lines(entry, full=sees_personal_data(request)),
            "refused": refusal_lines(entry.detail.get("refused", {})),
            "left": wanted.choice.count(MOST_COUNTED),
            "most_counted": MOST_COUNTED,
            "values": wanted.choice.filter.values(),
            "everything": wanted.choice.everything,
            "form": form,
        }
        return TemplateResponse(request, "carillon/console/dead_letters_run.html", context)

    def _frame(self, request: HttpRequest) -> dict[str, Any]:
        shared = self.admin_site.each_context(request)
        return {**shared, "opts": self.opts, "media": self.media, "may_replay": may_replay(request)}

    def _home(self) -> str:
        return reverse("admin:carillon_deadletter_changelist", current_app=self.admin_site.name)

    def _act(self, request: HttpRequest, action: str) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not may_replay(request):
            raise PermissionDenied
        return act_on_letters(self, request, action, self._home())

    def _causes(self, request: HttpRequest) -> dict[str, Any]:
        found, more = groups()
        details = dict(
            Delivery.objects.filter(pk__in=[group.sample for group in found]).values_list("pk", "error_detail")
        )
        full = sees_personal_data(request)
        rows = [
            {
                "group": group,
                "cause": cause_of(group).values(),
                "url": f"{self._home()}?{urlencode(cause_of(group).values())}",
                "why": reason_text(group.reason),
                "first": moment(group.first_at),
                "last": moment(group.last_at),
                "sample": details.get(group.sample, "") if full else redacted(details.get(group.sample, "")),
                "bars": _bars(group),
                **_hint(group.reason, all_expired=group.expired == group.count),
            }
            for group in found
        ]
        total = sum(group.count for group in found)
        shown = f"{MOST_COUNTED:,}+" if more else f"{total:,}"
        return {"causes": rows, "total": shown, "number": total, "runs": REPLAYS.unfinished()}

    def _letters(self, request: HttpRequest, wanted: LetterFilter) -> dict[str, Any]:
        plain = Notification.objects.only("pk", "template")
        found = newest(wanted, _SHOWN + 1, _cursor(request.GET.get("older", "")), Prefetch("notification", plain))
        full = sees_personal_data(request)
        letters = [
            {
                "row": row,
                "asked": id_moment(row.pk, row.time_zone),
                "died": moment(row.updated_at, row.time_zone),
                "who": person_link(row.recipient, self.admin_site.name),
                "address": address(row.channel, row.address, full=full),
                "explanation": explanation(row),
                "detail": row.error_detail if full else redacted(row.error_detail),
            }
            for row in found[:_SHOWN]
        ]
        last = found[_SHOWN - 1] if len(found) > _SHOWN else None
        older = {**wanted.values(), "older": f"{last.updated_at.isoformat()} {last.pk}"} if last else {}
        return {
            "cause": wanted.values(),
            "why": reason_text(wanted.why) if wanted.why else _("chosen by filter"),
            "letters": letters,
            "older": f"{self._home()}?{urlencode(older)}" if older else "",
            **(_hint(wanted.why) if wanted.why else {}),
        }


def _hint(reason: str, *, all_expired: bool = False) -> dict[str, Any]:
    known = Reason(reason)
    kind, text = hint(known, all_expired=all_expired) if known in HINTS else (Hint.MEND, "")
    # What could be done about the cause is of no use any more where nothing can be sent.
    sentence = "" if kind == Hint.PERMANENT else explain(State.DEAD, known)
    return {"sentence": sentence, "hint": text, "hint_kind": kind, "hint_label": kind.label}


def _bars(group: DeadGroup) -> list[dict[str, float]]:
    """Return the bars of a sparkline: when letters of a group died, on an axis that all groups share."""
    most = max(group.sparks, default=0) or 1
    heights = [count and max(2.0, _SPARK_HEIGHT * count / most) for count in group.sparks]
    return [
        {"x": place * 5, "y": _SPARK_HEIGHT - height, "height": height}
        for place, height in enumerate(heights)
        if height
    ]


def _fields(asked: dict[str, str], wanted: LetterFilter, errors: dict[str, str]) -> list[dict[str, Any]]:
    shown = dict(asked)
    for name in ("died_from", "died_before"):
        at: datetime | None = getattr(wanted, name)
        shown[name] = f"{at:%Y-%m-%dT%H:%M:%S}" if at else shown[name]
    form = FilterForm(initial=shown)
    return [{"field": form[name], "error": errors.get(name, "")} for name in form.fields]


def _cursor(text: str) -> tuple[datetime, UUID] | None:
    died, _space, key = text.partition(" ")
    try:
        at = parse_datetime(died)
    except ValueError:
        return None
    found = as_uuid(key)
    return (at, found) if at is not None and at.tzinfo is not None and found is not None else None
