"""Somebody who opted out of a category: accepted, skipped, and nothing leaves the house."""

from __future__ import annotations

from .. import people
from ..finding import Finding, findings
from .base import Outcome, Seen, World, seen


class OptedOut(Outcome):
    """A preference is an outcome with a reason, not an error."""

    name = "opted out"
    expected = "skipped: preference, and nothing is sent"

    def show(self, world: World) -> Finding:
        """Opt somebody out of social pushes, and send one."""
        wanted = world.broken == self.name
        world.api.patch(f"users/{people.EMIL}/preferences/", {"categories": {"social": {"push": wanted}}})
        token = {
            "channel": "push",
            "platform": "ios",
            "address": "emil-phone-77aa66bb55cc44dd33ee",
            "token_type": "fcm",
        }
        world.api.post(f"users/{people.EMIL}/devices/", token)
        sent = world.api.notify({"user": people.EMIL, "template": "new-follower", "data": {"name": "Jonas"}})
        world.say(self.name, f"preference set, push asked for: answered {sent.status}")
        deliveries = world.settled(sent, what="the decision")
        return judge(seen(world, deliveries))


def judge(push: Seen) -> Finding:
    """Judge the notification: every delivery skipped for the preference, none sent."""
    skipped = bool(push.deliveries) and all(
        (item["state"], item["reason"]) == ("skipped", "preference") for item in push.deliveries
    )
    explained = str(push.deliveries[0].get("explanation", "")) if push.deliveries else ""
    return findings(
        (skipped, f"skipped: preference (“{explained}”)", push.described),
        (not push.messages, "nothing in the sandbox", push.arrived),
    )
