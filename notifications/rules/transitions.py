"""Which state may follow which, and the standings that flows move deliveries to."""

from __future__ import annotations

from datetime import datetime, timedelta

from ..enums import Reason, State
from .doubt import Key, doubted, is_doubted
from .standing import Standing

_RECEIPTS = {State.DELIVERED, State.OPENED, State.CLICKED, State.BOUNCED, State.COMPLAINED}
# A delivery may also stay where it is: with another reason, time or timer.
_NEXT: dict[State, set[State]] = {
    # Uncertain only after a restore from a backup: it may have gone out since.
    State.PENDING: {State.SENDING, State.SKIPPED, State.EXPIRED, State.CANCELLED, State.DEAD, State.DIGESTED}
    | {State.UNCERTAIN}
    | _RECEIPTS,
    State.SENDING: {
        State.PENDING,
        State.SENT,
        State.FAILED,
        State.DEAD,
        State.UNCERTAIN,
        State.SKIPPED,
        State.EXPIRED,
        State.CANCELLED,
    },
    State.UNCERTAIN: {State.PENDING, State.SENT, State.FAILED, State.DEAD, State.EXPIRED, State.CANCELLED} | _RECEIPTS,
    State.SENT: {State.PENDING, State.FAILED} | _RECEIPTS,
    State.DELIVERED: {State.OPENED, State.CLICKED, State.BOUNCED, State.COMPLAINED},
    State.OPENED: {State.CLICKED, State.BOUNCED, State.COMPLAINED},
    State.CLICKED: {State.BOUNCED, State.COMPLAINED},
    State.BOUNCED: {State.COMPLAINED},
    State.COMPLAINED: set(),
    State.FAILED: set(_RECEIPTS),
    # A receipt that comes late may still settle what was held because nobody knew.
    State.DEAD: {State.PENDING, State.SENT, State.FAILED, State.CANCELLED, State.SKIPPED, State.EXPIRED} | _RECEIPTS,
    State.DIGESTED: set(),
    # An attempt before it was skipped, expired or cancelled may have arrived after all.
    State.SKIPPED: set(_RECEIPTS),
    State.EXPIRED: set(_RECEIPTS),
    State.CANCELLED: set(_RECEIPTS),
}
ALLOWED = {state: frozenset(following | {state}) for state, following in _NEXT.items()}
LOST_ALONE = 2
LOST_DEAD = 3


def claimed(standing: Standing, claim_id: int, position: int, provider: str) -> Standing:
    """Return the standing of a row that a worker holds and has not started."""
    return standing._replace(
        state=State.SENDING, reason=Reason.NONE, claim_id=claim_id, position=position, provider=provider
    )


def returned(standing: Standing, now: datetime) -> Standing:
    """Return the standing of a row whose claim ended before its send started: certainly unsent."""
    return _free(standing, State.PENDING, Reason.NEW if not standing.attempt else Reason.RETRY, now)


def parked(standing: Standing, reason: Reason, until: datetime) -> Standing:
    """Return the standing of a row that must wait; no attempt is used."""
    return _free(standing, State.PENDING, reason, until)


def ended(standing: Standing, state: State, reason: Reason, now: datetime) -> Standing:
    """Return the standing of a row that will not be sent (any more)."""
    return _free(standing, state, reason, now)


def lost(standing: Standing, now: datetime, wait: timedelta, key: Key | None = None) -> Standing:
    """Return the standing of a row that was started and never recorded: nobody knows whether it went out.

    The claim stays on it, so that a late result of the same worker can still settle it.
    """
    return doubted(standing, key)._replace(
        state=State.UNCERTAIN,
        reason=Reason.LEASE_EXPIRED,
        due_at=now + wait,
        attempt=standing.attempt + 1,
        lost_leases=standing.lost_leases + 1,
        possible_duplicate=standing.possible_duplicate or standing.maybe_sent,
    )


def restored(standing: Standing, now: datetime, wait: timedelta, provider: str, key: Key | None = None) -> Standing:
    """Return the standing of a row that a backup knows as unsent: it may have gone out since, as one more attempt.

    `provider` is the one that would have carried it, if only one could: a receipt of its own then settles the row.
    A dead letter stays one; somebody may have replayed it since.
    """
    doubtful = doubted(standing, key)
    if standing.state == State.DEAD:
        return doubtful
    return _free(doubtful, State.UNCERTAIN, Reason.LEASE_EXPIRED, now + wait)._replace(
        attempt=standing.attempt + 1,
        provider=standing.provider or provider,
        possible_duplicate=standing.possible_duplicate or standing.maybe_sent,
    )


def unsettled(standing: Standing, *, hold: bool, now: datetime) -> Standing:
    """Return the standing of an uncertain row for which no receipt came in time: resend, hold, or give up.

    A row that took three workers with it, the last time alone, is dead: it may be what kills them. Where the
    provider honours our key there is nothing to hold: the same request again cannot be taken twice.
    """
    if standing.lost_leases >= LOST_DEAD:
        return _free(standing, State.DEAD, Reason.WORKER_DIED, now)
    if hold and standing.maybe_sent:
        return _free(standing, State.DEAD, Reason.HELD, now)
    return _free(standing, State.PENDING, Reason.RETRY, now)


def replayed(standing: Standing, now: datetime) -> Standing:
    """Return the standing of a dead letter that a person sends again: a new generation with fresh retries.

    It gets a new key, so what an earlier one held together may now arrive twice; and the person decided to send it
    again through whatever provider can.
    """
    again = _free(standing, State.PENDING, Reason.NEW, now)
    return again._replace(
        generation=standing.generation + 1,
        retries=0,
        lost_leases=0,
        maybe_sent=is_doubted(standing),
        keyed_at=None,
        provider="",
        error_code="",
        error_detail="",
    )


def goes_alone(standing: Standing) -> bool:
    """Whether the row must be the only one of its claim, since workers died with it before."""
    return standing.lost_leases >= LOST_ALONE


def _free(standing: Standing, state: State, reason: Reason, due_at: datetime) -> Standing:
    return standing._replace(state=state, reason=reason, due_at=due_at, claim_id=None, position=None)
