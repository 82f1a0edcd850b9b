"""What every page of the console has in common: fast lists, exact search, and looking apart from acting."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar
from uuid import UUID

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db.models import DateTimeField, Model, Q, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import SimpleTemplateResponse, TemplateResponse
from django.utils.text import capfirst

from ..flows.operate import By, audit
from ..models import Delivery
from ..models.console_queries import TooSlow, deadline
from .changelist import MILLISECONDS, KeysetChangeList, NothingCounted
from .labels import FORM_LABELS, LABELS, field_of, labelled
from .markup import moment, sees_personal_data

NUL = "\x00"
_LOOKUPS = ("exact", "isempty")
_Page = TypeVar("_Page", bound="ConsoleAdmin")
_Rest = ParamSpec("_Rest")


def without_nul(
    view: Callable[Concatenate[_Page, HttpRequest, _Rest], HttpResponse],
) -> Callable[Concatenate[_Page, HttpRequest, _Rest], HttpResponse]:
    """Lead away from an address with a NUL in a parameter, which no column can hold, to the same without it."""

    @wraps(view)
    def cleaned(page: _Page, request: HttpRequest, /, *args: _Rest.args, **kwargs: _Rest.kwargs) -> HttpResponse:
        if not any(NUL in text for name, values in request.GET.lists() for text in (name, *values)):
            return view(page, request, *args, **kwargs)
        kept = QueryDict(mutable=True)
        for name, values in request.GET.lists():
            if not any(NUL in text for text in (name, *values)):
                kept.setlist(name, values)
        return HttpResponseRedirect(f"{request.path}?{kept.urlencode()}" if kept else request.path)

    return cleaned


def narrowed(
    view: Callable[Concatenate[_Page, HttpRequest, _Rest], HttpResponse],
) -> Callable[Concatenate[_Page, HttpRequest, _Rest], HttpResponse]:
    """Give what a page reads a deadline; past it, say how to narrow the question instead of failing."""

    @wraps(view)
    def answered(page: _Page, request: HttpRequest, /, *args: _Rest.args, **kwargs: _Rest.kwargs) -> HttpResponse:
        if request.method not in ("GET", "HEAD") or not page.bounded:
            return view(page, request, *args, **kwargs)
        try:
            with deadline(Delivery.objects.db, MILLISECONDS):
                response = view(page, request, *args, **kwargs)
                if isinstance(response, SimpleTemplateResponse):
                    response.render()  # what is shown may be read only then
        except TooSlow:
            context = {**page.admin_site.each_context(request), "opts": page.opts, "media": page.media}
            whole = {**context, "title": page.opts.verbose_name_plural}
            return TemplateResponse(request, "carillon/console/narrow.html", whole)
        return response

    return answered


class ConsoleAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A page of the console: lists by key, searches exactly, counts nothing.

    A subclass says in `find` what a search term may be; `keyset` is the unique column that its list is ordered by;
    `personal` names, for each masked column, the one that those see who may see personal data. `bounded` gives all that
    a row's own page reads a deadline; a page without it sees to that itself.
    """

    keyset = "-pk"
    change_list_template = "admin/carillon/change_list.html"
    paginator = NothingCounted
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 0
    sortable_by: ClassVar[tuple[str, ...]] = ()
    actions_selection_counter = True
    hidden: ClassVar[tuple[str, ...]] = ()
    bounded: ClassVar[bool] = True
    personal: ClassVar[dict[str, str]] = {}

    class Media:
        """The console's style sheet, and keys, times and copying for those who have JavaScript."""

        css: ClassVar = {"all": ["carillon/console.css"]}
        js: ClassVar = [forms.Script("carillon/console.js", defer=True)]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        """Use lists by key."""
        return KeysetChangeList

    def get_ordering(self, request: HttpRequest) -> list[str | Combinable]:
        """Order by the key."""
        return [self.keyset]

    def find(self, term: str) -> Q:
        """Return the exact matches of a search term; the default knows primary keys only."""
        return self.exactly("pk", term)

    def exactly(self, name: str, value: object) -> Q:
        """Return a look-up by a column, or one that finds nothing where the column cannot have such a value."""
        try:
            self.model._default_manager.filter(**{name: value})
        except (ValueError, TypeError, ValidationError, OverflowError):
            return Q(pk__in=[])
        return Q(**{name: value})

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search by exact value, which an index answers."""
        term = search_term.strip().replace("\x00", "")
        return (queryset.filter(self.find(term)) if term else queryset), False

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Return the columns, masked or not, under names that can be translated."""
        names = self._unmasked(request, super().get_list_display(request))
        fields = {name: field_of(self.model, name) for name in names if not hasattr(self, str(name))}
        return [labelled(field) if (field := fields.get(name)) and name in LABELS else name for name in names]

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Filter by what the list offers and by nothing else: any other column would tell what it holds, bit by bit."""
        offered = {
            item[0] if isinstance(item, tuple) else getattr(item, "parameter_name", item)
            for item in self.get_list_filter(request)
        }
        name, *rest = lookup.split("__")
        known = name in offered and (not rest or rest[-1] in _LOOKUPS)
        return known and super().lookup_allowed(lookup, value, request)

    def get_list_select_related(self, request: HttpRequest) -> bool | list[str] | tuple[str, ...]:
        """Read rows that columns name together with the list."""
        chosen = super().get_list_select_related(request)
        found = (field_of(self.model, name) for name in super().get_list_display(request))
        return chosen or [field.name for field in found if field is not None and field.is_relation]

    def get_form(
        self,
        request: HttpRequest,
        obj: Any | None = None,
        change: bool = False,  # noqa: FBT001, FBT002
        **kwargs: Any,
    ) -> type[forms.ModelForm[Any]]:
        """Return the form with labels that can be translated."""
        return super().get_form(request, obj, change, **{"labels": FORM_LABELS, **kwargs})

    def get_fields(self, request: HttpRequest, obj: Any | None = None) -> list[Any]:
        """Return the fields of a change page, masked or not."""
        return self._unmasked(request, super().get_fields(request, obj))

    def tools(self, request: HttpRequest) -> list[tuple[str, str]]:
        """Return links to show above the list, as (address, text)."""
        return []

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any | None:
        """Return the row, or None where the address can be no row's."""
        return None if NUL in object_id else super().get_object(request, object_id, from_field)

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *args: Any) -> HttpResponse | None:
        """Act on the ticked rows; what cannot be a key was never ticked."""
        data = request.POST.copy()
        ticked = (as_key(self.model, text) for text in data.getlist(ACTION_CHECKBOX_NAME))
        data.setlist(ACTION_CHECKBOX_NAME, [str(key) for key in ticked if key is not None])
        request.POST = data  # type: ignore[assignment]
        return super().response_action(request, queryset, *args)

    @without_nul
    @narrowed
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show one row."""
        return super().changeform_view(request, object_id, form_url, extra_context)

    @without_nul
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list with its links."""
        # A list is called what it lists; "Select template to change" would be wrong for those who may only look.
        shown = {"title": capfirst(str(self.opts.verbose_name_plural)), **(extra_context or {})}
        return super().changelist_view(request, {**shown, "tools": self.tools(request)})

    def _unmasked(self, request: HttpRequest, names: Any) -> list[Any]:
        full = sees_personal_data(request)
        return [self.personal.get(name, name) if full and isinstance(name, str) else name for name in names]

    def get_exclude(self, request: HttpRequest, obj: Any | None = None) -> tuple[str, ...]:
        """Leave out what nobody is shown."""
        return (*(super().get_exclude(request, obj) or ()), *self.hidden)

    def save_model(self, request: HttpRequest, obj: Model, form: forms.ModelForm[Any], change: bool) -> None:  # noqa: FBT001
        """Save, with a line in the audit."""
        super().save_model(request, obj, form, change)
        action = "change" if change else "add"
        audit(By(actor_of(request), ""), action, subject=self._subject(obj), fields=list(form.changed_data))

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        """Delete, with a line in the audit."""
        audit(By(actor_of(request), ""), "delete", subject=self._subject(obj))
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete one by one, each with a line in the audit."""
        for obj in queryset:
            self.delete_model(request, obj)

    def _subject(self, obj: Model) -> str:
        return f"{self.opts.model_name} {obj}"


class ReadOnlyAdmin(ConsoleAdmin):
    """A page that nobody can change anything on, whatever their permissions: what is recorded stays as it is."""

    def get_fields(self, request: HttpRequest, obj: Any | None = None) -> list[Any]:
        """Return the named fields, or every column; times in UTC, as everywhere in the console."""
        names = self.fields or [field.name for field in self.opts.concrete_fields if field.name not in self.hidden]
        fields = [field for field in self.opts.fields if isinstance(field, DateTimeField)]
        times = {field.name: LABELS.get(field.name, field.verbose_name) for field in fields}
        return [time_field(name, times[name]) if name in times else name for name in self._unmasked(request, names)]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        """Nobody changes."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        """Nobody deletes."""
        return False


def actor_of(request: HttpRequest) -> str:
    """Return who acts, as the audit and a delivery's history name them."""
    user = request.user
    return user.get_username() if isinstance(user, AbstractBaseUser) else ""


def as_key(model: type[Model], text: str) -> Any | None:
    """Return a primary key of a model as its column has it, or None if the text cannot be one."""
    try:
        return None if NUL in text else model._meta.pk.clean(text, None)
    except (ValidationError, ValueError, OverflowError):
        return None


def as_uuid(term: str) -> UUID | None:
    """Return a UUID, or None if the term is none."""
    try:
        return UUID(term)
    except ValueError:
        return None


def time_field(name: str, title: Any) -> Any:
    """Return a field of a change page that shows a time in UTC."""

    @admin.display(description=title)
    def shown(row: Model) -> str:
        return moment(getattr(row, name), getattr(row, "time_zone", ""))

    return shown


def time_column(name: str, title: Any) -> Any:
    """Return a list column that shows a time in UTC."""

    @admin.display(description=title)
    def column(_page: ConsoleAdmin, row: Model) -> str:
        return moment(getattr(row, name))

    return column
