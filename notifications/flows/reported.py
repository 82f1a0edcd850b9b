"""Reported: what receipts say beyond their delivery, about addresses, devices and the provider's account."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from ..enums import REACHED_STATES, Channel, DeactivatedReason, ReceiptKind, SuppressionCause
from ..models import AddressTrouble, Device, Receipt
from ..rules.undelivered import LEFT_ALONE, Limit, limit_of
from . import gate
from .devices import Gone
from .prune import Answers, prune_gone
from .suppress import lift_as_asked, suppress

_REACHED = frozenset(str(state) for state in REACHED_STATES)
_FINAL = _REACHED | {ReceiptKind.UNDELIVERED, ReceiptKind.BOUNCED}


@dataclass
class _Said:
    """What a batch of receipts of one provider says."""

    channel: Channel
    gone: list[Gone] = field(default_factory=list)
    beyond: list[tuple[Receipt, Limit]] = field(default_factory=list)
    reached: set[str] = field(default_factory=set)
    at_fault: str = ""
    final: int = 0


def act_on_receipts(receipts: Sequence[Receipt], sent_at: Mapping[UUID, datetime], now: datetime) -> None:
    """Suppress, deactivate, count and hold as receipts ask for, once for each; `sent_at` is that of their deliveries.

    A receipt that waits for our own record is looked at again, but has acted by then: its verdict says so.
    """
    said: dict[str, _Said] = {}
    for receipt in receipts:
        channel = gate.channel_of(receipt.provider)
        # The provider may have been taken out of the settings while its receipt waited.
        if channel is not None and not receipt.verdict:
            found = said.setdefault(receipt.provider, _Said(channel))
            _note(found, receipt, sent_at.get(receipt.delivery_id) if receipt.delivery_id else None)
    for alias, found in said.items():
        _act(alias, found, now)


def _note(said: _Said, receipt: Receipt, sent_at: datetime | None) -> None:
    if receipt.kind == ReceiptKind.RESUBSCRIBED and receipt.address_hash:
        lift_as_asked(said.channel, receipt.address_hash, "START from the recipient")
    elif receipt.suppress and receipt.address:
        suppress(said.channel, receipt.address, SuppressionCause(receipt.suppress), receipt.provider)
    said.final += receipt.kind in _FINAL
    if receipt.misconfigured:
        said.at_fault = f"{receipt.code} {receipt.detail}".strip()
    if not receipt.address:
        return
    if receipt.deactivate:
        asked_at = sent_at or receipt.occurred_at or receipt.received_at
        said.gone.append(Gone(said.channel, receipt.address, asked_at))
    elif receipt.kind in _REACHED:
        said.reached.add(receipt.address_hash)
    limit = limit_of(ReceiptKind(receipt.kind), said.channel, receipt.deactivate_after)
    if limit is not None and _count_up(said.channel, receipt, limit) >= limit.count:
        said.beyond.append((receipt, limit))


def _count_up(channel: Channel, receipt: Receipt, limit: Limit) -> int:
    """Count one more message in a row that did not arrive; a soft bounce is told again and again of the same one."""
    once = receipt.delivery_id if limit.cause == SuppressionCause.SOFT_BOUNCE else None
    return AddressTrouble.objects.count_up(channel, receipt.address_hash, once, limit.within)


def _act(alias: str, said: _Said, now: datetime) -> None:
    if said.reached:
        AddressTrouble.objects.filter(channel=said.channel, address_hash__in=said.reached).delete()
    beyond = [(receipt, limit) for receipt, limit in said.beyond if receipt.address_hash not in said.reached]
    unreachable, without_device = _split(said.channel, beyond)
    answers = Answers(alias, now, results=said.final, gone=len(said.gone) + len(unreachable))
    pruned = prune_gone(
        answers, {DeactivatedReason.UNREGISTERED: said.gone, DeactivatedReason.UNREACHABLE: unreachable}
    )
    if pruned is not None:
        for receipt, limit in without_device:
            suppress(said.channel, receipt.address, limit.cause, alias, expires_at=now + LEFT_ALONE)
        done = [receipt.address_hash for receipt, _ in beyond]
        if done:
            AddressTrouble.objects.filter(channel=said.channel, address_hash__in=done).delete()
    if said.at_fault:
        gate.hold_misconfigured(alias, said.at_fault)


def _split(channel: Channel, beyond: Sequence[tuple[Receipt, Limit]]) -> tuple[list[Gone], list[tuple[Receipt, Limit]]]:
    """Return the devices that were out of reach too often, and the addresses that have none or are mailboxes."""
    if not beyond:
        return [], []
    devices: dict[str, list[Receipt]] = defaultdict(list)
    hashes = [item.address_hash for item, limit in beyond if limit.cause == SuppressionCause.UNREACHABLE]
    known = set(
        Device.objects.filter(channel=channel, address_hash__in=hashes, is_active=True).values_list(
            "address_hash", flat=True
        )
    )
    rest = []
    for receipt, limit in beyond:
        if receipt.address_hash in known and limit.cause == SuppressionCause.UNREACHABLE:
            devices[receipt.address_hash].append(receipt)
        else:
            rest.append((receipt, limit))
    gone = [Gone(channel, found[0].address, found[0].received_at) for found in devices.values()]
    return gone, rest
