"""The finer screws of the sandbox's own door: where its other ports are, limits, rates, and HTTP/2."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from aiohttp import web

from .callbacks import BadMannerError
from .control import json_object
from .door import Desk, json_answer
from .limits import BadLimitError
from .ports import Ports


class TuningDoor:
    """Further routes under ``/sandbox/`` that answer JSON."""

    def __init__(self, desk: Desk, ports: Ports) -> None:
        """Work on ``desk`` and the doors with ports of their own."""
        self._desk = desk
        self._ports = ports

    def add_routes(self, app: web.Application) -> None:
        """Add the routes."""
        add = app.router.add_route
        add("GET", "/sandbox/info", self.info)
        add("GET", "/sandbox/rates", self.rates)
        add("GET", "/sandbox/limits", self.limits)
        add("POST", "/sandbox/limits/{provider}", self.set_limit)
        add("DELETE", "/sandbox/limits/{provider}", self.lift_limit)
        add("GET", "/sandbox/callbacks", self.callbacks)
        add("POST", "/sandbox/callbacks/{provider}", self.set_callbacks)
        add("GET", "/sandbox/apns", self.apns)
        add("POST", "/sandbox/apns", self.set_apns)

    async def info(self, _request: web.Request) -> web.Response:
        """Answer where the doors with a port of their own are, and the files that their clients need."""
        return json_answer(self._ports.as_json())

    async def rates(self, _request: web.Request) -> web.Response:
        """Answer how many messages each provider took in each second that it took any, of the last hours."""
        return json_answer(self._desk.store.rates.as_json())

    async def limits(self, _request: web.Request) -> web.Response:
        """Answer the limits in force, and how many requests came above them."""
        return json_answer(self._desk.limits.as_json())

    async def set_limit(self, request: web.Request) -> web.Response:
        """Replace one provider's limit."""
        try:
            limit = self._desk.limits.set(request.match_info["provider"], await json_object(request))
        except BadLimitError as error:
            return json_answer({"detail": str(error)}, 400)
        return json_answer(limit.as_json())

    async def lift_limit(self, request: web.Request) -> web.Response:
        """Lift one provider's limit."""
        try:
            self._desk.limits.reset(request.match_info["provider"])
        except BadLimitError as error:
            return json_answer({"detail": str(error)}, 400)
        return json_answer(self._desk.limits.as_json())

    async def callbacks(self, _request: web.Request) -> web.Response:
        """Answer how every provider's webhooks come."""
        return json_answer(self._desk.callbacks.manners())

    async def set_callbacks(self, request: web.Request) -> web.Response:
        """Change how one provider's webhooks come."""
        try:
            manner = self._desk.callbacks.set_manner(request.match_info["provider"], await json_object(request))
        except BadMannerError as error:
            return json_answer({"detail": str(error)}, 400)
        return json_answer(asdict(manner))

    async def apns(self, _request: web.Request) -> web.Response:
        """Answer how APNs treats its connections."""
        return json_answer(self._apns())

    async def set_apns(self, request: web.Request) -> web.Response:
        """Change how APNs treats its connections, or end the present ones."""
        wanted = await json_object(request)
        unknown = set(wanted) - {"max_streams", "token_seconds", "goaway_after", "cut_after"}
        if unknown:
            return json_answer({"detail": f"unknown: {', '.join(sorted(unknown))}"}, 400)
        for key, value in wanted.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                return json_answer({"detail": f"{key} must be a whole number of at least 0"}, 400)
        if "max_streams" in wanted:
            self._ports.http2.set_max_streams(wanted["max_streams"])
        if "token_seconds" in wanted:
            self._ports.apns.tokens.forget()
            self._ports.apns.tokens.least_seconds = wanted["token_seconds"]
        ended = 0
        if "goaway_after" in wanted:
            ended = self._ports.http2.go_away(wanted["goaway_after"])
        if "cut_after" in wanted:
            ended = self._ports.http2.cut(wanted["cut_after"])
        return json_answer({**self._apns(), "ended": ended})

    def _apns(self) -> dict[str, Any]:
        http2 = self._ports.http2
        return {
            "max_streams": http2.max_streams,
            "token_seconds": self._ports.apns.tokens.least_seconds,
            "connections": len(http2.connections),
        }
