"""Pages for people without a log-in: in their language, without scripts, and telling nobody where they came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import translation

# The token is in the address: it must not leak through a referrer, a cache, a search engine or a frame.
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}


def page(
    request: HttpRequest,
    template: str,
    context: Callable[[], Mapping[str, object]] = dict,
    *,
    status: int = 200,
    locale: str = "",
) -> HttpResponse:
    """Return a page in the recipient's language if it is known and installed, else in the browser's.

    The context is made when that language is active: labels among it are words already.
    """
    language = _language(request, locale)
    with translation.override(language):
        direction = "rtl" if translation.get_language_bidi() else "ltr"
        values = {**context(), "language": language, "direction": direction}
        body = render_to_string(template, values)
    return HttpResponse(body, status=status, headers={**_HEADERS, "Content-Language": language})


def _language(request: HttpRequest, locale: str) -> str:
    if locale:
        try:
            return translation.get_supported_language_variant(locale.lower().replace("_", "-"))
        except LookupError:
            pass
    return translation.get_language_from_request(request)
