"""A login code by SMS: taken by the provider, and confirmed by its signed callback."""

from __future__ import annotations

import secrets

from .. import people
from ..finding import Finding, findings
from .base import Outcome, Seen, World, seen

REFUSED_NUMBER = "+15005550001"


class LoginCode(Outcome):
    """A critical message with a secret in it."""

    name = "login code"
    expected = "an SMS with the code, confirmed delivered by the provider's signed callback"

    def show(self, world: World) -> Finding:
        """Send a code and wait for the callback."""
        code = f"{secrets.randbelow(10**6):06}"
        broken = world.broken == self.name
        who: dict[str, object] = {"to": {"sms": REFUSED_NUMBER}} if broken else {"user": people.ADA}
        sent = world.api.notify({**who, "template": "login-code", "data": {"code": code}})
        world.say(self.name, f"POST notifications/ answered {sent.status}; waiting for the phone")
        deliveries = world.settled(sent, beyond=["sent"], what="the SMS to be delivered")
        return judge(seen(world, deliveries), code)


def judge(login: Seen, code: str) -> Finding:
    """Judge the notification: one SMS, delivered, with the code in it."""
    texts = [str(message.content.get("text", "")) for message in login.messages if message.channel == "sms"]
    to = login.messages[0].to if login.messages else ""
    return findings(
        (login.states == ["delivered"], f"delivered to {to}", login.described),
        (len(texts) == 1 and code in texts[0], f"“{''.join(texts)}”", f"{login.arrived}, the code not among them"),
    )
