"""Bodies that come in chunks, without a length: under WSGI, Django takes such a body for an empty one."""

from __future__ import annotations

from django.http import HttpRequest

_UNKNOWN = "-1"


def take_chunks(request: HttpRequest) -> bool:
    """Let a body that comes in chunks be read with `request.read`; return whether it is one.

    Only where the server says that it ends the input with the body, as gunicorn does: elsewhere it might be read for
    ever. Whoever reads it bounds it: nobody knows beforehand how long it is.
    """
    meta = request.META
    if meta.get("CONTENT_LENGTH") or "chunked" not in meta.get("HTTP_TRANSFER_ENCODING", "").lower():
        return False
    if not meta.get("wsgi.input_terminated"):
        return False
    # There is no other way in.
    request._stream = meta["wsgi.input"]  # noqa: SLF001
    meta["CONTENT_LENGTH"] = _UNKNOWN
    return True
