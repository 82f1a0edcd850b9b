"""The same request twice, as a client does whose connection broke: one notification, one delivery."""

from __future__ import annotations

from collections.abc import Sequence

from notifications.sandbox.records import Accepted

from .. import people
from ..client import Answer
from ..finding import Finding, findings
from .base import Outcome, World


class Idempotency(Outcome):
    """The key that the client chose makes the second request a repetition of the first."""

    name = "idempotency"
    expected = "the same request twice: the first answer is replayed, one email goes out"

    def show(self, world: World) -> Finding:
        """Send one request twice under one key, and let whatever follows arrive."""
        number = f"I-{world.run}"
        data = {"number": number, "total": 12.5, "items": ["Clapper"]}
        body = {"user": people.CLARA, "template": "order-shipped", "data": data}
        keys = (f"demo-{world.run}", f"demo-{world.run}-other" if world.broken == self.name else f"demo-{world.run}")
        answers = [world.api.notify(body, key) for key in keys]
        world.say(self.name, f"same key, same body: answered {answers[0].status}, then {answers[1].status}")
        for answer in answers:
            world.settled(answer, beyond=["sent"], what="the email to be delivered")
        messages = [item for item in world.ledger.accepted() if number in str(item.content.get("subject", ""))]
        return judge(answers, messages)


def judge(answers: Sequence[Answer], messages: Sequence[Accepted]) -> Finding:
    """Judge both answers and all messages with the order's number."""
    first, second = answers
    one = len(messages) == 1
    return findings(
        (first.id == second.id, "both answers name one notification", "the second answer names another notification"),
        (second.replayed and not first.replayed, "Idempotent-Replayed: true", "the second answer was no replay"),
        (one, "1 delivery in the sandbox", f"{len(messages)} deliveries in the sandbox"),
    )
