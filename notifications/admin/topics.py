"""Topics and who is on them, one at a time or from a CSV file."""

from __future__ import annotations

import io
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..exceptions import InvalidData
from ..flows.operate import By, audit
from ..flows.topic_files import MOST_NAMED, Import, Imported, import_users
from ..flows.topics import count_subscribers
from ..models import Topic
from ..rules.identity import user_recipient
from .base import ConsoleAdmin, actor_of, as_key, without_nul
from .markup import person_link

_LARGEST = 5 * 1024 * 1024
_HOW = (
    ("add", gettext_lazy("Add these users")),
    ("remove", gettext_lazy("Take these users off")),
    ("replace", gettext_lazy("Leave nobody else on the topic")),
)
_NEEDS = {
    "add": ("carillon.add_topicsubscription",),
    "remove": ("carillon.delete_topicsubscription",),
    "replace": ("carillon.add_topicsubscription", "carillon.delete_topicsubscription"),
}


class ImportForm(forms.Form):
    """A CSV file, and what to do with its users."""

    file = forms.FileField(
        label=gettext_lazy("CSV file"), help_text=gettext_lazy("UTF-8, one user a line, 5 MiB at most.")
    )
    column = forms.CharField(
        label=gettext_lazy("Column"),
        max_length=63,
        required=False,
        help_text=gettext_lazy("As the first line names it; empty for the only one."),
    )
    how = forms.ChoiceField(label=gettext_lazy("What to do"), choices=_HOW, initial="add")
    dry_run = forms.BooleanField(label=gettext_lazy("Only look"), required=False, initial=True)

    def clean_file(self) -> UploadedFile[Any]:
        """Refuse what is too large for a request; the command takes any size."""
        file: UploadedFile[Any] = self.cleaned_data["file"]
        if (file.size or 0) > _LARGEST:
            raise forms.ValidationError(_("The file is larger than 5 MiB: use `manage.py carillon topics import`."))
        return file


class TopicAdmin(ConsoleAdmin):
    """Named lists that users subscribe to."""

    keyset = "slug"
    list_display = ("slug", "created_at", "import_link")
    search_fields = ("pk",)
    search_help_text = gettext_lazy("The beginning of a topic's name.")
    readonly_fields = ("subscribers",)

    def find(self, term: str) -> Q:
        """Find by the beginning of the slug."""
        return Q(slug__startswith=term)

    def get_urls(self) -> list[URLPattern]:
        """Add the page that imports."""
        view = self.admin_site.admin_view(self.import_view)
        return [path("<path:object_id>/import/", view, name="carillon_topic_import"), *super().get_urls()]

    @admin.display(description=gettext_lazy("subscribers"))
    def subscribers(self, row: Topic) -> str:
        """How many there are, about."""
        return count_subscribers(row).told() if row.pk else ""

    @admin.display(description=gettext_lazy("CSV file"))
    def import_link(self, row: Topic) -> str:
        """Where its users are imported."""
        url = reverse("admin:carillon_topic_import", args=[row.pk], current_app=self.admin_site.name)
        return format_html('<a href="{}">{}</a>', url, _("Import"))

    @without_nul
    def import_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a file and import it."""
        key = as_key(Topic, unquote(object_id))
        topic = Topic.objects.filter(pk=key).first() if key is not None else None
        if topic is None:
            raise Http404
        if not any(request.user.has_perms(needed) for needed in _NEEDS.values()):
            raise PermissionDenied
        form = ImportForm(request.POST or None, request.FILES or None)
        if form.is_valid():
            if not request.user.has_perms(_NEEDS[form.cleaned_data["how"]]):
                raise PermissionDenied
            done = self._import(request, topic, form)
            if done is not None and not form.cleaned_data["dry_run"]:
                return HttpResponseRedirect(self._back())
        context = {
            **self.admin_site.each_context(request),
            "title": _("Import users to %(topic)s") % {"topic": topic.slug},
            "opts": self.opts,
            "media": self.media,
            "form": form,
            "back": self._back(),
        }
        return TemplateResponse(request, "carillon/console/topic_import.html", context)

    def _import(self, request: HttpRequest, topic: Topic, form: ImportForm) -> Imported | None:
        values = form.cleaned_data
        wanted = Import(
            topic.slug,
            column=values["column"],
            remove=values["how"] == "remove",
            replace=values["how"] == "replace",
            dry_run=values["dry_run"],
        )
        lines = io.TextIOWrapper(values["file"], encoding="utf-8", newline="")
        try:
            done = import_users(wanted, lines, at_once=True)
        except InvalidData as error:
            form.add_error("file", " ".join([str(error), *(problem.detail for problem in error.problems)]))
            return None
        finally:
            lines.detach()
        if not wanted.dry_run:
            by = By(actor_of(request), "")
            count = done.added + done.removed
            audit(by, f"import_{values['how']}", subject=f"topic {topic.slug}", planned=done.lines, done=count)
        self.message_user(request, _told(done, dry_run=wanted.dry_run), messages.SUCCESS)
        if done.unknown:
            self.message_user(request, _told_unknown(done), messages.WARNING)
        return done

    def _back(self) -> str:
        return reverse("admin:carillon_topic_changelist", current_app=self.admin_site.name)


class TopicSubscriptionAdmin(ConsoleAdmin):
    """Who is on which topic."""

    list_display = ("id", "topic", "who", "created_at")
    list_select_related = ("topic",)
    raw_id_fields = ("topic", "user")
    search_fields = ("pk",)
    search_help_text = gettext_lazy("A topic's name, or a recipient key such as u:42: exactly.")

    def find(self, term: str) -> Q:
        """Find by topic or user."""
        return Q(topic__slug=term) | self.exactly("user_id", term.removeprefix("u:"))

    def has_change_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        """Subscriptions come and go; there is nothing to change about one."""
        return False

    @admin.display(description=gettext_lazy("user"))
    def who(self, row: Any) -> str:
        """Who it is."""
        return person_link(user_recipient(row.user_id), self.admin_site.name)


def _told(done: Imported, *, dry_run: bool) -> str:
    counts = {"added": done.added, "removed": done.removed, "unchanged": done.unchanged}
    if dry_run:
        return (
            _("Nothing was changed. Would be added: %(added)d, taken off: %(removed)d, unchanged: %(unchanged)d.")
            % counts
        )
    return _("Added: %(added)d, taken off: %(removed)d, unchanged: %(unchanged)d.") % counts


def _told_unknown(done: Imported) -> str:
    lines = ", ".join(map(str, done.unknown_lines[:MOST_NAMED]))
    return _("Unknown users: %(count)d, first in lines %(lines)s.") % {"count": done.unknown, "lines": lines}
