"""Talks to a running sandbox from Python: for tests, the demo and the chaos runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import ProxyHandler, Request, build_opener

from .records import Accepted, from_json, read_file, read_refused

# Never through a proxy of the environment: the sandbox is on this machine.
_open = build_opener(ProxyHandler({})).open


class SandboxError(Exception):
    """The sandbox refused a control request; ``status`` is its HTTP status, the text its reason."""

    def __init__(self, status: int, detail: str) -> None:
        """Carry the status beside the text."""
        super().__init__(f"{status}: {detail}")
        self.status = status


class SandboxClient:
    """The control door of one sandbox; raises ``SandboxError`` if it refuses, OSError if it is not there."""

    def __init__(self, base_url: str, *, timeout: float = 10.0) -> None:
        """Talk to the sandbox at ``base_url``, e.g. ``http://127.0.0.1:9400``."""
        self.base_url = base_url.rstrip("/")
        self._timeout = timeout

    def messages(self, *, to: str | None = None, provider: str | None = None, limit: int = 2_000) -> list[Accepted]:
        """Return the newest accepted messages (at most the last 2,000), newest first."""
        wanted = {"to": to, "provider": provider, "limit": limit}
        query = urlencode({key: value for key, value in wanted.items() if value is not None})
        return [from_json(entry) for entry in self._call("GET", f"/sandbox/messages?{query}")["messages"]]

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the exact counts: ``accepted``, ``refused``, ``replayed`` by provider and in total; ``callbacks``."""
        counts: dict[str, dict[str, int]] = self._call("GET", "/sandbox/counts")
        return counts

    def fault(self, provider: str, mode: str, **options: float) -> dict[str, Any]:
        """Put a provider into a mode; options: seconds, delay, retry_after, as_date, share."""
        answer: dict[str, Any] = self._call("POST", f"/sandbox/faults/{quote(provider)}", {"mode": mode, **options})
        return answer

    def faults(self) -> dict[str, dict[str, Any]]:
        """Return every provider's mode."""
        faults: dict[str, dict[str, Any]] = self._call("GET", "/sandbox/faults")
        return faults

    def info(self) -> dict[str, dict[str, str]]:
        """Return where the doors with a port of their own are, and which files their clients need."""
        info: dict[str, dict[str, str]] = self._call("GET", "/sandbox/info")
        return info

    def limit(self, provider: str, **options: float | bool | None) -> dict[str, Any]:
        """Set a provider's limit; options: per_second, refuse, retry_after, as_date, latency."""
        answer: dict[str, Any] = self._call("POST", f"/sandbox/limits/{quote(provider)}", options)
        return answer

    def limits(self) -> dict[str, dict[str, Any]]:
        """Return the limits in force and how many requests came above them."""
        limits: dict[str, dict[str, Any]] = self._call("GET", "/sandbox/limits")
        return limits

    def callbacks(self, provider: str, mode: str, **options: float) -> dict[str, Any]:
        """Change how a provider's webhooks come: normal, late (``delay`` seconds), twice, reversed, early, none."""
        answer: dict[str, Any] = self._call("POST", f"/sandbox/callbacks/{quote(provider)}", {"mode": mode, **options})
        return answer

    def rates(self) -> dict[str, dict[str, int]]:
        """Return how many messages each provider took in each second, named by its beginning in UTC."""
        rates: dict[str, dict[str, int]] = self._call("GET", "/sandbox/rates")
        return rates

    def apns(self, **options: int) -> dict[str, Any]:
        """Change how APNs treats connections; options: max_streams, token_seconds, goaway_after, cut_after."""
        answer: dict[str, Any] = self._call("POST", "/sandbox/apns", options)
        return answer

    def reset(self, provider: str | None = None) -> None:
        """Make one provider well again, or all and forget what single addresses went through."""
        self._call("DELETE", "/sandbox/faults" + (f"/{quote(provider)}" if provider else ""))

    def set_webhooks(self, **targets: Any) -> dict[str, Any]:
        """Set ``postmark``, ``resend``, ``vonage``, ``twilio_inbound`` (URLs or None), ``delay``, ``enabled``."""
        answer: dict[str, Any] = self._call("POST", "/sandbox/webhooks", targets)
        return answer

    def people(self, people: Mapping[str, list[str]]) -> int:
        """Say whose addresses are whose, by name, so that the inbox groups by person; return how many it knows."""
        told = [{"name": name, "addresses": addresses} for name, addresses in people.items()]
        answer: dict[str, int] = self._call("POST", "/sandbox/people", {"people": told})
        return answer["addresses"]

    def event(
        self, provider: str, event: str, *, to: str | None = None, provider_message_id: str | None = None
    ) -> dict[str, Any]:
        """Send one event back through the provider's webhook, for a message or an address."""
        wanted = {"provider": provider, "event": event, "to": to, "provider_message_id": provider_message_id}
        answer: dict[str, Any] = self._call("POST", "/sandbox/events", wanted)
        return answer

    @staticmethod
    def read_file(path: str | Path) -> list[Accepted]:
        """Return everything that the sandbox's file holds, oldest first; works without a sandbox."""
        return read_file(path)

    @staticmethod
    def read_refused(path: str | Path) -> list[dict[str, Any]]:
        """Return the refused requests that belong to the sandbox's file, oldest first."""
        return read_refused(path)

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {} if data is None else {"Content-Type": "application/json"}
        request = Request(  # noqa: S310 - the caller's own sandbox, http
            self.base_url + path, data=data, headers=headers, method=method
        )
        try:
            with _open(request, timeout=self._timeout) as answer:
                return json.loads(answer.read())
        except HTTPError as error:
            with error:
                raise SandboxError(error.code, error.read().decode("utf-8", "replace")) from None
