"""The inbox's buttons and knobs: plain forms, so that they work without JavaScript; each leads back to the page."""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import parse_qsl, urlencode

from aiohttp import web

from .control import EVENTS, ControlDoor, RefusedError
from .door import Desk
from .modes import BadModeError

KNOBS: dict[str, tuple[str, dict[str, object]]] = {
    "well": ("Well", {"mode": "ok"}),
    "slow": ("Slow", {"mode": "slow", "delay": 3}),
    "throttled": ("Throttled", {"mode": "rate_limited", "retry_after": 5}),
    "dead": ("Dead", {"mode": "outage"}),
}
"""What a provider can be made from the page; the control door has more modes."""

EVENT_NAMES: dict[str, str] = {
    "delivered": "Delivered",
    "opened": "Opened",
    "clicked": "Clicked",
    "bounced": "Bounced",
    "soft_bounced": "Soft bounce",
    "complained": "Complained",
    "unregistered": "Unregistered",
    "stop": "STOP",
    "start": "START",
}
_KEPT = ("to", "who", "channel", "refresh")


class InboxActs:
    """Takes the forms of the page; what happened is told once, at its top."""

    def __init__(self, desk: Desk, control: ControlDoor) -> None:
        """Work on ``desk``, and send events through ``control``."""
        self._desk = desk
        self._control = control
        # A page of another origin can send a form here, but cannot read this.
        self.token = secrets.token_urlsafe(24)
        self._told: list[tuple[str, bool]] = []

    def add_routes(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_post("/sandbox/inbox/event", self.event)
        app.router.add_post("/sandbox/inbox/knob", self.knob)

    def take_told(self) -> list[tuple[str, bool]]:
        """Return what was done since the page was last shown, as (sentence, whether it went well)."""
        told, self._told = self._told, []
        return told

    async def event(self, request: web.Request) -> web.Response:
        """Send one event of a message back, through the provider's real webhook where it has one."""
        form = await self._form(request)
        provider, event = form.get("provider", ""), form.get("event", "")
        wanted = {
            "provider": provider,
            "event": event,
            "to": form.get("to", ""),
            "provider_message_id": form.get("message", "") or None,
        }
        name = EVENT_NAMES.get(event, event)
        try:
            url = self._control.send_event(wanted)
        except RefusedError as error:
            self._tell(f"{name}: {error}", well=False)
        else:
            self._tell(f"{name}: sent to {url}." if url else f"{name}: the next send to this token finds it gone.")
        return self._back(form)

    async def knob(self, request: web.Request) -> web.Response:
        """Make a provider slow, throttled, dead, or well again."""
        form = await self._form(request)
        provider, knob = form.get("provider", ""), form.get("knob", "")
        if provider not in EVENTS or knob not in KNOBS:
            self._tell("There is no such provider, or no such knob.", well=False)
            return self._back(form)
        name, mode = KNOBS[knob]
        try:
            self._desk.modes.set(provider, mode)
        except BadModeError as error:
            self._tell(str(error), well=False)
        else:
            self._tell(f"{provider} is {name.lower()} from now on.")
        return self._back(form)

    async def _form(self, request: web.Request) -> dict[str, str]:
        form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
        if not hmac.compare_digest(form.get("token", "").encode(), self.token.encode()):
            raise web.HTTPForbidden(text="This form is not this page's, or the sandbox was restarted: reload it.")
        return form

    def _tell(self, sentence: str, *, well: bool = True) -> None:
        self._told.append((sentence, well))
        self._desk.changes += 1

    def _back(self, form: dict[str, str]) -> web.Response:
        """Lead back to the page, with its filter."""
        kept = [(name, value) for name, value in parse_qsl(form.get("back", "")) if name in _KEPT]
        return web.Response(status=303, headers={"Location": f"/sandbox/?{urlencode(kept)}" if kept else "/sandbox/"})
