"""Acting on many rows at once: first a dry run that says what would happen, then a written reason, then the act."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..flows.operate import By
from .base import ConsoleAdmin, actor_of
from .inputs import number_in

_Text = str | Promise
#: Whoever acts on more than this types how many there are.
TYPED_ABOVE = 1_000
#: By how much a set may have grown since it was shown before it has to be looked at again.
_GROWN = 1.1


@dataclass(frozen=True)
class DryRun:
    """What an operation would do: how many it is about, in lines of (sentence, count)."""

    will: int
    lines: Sequence[tuple[str, int]] = ()


@dataclass(frozen=True)
class Operation:
    """One thing that people do to a set of rows; `run` returns the sentence that tells what was done."""

    name: str
    title: _Text
    button: _Text
    effect: _Text
    look: Callable[[Sequence[Any]], DryRun]
    run: Callable[[Sequence[Any], By], str]
    dangerous: bool = False


class ReasonForm(forms.Form):
    """Why somebody does it; the audit keeps it."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=200,
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
        help_text=gettext_lazy("For the audit: a ticket, or what was mended."),
    )


class CountedForm(ReasonForm):
    """Why somebody does it, and to how many where they are many."""

    typed = forms.IntegerField(label=gettext_lazy("How many? Type the number"), min_value=0)
    field_order: tuple[str, ...] = ("typed", "reason")

    def __init__(self, *args: Any, counted: int, **kwargs: Any) -> None:
        """Ask for the count only where it is large."""
        super().__init__(*args, **kwargs)
        self.counted = counted
        self.fields["typed"].widget.attrs["autocomplete"] = "off"
        if counted <= TYPED_ABOVE:
            del self.fields["typed"]

    def clean_typed(self) -> int:
        """Compare what was typed with what was shown."""
        typed: int = self.cleaned_data["typed"]
        if typed != self.counted:
            raise ValidationError(_("There are %(count)d: type that number, or go back.") % {"count": self.counted})
        return typed


def ask_or_do(
    page: ConsoleAdmin, request: HttpRequest, operation: Operation, keys: Sequence[Any], back: str
) -> HttpResponse:
    """Show what an operation would do; once it is confirmed with a reason, do it and go back."""
    confirmed = request.POST.get("confirm") == "yes"
    dry_run = operation.look(keys)
    counted = to_be_typed(number_in(request.POST.get("counted", "")) if confirmed else None, dry_run.will)
    form = CountedForm(request.POST if confirmed else None, counted=counted)
    if confirmed and form.is_valid():
        told = operation.run(keys, By(actor_of(request), form.cleaned_data["reason"]))
        page.message_user(request, told, messages.SUCCESS)
        return HttpResponseRedirect(back)
    context = {
        **page.admin_site.each_context(request),
        "title": operation.title,
        "opts": page.opts,
        "media": page.media,
        "operation": operation,
        "dry_run": dry_run,
        "counted": form.counted,
        "action": request.POST.get("action", ""),
        "keys": [str(key) for key in keys],
        "checkbox_name": ACTION_CHECKBOX_NAME,
        "form": form,
        "back": back,
    }
    return TemplateResponse(request, "carillon/console/confirm.html", context)


def to_be_typed(shown: int | None, actual: int) -> int:
    """Return how many it is about: as many as were shown, unless there are many, and far more of them, by now.

    What was shown comes back from the browser; by itself it must not decide that nothing has to be typed.
    """
    return actual if shown is None or (actual > TYPED_ABOVE and actual > shown * _GROWN) else shown


def selected(request: HttpRequest) -> list[str]:
    """Return the keys that were ticked, each once."""
    return list(dict.fromkeys(request.POST.getlist(ACTION_CHECKBOX_NAME)))
