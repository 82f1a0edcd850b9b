"""The sink where there is no nginx, and for email everywhere: an RSGI application for granian (a server in Rust).

It answers as FCM, Twilio and Postmark do when all is well, after `SINK_LATENCY` seconds, and writes a line for each
message that it took into `SINK_LOG`. It looks for what it logs by bytes: it must not become what is measured. Postmark
answers a batch message by message, which no nginx configuration can.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import time
from pathlib import Path
from typing import Any

LATENCY = float(os.environ.get("SINK_LATENCY", "0"))
LOG = Path(os.environ.get("SINK_LOG", os.devnull))
FLUSH_SECONDS = 0.05
JSON = [("content-type", "application/json")]
TOKEN = json.dumps({"access_token": "ya29.sink", "expires_in": 3_599, "token_type": "Bearer"})

_FCM_TO = re.compile(rb'"token": ?"([^"]+)"')
_FORM_TO = re.compile(rb"(?:^|&)To=([^&]+)")
_ID = re.compile(rb'"carillon_id": ?"([^"]+)"')
_FORM_ID = re.compile(rb"carillon_id%3D([^&%]+)")
_lines: list[bytes] = []
_serial = itertools.count(1)


class Sink:
    """The application; one process of it serves everything."""

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to write the log."""
        self._log = LOG.open("ab", buffering=0)
        self._writing = loop.create_task(self._write())

    async def _write(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            if _lines:
                text = b"".join(_lines)
                _lines.clear()
                self._log.write(text)

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer one request."""
        body = await protocol()
        if LATENCY and "token" not in scope.path.rpartition("/")[2]:
            await asyncio.sleep(LATENCY)
        status, answer = respond(scope.path, body)
        protocol.response_str(status, JSON, answer)


def respond(path: str, body: bytes) -> tuple[int, str]:
    """Return the answer to a request, and note what was taken."""
    if path.endswith("messages:send"):
        _note("fcm", _found(_FCM_TO, body), _found(_ID, body))
        return 200, f'{{"name": "projects/carillon-sandbox/messages/{next(_serial)}"}}'
    if path.endswith("/Messages.json"):
        _note("twilio", _found(_FORM_TO, body), _found(_FORM_ID, body))
        return 201, f'{{"sid": "SM{next(_serial):032x}", "status": "queued"}}'
    if path.endswith("/email/batch"):
        return 200, json.dumps([_mail(email) for email in json.loads(body)])
    if path.endswith("/email"):
        return 200, json.dumps(_mail(json.loads(body)))
    if path.endswith("/token"):
        return 200, TOKEN
    return 404, "{}"


def _mail(email: dict[str, Any]) -> dict[str, object]:
    to, metadata = str(email["To"]), email.get("Metadata") or {}
    _note("postmark", to.encode(), str(metadata.get("carillon_id", "-")).encode())
    identity = f"00000000-0000-4000-8000-{next(_serial):012x}"
    return {"To": to, "ErrorCode": 0, "Message": "OK", "MessageID": identity, "SubmittedAt": "2026-01-01T00:00:00Z"}


def _found(pattern: re.Pattern[bytes], body: bytes) -> bytes:
    match = pattern.search(body)
    return match[1] if match else b"-"


def _note(provider: str, to: bytes, carillon_id: bytes) -> None:
    _lines.append(b"%.3f %s %s %s\n" % (time.time(), provider.encode(), to.replace(b" ", b"+"), carillon_id))


app = Sink()
