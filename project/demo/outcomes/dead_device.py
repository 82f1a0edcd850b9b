"""A push to two devices, one of which is gone: the other gets it, and the dead token is not tried again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import people
from ..finding import Finding, findings
from .base import Outcome, Seen, World, seen


class DeadDevice(Outcome):
    """FCM says that a token is unregistered; the device is pruned."""

    name = "dead device"
    expected = "a push to two devices: one gets it, the other is dead and gets pruned"
    after_outage = True

    def show(self, world: World) -> Finding:
        """Register a phone and a tablet whose app was removed, and push to both."""
        kind = "tablet" if world.broken == self.name else "dead"
        path = f"users/{people.TOM}/devices/"
        addresses = (people.TOM_PHONE_TOKEN, f"{kind}-{world.run}-0f1e2d3c4b5a69788796")
        phone, tablet = (
            world.api.post(path, {"channel": "push", "platform": "android", "address": address}).id
            for address in addresses
        )
        sent = world.api.notify({"user": people.TOM, "template": "new-follower", "data": {"name": "Ada"}})
        world.say(self.name, "two devices registered, one push sent to each")
        deliveries = world.settled(sent, what="both pushes to be answered")
        devices = world.api.get(path).body["results"]
        if kind != "dead":
            world.api.delete(f"{path}{tablet}/")
        return judge(seen(world, deliveries), devices, (phone, tablet))


def judge(push: Seen, devices: Sequence[Mapping[str, Any]], pair: tuple[str, str]) -> Finding:
    """Judge the notification and the person's devices: the phone has it, the tablet is inactive, with a reason."""
    phone, tablet = pair
    states = {str(item["device"]): str(item["state"]) for item in push.deliveries}
    gone = next((item for item in devices if item["id"] == tablet), {})
    pruned = gone.get("is_active") is False and bool(gone.get("deactivated_reason"))
    return findings(
        (states == {phone: "sent", tablet: "failed"}, "phone sent, tablet refused", push.described),
        (len(push.messages) == 1, push.arrived, push.arrived),
        (
            pruned,
            f"GET devices shows the tablet inactive: {gone.get('deactivated_reason')}",
            f"the tablet is {'active' if gone.get('is_active') else 'not listed'}",
        ),
    )
