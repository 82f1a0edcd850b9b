"""The API's own description: the OpenAPI document, and a page of it for people. Neither needs a key, or any library."""

from __future__ import annotations

import secrets
from functools import cache
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from rest_framework.request import Request as HttpCall

from .base import ApiView
from .docs_page import chapters, marked, parts
from .schema.text import as_json, as_yaml, served

_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_TYPES = {"application/json": as_json, "application/yaml": as_yaml}


class Document(ApiView):
    """`GET schema/`."""

    authentication_classes: Any = ()
    permission_classes: Any = ()

    def get(self, request: HttpCall) -> HttpResponse:
        """Hand out the document, as YAML to whoever prefers that."""
        media = request.get_preferred_type(list(_TYPES)) or "application/json"
        made = served(_base(request))
        return HttpResponse(_TYPES[media](made), content_type=media, headers={"Vary": "Accept"})


class DocsPage(ApiView):
    """`GET docs/`."""

    authentication_classes: Any = ()
    permission_classes: Any = ()

    def get(self, request: HttpCall) -> HttpResponse:
        """Show the document; the page loads nothing and runs nothing."""
        nonce = secrets.token_urlsafe(16)
        base = _base(request)
        values = {**_shown(), "nonce": nonce, "base": request.build_absolute_uri(base)}
        page = render(request, "carillon/docs.html", values)
        page.headers["Content-Security-Policy"] = f"style-src 'nonce-{nonce}'; {_POLICY}"
        return page


@cache
def _shown() -> dict[str, Any]:
    """Return what the page shows, which is the same for everybody."""
    document = served("")
    schemes = document["components"]["securitySchemes"]
    return {
        "document": document,
        "about": [marked(paragraph) for paragraph in document["info"]["description"].split("\n\n")],
        "security": [(name, marked(scheme["description"])) for name, scheme in schemes.items()],
        "chapters": chapters(document),
        "parts": parts(document),
    }


def _base(request: HttpCall) -> str:
    """Return the path under which the API is mounted, whatever the prefix."""
    return request.path.rstrip("/").rpartition("/")[0]
