"""A poison message: it cannot be rendered, waits as a dead letter, and goes out once its cause is mended."""

from __future__ import annotations

from .. import people
from ..finding import Finding, findings
from .base import Outcome, Seen, World, seen

TEMPLATE = "invoice"
BROKEN_WORDS = 'Your invoice: {{ order.total|money:"EUR" }}.'
MENDED_WORDS = (
    '{% if order.total %}Your invoice: {{ order.total|money:"EUR" }}.{% else %}'
    "Your invoice for order {{ order.number }} follows by letter.{% endif %}"
)


class PoisonMessage(Outcome):
    """The words want a total that this order does not have; an operator mends them in the console."""

    name = "poison message"
    expected = "dead letter (render_error); words mended in the console, replayed there, delivered"

    def show(self, world: World) -> Finding:
        """Send an invoice without a total, then do what an operator would."""
        sent = world.api.notify(
            {"user": people.CLARA, "template": TEMPLATE, "data": {"order": {"number": f"P-{world.run}"}}}
        )
        died = seen(world, world.settled(sent, beyond=["sent"], what="the message to fail"))
        world.say(self.name, f"{died.described}; mending it in the console")
        if world.broken != self.name:
            world.operator.publish(TEMPLATE, BROKEN_WORDS, MENDED_WORDS, f"some orders have no total (run {world.run})")
        for item in died.deliveries:
            if item["state"] == "dead":
                world.operator.replay(str(item["id"]), f"words mended in run {world.run}")
        world.say(self.name, "words published, dead letter replayed")
        deliveries = world.settled(sent, beyond=["sent"], what="the replayed message to be delivered")
        return judge(died, seen(world, deliveries))


def judge(died: Seen, replayed: Seen) -> Finding:
    """Judge the notification before and after: dead for its words with nothing sent, then delivered once."""
    dead = [(item["state"], item["reason"]) for item in died.deliveries] == [("dead", "render_error")]
    once = len(replayed.messages) == 1
    return findings(
        (dead and not died.messages, "dead: render_error, nothing sent", f"at first: {died.described}"),
        (replayed.states == ["delivered"], "replayed, delivered", f"after the replay: {replayed.described}"),
        (once, f"“{_text(replayed)}”" if once else "", replayed.arrived),
    )


def _text(replayed: Seen) -> str:
    return str(replayed.messages[0].content.get("text", "")).strip()
