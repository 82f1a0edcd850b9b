"""The client's own book: what was acknowledged, on the disk before it counts."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Book:
    """An append-only file of JSON lines; `append` returns once the line is on the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._written = len(read(path))

    def append(self, *lines: Mapping[str, object]) -> None:
        """Write lines and flush them to the disk."""
        data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        with self._lock:
            if os.write(self._fd, data) != len(data):
                raise OSError(f"short write to {self.path}: is the disk full?")
            os.fsync(self._fd)
            self._written += len(lines)

    def __len__(self) -> int:
        return self._written

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a book; a torn last one, of a writer that was killed, never counted."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    return [json.loads(line) for line in lines if line.endswith(b"}")]
