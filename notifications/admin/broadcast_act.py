"""What people do to a broadcast: each time first what would happen, then a reason, then the act, once."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..enums import BroadcastStatus
from ..exceptions import RequestRejected
from ..flows.drafts import GRACE, estimate_draft, launch_later, take_back
from ..flows.left_out import PLANNED
from ..flows.operate import By
from ..flows.operate_broadcasts import ALLOWED, control
from ..flows.status import progress_of
from ..models import Broadcast, Notification, TemplateVersion
from .base import actor_of
from .broadcast_new import estimate_lines
from .broadcast_shown import unplanned
from .confirm import CountedForm, to_be_typed
from .inputs import number_in

if TYPE_CHECKING:
    from .base import ConsoleAdmin
else:
    ConsoleAdmin = object

_VERSIONS = 10
_RELATED = ("version", "version__template__current")


@dataclass(frozen=True)
class Act:
    """One thing to do: in which statuses, how its button and page are called, and what it means."""

    statuses: Sequence[str]
    title: Any
    button: Any
    effect: Any
    dangerous: bool = False


ACTS = {
    "launch": Act(
        (BroadcastStatus.DRAFT,), gettext_lazy("Launch"), gettext_lazy("Launch"),
        gettext_lazy("It begins a minute from now, or at its time if that is later. Until then it can be taken back."),
    ),
    "take_back": Act(
        (BroadcastStatus.SCHEDULED,), gettext_lazy("Undo the launch"), gettext_lazy("Undo the launch"),
        gettext_lazy("It is a draft again. Nothing of it has gone out."),
    ),
    "pause": Act(
        ALLOWED["pause"], gettext_lazy("Pause"), gettext_lazy("Pause"),
        gettext_lazy("Nothing more goes out until somebody resumes it; what is in a provider's hands still arrives."),
    ),
    "resume": Act(
        ALLOWED["resume"], gettext_lazy("Resume"), gettext_lazy("Resume"),
        gettext_lazy("It goes on where it was, and sends nobody anything twice. Only new failures may stop it again."),
    ),
    "plan_left_out": Act(
        PLANNED, gettext_lazy("Retry those left out"), gettext_lazy("Retry those left out"),
        gettext_lazy("Whoever can be planned by now gets the message; the others stay listed."),
    ),
    "cancel": Act(
        ALLOWED["cancel"], gettext_lazy("Cancel"), gettext_lazy("Cancel the broadcast"),
        gettext_lazy("What is unsent never goes out. This cannot be undone."),
        dangerous=True,
    ),
}  # fmt: skip


class TypedForm(CountedForm):
    """Why somebody acts; for a launch also the template's name and the count, however small that is."""

    name = forms.CharField(label=gettext_lazy("Which template? Type its name"), max_length=63)
    field_order = ("name", "typed", "version", "reason")

    def __init__(self, *args: Any, counted: int, template: str, always: bool, **kwargs: Any) -> None:
        """Keep what has to be typed; the count `always` or where it is large."""
        super().__init__(*args, counted=counted, **kwargs)
        self.template = template
        self.fields["name"].widget.attrs["autocomplete"] = "off"
        if always:
            self.fields["typed"] = copy(self.base_fields["typed"])

    def clean_name(self) -> str:
        """Compare the name with the template's."""
        if self.cleaned_data["name"].strip() != self.template:
            raise ValidationError(_("It is called %(name)s: type that, or go back.") % {"name": self.template})
        return self.template


