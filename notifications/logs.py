"""Logging that names messages and nobody: formatters for `LOGGING`, with ids in fields and addresses masked.

    LOGGING = {
        "version": 1,
        "formatters": {"json": {"()": "notifications.logs.JSONFormatter"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
    }

What a record is about stands in fields of its own (`FIELDS`): give them as `extra`. Whatever any library writes goes
through the same mask, its tracebacks too.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from . import request_ids
from .rules.masking import masked

#: What a record may say of itself beside its message; anything else in `extra` is left out.
FIELDS = (
    *("request_id", "notification", "delivery", "broadcast", "claim", "channel", "provider", "attempt", "state"),
    *("reason", "code", "address", "provider_message_id", "status_code"),
)


class MaskingFormatter(logging.Formatter):
    """Writes lines as the format says, without addresses, numbers and tokens."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with the ids of the record behind it."""
        told = " ".join(f"{name}={value}" for name, value in _fields(record).items())
        line = masked(super().format(record))
        return f"{line} {told}" if told else line


class JSONFormatter(logging.Formatter):
    """Writes an object a line: `time` (UTC), `level`, `logger`, `message`, `pid`, `thread`, the ids, and `error`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": masked(record.getMessage()),
            "pid": record.process,
            "thread": record.threadName,
            **_fields(record),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = masked(self.formatException(record.exc_info))
        if record.stack_info:
            line["stack"] = masked(record.stack_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """Return what the record says of itself; the id of the request that is being answered, unless it names another."""
    found = {name: value for name in FIELDS if (value := getattr(record, name, None)) not in (None, "")}
    if "request_id" not in found and (current := request_ids.current()):
        found["request_id"] = current
    return {name: masked(value) if isinstance(value, str) else value for name, value in found.items()}
