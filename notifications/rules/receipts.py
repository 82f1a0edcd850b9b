"""How a provider's reports change a delivery: by rank within an attempt, the newest attempt first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from ..enums import REACHED_STATES, Reason, ReceiptKind, State
from .standing import Standing

RANK = {
    State.SENT: 1,
    State.DELIVERED: 2,
    State.OPENED: 3,
    State.CLICKED: 4,
    State.BOUNCED: 5,
    State.COMPLAINED: 6,
}
STATE_OF = {
    ReceiptKind.SENT: State.SENT,
    ReceiptKind.DELIVERED: State.DELIVERED,
    ReceiptKind.OPENED: State.OPENED,
    ReceiptKind.CLICKED: State.CLICKED,
    ReceiptKind.BOUNCED: State.BOUNCED,
    ReceiptKind.COMPLAINED: State.COMPLAINED,
    ReceiptKind.UNDELIVERED: State.FAILED,
}


@dataclass(frozen=True)
class Report:
    """One receipt, as far as a delivery's standing is concerned."""

    kind: ReceiptKind
    attempt: int
    at: datetime
    provider_message_id: str = ""
    code: str = ""
    detail: str = ""


def must_wait(standing: Standing, report: Report) -> bool:
    """Whether the report came before our own record of the attempt: it waits and is matched later."""
    return standing.state == State.SENDING or report.attempt > standing.attempt


def merge(standing: Standing, report: Report) -> Standing:
    """Return where the delivery stands after a report; the same standing if the report adds nothing.

    `delivered` or better of any attempt beats lesser states of newer attempts, and ends what was still waiting.
    """
    state = STATE_OF.get(report.kind)
    if state is None:
        return standing
    older = report.attempt < standing.attempt
    if state == State.FAILED:
        if older or standing.state not in (State.SENT, State.UNCERTAIN):
            return standing
        return _moved(standing, State.FAILED, report)
    rank = RANK[state]
    current = RANK.get(standing.state, 0)
    if standing.state in (State.FAILED, State.DEAD, State.CANCELLED, State.EXPIRED, State.PENDING):
        # Nothing stronger than our own opinion is known yet; only proof that it arrived overrules it.
        return _moved(standing, state, report) if rank > 1 and (not older or state != State.BOUNCED) else standing
    if standing.state == State.UNCERTAIN:
        return standing if older and state not in REACHED_STATES else _moved(standing, state, report)
    if older and state not in REACHED_STATES and state != State.COMPLAINED:
        return standing
    return _moved(standing, state, report) if rank > current else standing


def _moved(standing: Standing, state: State, report: Report) -> Standing:
    failed = state in (State.BOUNCED, State.FAILED)
    return replace(
        standing,
        state=state,
        reason=Reason.REFUSED if state == State.FAILED else Reason.NONE,
        due_at=report.at,
        claim_id=None,
        position=None,
        sent_at=standing.sent_at or report.at,
        delivered_at=(standing.delivered_at or report.at) if state in REACHED_STATES else standing.delivered_at,
        provider_message_id=standing.provider_message_id or report.provider_message_id,
        error_code=report.code[:60] if failed else standing.error_code,
        error_detail=report.detail if failed else standing.error_detail,
    )
