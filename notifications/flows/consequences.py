"""Consequences: what answers mean beyond the delivery itself, for devices, addresses and the provider."""

from __future__ import annotations

from collections.abc import Sequence

from ..enums import DeactivatedReason, SuppressionCause
from ..exceptions import InvalidRecipient, ProviderMisconfigured
from ..messages import SendResult
from . import gate
from .devices import Gone
from .prune import Answers, is_opt_out, prune_gone
from .suppress import suppress


def act_on(answers: Answers, results: Sequence[SendResult]) -> None:
    """Deactivate dead devices, suppress addresses that opted out, and hold a provider whose account is at fault."""
    gone: list[Gone] = []
    quarantined: list[Gone] = []
    bounced: list[Gone] = []
    at_fault: dict[tuple[str, ...], str] = {}
    for result in results:
        error, message = result.error, result.message
        if isinstance(error, ProviderMisconfigured):
            at_fault[_platforms(error, message.platform)] = f"{error.code} {error.detail}".strip()
        elif isinstance(error, InvalidRecipient):
            # An opt-out is heeded whatever else is answered; all that says "dead" goes through the brake.
            if is_opt_out(result):
                suppress(message.channel, message.address, SuppressionCause.STOP, answers.alias)
                continue
            found = Gone(message.channel, message.address, answers.asked_at, error.since)
            (bounced if error.suppress else quarantined if error.quarantine else gone).append(found)
    dead = {DeactivatedReason.UNREGISTERED: gone, DeactivatedReason.QUARANTINED: quarantined}
    prune_gone(answers, dead, bounced)
    for platforms, reason in at_fault.items():
        gate.hold_misconfigured(answers.alias, reason, platforms)


def _platforms(error: ProviderMisconfigured, platform: str) -> tuple[str, ...]:
    """Return whom the account cannot reach: the platform of this device, if it is among those that are named."""
    return (platform,) if platform in error.platforms else tuple(error.platforms)
