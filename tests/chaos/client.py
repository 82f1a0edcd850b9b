"""A client that does its part: the same key until it is acknowledged, and what was acknowledged written down first."""

from __future__ import annotations

import http.client
import json
import queue
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.chaos.acknowledged import Book
from tests.chaos.messages import Message

_DEADLINE = 30.0


@dataclass(frozen=True)
class Attempt:
    """One HTTP request: when it began (wall clock), how long it took, and its status; 0 is no answer at all."""

    at: float
    seconds: float
    status: int


class Client:
    """Sends messages over HTTP from several threads, at a steady rate."""

    def __init__(self, url: str, api_key: str, book: Book, threads: int = 8) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 80)
        self._key = api_key
        self._book = book
        self._threads = threads
        self._queue: queue.SimpleQueue[tuple[float, Message] | None] = queue.SimpleQueue()
        self._running: list[threading.Thread] = []
        self._over = threading.Event()
        self._enough = threading.Event()
        self.attempts: list[Attempt] = []
        self.refused: list[str] = []

    def start(self, messages: Iterable[Message], per_second: float) -> None:
        """Begin to send, message by message, at this rate."""
        began = time.monotonic()
        for turn, message in enumerate(messages):
            self._queue.put((began + turn / per_second, message))
        for _ in range(self._threads):
            self._queue.put(None)
        self._running = [threading.Thread(target=self._work, daemon=True) for _ in range(self._threads)]
        for thread in self._running:
            thread.start()

    def enough(self) -> bool:
        """Begin no further message; return whether there were any left, that is, whether the load lasted until now."""
        self._enough.set()
        return any(thread.is_alive() for thread in self._running)

    def join(self, seconds: float) -> bool:
        """Wait until every message that was begun is acknowledged; return whether all were in time."""
        deadline = time.monotonic() + seconds
        for thread in self._running:
            thread.join(max(0.0, deadline - time.monotonic()))
        alive = any(thread.is_alive() for thread in self._running)
        self._over.set()
        return not alive

    @property
    def statuses(self) -> Counter[int]:
        """How often each status was answered."""
        return Counter(attempt.status for attempt in self.attempts)

    def _work(self) -> None:
        connection: http.client.HTTPConnection | None = None
        while (item := self._queue.get()) is not None and not self._over.is_set():
            due, message = item
            if self._enough.wait(max(0.0, due - time.monotonic())):
                break
            while not self._over.is_set():
                connection = connection or http.client.HTTPConnection(*self._address, timeout=_DEADLINE)
                status, body = self._post(connection, message)
                if status == 0:
                    connection = None
                if status == 202:
                    self._note(message, body)
                    break
                if 400 <= status < 500 and status != 409:
                    self.refused.append(f"{message.key}: {status} {body[:300]!r}")
                    break
                time.sleep(0.2)
        if connection is not None:
            connection.close()

    def _post(self, connection: http.client.HTTPConnection, message: Message) -> tuple[int, bytes]:
        headers = {
            "Authorization": f"Api-Key {self._key}",
            "Idempotency-Key": message.key,
            "Content-Type": "application/json",
        }
        began, at = time.monotonic(), time.time()
        try:
            connection.request("POST", f"/api/v1/{message.path}", json.dumps(message.body), headers)
            response = connection.getresponse()
            body = response.read()
            status = response.status
        except (OSError, http.client.HTTPException):
            connection.close()
            status, body = 0, b""
        self.attempts.append(Attempt(at, time.monotonic() - began, status))
        return status, body

    def _note(self, message: Message, body: bytes) -> None:
        answer = json.loads(body)
        deliveries = [delivery["id"] for delivery in answer.get("deliveries", ())]
        self._book.append(
            {
                "key": message.key,
                "to": message.to,
                "channel": message.channel,
                "id": answer["id"],
                "deliveries": deliveries,
            }
        )
