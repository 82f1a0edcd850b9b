"""Dead letters: what to do about each reason, why a replay leaves one alone, and when another channel was faster."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ..enums import OPEN_STATES, REACHED_STATES, TAKEN_STATES, Hint, Reason, Refusal, State

HINTS: dict[Reason, tuple[Hint, Promise]] = {
    Reason.RETRIES_EXHAUSTED: (Hint.RETRY, _("Replay once the provider works again.")),
    Reason.HELD: (Hint.RETRY, _("Ask the provider whether it went out; replay sends it again.")),
    Reason.WORKER_DIED: (Hint.MEND, _("Find out what in it stops a worker, mend that, then replay.")),
    Reason.MISCONFIGURED: (Hint.MEND, _("Declare its category again, then replay.")),
    Reason.RENDER_ERROR: (Hint.MEND, _("A replay takes the words that are published then.")),
    Reason.NO_ROUTE: (Hint.MEND, _("A replay takes the routes of then.")),
}
_ARRIVED = REACHED_STATES | {State.COMPLAINED}
_PERMANENT = (Hint.PERMANENT, _("Their time to live is over, so a replay sends nothing: discard them."))


def hint(reason: Reason, *, all_expired: bool = False) -> tuple[Hint, str]:
    """Return what to do about dead letters of this reason, as a kind and a sentence."""
    kind, sentence = _PERMANENT if all_expired else HINTS[reason]
    return kind, str(sentence)


def overtaken(step: int, others: Iterable[tuple[int, State]]) -> Refusal | None:
    """Return whether another step of channels has reached the person, or is about to; `others` are (step, state).

    Of an earlier step only an arrival counts: that it was sent and not confirmed is why this one was planned.
    """
    trying = False
    for other, state in others:
        if (other < step and state in _ARRIVED) or (other > step and state in TAKEN_STATES):
            return Refusal.REACHED
        trying = trying or (other > step and state in OPEN_STATES)
    return Refusal.TRYING if trying else None


@dataclass
class Pace:
    """Whose turn comes when: one after the other, so many in a second; a rate of 0 means all at once."""

    rate: int
    next_at: datetime

    def turn(self) -> datetime:
        """Return when the next letter's turn is, without taking it."""
        return self.next_at

    def take(self) -> None:
        """Take the turn; the one after it comes a little later."""
        if self.rate:
            self.next_at += timedelta(seconds=1 / self.rate)
