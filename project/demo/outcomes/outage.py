"""A provider outage: the breaker opens, email takes over, and once it is over the breaker closes by itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from notifications.rules.breaking import BreakerPolicy

from .. import people
from ..client import Answer
from ..finding import Finding, findings
from ..waiting import wait_until
from .base import UNDECIDED, Outcome, Seen, World, seen

OUTAGE_SECONDS = BreakerPolicy.reset_timeout - 0.5
"""A little less than a breaker stays open at first, so that its first probe finds the provider well again."""
_EARLY_SECONDS = 2.0
"""Whoever waits this early has lost patience (3 s) by then."""
_LONGEST_SECONDS = 90.0
_TRIES = 10

_BEFORE, _DURING = BreakerPolicy.minimum_volume + 2, 5
"""How many alerts meet the outage, enough for the breaker to open, and how many come while it is open."""


@dataclass(frozen=True)
class Evidence:
    """What the API and the sandbox tell of the outage."""

    refused: int
    """How many requests the provider refused."""
    before: Sequence[Seen]
    """The alerts that met the outage."""
    during: Sequence[Seen]
    """The alerts that met the open breaker, at the end."""
    held: Sequence[str]
    """Why those waited: their reasons just after they were accepted."""
    after: Seen
    """An alert once the provider was back."""


class ProviderOutage(Outcome):
    """Push alerts with email to fall back to, after three seconds of patience."""

    name = "provider outage"
    expected = "FCM is out: the breaker opens, email takes over; FCM is back: the breaker closes by itself"

    def show(self, world: World) -> Finding:
        """Take FCM away for some seconds, and send price alerts all the while."""
        try:
            return judge(self._evidence(world))
        finally:
            world.push_works.set()

    def _evidence(self, world: World) -> Evidence:
        began = time.monotonic()
        if world.broken != self.name:
            world.sandbox.fault("fcm", "outage", seconds=_LONGEST_SECONDS)
            world.say(self.name, "FCM answers 503 from now on")
        try:
            before = [self._alert(world, number) for number in range(1, _BEFORE + 1)]
            self._wait_for_answers(world, before)
            during = [self._alert(world, _BEFORE + number) for number in range(1, _DURING + 1)]
            held = [world.until(sent, _decided, "a decision about the alert")[0]["reason"] for sent in during]
            world.say(self.name, f"alerts during the outage: {', '.join(sorted(filter(None, set(held)))) or 'sent'}")
            self._last(world, during, began)
        finally:
            world.sandbox.reset("fcm")
        world.say(self.name, f"FCM is well again after {time.monotonic() - began:.1f} s")
        ended = [world.until(sent, _reached, "push or email to reach everybody") for sent in during]
        after = self._later(world)
        world.push_works.set()
        early = [world.until(sent, _reached, "push or email to reach everybody", seconds=60) for sent in before]
        return Evidence(
            refused=len(self._refusals(world, before)),
            before=[seen(world, deliveries) for deliveries in early],
            during=[seen(world, deliveries) for deliveries in ended],
            held=held,
            after=after,
        )

    def _last(self, world: World, during: Sequence[Answer], began: float) -> None:
        """Let the outage last until email is sure to take over before the breaker first tries the provider again."""
        passed = time.monotonic() - began
        if passed > _EARLY_SECONDS:
            # A slow machine: the breaker's first try will fail, and it will stay open for longer.
            for sent in during:
                world.until(sent, _reached, "email to reach everybody")
        else:
            time.sleep(OUTAGE_SECONDS - passed)

    def _alert(self, world: World, number: int) -> Answer:
        data = {"product": f"Bell no. {number}"}
        return world.api.notify({"user": people.follower(number), "template": "price-alert", "data": data})

    def _wait_for_answers(self, world: World, alerts: Sequence[Answer]) -> None:
        """Wait until the provider has answered, well or not, as often as the breaker wants before it judges."""
        keys = [item["id"] for sent in alerts for item in sent.deliveries]

        def met() -> bool:
            refused = {item["delivery"] for item in self._refusals(world, alerts)}
            return len(refused) + len(world.ledger.of(*keys)) >= BreakerPolicy.minimum_volume

        wait_until(met, bool, "FCM to answer the alerts", log=world.log)

    def _refusals(self, world: World, alerts: Sequence[Answer]) -> list[dict[str, object]]:
        keys = {item["id"] for sent in alerts for item in sent.deliveries}
        return [item for item in world.ledger.refused() if item["delivery"] in keys]

    def _later(self, world: World) -> Seen:
        """Send one more alert; it waits as long as the breaker is open, and never longer than its patience."""
        sent = self._alert(world, _BEFORE + _DURING + 1)
        later = seen(world, world.until(sent, _reached, "one more alert to go out"))
        for _ in range(_TRIES):
            if "sent" in _push_states(later):
                break
            world.say(self.name, "the breaker is still open; once more")
            sent = self._alert(world, _BEFORE + _DURING + 1)
            later = seen(world, world.until(sent, _reached, "one more alert to go out"))
        return later


def judge(evidence: Evidence) -> Finding:
    """Judge the outage: refused, held back by the breaker, reached by email, and at last by push again."""
    everybody = [*evidence.before, *evidence.during]
    emails = sum(_by_email(item) for item in everybody)
    reached = sum(_by_email(item) or "sent" in _push_states(item) for item in everybody)
    held = sum(reason == "breaker_open" for reason in evidence.held)
    taken_over = sum(_by_email(item) for item in evidence.during)
    back = _push_states(evidence.after) == ["sent"] and any(item.provider == "fcm" for item in evidence.after.messages)
    return findings(
        (evidence.refused > 0, f"{evidence.refused} refused", "FCM refused nothing"),
        (
            held == len(evidence.during),
            f"breaker open: {held} of {held} waited",
            f"breaker open for {held} of {len(evidence.during)}",
        ),
        (
            taken_over == len(evidence.during) and reached == len(everybody),
            f"{emails} of {len(everybody)} reached by email, {reached - emails} by push later",
            f"email took over for {taken_over} of {len(evidence.during)}; {reached} of {len(everybody)} reached",
        ),
        (back, "then push sent by fcm again", f"afterwards: {evidence.after.described}"),
    )


def _decided(deliveries: Sequence[dict[str, str]]) -> bool:
    return bool(deliveries) and (deliveries[0]["state"] not in UNDECIDED or deliveries[0]["reason"] == "breaker_open")


def _reached(deliveries: Sequence[dict[str, str]]) -> bool:
    """Whether nothing is undecided any more, and email, if it came to that, has arrived."""
    states = {item["channel"]: item["state"] for item in deliveries}
    if "email" in states:
        return states["email"] not in UNDECIDED | {"sent"} and states.get("push") not in UNDECIDED
    return states.get("push") == "sent"


def _push_states(alert: Seen) -> list[str]:
    return [str(item["state"]) for item in alert.deliveries if item["channel"] == "push"]


def _by_email(alert: Seen) -> bool:
    """Whether email reached this person, and push did not."""
    states = {str(item["channel"]): str(item["state"]) for item in alert.deliveries}
    return states.get("email") == "delivered" and states.get("push") != "sent"
