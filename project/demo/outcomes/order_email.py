"""An order email in the recipient's own language, German for somebody in Berlin."""

from __future__ import annotations

from .. import people
from ..finding import Finding, findings
from .base import Outcome, Seen, World, seen


class OrderEmail(Outcome):
    """The same call for everybody; the words follow the person."""

    name = "order email"
    expected = "an email in German, delivered, since its recipient's profile says de-DE"

    def show(self, world: World) -> Finding:
        """Tell somebody that an order is on its way."""
        who = people.ADA if world.broken == self.name else people.JONAS
        data = {"number": f"A-{world.run}", "total": 59.9, "items": ["Handbell", "Rope, 2 m"]}
        sent = world.api.notify({"user": who, "template": "order-shipped", "data": data})
        world.say(self.name, f"POST notifications/ answered {sent.status}; waiting for the mailbox")
        deliveries = world.settled(sent, beyond=["sent"], what="the email to be delivered")
        return judge(seen(world, deliveries), f"A-{world.run}")


def judge(order: Seen, number: str) -> Finding:
    """Judge the notification: one email, delivered, its subject and its sum as Germans write them."""
    contents = [message.content for message in order.messages if message.channel == "email"]
    subject = str(contents[0].get("subject", "")) if contents else ""
    html = str(contents[0].get("html", "")) if contents else ""
    german = subject == f"Bestellung {number} ist unterwegs" and "59,90" in html
    return findings(
        (order.states == ["delivered"], "delivered", order.described),
        (len(contents) == 1 and german, f"“{subject}”, 59,90 €", f"{order.arrived}: “{subject}”"),
    )
