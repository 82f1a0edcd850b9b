"""How a provider's reports change a delivery: by rank within an attempt, the newest attempt first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..enums import REACHED_STATES, Reason, ReceiptKind, State
from .standing import Standing, storable

# A delivery's state is the highest of these that anybody has reported, whatever the order in which reports come in.
# The ranks are a total order and merging takes the greater one, so the same set of reports always ends in one state.
RANK = {
    State.SENT: 1,
    State.FAILED: 2,
    State.DELIVERED: 3,
    State.OPENED: 4,
    State.CLICKED: 5,
    State.BOUNCED: 6,
    State.COMPLAINED: 7,
}
# Our own opinion of a delivery: only proof that it arrived, or what only an arrived one can lead to, overrules it.
_OPINION = 2
_OWN = frozenset({State.PENDING, State.DEAD, State.SKIPPED, State.EXPIRED, State.CANCELLED})
# Dead because nobody knew whether it went out: there is no opinion, and whatever the provider tells settles it.
_DOUBTED = frozenset({Reason.HELD, Reason.WORKER_DIED})
_CLOSED = frozenset({State.SENDING, State.DIGESTED})
_OF_ANY_ATTEMPT = REACHED_STATES | {State.COMPLAINED}
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


def attempt_of(attempt: int | None, generation: int | None, newest: int, newest_generation: int) -> int:
    """Return which attempt a receipt is about: the newest unless it names another.

    One that names a generation is about the newest attempt of it; of an older generation it is enough to know that
    it is not the newest attempt, and of one to come, that it is none of ours.
    """
    if generation is None or generation == newest_generation:
        return newest if attempt is None else attempt
    return max(1, newest - 1) if generation < newest_generation else newest + 1


def must_wait(standing: Standing, report: Report) -> bool:
    """Whether the report came before our own record of the attempt: it waits and is matched later."""
    return standing.state == State.SENDING or report.attempt > standing.attempt


def merge(standing: Standing, report: Report) -> Standing:
    """Return where the delivery stands after a report; the same standing if the report adds nothing.

    Within an attempt the higher rank counts. The newest attempt decides, except that what proves an older one to have
    arrived counts as well: it beats lesser states and ends what was still waiting.
    """
    state = STATE_OF.get(report.kind)
    if state is None or standing.state in _CLOSED:
        return standing
    if report.attempt < standing.attempt and state not in _OF_ANY_ATTEMPT:
        return standing
    if state in REACHED_STATES:
        standing = standing._replace(delivered_at=min(standing.delivered_at or report.at, report.at))
    return _moved(standing, state, report) if RANK[state] > _rank(standing) else standing


def _rank(standing: Standing) -> int:
    if standing.state == State.DEAD and standing.reason in _DOUBTED:
        return 0
    return _OPINION if standing.state in _OWN else RANK.get(standing.state, 0)


def _moved(standing: Standing, state: State, report: Report) -> Standing:
    failed = state in (State.BOUNCED, State.FAILED)
    return standing._replace(
        state=state,
        reason=Reason.REFUSED if state == State.FAILED else Reason.NONE,
        due_at=report.at,
        claim_id=None,
        position=None,
        sent_at=standing.sent_at or report.at,
        provider_message_id=standing.provider_message_id or storable(report.provider_message_id, 255),
        error_code=storable(report.code, 60) if failed else "",
        error_detail=storable(report.detail, 2_000) if failed else "",
    )
