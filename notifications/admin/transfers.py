"""CSV files of devices and suppressions: out as a stream, masked for who may not see personal data; in after a look."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ERROR_FLAG, PAGE_VAR, SEARCH_VAR
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..exceptions import InvalidData
from ..flows.operate import By, audit
from ..flows.recipient_files import MOST_LINES, Taken
from .base import actor_of, without_nul
from .confirm import ReasonForm
from .markup import sees_personal_data

if TYPE_CHECKING:
    from .base import ConsoleAdmin
else:
    ConsoleAdmin = object

_LARGEST = 5 * 1024 * 1024


class _Echo:
    """A file that gives back what is written to it."""

    def write(self, text: str) -> str:
        """Return the line."""
        return text


class FileForm(ReasonForm):
    """A CSV file, whether to look only, and why."""

    file = forms.FileField(label=gettext_lazy("CSV file"), help_text=gettext_lazy("UTF-8, 5 MiB at most."))
    dry_run = forms.BooleanField(
        label=gettext_lazy("Only look: nothing is changed"), label_suffix="", required=False, initial=True
    )
    field_order = ("file", "dry_run", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Ask why only where something is to change."""
        super().__init__(*args, **kwargs)
        if self.is_bound and self.data.get("dry_run"):
            self.fields["reason"].required = False

    def clean_file(self) -> UploadedFile[Any]:
        """Refuse what is too large for a request."""
        file: UploadedFile[Any] = self.cleaned_data["file"]
        if (file.size or 0) > _LARGEST:
            raise forms.ValidationError(_("The file is larger than 5 MiB: cut it into several."))
        return file


class TransferPages(ConsoleAdmin):
    """The pages that export a list and import into it."""

    columns: ClassVar[tuple[str, ...]] = ()

    def lines_out(self, request: HttpRequest, rows: Any, *, full: bool) -> Iterator[list[str]]:
        """Yield the lines of an export."""
        raise NotImplementedError

    def take_in(self, request: HttpRequest) -> Callable[..., Taken]:
        """Return the flow that reads a file: called with its lines and `dry_run`."""
        raise NotImplementedError

    def may_import(self, request: HttpRequest) -> bool:
        """Whether somebody may add rows from a file."""
        return bool(request.user.has_perm(f"carillon.add_{self.opts.model_name}"))

    def get_urls(self) -> list[URLPattern]:
        """Add both pages."""
        named: tuple[tuple[str, Any], ...] = (("export", self.export_view), ("import", self.import_view))
        own = [
            path(f"{name}/", self.admin_site.admin_view(view), name=f"carillon_{self.opts.model_name}_{name}")
            for name, view in named
        ]
        return [*own, *super().get_urls()]

    def tools(self, request: HttpRequest) -> list[tuple[str, str]]:
        """Both are close at hand; an export keeps the filters of the list."""
        asked = request.GET.copy()
        for name in (PAGE_VAR, "older", "newer"):
            asked.pop(name, None)
        query = f"?{asked.urlencode()}" if asked else ""
        found = [*super().tools(request), (f"{self._url('export')}{query}", _("Export CSV"))]
        return [*found, (self._url("import"), _("Import CSV"))] if self.may_import(request) else found

    @without_nul
    def export_view(self, request: HttpRequest) -> HttpResponse:
        """Ask why; then stream what the filters of the list leave."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        full = sees_personal_data(request)
        form = ReasonForm(request.POST if request.method == "POST" else None)
        try:
            rows = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters:
            # A filter that no link of ours has: the list says so, as it does for itself.
            return HttpResponseRedirect(f"{self._url('changelist')}?{ERROR_FLAG}=1")
        if form.is_valid():
            by = By(actor_of(request), form.cleaned_data["reason"])
            asked = {name: request.GET[name] for name in request.GET if name != SEARCH_VAR or full}
            audit(by, f"export_{self.opts.model_name}s", masked=not full, filter=asked)
            lines = self.lines_out(request, rows, full=full)
            return cast("HttpResponse", _streamed(lines, f"{self.opts.model_name}s"))
        text = (
            _("Addresses are written out in full, since you may see personal data: keep the file safe.")
            if full
            else _("Addresses are masked, since you may not see personal data.")
        )
        return self._page(request, "export", {"form": form, "told": text, "asked": request.GET.urlencode()})

    @without_nul
    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for a file; look at it, or take it in."""
        if not self.may_import(request):
            raise PermissionDenied
        form = FileForm(request.POST or None, request.FILES or None)
        done: Taken | None = None
        if form.is_valid():
            dry_run = form.cleaned_data["dry_run"]
            done = self._read(request, form)
            if done is not None and not dry_run:
                by = By(actor_of(request), form.cleaned_data["reason"])
                audit(by, f"import_{self.opts.model_name}s", planned=done.lines, done=done.new, refused=done.refused)
                self.message_user(request, _told(done), messages.SUCCESS)
                if not done.refused:
                    return HttpResponseRedirect(self._url("changelist"))
        context = {"form": form, "done": done, "columns": ", ".join(self.columns), "most": f"{MOST_LINES:,}"}
        return self._page(request, "import", {**context, "told": _told(done) if done else ""})

    def _read(self, request: HttpRequest, form: FileForm) -> Taken | None:
        lines = io.TextIOWrapper(form.cleaned_data["file"], encoding="utf-8", newline="")
        try:
            return self.take_in(request)(lines, dry_run=form.cleaned_data["dry_run"])
        except InvalidData as error:
            form.add_error("file", " ".join([error.detail, *(problem.detail for problem in error.problems)]))
            return None
        finally:
            lines.detach()

    def _page(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        titles = {"export": _("Export %(what)s"), "import": _("Import %(what)s")}
        base = {
            **self.admin_site.each_context(request),
            "title": titles[name] % {"what": self.opts.verbose_name_plural},
            "opts": self.opts,
            "media": self.media,
            "back": self._url("changelist"),
        }
        return TemplateResponse(request, f"carillon/console/{name}.html", {**base, **context})

    def _url(self, name: str) -> str:
        return reverse(f"admin:carillon_{self.opts.model_name}_{name}", current_app=self.admin_site.name)


def _streamed(lines: Iterable[list[str]], name: str) -> StreamingHttpResponse:
    writer: Any = csv.writer(_Echo())
    response = StreamingHttpResponse((writer.writerow(line) for line in lines), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}-{timezone.now():%Y%m%d-%H%M}.csv"'
    response["Cache-Control"] = "no-store"
    return response


def _told(done: Taken) -> str:
    text = _("Lines: %(lines)d. New: %(new)d, there already: %(unchanged)d, refused: %(refused)d.")
    return text % {"lines": done.lines, "new": done.new, "unchanged": done.unchanged, "refused": done.refused}
