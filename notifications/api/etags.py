"""ETags: a caller that has an answer already is told so, instead of being told everything again."""

from __future__ import annotations

import hashlib

from django.utils.http import parse_etags
from rest_framework.request import Request
from rest_framework.response import Response

_LETTERS = 32


def tag(request: Request, answer: Response, rendered: bytes) -> None:
    """Give an answer its ETag; where the caller named that very one, leave out what the answer says."""
    mark = f'"{hashlib.sha256(rendered).hexdigest()[:_LETTERS]}"'
    answer.headers["ETag"] = mark
    answer.headers["Cache-Control"] = "private, no-cache"
    known = parse_etags(request.headers.get("If-None-Match", ""))
    # What compresses answers on the way makes weak ones of them.
    if "*" in known or any(item.removeprefix("W/") == mark for item in known):
        answer.status_code, answer.data = 304, None
