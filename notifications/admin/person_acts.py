"""What support does from a person's page: send one message again, lift one suppression; each with a reason."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from ..enums import REACHED_STATES, State
from ..exceptions import IdempotencyConflict, RequestRejected
from ..flows.operate import By
from ..flows.resend import Resendable, foresee, resend, resendable
from .base import ConsoleAdmin, actor_of, as_uuid
from .confirm import ReasonForm, ask_or_do
from .markup import address, badge, moment, person_url, sees_personal_data
from .suppressions import LIFT

_LONGEST_RECIPIENT = 80


class ResendForm(ReasonForm):
    """Why it is sent again; `seen` is how often that was done when the page was shown."""

    seen = forms.IntegerField(min_value=0, widget=forms.HiddenInput)


def may_resend(request: HttpRequest) -> bool:
    """Whether this user may send one person's message again."""
    return bool(request.user.has_perm("carillon.view_delivery") and request.user.has_perm("carillon.resend"))


def may_lift(request: HttpRequest) -> bool:
    """Whether this user may lift suppressions."""
    return bool(request.user.has_perm("carillon.change_suppression"))


def lift_for(page: ConsoleAdmin, request: HttpRequest) -> HttpResponse:
    """Show what lifting a suppression would do; once it is confirmed with a reason, do it and go back to the person."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not (may_lift(request) and request.user.has_perm("carillon.view_delivery")):
        raise PermissionDenied
    keys = [int(key) for key in request.POST.get("ids", "").split() if key.isdecimal() and len(key) < 19]
    return ask_or_do(page, request, LIFT, keys[:1], _back(page, request))


def resend_to(page: ConsoleAdmin, request: HttpRequest) -> HttpResponse:
    """Show what sending a message again would do; once it is confirmed with a reason, do it and show the new one."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not may_resend(request):
        raise PermissionDenied
    key = as_uuid(request.POST.get("notification", ""))
    recipient = request.POST.get("recipient", "")[:_LONGEST_RECIPIENT].replace("\x00", "")
    confirmed = request.POST.get("confirm") == "yes"
    form = ResendForm(request.POST if confirmed else None)
    again, refusal = None, _("There is no such message.")
    if key is not None:
        try:
            again = resendable(key, recipient)
            if confirmed and form.is_valid():
                return _done(page, request, again, form.cleaned_data)
        except RequestRejected as error:
            refusal = _text_of(error)
    context = _context(page, request, again, refusal)
    if again is not None and not confirmed:
        form = ResendForm(initial={"seen": again.earlier})
    context |= {"form": form, "notification": key, "recipient": recipient, "back": _back(page, request)}
    return TemplateResponse(request, "carillon/console/person_resend.html", context)


def _done(page: ConsoleAdmin, request: HttpRequest, again: Resendable, given: dict[str, Any]) -> HttpResponse:
    made = resend(again, given["seen"], By(actor_of(request), given["reason"]))
    if made.replayed:
        page.message_user(request, _("It was sent again already; here it is."), messages.WARNING)
    else:
        page.message_user(request, _("It is sent again, as a new message; here it is."), messages.SUCCESS)
    return HttpResponseRedirect(person_url(made.notification_id, page.admin_site.name))


def _context(page: ConsoleAdmin, request: HttpRequest, again: Resendable | None, refusal: str) -> dict[str, Any]:
    full = sees_personal_data(request)
    foreseen, warnings = [], []
    if again is not None:
        try:
            told = foresee(again)
        except RequestRejected as error:
            again, refusal = None, _text_of(error)
        else:
            refusal = ""
            foreseen = [
                {
                    "badge": badge(item.state),
                    "channel": item.channel.label,
                    "is_fallback": item.step > 0,
                    "address": address(item.channel, item.address, full=full) if item.address else "",
                    "explanation": item.explanation,
                    "due": moment(item.due_at, told.zone.key) if item.state == State.PENDING else "",
                }
                for item in told.outcomes
            ]
            warnings = _warnings(again)
    return {
        **page.admin_site.each_context(request),
        "title": _("Send again"),
        "opts": page.opts,
        "media": page.media,
        "refusal": refusal,
        "foreseen": foreseen,
        "warnings": warnings,
        "template": again.request.template if again else "",
        "term": request.GET.get("q", ""),
    }


def _warnings(again: Resendable) -> list[str]:
    found = []
    for row in again.taken:
        where = {
            "channel": row.get_channel_display(),
            "at": f"{row.delivered_at or row.sent_at or timezone.now():%H:%M:%S}",
        }
        if row.state in REACHED_STATES:
            found.append(_("It has reached the person by %(channel)s at %(at)s UTC: they will get it twice.") % where)
        else:
            found.append(_("The provider took it for %(channel)s at %(at)s UTC: they may get it twice.") % where)
    if again.earlier:
        found.append(_("It has been sent again before: %(count)d.") % {"count": again.earlier})
    return found


def _text_of(error: RequestRejected) -> str:
    if isinstance(error, IdempotencyConflict) and error.in_flight:
        return _("Somebody sends it again at this very moment. Go back and look.")
    details = [item.detail for item in error.problems if item.detail != error.detail]
    return " ".join([error.detail, *details])


def _back(page: ConsoleAdmin, request: HttpRequest) -> str:
    term = request.GET.get("q", "") or request.POST.get("recipient", "")
    return person_url(term, page.admin_site.name)
