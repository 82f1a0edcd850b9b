"""Categories and templates: developers own the contract, editors own the words, and publish them here."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Prefetch, Q
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..enums import Channel, Source
from ..flows.preview import gaps
from ..models import Category, Template, Translation
from .base import ConsoleAdmin, ReadOnlyAdmin, time_column
from .category_form import CategoryForm
from .markup import EMPTY, moment
from .words_facts import standing
from .words_pages import WordsPages

_TYPES = ("str", "int", "float", "bool", "list", "dict")


class OwnedAdmin(ConsoleAdmin):
    """What code declares is the developers' to change; what the console made is the editors'."""

    keyset = "slug"
    search_fields = ("pk",)
    search_help_text = gettext_lazy("The beginning of a name.")

    def find(self, term: str) -> Q:
        """Find by the beginning of the slug."""
        return Q(slug__startswith=term)

    def has_change_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        """Only what the console made can be changed here."""
        return _is_ours(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        """Nothing is deleted: messages in the log name it."""
        return False


class CategoryAdmin(OwnedAdmin):
    """Kinds of messages."""

    form = CategoryForm
    list_display = ("slug", "priority", "mandatory", "channels_text", "fallback_text", "ttl", "throttle", "source")
    list_filter = ("priority", "mandatory", "source")

    @admin.display(description=gettext_lazy("channels"))
    def channels_text(self, row: Category) -> str:
        """Where its messages go."""
        return ", ".join(row.channels)

    @admin.display(description=gettext_lazy("fallback"))
    def fallback_text(self, row: Category) -> str:
        """Where they go if that fails."""
        return ", ".join(row.fallback) or EMPTY


class TemplateForm(forms.ModelForm):  # type: ignore[type-arg]
    """A template's contract."""

    def clean_variables(self) -> dict[str, str]:
        """Every variable has a type that we know."""
        found = self.cleaned_data["variables"] or {}
        if not isinstance(found, dict) or not all(kind in _TYPES for kind in found.values()):
            raise forms.ValidationError(
                _("Write name and type, as {“code”: “str”}; types are %(types)s.") % {"types": ", ".join(_TYPES)}
            )
        return found

    def clean(self) -> dict[str, Any]:
        """Sensitive variables are declared ones, and their category has a ttl; the sample has every variable."""
        values: dict[str, Any] = super().clean() or {}
        declared, category = values.get("variables") or {}, values.get("category")
        if unknown := set(values.get("sensitive") or ()) - set(declared):
            self.add_error("sensitive", _("Not declared: %(names)s") % {"names": ", ".join(sorted(map(str, unknown)))})
        if values.get("sensitive") and category is not None and (category.ttl is None or category.digest):
            self.add_error("sensitive", _("Sensitive variables need a category with a ttl and without a digest."))
        if missing := set(declared) - set(values.get("sample") or ()):
            self.add_error("sample", _("Give a value for: %(names)s") % {"names": ", ".join(sorted(missing))})
        return values


class TemplateAdmin(WordsPages, OwnedAdmin):
    """Templates with their versions, and the page on which words are published."""

    form = TemplateForm
    list_display = ("slug", "words_link", "category", "current_text", "languages", "gaps_text", "conflict", "source")
    list_filter = ("category", "source")
    list_select_related = ("category", "current")
    readonly_fields = ("versions_table",)
    fields: ClassVar = ("slug", "category", "variables", "sensitive", "sample", "versions_table")

    def get_queryset(self, request: HttpRequest) -> Any:
        """With the versions, of which there are few, and the languages of those in use."""
        translations = Prefetch("current__translations", Translation.objects.defer("parts"))
        return super().get_queryset(request).prefetch_related("versions__created_by", translations)

    @admin.display(description=gettext_lazy("published"))
    def current_text(self, row: Template) -> str:
        """The version in use."""
        return f"v{row.current.number}" if row.current else _("no words yet")

    @admin.display(description=gettext_lazy("languages"))
    def languages(self, row: Template) -> str:
        """Which languages there are words in."""
        return ", ".join(sorted({locale for _channel, locale in _places(row)})) or EMPTY

    @admin.display(description=gettext_lazy("missing"))
    def gaps_text(self, row: Template) -> str:
        """Which channels lack a language that another one has."""
        found = gaps({place: {} for place in _places(row)})
        return ", ".join(f"{channel.label}: {' '.join(names)}" for channel, names in found.items()) or EMPTY

    @admin.display(description=gettext_lazy("conflict"), boolean=False)
    def conflict(self, row: Template) -> str:
        """Whether a deploy brought words that somebody must decide about."""
        waiting = [item.number for item in row.versions.all() if item.conflict]
        return _("v%(number)d came with a deploy: decide") % {"number": max(waiting)} if waiting else EMPTY

    @admin.display(description=gettext_lazy("words"))
    def words_link(self, row: Template) -> str:
        """Where to read and publish its words."""
        return format_html('<a href="{}">{}</a>', self.words_url(row.pk), _("Words"))

    @admin.display(description=gettext_lazy("versions"))
    def versions_table(self, row: Template) -> str:
        """Every version, the newest first."""
        if row._state.adding:
            return _("Save first, then write its words.")
        rows = (
            (
                f"{self.words_url(row.pk)}?from={item.pk}",
                f"v{item.number}",
                item.get_source_display(),
                moment(item.created_at),
                item.created_by or "",
                standing(item, row),
            )
            for item in row.versions.all()
        )
        listed = format_html_join(
            "",
            '<tr><td><a href="{}">{}</a></td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>',
            rows,
        )
        link = format_html('<p><a href="{}">{}</a></p>', self.words_url(row.pk), _("Read and publish words"))
        return format_html('<table class="carillon-history">{}</table>{}', listed, link)


class TemplateVersionAdmin(ReadOnlyAdmin):
    """Every published set of words; a version never changes."""

    list_display = ("template", "number", "source", "draft", "conflict", "created", "created_by")
    list_filter = ("source", "draft", "conflict")
    list_select_related = ("template", "created_by")
    created = time_column("created_at", gettext_lazy("created"))


class TranslationAdmin(ReadOnlyAdmin):
    """The words themselves, by version, channel and language."""

    list_display = ("id", "version", "channel", "locale")
    list_filter = ("channel", "locale")
    list_select_related = ("version__template",)
    fields: ClassVar = ("version", "channel", "locale", "parts_text")

    @admin.display(description=gettext_lazy("parts"))
    def parts_text(self, row: Any) -> str:
        """Part by part."""
        listed = format_html_join("", "<dt>{}</dt><dd><pre>{}</pre></dd>", row.parts.items())
        return format_html('<dl class="carillon-facts">{}</dl>', listed)


def _places(row: Template) -> list[tuple[Channel, str]]:
    found = row.current.translations.all() if row.current else ()
    return [(Channel(item.channel), item.locale) for item in found]


def _is_ours(obj: Any | None) -> bool:
    return obj is None or obj.source == Source.CONSOLE
