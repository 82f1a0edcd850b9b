"""A broadcast to five thousand followers: each gets it exactly once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from notifications.sandbox.records import Accepted

from .. import people
from ..client import Answer
from ..finding import Finding, findings
from ..waiting import wait_until
from .base import Outcome, World

_SECONDS = 180.0
_PAUSE_SECONDS = 0.5  # each look counts five thousand rows
_EVERY = 1_000
_OVER = frozenset({"done", "cancelled", "stopped"})


class ToFollowers(Outcome):
    """One call; the audience is named, not listed."""

    name = "broadcast"
    expected = f"{people.FOLLOWERS:,} followers each get it once"
    after_outage = True

    def show(self, world: World) -> Finding:
        """Announce a post to everybody who follows its author."""
        title = f"Casting bell {world.run}"
        audience = {"name": "followers", "params": {"author_id": people.AUTHOR}}
        body: dict[str, object] = {"audience": audience, "template": "new-post", "data": {"title": title}}
        if world.broken == self.name:
            body["exclude"] = {"users": [people.follower(people.FOLLOWERS)]}
        launched = world.api.broadcast(body)
        world.say(self.name, f"POST broadcasts/ answered {launched.status}")
        finished = wait_until(
            _Watch(world, launched), lambda made: made["status"] in _OVER, "the broadcast to be done",
            seconds=_SECONDS, pause=_PAUSE_SECONDS, log=world.log,
        )  # fmt: skip
        messages = [item for item in world.ledger.accepted() if title in str(item.content.get("title", ""))]
        return judge(finished, messages)


class _Watch:
    """Looks at a broadcast and tells of every thousand."""

    def __init__(self, world: World, launched: Answer) -> None:
        self._world = world
        self._path = f"broadcasts/{launched.id}/"
        self._told = 0

    def __call__(self) -> dict[str, Any]:
        made = self._world.api.get(self._path).body
        sent = int(made["counts"]["sent"])
        if sent // _EVERY > self._told:
            self._told = sent // _EVERY
            self._world.say(ToFollowers.name, f"{sent:,} of {people.FOLLOWERS:,} sent")
        return made


def judge(made: Mapping[str, Any], messages: Sequence[Accepted]) -> Finding:
    """Judge the broadcast and all messages with its title: as many as followers, none twice."""
    counts = made["counts"]
    deliveries = {message.delivery for message in messages}
    phones = {message.to for message in messages}
    right = len(messages) == len(deliveries) == len(phones) == people.FOLLOWERS
    figures = f"{len(messages):,} messages, {len(deliveries):,} deliveries, {len(phones):,} phones in the sandbox"
    return findings(
        (made["status"] == "done", f"done, {counts['sent']:,} sent", f"{made['status']}: {_figures(counts)}"),
        (counts["members"] == people.FOLLOWERS, "", f"{counts['members']:,} members"),
        (right, f"{len(deliveries):,} distinct deliveries in the sandbox, none twice", figures),
    )


def _figures(counts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in counts.items() if number)
