"""The page on which a template's words are read, tried, kept as a draft, published and rolled back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin

from ..declarations.slugs import LAYOUT
from ..enums import Channel
from ..exceptions import RequestRejected
from ..flows.layout import Words, words_of
from ..flows.operate import By, Outdated, draft_words, publish_words, roll_back
from ..flows.preview import preview
from ..flows.trials import send_test
from ..flows.words import as_in_files
from ..models import Template, TemplateVersion
from ..rules.locales import choose_locale
from ..rules.word_diff import diff_words
from .base import actor_of, as_key, without_nul
from .words_facts import language_table, running_broadcasts, variable_rows, version_rows
from .words_form import AddWordsForm, PreviewForm, WordsForm

if TYPE_CHECKING:
    from .base import ConsoleAdmin
else:
    ConsoleAdmin = object

# What is shown is written by people and holds styles: it may run nothing, and fetches nothing but its pictures.
PREVIEW_POLICY = "default-src 'none'; style-src 'unsafe-inline' 'self'; img-src https: data:; frame-ancestors 'self'"


class WordsPages(ConsoleAdmin):
    """The pages of a template's words; the rest of its admin is elsewhere."""

    def get_urls(self) -> list[URLPattern]:
        """Add the page for words and its preview."""
        view, shown = (self.admin_site.admin_view(page) for page in (self.words_view, self.preview_view))
        return [
            path("<path:object_id>/words/", view, name="carillon_template_words"),
            path("<path:object_id>/words/preview/", shown, name="carillon_template_preview"),
            *super().get_urls(),
        ]

    def has_publish_permission(self, request: HttpRequest) -> bool:
        """Whether this user may publish."""
        return bool(request.user.has_perm("carillon.publish"))

    def words_url(self, key: object) -> str:
        """Return the address of a template's words."""
        return reverse("admin:carillon_template_words", args=[key], current_app=self.admin_site.name)

    @without_nul
    def words_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the words of a version; with the permission, do something with them."""
        template = self._template(request, object_id)
        start = self._start(request, template)
        words = words_of(start) if start else {}
        added = AddWordsForm(request.GET if "channel" in request.GET else None)
        if added.is_bound and added.is_valid():
            words.setdefault((Channel(added.cleaned_data["channel"]), added.cleaned_data["locale"]), {})
        form = WordsForm(template, words, request.POST if request.method == "POST" else None)
        if request.method == "POST":
            if not self.has_publish_permission(request):
                raise PermissionDenied
            answer = self._act(request, template, form, start)
            if answer is not None:
                return answer
        context = {**self.admin_site.each_context(request), **self._facts(request, template, start, words)}
        return TemplateResponse(request, "carillon/console/words.html", {**context, "form": form, "added": added})

    def preview_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what somebody would get of the words in the form, in a frame of its own."""
        template = self._template(request, object_id)
        asked = PreviewForm(request.POST or request.GET)
        chosen = asked.cleaned_data if asked.is_valid() else {}
        start = self._start(request, template)
        words = words_of(start) if start else {}
        if request.method == "POST":
            words = WordsForm(template, words, request.POST).written()
        shown = preview(template, words, chosen.get("locale") or "", chosen.get("values"))
        context = {"shown": shown, "errors": asked.errors, "scheme": chosen.get("scheme") or "light"}
        response = HttpResponse(render_to_string("carillon/console/preview.html", context, request))
        response["Content-Security-Policy"] = PREVIEW_POLICY
        return xframe_options_sameorigin(lambda _request: response)(request)

    def _template(self, request: HttpRequest, object_id: str) -> Template:
        template = self.get_object(request, unquote(object_id))
        if not isinstance(template, Template):
            raise Http404
        if not self.has_view_permission(request, template):
            raise PermissionDenied
        return template

    def _facts(
        self, request: HttpRequest, template: Template, start: TemplateVersion | None, words: Words
    ) -> dict[str, Any]:
        """Return what the page tells besides the words themselves."""
        differs = start is not None and start.pk != template.current_id
        current = words_of(template.current) if differs and template.current else {}
        versions = sorted(template.versions.all(), key=lambda item: -item.number)
        locale = choose_locale("", settings.LANGUAGE_CODE, {locale for _, locale in words})
        return {
            "title": _("Words of %(template)s") % {"template": template.slug},
            "opts": self.opts,
            "media": self.media,
            "template": template,
            "start": start,
            "may_publish": self.has_publish_permission(request),
            "variables": variable_rows(template),
            "versions": version_rows(template, start, self.words_url(template.pk)),
            "languages": language_table(words),
            "running": running_broadcasts(template, self.admin_site.name),
            "diff": diff_words(current, words) if differs else [],
            "draft": next((item for item in versions if item.draft and item.number > _number(template)), None),
            "conflicts": [item for item in versions if item.conflict],
            "asked": PreviewForm(initial={"locale": locale, "values": {}}),
            "preview_url": f"{self.words_url(template.pk)}preview/",
            "channels": () if template.slug == LAYOUT else sorted({channel for channel, _ in words}),
        }

    def _start(self, request: HttpRequest, template: Template) -> TemplateVersion | None:
        wanted = as_key(TemplateVersion, request.GET.get("from", ""))
        found = template.versions.filter(pk=wanted).first() if wanted else None
        return found or template.current

    def _act(
        self, request: HttpRequest, template: Template, form: WordsForm, start: TemplateVersion | None
    ) -> HttpResponse | None:
        """Do what was asked for; None if the page is to be shown again with what is wrong."""
        action, _colon, channel = request.POST.get("do", "publish").partition(":")
        if action == "roll_back" and start is not None:
            form.fields["reason"].required = True
            form.is_valid()
            if "reason" in form.errors:
                return None
            return self._publish(request, template, form, start)
        form.fields["reason"].required = action == "publish"
        if not form.is_valid():
            return None
        if action == "draft":
            return self._draft(request, template, form)
        if action == "test" and channel in Channel.values:
            return self._try(request, template, form, Channel(channel))
        return self._publish(request, template, form, None)

    def _publish(
        self, request: HttpRequest, template: Template, form: WordsForm, earlier: TemplateVersion | None
    ) -> HttpResponse | None:
        by = By(actor_of(request), form.cleaned_data["reason"])
        try:
            if earlier is not None:
                version = roll_back(earlier, form.base(), request.user.pk, by)
            else:
                version = publish_words(template, form.words(), form.base(), request.user.pk, by)
        except Outdated:
            form.add_error(None, _("Somebody else has published meanwhile. Copy your words, then open this page anew."))
            return None
        if version is None:
            form.add_error(None, _("These are the words in use already: there is nothing to publish."))
            return None
        self.message_user(request, _("%(version)s is in use from now on.") % {"version": version}, messages.SUCCESS)
        return HttpResponseRedirect(self.words_url(template.pk))

    def _draft(self, request: HttpRequest, template: Template, form: WordsForm) -> HttpResponse:
        by = By(actor_of(request), form.cleaned_data.get("reason") or "")
        version = draft_words(template, form.words(), request.user.pk, by)
        self.message_user(request, _("Kept as draft %(version)s; not in use.") % {"version": version}, messages.SUCCESS)
        return HttpResponseRedirect(f"{self.words_url(template.pk)}?from={version.pk}")

    def _try(self, request: HttpRequest, template: Template, form: WordsForm, channel: Channel) -> HttpResponse:
        by, words = By(actor_of(request), form.cleaned_data.get("reason") or ""), form.words()
        is_current = template.current is not None and as_in_files(words) == as_in_files(words_of(template.current))
        version = template.current if is_current else None
        if version is None:
            version = draft_words(template, words, request.user.pk, by)
        asked = PreviewForm(request.POST)
        locale = (asked.cleaned_data.get("locale") if asked.is_valid() else "") or ""
        try:
            key = send_test(version, channel, request.user, locale, by)  # type: ignore[arg-type]
        except RequestRejected as error:
            said = " ".join([error.detail, *(item.detail for item in error.problems)])
            self.message_user(request, _("Nothing was sent: %(why)s") % {"why": said}, messages.ERROR)
        else:
            text = _("On its way to you in the words of %(version)s: notification %(key)s.")
            self.message_user(request, text % {"version": version, "key": key}, messages.SUCCESS)
        return HttpResponseRedirect(f"{self.words_url(template.pk)}?from={version.pk}")


def _number(template: Template) -> int:
    return template.current.number if template.current else 0
