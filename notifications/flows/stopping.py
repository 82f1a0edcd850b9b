"""Whether this process was asked to stop."""

from __future__ import annotations

import threading

#: Set when this process was asked to stop: nothing further is sent, what is in flight is recorded.
stopping = threading.Event()
