"""A mailbox that does not exist: the bounce comes back by webhook, and the address is written to no more."""

from __future__ import annotations

from ..finding import Finding, findings
from .base import Outcome, Seen, World, seen


class HardBounce(Outcome):
    """The second message to the same address is the proof."""

    name = "hard bounce"
    expected = "an email bounces (webhook), its address is suppressed, the next one is skipped"

    def show(self, world: World) -> Finding:
        """Write twice to a mailbox that bounces."""
        word = "silent" if world.broken == self.name else "bounce"
        address = f"{word}-{world.run}@example.com"
        first = world.api.notify(self._order(address, f"H-{world.run}-1"))
        world.say(self.name, f"written to {address}; waiting for the provider's webhook")
        waiting = [] if word == "silent" else ["sent", "delivered"]
        bounced = seen(world, world.settled(first, beyond=waiting, what="the bounce to come back"))
        second = world.api.notify(self._order(address, f"H-{world.run}-2"))
        return judge(bounced, seen(world, world.settled(second, what="the second email's decision")))

    def _order(self, address: str, number: str) -> dict[str, object]:
        data = {"number": number, "total": 5.0, "items": ["Polish"]}
        return {"to": {"email": address, "locale": "en"}, "template": "order-shipped", "data": data}


def judge(first: Seen, second: Seen) -> Finding:
    """Judge both notifications: the first taken and bounced, the second skipped for the suppression."""
    bounced = first.states == ["bounced"] and len(first.messages) == 1
    skipped = [(item["state"], item["reason"]) for item in second.deliveries] == [("skipped", "suppression")]
    return findings(
        (bounced, "first: sent, then bounced", f"first: {first.described}"),
        (skipped, "second: skipped (suppression)", f"second: {second.described}"),
        (not second.messages, "1 message in the sandbox", f"second: {second.arrived}"),
    )
