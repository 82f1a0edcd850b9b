"""Acting on many rows at once: first a dry run that says what would happen, then a written reason, then the act."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from ..flows.operate import By
from .base import ConsoleAdmin, actor_of

_Text = str | Promise


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


def ask_or_do(
    page: ConsoleAdmin, request: HttpRequest, operation: Operation, keys: Sequence[Any], back: str
) -> HttpResponse:
    """Show what an operation would do; once it is confirmed with a reason, do it and go back."""
    confirmed = request.POST.get("confirm") == "yes"
    form = ReasonForm(request.POST if confirmed else None)
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
        "dry_run": operation.look(keys),
        "action": request.POST.get("action", ""),
        "keys": [str(key) for key in keys],
        "checkbox_name": ACTION_CHECKBOX_NAME,
        "form": form,
        "back": back,
    }
    return TemplateResponse(request, "carillon/console/confirm.html", context)


def selected(request: HttpRequest) -> list[str]:
    """Return the keys that were ticked, each once."""
    return list(dict.fromkeys(request.POST.getlist(ACTION_CHECKBOX_NAME)))
