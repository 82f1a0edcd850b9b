"""The sandbox's own door: what arrived, faults, webhook targets, and events sent back by hand."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from aiohttp import web
from yarl import URL

from . import resend_webhooks
from .callbacks import Callback
from .credentials import TWILIO_FROM_NUMBER
from .door import Desk, Targets, address_in, json_answer, read_json
from .modes import BadModeError
from .postmark_webhooks import event_webhook
from .records import CHANNELS, Accepted
from .twilio_webhooks import inbound_message, status_callback
from .vonage_webhooks import inbound_message as from_vonage
from .vonage_webhooks import receipt_of

EVENTS: dict[str, tuple[str, ...]] = {
    "fcm": ("unregistered",),
    "apns": ("unregistered",),
    "twilio": ("delivered", "bounced", "stop", "start"),
    "vonage": ("delivered", "bounced", "stop", "start"),
    "postmark": ("delivered", "bounced", "soft_bounced", "opened", "clicked", "complained"),
    "resend": ("delivered", "bounced", "soft_bounced", "opened", "clicked", "complained"),
    "smtp": (),
}
"""What can be sent back for each provider. FCM and APNs report nothing back: the next send finds "unregistered"."""

_DEFAULT_LIMIT = 100
_TARGETS = tuple(field.name for field in fields(Targets))


class RefusedError(Exception):
    """A control request that cannot be done; its text says why."""

    def __init__(self, status: int, detail: str) -> None:
        """Carry the HTTP status beside the text."""
        super().__init__(detail)
        self.status = status


class ControlDoor:
    """Routes under ``/sandbox/`` that answer JSON, and ``/healthz``."""

    def __init__(self, desk: Desk) -> None:
        """Work on ``desk``."""
        self._desk = desk

    def add_routes(self, app: web.Application) -> None:
        """Add the routes."""
        add = app.router.add_route
        add("GET", "/healthz", self.healthz)
        add("GET", "/sandbox/messages", self.messages)
        add("GET", "/sandbox/counts", self.counts)
        add("GET", "/sandbox/faults", self.faults)
        add("DELETE", "/sandbox/faults", self.reset)
        add("POST", "/sandbox/faults/{provider}", self.set_fault)
        add("DELETE", "/sandbox/faults/{provider}", self.reset)
        add("GET", "/sandbox/webhooks", self.webhooks)
        add("POST", "/sandbox/webhooks", self.set_webhooks)
        add("POST", "/sandbox/events", self.event)

    async def healthz(self, _request: web.Request) -> web.Response:
        """Answer that the sandbox is up."""
        return json_answer({"status": "ok"})

    async def messages(self, request: web.Request) -> web.Response:
        """Answer the newest messages, newest first, of one address or provider if asked."""
        query = request.query
        try:
            limit = int(query.get("limit", _DEFAULT_LIMIT))
        except ValueError:
            return json_answer({"detail": "limit must be a number"}, 400)
        found: list[dict[str, Any]] = []
        wanted = [query[key] for key in ("provider", "channel") if query.get(key)]
        for accepted in self._desk.store.newest(*wanted[:1], to=address_in(request) or None):
            if len(found) >= limit:
                break
            found.append(asdict(accepted))
        return json_answer({"messages": found})

    async def counts(self, _request: web.Request) -> web.Response:
        """Answer how many were accepted (as many as the file's lines) and refused, and how webhooks fare."""
        store = self._desk.store
        return json_answer(
            {
                "accepted": {**store.accepted, "total": store.accepted.total()},
                "refused": {**store.refused, "total": store.refused.total()},
                "replayed": {**store.replayed, "total": store.replayed.total()},
                "callbacks": self._desk.callbacks.as_json(),
            }
        )

    async def faults(self, _request: web.Request) -> web.Response:
        """Answer every provider's mode."""
        return json_answer(self._desk.modes.as_json())

    async def set_fault(self, request: web.Request) -> web.Response:
        """Put one provider into a mode."""
        try:
            mode = self._desk.modes.set(request.match_info["provider"], await json_object(request))
        except BadModeError as error:
            return json_answer({"detail": str(error)}, 400)
        return json_answer(mode.as_json())

    async def reset(self, request: web.Request) -> web.Response:
        """Make one provider well, or all (and then forget flaky, stopped and unregistered addresses too)."""
        provider = request.match_info.get("provider")
        if provider is None:
            self._desk.reset()
        else:
            try:
                self._desk.modes.reset(provider)
            except BadModeError as error:
                return json_answer({"detail": str(error)}, 400)
        return json_answer(self._desk.modes.as_json())

    async def webhooks(self, _request: web.Request) -> web.Response:
        """Answer where webhooks go; passwords in URLs are not shown."""
        return json_answer(self._targets())

    async def set_webhooks(self, request: web.Request) -> web.Response:
        """Change the targets that are named, null to remove one."""
        wanted = await json_object(request)
        unknown = set(wanted) - {*_TARGETS, "delay", "enabled"}
        if unknown:
            return json_answer({"detail": f"unknown: {', '.join(sorted(unknown))}"}, 400)
        for key in _TARGETS:
            if wanted.get(key) is not None and not str(wanted[key]).startswith(("http://", "https://")):
                return json_answer({"detail": f"{key} must be an http or https URL"}, 400)
        delay = wanted.get("delay", self._desk.callbacks.delay)
        if isinstance(delay, bool) or not isinstance(delay, int | float) or delay < 0:
            return json_answer({"detail": "delay must be a number of at least 0"}, 400)
        for key in set(_TARGETS) & set(wanted):
            setattr(self._desk.targets, key, wanted[key])
        self._desk.callbacks.delay = float(delay)
        self._desk.callbacks.enabled = bool(wanted.get("enabled", self._desk.callbacks.enabled))
        return json_answer(self._targets())

    async def event(self, request: web.Request) -> web.Response:
        """Send one event back through the provider's real webhook; 202, for it travels after this answer."""
        try:
            sent_to = self.send_event(await json_object(request))
        except RefusedError as error:
            return json_answer({"detail": str(error)}, error.status)
        return json_answer({"queued": sent_to is not None, "url": sent_to}, 202)

    def send_event(self, wanted: Mapping[str, Any]) -> str | None:
        """Send one event back and return where to, or None where the next send finds it out; raises RefusedError."""
        provider, event = wanted.get("provider"), wanted.get("event")
        to, message_id = wanted.get("to"), wanted.get("provider_message_id")
        if provider not in CHANNELS:
            raise RefusedError(400, f"provider must be one of {', '.join(CHANNELS)}")
        if event not in EVENTS[provider]:
            raise RefusedError(400, f"event of {provider} must be one of {', '.join(EVENTS[provider])}")
        if not to and not message_id:
            raise RefusedError(400, "say which: to or provider_message_id")
        if to and event in ("stop", "start", "unregistered"):
            # These speak of an address and need no message to answer to.
            accepted = None
        else:
            accepted = self._desk.store.find(provider, to=to, provider_message_id=message_id)
            if accepted is None:
                raise RefusedError(404, "no such message among the newest")
        address = accepted.to if accepted else str(to)
        if event == "unregistered":
            self._desk.gone[address] = time.time_ns() // 1_000_000
            return None
        if event in ("stop", "start"):
            return self._opt(str(provider), address, event)
        if accepted is None:
            raise RefusedError(404, "no such message among the newest")
        return self._schedule(accepted.provider, self._report(accepted, event))

    def _target(self, name: str) -> str:
        url: str | None = getattr(self._desk.targets, name)
        if url is None:
            raise RefusedError(409, f'set "{name}" with POST /sandbox/webhooks first')
        return url

    def _opt(self, provider: str, number: str, event: str) -> str:
        """Send STOP or START from a phone; Twilio itself keeps to it from now on, Vonage leaves that to us."""
        if provider == "vonage":
            return self._schedule(provider, from_vonage(self._target("vonage"), number, event.upper()))
        url = self._target("twilio_inbound")
        if event == "stop":
            self._desk.stopped.add(number)
        else:
            self._desk.stopped.discard(number)
        return self._schedule("twilio", inbound_message(url, number, TWILIO_FROM_NUMBER, event.upper()))

    def _report(self, accepted: Accepted, event: str) -> Callback:
        if accepted.provider == "postmark":
            return event_webhook(self._target("postmark"), accepted, event)
        if accepted.provider == "resend":
            return resend_webhooks.event_webhook(self._target("resend"), accepted, event)
        if accepted.provider == "vonage":
            return receipt_of(accepted.request.get("callback") or self._target("vonage"), accepted, event)
        url = accepted.request.get("StatusCallback")
        if not url:
            raise RefusedError(409, "this message named no StatusCallback")
        sender = accepted.request.get("From") or accepted.request.get("MessagingServiceSid", "")
        status, code = ("undelivered", 30005) if event == "bounced" else ("delivered", None)
        return status_callback(url, accepted.provider_message_id, accepted.to, sender, status, code=code)

    def _schedule(self, provider: str, callback: Callback) -> str:
        self._desk.callbacks.schedule(provider, [callback])
        return _without_password(callback.url)

    def _targets(self) -> dict[str, Any]:
        targets = {name: getattr(self._desk.targets, name) for name in _TARGETS}
        return {
            **{name: url and _without_password(url) for name, url in targets.items()},
            "delay": self._desk.callbacks.delay,
            "enabled": self._desk.callbacks.enabled,
        }


async def json_object(request: web.Request) -> dict[str, Any]:
    """Return the body as a JSON object.

    The content type is required: a page in the developer's browser cannot send it across origins unasked.
    """
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="send application/json")
    try:
        body = await read_json(request)
    except ValueError:
        raise web.HTTPBadRequest(text="not JSON") from None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="not a JSON object")
    return body


def _without_password(url: str) -> str:
    parsed = URL(url, encoded=True)
    return str(parsed.with_password("***")) if parsed.password else url
