"""Pruning by hand and its undo: for ticked devices, or for all that were switched off for a reason in some time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from .. import conf
from ..enums import DeactivatedReason
from ..flows import operate
from ..flows.census import PRUNED_FOR, stale_days
from ..flows.operate import By
from ..flows.prune import MOST_AT_ONCE, Pruned, would_restore
from ..flows.prune_unseen import count_unseen, prune_unseen
from .base import ReadOnlyAdmin, without_nul
from .confirm import DryRun, Operation, ask_or_do

_FEWEST_DAYS, _MOST_DAYS = 30, 3_650


class UnseenForm(forms.Form):
    """How long a device must not have been seen to be pruned."""

    days = forms.IntegerField(
        label=gettext_lazy("Not seen for so many days"),
        min_value=_FEWEST_DAYS,
        max_value=_MOST_DAYS,
        help_text=gettext_lazy("Only push devices: an app registers its device each time it starts."),
    )


class UndoForm(forms.Form):
    """Which prunings to undo."""

    reason = forms.ChoiceField(label=gettext_lazy("Reason"), choices=[(item.value, item.label) for item in PRUNED_FOR])
    provider = forms.ChoiceField(label=gettext_lazy("By provider"), required=False)
    since = forms.DateTimeField(
        label=gettext_lazy("Since"), widget=forms.DateTimeInput(attrs={"class": "vTextField"}),
        help_text=gettext_lazy("In the console's time zone: 2026-11-22 14:00."),
    )  # fmt: skip
    until = forms.DateTimeField(
        label=gettext_lazy("Until"), required=False, widget=forms.DateTimeInput(attrs={"class": "vTextField"}),
        help_text=gettext_lazy("Empty: until now."),
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("", _("any")), *((alias, alias) for alias in conf.get().providers)]
        self.fields["provider"].choices = choices  # type: ignore[attr-defined]

    def pruned(self) -> Pruned:
        """Return what was asked for."""
        values = self.cleaned_data
        return Pruned(
            DeactivatedReason(values["reason"]), values["since"], values["until"], provider=values["provider"]
        )


class UndoAdmin(ReadOnlyAdmin):
    """A page of devices with one that undoes prunings in bulk."""

    def has_prune_permission(self, request: HttpRequest) -> bool:
        """Whether the actions are offered."""
        return bool(request.user.has_perm("carillon.prune"))

    def get_urls(self) -> list[URLPattern]:
        """Add the pages that prune and undo."""
        undo = path("undo/", self.admin_site.admin_view(self.undo_view), name="carillon_device_undo")
        unseen = path("prune/", self.admin_site.admin_view(self.prune_view), name="carillon_device_prune")
        return [undo, unseen, *super().get_urls()]

    def tools(self, request: HttpRequest) -> list[tuple[str, str]]:
        """Pruning and its undo are close at hand."""
        if not self.has_prune_permission(request):
            return []
        site = self.admin_site.name
        return [
            (reverse("admin:carillon_device_prune", current_app=site), _("Prune unseen devices")),
            (reverse("admin:carillon_device_undo", current_app=site), _("Undo prunings")),
        ]

    @without_nul
    def prune_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for how long, show a dry run, then prune."""
        form = UnseenForm(request.GET or None, initial={"days": stale_days()})
        told = _("Switches off push devices whose app has not registered them for long. First you see how many.")
        return self._ask_which(request, form, _("Prune unseen devices"), told, lambda: _pruning(form))

    @without_nul
    def undo_view(self, request: HttpRequest) -> HttpResponse:
        """Ask which, show a dry run, then bring them back."""
        form = UndoForm(request.GET or None)
        told = _("Brings back devices that were switched off for a reason within some time. First you see how many.")
        return self._ask_which(request, form, _("Undo prunings"), told, lambda: _undoing(form.pruned()))

    def _ask_which(
        self, request: HttpRequest, form: forms.Form, title: str, told: str, operation: Callable[[], Operation]
    ) -> HttpResponse:
        if not self.has_prune_permission(request):
            raise PermissionDenied
        back = reverse("admin:carillon_device_changelist", current_app=self.admin_site.name)
        if form.is_valid():
            return ask_or_do(self, request, operation(), [], back)
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "told": told,
            "opts": self.opts,
            "media": self.media,
            "form": form,
            "back": back,
        }
        return TemplateResponse(request, "carillon/console/undo.html", context)


def _pruning(form: UnseenForm) -> Operation:
    days: int = form.cleaned_data["days"]
    before = timezone.now() - timedelta(days=days)

    def look(_keys: Sequence[Any]) -> DryRun:
        found = count_unseen(before)
        lines = [(_("were not seen for %(days)d days, and will not be written to any more") % {"days": days}, found)]
        return DryRun(found, lines)

    def run(_keys: Sequence[Any], by: By) -> str:
        return _pruned(prune_unseen(before, by))

    return Operation(
        name="prune_unseen",
        title=gettext_lazy("Prune unseen devices"),
        button=gettext_lazy("Prune"),
        effect=_("%(effect)s At most %(most)d at once.") % {"effect": PRUNE.effect, "most": MOST_AT_ONCE},
        look=look,
        run=run,
        dangerous=True,
    )


def _undoing(pruned: Pruned) -> Operation:
    def look(_keys: Sequence[Any]) -> DryRun:
        found, able = would_restore(pruned)
        lines = [(_("will be written to again"), able)]
        lines.append((_("stay as they are: their token is registered anew, or twice among these"), found - able))
        return DryRun(able, lines)

    def run(_keys: Sequence[Any], by: By) -> str:
        return restored(operate.undo_pruning(pruned, by))

    return Operation(
        name="undo",
        title=gettext_lazy("Undo prunings"),
        button=gettext_lazy("Bring back"),
        effect=_("At most %(most)d at once: where there are more, do it again.") % {"most": MOST_AT_ONCE},
        look=look,
        run=run,
    )


def restored(done: int) -> str:
    """Return the sentence that tells how many came back."""
    return ngettext("%(count)d device is back.", "%(count)d devices are back.", done) % {"count": done}


def _look_at_pruning(keys: Sequence[Any]) -> DryRun:
    active = operate.active_among(keys)
    return DryRun(
        active, [(_("will not be written to any more"), active), (_("are inactive already"), len(keys) - active)]
    )


def _prune(keys: Sequence[Any], by: By) -> str:
    return _pruned(operate.prune_devices(keys, by))


def _pruned(done: int) -> str:
    return ngettext("%(count)d device was pruned.", "%(count)d devices were pruned.", done) % {"count": done}


def _look_at_restoring(keys: Sequence[Any]) -> DryRun:
    able = operate.restorable_among(keys)
    lines = [(_("will be written to again"), able)]
    lines.append((_("stay as they are: active, or registered by somebody else since"), len(keys) - able))
    return DryRun(able, lines)


def _restore(keys: Sequence[Any], by: By) -> str:
    return restored(operate.restore_devices(keys, by))


PRUNE = Operation(
    name="prune",
    title=gettext_lazy("Prune devices"),
    button=gettext_lazy("Prune"),
    effect=gettext_lazy(
        "Nothing is deleted: a pruned device can be brought back, and comes back by itself when its app"
        " registers again."
    ),
    look=_look_at_pruning,
    run=_prune,
    dangerous=True,
)
RESTORE = Operation(
    name="restore",
    title=gettext_lazy("Bring devices back"),
    button=gettext_lazy("Bring back"),
    effect=gettext_lazy("A token that somebody else has registered since stays theirs."),
    look=_look_at_restoring,
    run=_restore,
)
