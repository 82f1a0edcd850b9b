"""The frame of operators' pages: who may look, and what every one of them needs."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.forms import Script
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ..enums import Family
from .base import ReadOnlyAdmin, narrowed, without_nul
from .markup import family_icon


def pill(family: str, text: object, title: object = "") -> SafeString:
    """Return a word in the colour and with the icon of a family of states."""
    known = Family(family)
    return format_html(
        '<span class="carillon-badge carillon-{}" title="{}"><span class="carillon-icon" aria-hidden="true">{}</span>'
        "{}</span>",
        known.value,
        title or known.label,
        family_icon(known),
        text,
    )


class OperatorPage(ReadOnlyAdmin):
    """A page of its own instead of a list of rows; `looks` names the permission to look at it."""

    looks: ClassVar[str] = ""

    class Media:
        """The style sheet of operators' pages, and what keeps them up to date."""

        css: ClassVar = {"all": ["carillon/operate.css"]}
        js: ClassVar = [Script("carillon/live.js", defer=True)]

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Shown to those who may look."""
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        """Looking needs the permission to look at what the page is made from."""
        return bool(request.user.has_perm(self.looks))

    def get_urls(self) -> list[URLPattern]:
        """Only the pages that there are: the first one, and its own."""
        name = f"carillon_{self.opts.model_name}_changelist"
        return [path("", self.admin_site.admin_view(self.changelist_view), name=name), *self.more_urls()]

    def more_urls(self) -> list[URLPattern]:
        """Return the addresses of this page's own pages."""
        return []

    @without_nul
    @narrowed
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the page."""
        self.must(request, self.looks)
        return self.shown(request)

    def shown(self, request: HttpRequest) -> HttpResponse:
        """Return the page for somebody who may look."""
        raise NotImplementedError

    def must(self, request: HttpRequest, permission: str) -> None:
        """Return if the user has a permission.

        Raises:
            PermissionDenied: they do not.
        """
        if not request.user.has_perm(permission):
            raise PermissionDenied

    def frame(self, request: HttpRequest, title: object) -> dict[str, Any]:
        """Return what every page's template needs."""
        shared = self.admin_site.each_context(request)
        return {**shared, "opts": self.opts, "media": self.media, "title": title, "home": self.home()}

    def home(self) -> str:
        """Return the address of the first page."""
        return self.url(f"{self.opts.model_name}_changelist")

    def url(self, name: str, *arguments: object) -> str:
        """Return the address of a page of the console on this site."""
        return reverse(f"admin:carillon_{name}", args=arguments, current_app=self.admin_site.name)
