"""A client of the HTTP API, as any program that uses it would write one: a key, JSON, and a deadline for each call."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

SECONDS = 15.0


class ApiError(Exception):
    """The API refused a call, or was not there; the text says which call and why."""


@dataclass(frozen=True)
class Answer:
    """One answer of the API."""

    status: int
    body: dict[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The id of what was made."""
        return str(self.body["id"])

    @property
    def deliveries(self) -> list[dict[str, Any]]:
        """The deliveries of a notification."""
        return list(self.body.get("deliveries", []))

    @property
    def replayed(self) -> bool:
        """Whether the first answer to this idempotency key was given again."""
        return self.headers.get("Idempotent-Replayed", "").lower() == "true"


class Api:
    """The API under one address and key; raises `ApiError` for whatever is not an answer of success."""

    def __init__(self, url: str, key: str) -> None:
        """Talk to `<url>/api/v1/` with this key."""
        self.base = f"{url}/api/v1"
        self._headers = {"Authorization": f"Api-Key {key}"}

    def notify(self, body: Mapping[str, object], key: str = "") -> Answer:
        """Send one notification; without a key, under a fresh one."""
        return self._call("POST", "notifications/", body, key or uuid.uuid4().hex)

    def broadcast(self, body: Mapping[str, object]) -> Answer:
        """Launch a broadcast under a fresh idempotency key."""
        return self._call("POST", "broadcasts/", body, uuid.uuid4().hex)

    def get(self, path: str) -> Answer:
        """Read something."""
        return self._call("GET", path)

    def post(self, path: str, body: Mapping[str, object]) -> Answer:
        """Make something."""
        return self._call("POST", path, body)

    def patch(self, path: str, body: Mapping[str, object]) -> Answer:
        """Change something."""
        return self._call("PATCH", path, body)

    def delete(self, path: str) -> Answer:
        """Remove something."""
        return self._call("DELETE", path)

    def _call(self, method: str, path: str, body: Mapping[str, object] | None = None, key: str = "") -> Answer:
        headers = {**self._headers, **({"Idempotency-Key": key} if key else {})}
        try:
            # A session a call: outcomes run side by side, and a connection belongs to one thread.
            with requests.Session() as session:
                session.trust_env = False  # never through a proxy: this is our own machine
                answer = session.request(method, f"{self.base}/{path}", json=body, headers=headers, timeout=SECONDS)
        except requests.RequestException as error:
            raise ApiError(f"{method} {path}: no answer ({type(error).__name__})") from error
        try:
            content = answer.json() if answer.content else {}
        except ValueError:
            content = {}
        if not answer.ok:
            said = " ".join(str(content.get(name, "")) for name in ("title", "detail")).strip() or answer.reason
            raise ApiError(f"{method} {path}: {answer.status_code} {said} {content.get('errors') or ''}".rstrip())
        found = content if isinstance(content, dict) else {"results": content}
        return Answer(answer.status_code, found, answer.headers)
