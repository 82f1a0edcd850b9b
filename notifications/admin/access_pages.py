"""What is done about access: an API key rotated, its new text shown once; receipts again; the audit as a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..flows.access import LONGEST_OVERLAP, end_of, reprocess, reprocessable, rotate
from ..flows.operate import By, Outdated, audit
from ..models import ApiKey, AuditEntry
from .base import ConsoleAdmin, actor_of
from .confirm import DryRun, Operation, ReasonForm
from .markup import redacted, sees_personal_data

_PAGE = 1_000
_COLUMNS = ("id", "created_at", "actor", "action", "subject", "reason", "planned", "done", "detail")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class RotateForm(ReasonForm):
    """How long the old key goes on beside the new one, and why."""

    hours = forms.IntegerField(
        label=gettext_lazy("Hours that the old key goes on"),
        min_value=0,
        max_value=int(LONGEST_OVERLAP.total_seconds() // 3_600),
        initial=24,
        help_text=gettext_lazy("Time for callers to change over; then it is refused."),
    )
    field_order = ("hours", "reason")


class AuditForm(ReasonForm):
    """Which part of the audit is wanted, and what for."""

    days = forms.IntegerField(label=gettext_lazy("Of the last so many days"), min_value=1, max_value=3_650, initial=30)
    actor = forms.CharField(label=gettext_lazy("Only what this person did"), max_length=150, required=False)
    field_order = ("days", "actor", "reason")


class _Line:
    def write(self, text: str) -> str:
        """Return a line instead of keeping it."""
        return text


def rotate_view(page: ConsoleAdmin, request: HttpRequest, key: int, back: str) -> HttpResponse:
    """Ask how long both keys go on and why; then make the new one and show its text, once."""
    if not request.user.has_perm("carillon.add_apikey") or not page.has_view_permission(request):
        raise PermissionDenied
    row = ApiKey.objects.defer("digest").filter(pk=key).first()
    if row is None:
        raise Http404
    form = RotateForm(request.POST if request.method == "POST" else None)
    context = {**_frame(page, request, _("Rotate %(key)s") % {"key": row}), "form": form, "back": back}
    if request.method == "POST" and form.is_valid():
        by, overlap = By(actor_of(request), form.cleaned_data["reason"]), timedelta(hours=form.cleaned_data["hours"])
        try:
            made, plain = rotate(row.pk, request.POST.get("seen", ""), overlap, by)
        except Outdated:
            told = _("No second key was made: this one was rotated, revoked or ended meanwhile.")
            page.message_user(request, told, messages.WARNING)
            return HttpResponseRedirect(back)
        response = TemplateResponse(
            request, "carillon/console/key_made.html", {**context, "made": made, "plain": plain, "old": row}
        )
        response["Cache-Control"] = "no-store"
        return response
    context |= {
        "effect": _(
            "A new key with the same name, owner and scopes is made, and shown once on the next page. The old one is"
            " refused once its hours are over."
        ),
        "button": _("Make a new key"),
        "seen": end_of(row),
    }
    return TemplateResponse(request, "carillon/console/ask.html", context)


def export_view(page: ConsoleAdmin, request: HttpRequest, back: str) -> HttpResponse | StreamingHttpResponse:
    """Ask which part and what for; then stream it, masked for those who may not see personal data."""
    if not page.has_view_permission(request):
        raise PermissionDenied
    form = AuditForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        given, full = form.cleaned_data, sees_personal_data(request)
        by = By(actor_of(request), given["reason"])
        audit(by, "export_audit", days=given["days"], of=given["actor"], masked=not full)
        since = timezone.now() - timedelta(days=given["days"])
        response = StreamingHttpResponse(
            _lines(since, given["actor"], full=full), content_type="text/csv; charset=utf-8"
        )
        response["Content-Disposition"] = 'attachment; filename="audit.csv"'
        response["Cache-Control"] = "no-store"
        return response
    context = {
        **_frame(page, request, _("The audit as CSV")),
        "form": form,
        "back": back,
        "effect": _("The newest lines come first. That you took them is a line of the audit itself."),
        "button": _("Download"),
    }
    return TemplateResponse(request, "carillon/console/ask.html", context)


def _frame(page: ConsoleAdmin, request: HttpRequest, title: str) -> dict[str, Any]:
    return {**page.admin_site.each_context(request), "opts": page.opts, "media": page.media, "title": title}


def _lines(since: Any, actor: str, *, full: bool) -> Iterator[str]:
    """Yield the audit as CSV, page by page along its key, so that it may be as long as it likes."""
    writer = csv.writer(_Line())
    yield _written(writer, _COLUMNS)
    found = AuditEntry.objects.filter(created_at__gte=since, **({"actor": actor} if actor else {}))
    last: int | None = None
    while True:
        page = list((found if last is None else found.filter(pk__lt=last)).order_by("-pk")[:_PAGE])
        for row in page:
            yield _written(writer, [_cell(getattr(row, {"id": "pk"}.get(name, name)), full=full) for name in _COLUMNS])
        if len(page) < _PAGE:
            return
        last = page[-1].pk


def _written(writer: Any, cells: Sequence[str]) -> str:
    return str(writer.writerow(cells))


def _cell(value: object, *, full: bool) -> str:
    """Return a value as text that no spreadsheet takes for a formula; ids and times are nobody's personal data."""
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    if not (full or hasattr(value, "isoformat")):
        text = redacted(text)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _look_again(keys: Sequence[Any]) -> DryRun:
    settled, acted_on = reprocessable(keys)
    return DryRun(
        settled,
        [
            (_("are matched with deliveries again"), settled),
            (_("of them led to something already, which is not done twice"), acted_on),
            (_("wait for that anyway"), len(keys) - settled),
        ],
    )


def _reprocessed(keys: Sequence[Any], by: By) -> str:
    done = reprocess(keys, by)
    return ngettext("%(count)d receipt is read again.", "%(count)d receipts are read again.", done) % {"count": done}


REPROCESS = Operation(
    name="reprocess",
    title=gettext_lazy("Read receipts again"),
    button=gettext_lazy("Read again"),
    effect=gettext_lazy(
        "Each is matched with its delivery as if it had come just now: of use where it came before our own record."
    ),
    look=_look_again,
    run=_reprocessed,
)
