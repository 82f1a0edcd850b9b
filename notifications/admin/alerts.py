"""Alerts: what somebody must see, and what can be done about it on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..flows import operate
from ..models import Alert
from . import operations
from .base import ReadOnlyAdmin, time_column
from .confirm import DryRun, Operation, ask_or_do
from .operations import numbers


class AlertAdmin(ReadOnlyAdmin):
    """What somebody must see."""

    list_display = ("last", "kind", "subject", "count", "detail", "acknowledged", "acknowledged_by")
    list_filter = (("acknowledged_at", admin.EmptyFieldListFilter),)
    list_select_related = ("acknowledged_by",)
    actions = ("acknowledge", "release")
    last = time_column("last_at", gettext_lazy("last"))
    acknowledged = time_column("acknowledged_at", gettext_lazy("acknowledged"))

    def has_acknowledge_permission(self, request: HttpRequest) -> bool:
        """Whether the action is offered."""
        return bool(request.user.has_perm("carillon.change_alert"))

    def has_release_permission(self, request: HttpRequest) -> bool:
        """Whether the action is offered: to whom may release a hold."""
        return bool(request.user.has_perm("carillon.delete_providerhold"))

    @admin.action(description=gettext_lazy("Acknowledge"), permissions=["acknowledge"])
    def acknowledge(self, request: HttpRequest, queryset: QuerySet[Alert]) -> HttpResponse:
        """Ask for a word about it, then acknowledge."""
        user = request.user.pk
        operation = Operation(
            name="acknowledge",
            title=gettext_lazy("Acknowledge alerts"),
            button=gettext_lazy("Acknowledge"),
            effect=gettext_lazy("If the same trouble comes back, it raises a new alert."),
            look=_look_at_alerts,
            run=lambda keys, by: _acknowledged(operate.acknowledge(keys, user, by)),
        )
        return ask_or_do(self, request, operation, numbers(request), request.get_full_path())

    @admin.action(description=gettext_lazy("Release the provider"), permissions=["release"])
    def release(self, request: HttpRequest, queryset: QuerySet[Alert]) -> HttpResponse:
        """Ask why, then end the holds and pauses of the providers that the alerts are about."""
        return ask_or_do(self, request, RELEASE, numbers(request), request.get_full_path())


def _look_at_alerts(keys: Sequence[Any]) -> DryRun:
    still = Alert.objects.filter(pk__in=keys, acknowledged_at=None).count()
    return DryRun(still, [(_("are acknowledged"), still), (_("were before"), len(keys) - still)])


def _acknowledged(done: int) -> str:
    return ngettext("%(count)d alert was acknowledged.", "%(count)d alerts were acknowledged.", done) % {"count": done}


def _look_at_providers(keys: Sequence[Any]) -> DryRun:
    found = operate.providers_in(keys)
    others = len(keys) - Alert.objects.filter(pk__in=keys, subject__in=found).count()
    lines = [(_("%(alias)s may be used again at once") % {"alias": name}, 1) for name in found]
    return DryRun(len(found), [*lines, (_("alerts are about no provider"), others)])


RELEASE = replace(
    operations.RELEASE,
    effect=gettext_lazy(
        "Their holds and pauses end, and workers use them again within a second or so; their breakers still judge."
    ),
    look=_look_at_providers,
    run=lambda keys, by: operations.released(operate.release_in(keys, by)),
)
