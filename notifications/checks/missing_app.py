"""What stands in for our URLs while the app is not in INSTALLED_APPS, when no check of ours could run otherwise.

Knows nothing of models, which cannot be imported then.
"""

from __future__ import annotations

from django.core.checks import CheckMessage, Error
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.urls.resolvers import RoutePattern

HINT = 'INSTALLED_APPS += ["django.contrib.postgres", "django_rq", "notifications"]'


class MissingApp(URLPattern):
    """A pattern that serves nothing; Django checks every pattern, and this one says what is missing."""

    def __init__(self) -> None:
        super().__init__(RoutePattern("", is_endpoint=True), _unavailable)

    def check(self) -> list[CheckMessage]:
        """E001: our URLs are included, but the app is not installed."""
        what = '"notifications.urls" is included, but "notifications" is not in INSTALLED_APPS.'
        return [Error(what, hint=HINT, id="carillon.E001")]


def _unavailable(request: HttpRequest) -> HttpResponse:
    return HttpResponse("Carillon is not installed: see `manage.py check`.", status=503, content_type="text/plain")
