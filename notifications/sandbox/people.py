"""Whose addresses are whose, as somebody told the sandbox: the inbox groups by person, and knows addresses only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from .control import json_object
from .door import Desk, json_answer

LONGEST_NAME = 150


class BadPersonError(ValueError):
    """What was told of a person makes no sense; its text says why."""


class People:
    """Names by address, kept in a file beside that of the messages, so that a restart forgets nobody."""

    def __init__(self, file: Path | None = None) -> None:
        """Take up what an earlier run was told."""
        self._file = file
        self._names: dict[str, str] = {}
        if file is not None and file.exists():
            try:
                self._names = {str(key): str(name) for key, name in json.loads(file.read_text("utf-8")).items()}
            except (ValueError, AttributeError):
                self._names = {}

    def name_of(self, address: str) -> str:
        """Return whose address it is, or nothing."""
        return self._names.get(address, "")

    def addresses_of(self, name: str) -> list[str]:
        """Return a person's addresses."""
        return [address for address, known in self._names.items() if known == name]

    def __len__(self) -> int:
        """Return how many addresses are known."""
        return len(self._names)

    def tell(self, people: Iterable[Mapping[str, Any]]) -> int:
        """Take in people, each ``{"name", "addresses"}``; return how many addresses are known.

        Raises:
            BadPersonError: one has no usable name or addresses; then none is taken in.
        """
        told: dict[str, str] = {}
        for person in people:
            known = person if isinstance(person, dict) else {}
            name, addresses = known.get("name"), known.get("addresses")
            if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME:
                raise BadPersonError(f"name must be text of 1 to {LONGEST_NAME} characters")
            if not isinstance(addresses, list) or not all(isinstance(item, str) and item for item in addresses):
                raise BadPersonError("addresses must be a list of texts")
            told |= dict.fromkeys(addresses, name.strip())
        self._names |= told
        if self._file is not None:
            self._file.write_text(json.dumps(self._names), "utf-8")
        return len(self._names)


class PeopleDoor:
    """``POST /sandbox/people``: ``{"people": [{"name": "Ada", "addresses": ["ada@example.com", "+49..."]}]}``."""

    def __init__(self, desk: Desk, people: People) -> None:
        """Tell ``people``."""
        self._desk = desk
        self._people = people

    def add_routes(self, app: web.Application) -> None:
        """Add the route."""
        app.router.add_post("/sandbox/people", self.tell)

    async def tell(self, request: web.Request) -> web.Response:
        """Take in whose addresses are whose."""
        told = await json_object(request)
        people = told.get("people")
        if not isinstance(people, list):
            return json_answer({"detail": "people must be a list"}, 400)
        try:
            known = self._people.tell(people)
        except BadPersonError as error:
            return json_answer({"detail": str(error)}, 400)
        self._desk.changes += 1
        return json_answer({"addresses": known})
