"""What follows when a provider reports that a message which it had taken did not arrive."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..enums import Channel, Reason, ReceiptKind, State, SuppressionCause
from .standing import Standing

# A handset that is off or out of coverage is not back within a minute; a carrier's full queue may be.
UNREACHABLE_WAIT = timedelta(minutes=15)
CARRIER_WAIT = timedelta(minutes=1)
# An account that was suspended under way took the message and never sent it: that is not the message's fault.
MISCONFIGURED_RETRIES = 2


@dataclass(frozen=True, slots=True)
class Row:
    """What the provider's table says of such a report; `used` counts the retries that reports have led to already.

    `overtaken` says that another channel has reached the recipient meanwhile, or is about to.
    """

    retries: int
    unreachable: bool
    misconfigured: bool
    used: int
    overtaken: bool = False


def tried_again(
    failed: Standing, row: Row, expires_at: datetime | None, now: datetime, draw: random.Random
) -> Standing:
    """Return where the delivery waits for another attempt, or `failed` as it is if there is none.

    The provider says that the message did not arrive, so the next attempt is no duplicate; and it begins a new
    generation, since a provider that honours our key would take it for the one that failed. What a fallback has
    replaced is left alone: the recipient would get both, and neither marked.
    """
    most = max(row.retries, MISCONFIGURED_RETRIES if row.misconfigured else 0)
    if failed.state != State.FAILED or row.used >= most or row.overtaken:
        return failed
    least = UNREACHABLE_WAIT if row.unreachable else CARRIER_WAIT * 2**row.used
    due_at = now + least + timedelta(seconds=draw.uniform(0, least.total_seconds()))
    if expires_at is not None and due_at >= expires_at:
        return failed
    return failed._replace(
        state=State.PENDING,
        reason=Reason.RETRY,
        due_at=due_at,
        retries=failed.retries + 1,
        generation=failed.generation + 1,
        maybe_sent=False,
        keyed_at=None,
    )


@dataclass(frozen=True, slots=True)
class Limit:
    """How many messages in a row, within how long, may fail to reach an address before it is left alone."""

    count: int
    within: timedelta
    cause: SuppressionCause


SOFT_BOUNCES = Limit(5, timedelta(days=7), SuppressionCause.SOFT_BOUNCE)
UNREACHABLE_WITHIN = timedelta(days=90)
#: How long an address without a device of its own is left alone; a device is deactivated instead.
LEFT_ALONE = timedelta(days=7)


def limit_of(kind: ReceiptKind, channel: Channel, deactivate_after: int) -> Limit | None:
    """Return the limit that a report counts towards, if any."""
    if kind == ReceiptKind.UNDELIVERED and deactivate_after > 1:
        return Limit(deactivate_after, UNREACHABLE_WITHIN, SuppressionCause.UNREACHABLE)
    soft = channel == Channel.EMAIL and kind in (ReceiptKind.DEFERRED, ReceiptKind.SOFT_BOUNCED)
    return SOFT_BOUNCES if soft else None


def is_filtered_too_often(filtered: int, total: int) -> bool:
    """Whether so many messages of an hour were stopped by content filters that operators must look at the words."""
    return filtered >= 20 and filtered >= 0.05 * total
