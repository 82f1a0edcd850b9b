"""Lists that stay fast on ten million rows: older and newer pages by key, nothing counted, a deadline on every read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest
from django.utils.translation import gettext as _

from ..models.console_queries import TooSlow, deadline
from .labels import LABELS

OLDER, NEWER = "older", "newer"
MILLISECONDS = 3_000


class NothingCounted(Paginator):  # type: ignore[type-arg]
    """A paginator that never asks the database how many rows there are."""

    count = 0


class KeysetChangeList(ChangeList):
    """A change list in the order of one unique column; `keyset` on the ModelAdmin names it, "-" for newest first."""

    timed_out = False
    older_query = newer_query = ""

    def get_filters_params(self, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the filters without the cursor."""
        found: dict[str, Any] = super().get_filters_params(params)
        return {name: value for name, value in found.items() if name not in (OLDER, NEWER)}

    def get_filters(self, request: HttpRequest) -> Any:
        """Return the filters, those of columns under names that can be translated."""
        found = super().get_filters(request)
        for spec in found[0]:
            spec.title = LABELS.get(getattr(spec, "field_path", ""), spec.title)
        return found

    def get_query_string(self, new_params: dict[str, Any] | None = None, remove: Iterable[str] | None = None) -> str:
        """Return a query string that starts at the first page again: a cursor belongs to one set of filters."""
        return super().get_query_string(new_params, [*(remove or []), OLDER, NEWER])

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str | Combinable]:
        """Order by the key alone: any other order would have to sort everything."""
        return [self._keyset]

    def get_results(self, request: HttpRequest) -> None:
        """Read one page and whether there is more, at most `MILLISECONDS` long."""
        try:
            with deadline(self.queryset.db, MILLISECONDS):
                self.result_list = self._read()
        except TooSlow:
            self.timed_out, self.result_list = True, []
        for key in (OLDER, NEWER):
            self.params.pop(key, None)  # a search or filter from here starts at the first page
        self.result_count = len(self.result_list)
        self.full_result_count = self.result_count  # the page's own; equal numbers keep the admin from showing either
        self.show_full_result_count = False
        self.show_admin_actions = bool(self.result_list)
        self.can_show_all = self.multi_page = False
        self.paginator = self.model_admin.get_paginator(request, self.queryset.none(), self.list_per_page)

    @property
    def empty_text(self) -> str:
        """What to do about an empty list."""
        if self.timed_out:
            return _("That took too long. Narrow your filter: choose a shorter time, or search for one message.")
        if self.query:
            return _("Nothing has exactly this value.")
        if self.has_active_filters:
            return _("Nothing fits these filters. Choose a longer time, or clear them.")
        return _("There is nothing here yet.")

    @property
    def _keyset(self) -> str:
        return str(getattr(self.model_admin, "keyset", "-pk"))

    def _read(self) -> list[Model]:
        name, descending = self._keyset.removeprefix("-"), self._keyset.startswith("-")
        older, newer = (self._cursor(name, self.params.get(key)) for key in (OLDER, NEWER))
        backwards = newer is not None and older is None
        rows = self.queryset
        if backwards:
            rows = rows.filter(**{f"{name}__{'gt' if descending else 'lt'}": newer})
            rows = rows.order_by(name if descending else f"-{name}")
        elif older is not None:
            rows = rows.filter(**{f"{name}__{'lt' if descending else 'gt'}": older})
        found = list(rows[: self.list_per_page + 1])
        more = len(found) > self.list_per_page
        found = found[: self.list_per_page]
        if backwards:
            found.reverse()
        if found:
            if more or backwards:
                self.older_query = self._link(OLDER, getattr(found[-1], name))
            if (more and backwards) or older is not None:
                self.newer_query = self._link(NEWER, getattr(found[0], name))
        return found

    def _link(self, key: str, value: object) -> str:
        return self.get_query_string({key: str(value)})

    def _cursor(self, name: str, text: str | None) -> Any:
        if not text:
            return None
        field: Any = self.lookup_opts.pk if name == "pk" else self.lookup_opts.get_field(name)
        try:
            return field.to_python(text)
        except ValidationError:
            return None
