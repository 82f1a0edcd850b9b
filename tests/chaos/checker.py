"""The judge. It trusts the client's book and the provider's file, and only then looks at what the database says.

Every message has an address of its own, so it is known by that: the same judgement fits any sender.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from notifications.sandbox.records import Accepted, read_file
from tests.chaos.acknowledged import read
from tests.ground.database import Database

ENDED = frozenset({"failed", "skipped", "cancelled", "expired", "dead"})
# Of a scenario whose messages the provider takes, hardly any ends otherwise; a few do that died with their workers.
ENDED_SHARE, ENDED_ANYHOW = 0.01, 2
OPEN = frozenset({"pending", "sending", "uncertain"})
OUTCOMES_SQL = "SELECT address, state, reason, possible_duplicate FROM carillon_delivery"
ROWS_SQL = "SELECT id FROM carillon_notification"


@dataclass(frozen=True)
class Outcome:
    """What a sender's own records say of one message."""

    state: str
    reason: str = ""
    possible_duplicate: bool = False


@dataclass(frozen=True)
class Verdict:
    """What came of the acknowledged messages; lists hold addresses."""

    acknowledged: int
    accepted: int
    lost: Sequence[str]
    stuck: Sequence[str]
    doubled: Sequence[str]
    unflagged: Sequence[str]
    copies: int
    unasked: Sequence[str] = ()
    missing_rows: Sequence[str] = ()
    flagged: int = 0
    ended: Mapping[str, int] = field(default_factory=dict)
    states: Mapping[str, int] = field(default_factory=dict)

    def detail(self) -> dict[str, object]:
        """Return the raw counts, with a few addresses of whatever is wrong, and how to count again."""
        return {
            "acknowledged": self.acknowledged,
            "accepted_lines": self.accepted,
            "lost": len(self.lost),
            "stuck": len(self.stuck),
            "doubled_addresses": len(self.doubled),
            "duplicates": self.copies,
            "unflagged_duplicates": len(self.unflagged),
            "possible_duplicate_rows": self.flagged,
            "sent_without_being_asked": len(self.unasked),
            "acknowledged_without_a_row": len(self.missing_rows),
            "ended_with_a_reason": dict(self.ended),
            "states": dict(self.states),
            "examples": {
                name: list(found)[:5]
                for name in ("lost", "stuck", "unflagged", "unasked", "missing_rows")
                if (found := getattr(self, name))
            },
            "sql": {"outcomes": OUTCOMES_SQL, "rows": ROWS_SQL},
            "accepted_from": "the sandbox's file: one line for each message that the provider took",
        }

    @property
    def sound(self) -> bool:
        """Whether it is clean and nearly everything was taken: what expired or was skipped proves nothing."""
        most = max(ENDED_ANYHOW, ENDED_SHARE * self.acknowledged)
        return self.clean and self.acknowledged > 0 and sum(self.ended.values()) <= most

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, is stuck, was doubled in silence, or was sent without being asked for."""
        return not (self.lost or self.stuck or self.unflagged or self.unasked or self.missing_rows)


def judge(
    acknowledged: Iterable[str],
    accepted: Iterable[str],
    outcomes: Mapping[str, Sequence[Outcome]],
    asked: Callable[[str], bool] | None = None,
) -> Verdict:
    """Compare what was acknowledged with what the provider took, and the rest with the sender's own records.

    Lost: acknowledged, and neither taken by the provider nor ended with a reason of its own. A message that the
    records call sent and that the provider never took is lost. Stuck: still open. `asked` says whether anybody ever
    asked for a message to an address.
    """
    wanted = set(acknowledged)
    taken = Counter(accepted)
    ended = {to: item.reason for to in wanted for item in outcomes.get(to, ()) if item.state in ENDED and item.reason}
    doubled = sorted(to for to, times in taken.items() if times > 1)
    flagged = {to for to, items in outcomes.items() if any(item.possible_duplicate for item in items)}
    return Verdict(
        acknowledged=len(wanted),
        accepted=taken.total(),
        lost=sorted(to for to in wanted if not taken[to] and to not in ended),
        stuck=sorted(to for to, items in outcomes.items() if any(item.state in OPEN for item in items)),
        doubled=doubled,
        unflagged=[to for to in doubled if to not in flagged],
        copies=sum(times - 1 for times in taken.values()),
        unasked=sorted(to for to in taken if asked is not None and not asked(to)),
        flagged=sum(item.possible_duplicate for items in outcomes.values() for item in items),
        ended=Counter(f"{reason}" for to, reason in ended.items() if not taken[to]),
        states=Counter(item.state for items in outcomes.values() for item in items),
    )


def judge_deployment(
    books: Iterable[Path], file: Path, database: Database, asked: Callable[[str], bool] | None = None
) -> Verdict:
    """Judge a deployment by its client's books, the sandbox's file and its database."""
    lines = [line for book in books for line in read(book) if line["to"]]
    outcomes: dict[str, list[Outcome]] = {}
    for address, state, reason, flag in database.rows(OUTCOMES_SQL):
        outcomes.setdefault(address, []).append(Outcome(state, reason, flag))
    verdict = judge((line["to"] for line in lines), (row.to for row in read_file(file)), outcomes, asked)
    rows = {str(key) for (key,) in database.rows(ROWS_SQL)}
    missing = sorted({line["id"] for line in lines} - rows)
    return Verdict(**{**verdict.__dict__, "missing_rows": missing})


def by_delivery(accepted: Iterable[Accepted]) -> Counter[str | None]:
    """Return how often each delivery was taken."""
    return Counter(row.delivery for row in accepted)