class BroadcastActs(ConsoleAdmin):
    """The pages on which one broadcast is acted on."""

    def has_control_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may do more than look."""
        return bool(request.user.has_perm("carillon.change_broadcast"))

    def act_view(self, request: HttpRequest, key: UUID, action: str) -> HttpResponse:
        """Show what would happen; once it is confirmed, do it."""
        if action not in ACTS:
            raise Http404
        if not self.has_control_permission(request):
            raise PermissionDenied
        made = Broadcast.objects.filter(pk=key).first()
        if made is None:
            raise Http404
        notification = Notification.objects.filter(pk=made.notification_id).select_related(*_RELATED).first()
        back = reverse("admin:carillon_broadcast_change", args=[key], current_app=self.admin_site.name)
        if made.status not in ACTS[action].statuses or notification is None:
            text = _("This cannot be done (any more): the broadcast is “%(status)s”.")
            self.message_user(request, text % {"status": made.get_status_display()}, messages.WARNING)
            return HttpResponseRedirect(back)
        try:
            return self._ask_or_act(request, action, made, notification, back)
        except RequestRejected as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(back)

    def _ask_or_act(
        self, request: HttpRequest, action: str, made: Broadcast, notification: Notification, back: str
    ) -> HttpResponse:
        lines, found = _look(action, made)
        looked = estimate_lines(estimate_draft(made, notification)) if action == "launch" else None
        found = looked["members"] if looked else found
        shown = number_in(request.POST.get("counted", "")) if request.method == "POST" else None
        counted = to_be_typed(shown, found)
        form = _form(action, notification, counted, request.POST if shown is not None else None)
        if form.is_valid():
            by = By(actor_of(request), form.cleaned_data.get("reason") or "")
            self.message_user(request, _act(action, made, form, by), messages.SUCCESS)
            return HttpResponseRedirect(back)
        act = ACTS[action]
        context = {
            **self.admin_site.each_context(request),
            "title": f"{act.title}: {notification.template}",
            "opts": self.opts,
            "media": self.media,
            "act": act,
            "action": action,
            "made": made,
            "lines": [(text, f"{count:,}") for text, count in lines],
            "looked": looked,
            "newer": _newer(notification) if action == "launch" else None,
            "counted": counted,
            "form": form,
            "grace": int(GRACE.total_seconds()),
            "back": back,
        }
        return TemplateResponse(request, "carillon/console/broadcast_act.html", context)


def _act(action: str, made: Broadcast, form: TypedForm, by: By) -> str:
    """Do it and return what to tell.

    Raises:
        RequestRejected: somebody else was faster, or it cannot be done.
    """
    version = number_in(form.cleaned_data.get("version") or "")
    if action == "launch":
        launch_later(made.pk, by, expected=form.counted, version=version)
        return _("Launched. It can be taken back until it begins.")
    if action == "take_back":
        take_back(made.pk, by)
        return _("It is a draft again; nothing has gone out.")
    _done, refused = control(action, [made.pk], by, version=version)
    return " ".join(refused) or _told(action)


def _told(action: str) -> str:
    match action:
        case "pause":
            return _("Paused: nothing more goes out.")
        case "resume":
            return _("It goes on.")
        case "cancel":
            return _("Cancelled: nothing more goes out.")
    return _("They were looked at again; who still cannot be planned stays listed.")


def _look(action: str, made: Broadcast) -> tuple[list[tuple[str, int]], int]:
    """Return what would happen, in lines, and how many it is about."""
    if action in ("launch", "take_back"):
        return [], made.expected or 0
    if action == "plan_left_out":
        return [(_("were left out and are tried again, a page of them at most"), made.problems)], made.problems
    counts = progress_of([made])[made.pk].counts
    unsent, gone = counts.waiting + unplanned(made, counts), counts.sent + counts.uncertain
    lines = {
        "pause": [(_("wait, and stay where they are"), unsent), (_("have gone out already"), gone)],
        "resume": [(_("wait, and go out"), unsent), (_("have gone out already, and do not again"), gone)],
        "cancel": [(_("unsent: they never go out"), unsent), (_("cannot be recalled: they have gone out"), gone)],
    }
    return lines[action], unsent


def _form(action: str, notification: Notification, counted: int, data: Any) -> TypedForm:
    form = TypedForm(data, counted=counted, template=notification.template, always=action == "launch")
    if action != "launch":
        del form.fields["name"]
    if action not in ("launch", "cancel"):
        form.fields.pop("typed", None)
    if action in ("take_back", "launch"):
        form.fields["reason"].required = False
        form.fields["reason"].help_text = _("For the audit; may be left empty.")
    if action in ("launch", "resume"):
        form.fields["version"] = _version_field(notification)
    form.order_fields(form.field_order)
    return form


def _version_field(notification: Notification) -> forms.ChoiceField:
    now = notification.words_id
    found = TemplateVersion.objects.filter(template__slug=notification.template, draft=False, conflict=False)
    listed = list(found.order_by("-number")[:_VERSIONS])
    own = next((item.number for item in listed if item.pk == now), None)
    kept = _("version %(number)d, as before") % {"number": own} if own else _("as before")
    choices = [("", kept)]
    for item in listed:
        if item.pk != now:
            told = {"number": item.number, "day": f"{item.created_at:%Y-%m-%d %H:%M}"}
            choices.append((str(item.number), _("version %(number)d, of %(day)s UTC") % told))
    help_text = _("What is unsent goes out with these; what went out keeps its own.")
    return forms.ChoiceField(label=_("Words"), choices=choices, required=False, help_text=help_text)


def _newer(notification: Notification) -> int | None:
    """Return the version that was published after the one that a draft has; None if it has the newest."""
    template = notification.version.template
    current = template.current
    taken = notification.words_id
    return current.number if current is not None and current.pk != taken else None
