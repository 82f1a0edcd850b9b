"""Operations of the document itself."""

from __future__ import annotations

from .words import JSON, Answer, Operation, text

_TAG = "Document"
OPERATIONS = {
    "GET /schema/": Operation(
        "schema",
        _TAG,
        "This document",
        {200: Answer("OpenAPI 3.1, as JSON or as YAML.", {"type": "object"}, media=(JSON, "application/yaml"))},
    ),
    "GET /docs/": Operation(
        "docs", _TAG, "This document as a page", {200: Answer("For people.", text(), media=("text/html",))}
    ),
}
