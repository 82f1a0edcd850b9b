"""Consequences: what answers mean beyond the delivery itself, for devices, addresses and the provider."""

from __future__ import annotations

from collections.abc import Sequence

from ..enums import DeactivatedReason, SuppressionCause
from ..exceptions import InvalidRecipient, ProviderMisconfigured
from ..messages import SendResult
from . import gate
from .devices import deactivate
from .suppress import suppress


def act_on(alias: str, results: Sequence[SendResult]) -> None:
    """Deactivate dead devices, suppress addresses that opted out, and hold a provider whose account is at fault."""
    gone: list[tuple[str, str]] = []
    quarantined: list[tuple[str, str]] = []
    misconfigured = ""
    for result in results:
        error, message = result.error, result.message
        if isinstance(error, ProviderMisconfigured):
            misconfigured = f"{error.code} {error.detail}".strip()
        if isinstance(error, InvalidRecipient):
            if error.suppress:
                suppress(message.channel, message.address, SuppressionCause.STOP, alias)
            (quarantined if error.quarantine else gone).append((message.channel, message.address))
    deactivate(gone, DeactivatedReason.UNREGISTERED)
    deactivate(quarantined, DeactivatedReason.QUARANTINED)
    if misconfigured:
        gate.hold_misconfigured(alias, misconfigured)
