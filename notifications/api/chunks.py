"""Bodies that come in chunks, without a length: under WSGI, Django takes such a body for an empty one."""

from __future__ import annotations

from io import IOBase
from typing import IO, BinaryIO, cast

from django.http import HttpRequest

_UNKNOWN = "-1"


class Chunks(IOBase):
    """The server's input, which fails with an OSError whatever is wrong: by it Django knows a body that breaks off.

    Servers have errors of their own for chunks that are none, and gunicorn's are of no kind that anybody else knows.
    """

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source

    def read(self, size: int = -1) -> bytes:
        """Return so many bytes, or all there are.

        Raises:
            OSError: the body breaks off, or its chunks cannot be read.
        """
        try:
            return self._source.read(size)
        except OSError:
            raise
        except Exception as error:
            raise OSError("The body's chunks cannot be read.") from error


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
    request._stream = cast("BinaryIO", Chunks(meta["wsgi.input"]))  # noqa: SLF001
    meta["CONTENT_LENGTH"] = _UNKNOWN
    return True
