"""Filters whose choices cost no query, and a time window that keeps a list within a few partitions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .. import conf
from ..enums import Family, State
from ..rules.identity import first_id_at

_WINDOWS = {
    "1h": (_("Last hour"), timedelta(hours=1)),
    "24h": (_("Last 24 hours"), timedelta(hours=24)),
    "7d": (_("Last 7 days"), timedelta(days=7)),
    "30d": (_("Last 30 days"), timedelta(days=30)),
}
_ALL = "all-time"


class WindowFilter(admin.SimpleListFilter):
    """A time window by id, seven days unless asked otherwise; a search looks everywhere."""

    title = _("time")
    parameter_name = "window"
    default = "7d"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the windows."""
        return [*((key, label) for key, (label, _length) in _WINDOWS.items()), (_ALL, _("Any time"))]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Return the windows without "All", since there is always one."""
        chosen = self.value() or self.default
        for key, label in self.lookup_choices:
            yield {
                "selected": chosen == key,
                "query_string": changelist.get_query_string({self.parameter_name: key}),
                "display": label,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep to the window, unless somebody looks for one message."""
        chosen = self.value() or self.default
        if chosen not in _WINDOWS or request.GET.get(SEARCH_VAR):
            return queryset
        return queryset.filter(pk__gte=first_id_at(timezone.now() - _WINDOWS[chosen][1]))


class NamedChoices(admin.ChoicesFieldListFilter):
    """The choices of a column that have a name: one for "none" has nothing to be read or pressed."""

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Return "All" and the named ones."""
        yield from (choice for choice in super().choices(changelist) if str(choice["display"]))


class FamilyFilter(admin.SimpleListFilter):
    """The five families in which people meet states."""

    title = _("what became of it")
    parameter_name = "family"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the families."""
        return list(Family.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep to a family's states."""
        if self.value() not in Family.values:
            return queryset
        return queryset.filter(state__in=[state for state in State if state.family == self.value()])


class ProviderFilter(admin.SimpleListFilter):
    """The configured providers."""

    title = _("provider")
    parameter_name = "provider"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the providers' aliases."""
        return [(alias, alias) for alias in conf.get().providers]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep to one provider."""
        return queryset.filter(provider=self.value()) if self.value() else queryset
