"""Categories and templates: developers own the contract, editors own the words, and publish them here."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..enums import Channel, Source
from ..flows.declare import words_of
from ..flows.operate import By, Outdated, publish_words
from ..models import Category, Template, TemplateVersion
from .base import ConsoleAdmin, ReadOnlyAdmin, actor_of, as_key, time_column, without_nul
from .markup import EMPTY, facts, moment
from .words_form import AddWordsForm, WordsForm

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


class CategoryForm(forms.ModelForm):  # type: ignore[type-arg]
    """A category, with its channels to tick rather than to write as JSON."""

    channels = forms.MultipleChoiceField(
        label=gettext_lazy("Channels"), choices=Channel.choices, widget=forms.CheckboxSelectMultiple
    )
    fallback = forms.MultipleChoiceField(
        label=gettext_lazy("Fallback"), choices=Channel.choices, widget=forms.CheckboxSelectMultiple, required=False
    )

    def clean(self) -> dict[str, Any]:
        """A channel is tried first or as a fallback, not both."""
        values: dict[str, Any] = super().clean() or {}
        if set(values.get("channels", ())) & set(values.get("fallback", ())):
            self.add_error("fallback", _("A channel cannot fall back to itself."))
        return values


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


class TemplateAdmin(OwnedAdmin):
    """Templates with their versions, and the page on which words are published."""

    form = TemplateForm
    list_display = ("slug", "category", "current_text", "conflict", "source", "words_link")
    list_filter = ("category", "source")
    list_select_related = ("category", "current")
    readonly_fields = ("versions_table",)
    fields: ClassVar = ("slug", "category", "variables", "sensitive", "sample", "versions_table")

    def get_urls(self) -> list[URLPattern]:
        """Add the page for words."""
        view = self.admin_site.admin_view(self.words_view)
        return [path("<path:object_id>/words/", view, name="carillon_template_words"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> Any:
        """With the versions, of which there are few."""
        return super().get_queryset(request).prefetch_related("versions__created_by")

    def has_publish_permission(self, request: HttpRequest) -> bool:
        """Whether this user may publish."""
        return bool(request.user.has_perm("carillon.publish"))

    @admin.display(description=gettext_lazy("published"))
    def current_text(self, row: Template) -> str:
        """The version in use."""
        return f"v{row.current.number}" if row.current else _("no words yet")

    @admin.display(description=gettext_lazy("conflict"), boolean=False)
    def conflict(self, row: Template) -> str:
        """Whether a deploy brought words that somebody must decide about."""
        current = row.current.number if row.current else 0
        waiting = [item.number for item in row.versions.all() if item.conflict and item.number > current]
        return _("v%(number)d came with a deploy: decide") % {"number": max(waiting)} if waiting else EMPTY

    @admin.display(description=gettext_lazy("words"))
    def words_link(self, row: Template) -> str:
        """Where to read and publish its words."""
        return format_html('<a href="{}">{}</a>', self._words_url(row.pk), _("Words"))

    @admin.display(description=gettext_lazy("versions"))
    def versions_table(self, row: Template) -> str:
        """Every version, the newest first."""
        if row._state.adding:
            return _("Save first, then write its words.")
        rows = (
            (
                f"{self._words_url(row.pk)}?from={item.pk}",
                f"v{item.number}",
                item.get_source_display(),
                moment(item.created_at),
                item.created_by or "",
                _("in use") if item.pk == row.current_id else _("conflict: not used") if item.conflict else "",
            )
            for item in row.versions.all()
        )
        listed = format_html_join(
            "",
            '<tr><td><a href="{}">{}</a></td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>',
            rows,
        )
        link = format_html('<p><a href="{}">{}</a></p>', self._words_url(row.pk), _("Read and publish words"))
        return format_html('<table class="carillon-history">{}</table>{}', listed, link)

    @without_nul
    def words_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the words of a version; with the permission, publish them as a new one."""
        template = self.get_object(request, unquote(object_id))
        if template is None:
            raise Http404
        if not self.has_view_permission(request, template):
            raise PermissionDenied
        start = self._start(request, template)
        words = words_of(start) if start else {}
        added = AddWordsForm(request.GET if "channel" in request.GET else None)
        if added.is_bound and added.is_valid():
            words.setdefault((Channel(added.cleaned_data["channel"]), added.cleaned_data["locale"]), {})
        form = WordsForm(template, words, request.POST if request.method == "POST" else None)
        if request.method == "POST":
            if not self.has_publish_permission(request):
                raise PermissionDenied
            if form.is_valid() and (answer := self._publish(request, template, form)) is not None:
                return answer
        context = {
            **self.admin_site.each_context(request),
            "title": _("Words of %(template)s") % {"template": template.slug},
            "opts": self.opts,
            "media": self.media,
            "template": template,
            "start": start,
            "form": form,
            "added": added,
            "may_publish": self.has_publish_permission(request),
            "variables": facts(template.variables),
            "sample": facts(template.sample),
        }
        return TemplateResponse(request, "carillon/console/words.html", context)

    def _start(self, request: HttpRequest, template: Template) -> TemplateVersion | None:
        wanted = as_key(TemplateVersion, request.GET.get("from", ""))
        found = template.versions.filter(pk=wanted).first() if wanted else None
        return found or template.current

    def _publish(self, request: HttpRequest, template: Template, form: WordsForm) -> HttpResponse | None:
        by = By(actor_of(request), form.cleaned_data["reason"])
        try:
            version = publish_words(template, form.words(), form.base(), request.user.pk, by)
        except Outdated:
            form.add_error(None, _("Somebody else has published meanwhile. Copy your words, then open this page anew."))
            return None
        if version is None:
            form.add_error(None, _("These are the words in use already: there is nothing to publish."))
            return None
        self.message_user(request, _("%(version)s is in use from now on.") % {"version": version}, messages.SUCCESS)
        return HttpResponseRedirect(self._words_url(template.pk))

    def _words_url(self, key: object) -> str:
        return reverse("admin:carillon_template_words", args=[key], current_app=self.admin_site.name)


class TemplateVersionAdmin(ReadOnlyAdmin):
    """Every published set of words; a version never changes."""

    list_display = ("template", "number", "source", "conflict", "created", "created_by")
    list_filter = ("source", "conflict")
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


def _is_ours(obj: Any | None) -> bool:
    return obj is None or obj.source == Source.CONSOLE
