"""Consequences: what answers mean beyond the delivery itself, for devices, addresses and the provider."""

from __future__ import annotations

from collections.abc import Sequence

from ..enums import Channel, DeactivatedReason, SuppressionCause
from ..exceptions import InvalidRecipient, ProviderMisconfigured
from ..messages import SendResult
from . import gate
from .devices import Gone
from .prune import Answers, prune_gone
from .suppress import suppress


def act_on(answers: Answers, results: Sequence[SendResult]) -> None:
    """Deactivate dead devices, suppress addresses that opted out, and hold a provider whose account is at fault."""
    gone: list[Gone] = []
    quarantined: list[Gone] = []
    at_fault: dict[tuple[str, ...], str] = {}
    for result in results:
        error, message = result.error, result.message
        if isinstance(error, ProviderMisconfigured):
            at_fault[_platforms(error, message.platform)] = f"{error.code} {error.detail}".strip()
        elif isinstance(error, InvalidRecipient):
            if error.suppress:
                bounced = message.channel == Channel.EMAIL
                cause = SuppressionCause.HARD_BOUNCE if bounced else SuppressionCause.STOP
                suppress(message.channel, message.address, cause, answers.alias)
                continue
            found = Gone(message.channel, message.address, answers.asked_at, error.since)
            (quarantined if error.quarantine else gone).append(found)
    prune_gone(answers, {DeactivatedReason.UNREGISTERED: gone, DeactivatedReason.QUARANTINED: quarantined})
    for platforms, reason in at_fault.items():
        gate.hold_misconfigured(answers.alias, reason, platforms)


def _platforms(error: ProviderMisconfigured, platform: str) -> tuple[str, ...]:
    """Return whom the account cannot reach: the platform of this device, if it is among those that are named."""
    return (platform,) if platform in error.platforms else tuple(error.platforms)
