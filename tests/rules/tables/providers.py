"""What is decided about a provider and its rate, and about what it did not deliver."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta

from notifications.conf import RouteEntry
from notifications.enums import Channel, Reason, ReceiptKind, State
from notifications.rules.breaking import BreakerPolicy
from notifications.rules.dead_letters import overtaken
from notifications.rules.degraded import USUAL_MINUTES, Minute, another_takes_over, judge
from notifications.rules.foresight import foretold
from notifications.rules.pacing import Bucket, wait_behind
from notifications.rules.retries import RetryPolicy
from notifications.rules.undelivered import Row, limit_of, tried_again
from tests.rules.standings import NOW as NOON
from tests.rules.standings import at

from .cases import table

S, R, K = State, Reason, ReceiptKind
NOW = 10_000


def _lease(seconds: float) -> str:
    return f"{BreakerPolicy(probe_lease=15.0).outliving(seconds).probe_lease} s"


def _judged(usual: tuple[int, int], latest: tuple[int, int], ago: int = 60) -> str:
    """Answer for (sent, delivered) of the latest five minutes, and of a minute some time before."""
    sent, delivered = latest
    minutes = {NOW - minute: Minute(sent // 5, delivered // 5) for minute in range(5)}
    minutes[NOW] = Minute(sent - sent // 5 * 4, delivered - delivered // 5 * 4)
    verdict = judge({**minutes, NOW - ago: Minute(*usual)}, NOW, 0)
    return "cannot be told" if verdict is None else "degraded" if verdict.degraded else "as usual"


def _window(sent: int) -> str:
    """Answer how many are judged of so many in each minute, and a day's worth before."""
    minutes = {NOW - minute: Minute(sent, sent) for minute in range(60)} | {NOW - 100: Minute(500, 500)}
    verdict = judge(minutes, NOW, 0)
    return "none" if verdict is None else str(verdict.sent)


def _route(*entries: RouteEntry) -> str:
    return "another takes over" if another_takes_over(entries, "a", []) else "nobody does"


def _ios(alias: str, *others: str) -> RouteEntry:
    return RouteEntry(alias, platforms=("ios", *others))


def _of(alias: str, *countries: str) -> RouteEntry:
    return RouteEntry(alias, countries=countries)


HEALTH = [
    *table("lease of a probe", _lease, [
        ("a send that is shorter", 10.0, "15.0 s"), ("a send that takes up all of it", 11.0, "15.0 s"),
        ("a send that is longer", 11.5, "15.5 s"),
    ]),
    *table("delivered share", _judged, [
        ("half of what is usual", (100, 80), (100, 40), "as usual"),
        ("less than half", (100, 80), (100, 39), "degraded"),
        ("as far from it as chance would have it", (100, 25), (48, 3), "as usual"),
        ("further", (100, 25), (48, 2), "degraded"),
        ("as many as it takes to tell", (100, 90), (30, 0), "degraded"),
        ("one less", (100, 90), (29, 0), "cannot be told"),
        ("as many before as it takes to tell", (100, 20), (100, 0), "degraded"),
        ("one less before", (99, 90), (100, 0), "cannot be told"),
        ("reports are just not too rare", (1_000, 200), (1_000, 100), "as usual"),
        ("reports are too rare", (1_000, 199), (1_000, 0), "cannot be told"),
        ("the oldest minute that counts", (100, 90), (100, 90), USUAL_MINUTES, "as usual"),
        ("one minute older", (100, 90), (100, 90), USUAL_MINUTES + 1, "cannot be told"),
    ]),
    *table("window that is judged", _window, [
        ("five minutes hold just enough", 6, "30"),
        ("they hold one a minute less", 5, "30"),
        ("they hold far more", 100, "500"),
        ("half an hour holds just enough", 1, "30"),
    ]),
    *table("who takes over", _route, [
        ("all of two, one is not covered", _of("a", "49"), _of("a", "43"), _of("b", "49"), "nobody does"),
        ("all of two, both are", _of("a", "49"), _of("a", "43"), _of("b", "49", "43"), "another takes over"),
        ("the same country", _of("a", "49"), _of("b", "49"), "another takes over"),
        ("one country of two", _of("a", "49", "43"), _of("b", "49"), "nobody does"),
        ("the same platform", _ios("a"), _ios("b"), "another takes over"),
        ("one platform and more", _ios("a"), _ios("b", "web"), "another takes over"),
        ("one platform of two", _ios("a", "web"), _ios("b"), "nobody does"),
        ("all platforms by one", RouteEntry("a"), _ios("b"), "nobody does"),
        ("another platform", RouteEntry("a", platforms=("web",)), _ios("b"), "nobody does"),
        ("the country, not the platform", _of("a", "49"), _ios("b"), "nobody does"),
    ]),
]  # fmt: skip


def _taken(tokens: float, wanted: int, rate: float) -> str:
    _, granted, wait = Bucket(tokens).take(wanted, rate, 0.0)
    return f"{granted} now" if granted else f"in {wait:.3f} s"


def _behind(position: float, rate: float | None, limit: float | None) -> str:
    return f"in {wait_behind(position, rate, limit):.3f} s"


PACE = [
    *table("tokens", _taken, [
        ("one", 1.0, 1, 10.0, "1 now"),
        ("one but for what a float loses", 1.0 - 1e-9, 1, 10.0, "1 now"),
        ("half of one", 0.5, 1, 10.0, "in 0.050 s"),
        ("none is wanted, half of one is there", 0.5, 0, 10.0, "in 0.050 s"),
        ("none is wanted, more than one is there", 3.0, 0, 100.0, "in 0.000 s"),
    ]),
    *table("wait behind others", _behind, [
        ("at the full rate", 50, 100.0, 100.0, "in 0.500 s"),
        ("at a rate beyond the limit", 50, 200.0, 100.0, "in 0.500 s"),
        ("at no rate but the limit", 50, None, 100.0, "in 0.500 s"),
        ("as far as the rate doubles", 99 / 0.693147180559945, 1.0, 100.0, "in 6.644 s"),
        ("a hundred further", 100 + 99 / 0.693147180559945, 1.0, 100.0, "in 7.644 s"),
        ("nobody is before it", 0, 1.0, 100.0, "in 0.000 s"),
        ("too many to foresee", 1_000_000, 100.0, 100.0, "in 300.000 s"),
    ]),
]  # fmt: skip


class _Latest(random.Random):
    """Draws the latest moment of those to choose from."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


def _retried(left: float, retry_after: float | None) -> str:
    wait = RetryPolicy(most=8, first=2.0).delay(0, retry_after, _Latest(), timedelta(seconds=left))
    return "no more" if wait is None else f"in {wait.total_seconds():.1f} s"


RETRIES = [
    *table("the latest a first retry comes", _retried, [
        ("long before its time to live ends", 3.0, None, "in 2.0 s"),
        ("it would be as that ends", 2.0, None, "in 1.8 s"),
        ("it would be after", 1.0, None, "in 0.9 s"),
        ("to be asked again before it ends", 5.0, 4.0, "in 4.9 s"),
        ("to be asked again as it ends", 5.0, 5.0, "in 7.0 s"),
        ("to be asked again after it", 5.0, 6.0, "in 8.0 s"),
    ]),
]  # fmt: skip


def _undelivered(expires: timedelta | None) -> str:
    """Answer for a carrier's report, at the latest that it may be tried again."""
    failed, row = at(S.FAILED, R.REFUSED), Row(retries=2, unreachable=False, misconfigured=False, used=0)
    after = tried_again(failed, row, expires and NOON + expires, NOON, _Latest())
    return "stays failed" if after == failed else f"tried again in {after.due_at - NOON}"


def _replaced(others: Sequence[tuple[int, State]]) -> str:
    """Answer for a carrier's report on a first step beside others."""
    failed = at(S.FAILED, R.REFUSED)
    row = Row(retries=2, unreachable=False, misconfigured=False, used=0, overtaken=overtaken(0, others) is not None)
    return tried_again(failed, row, None, NOON, _Latest()).state.value


def _limit(kind: ReceiptKind, channel: Channel, deactivate_after: int) -> str:
    limit = limit_of(kind, channel, deactivate_after)
    return f"{limit.count} of {limit.cause.value}" if limit else "counts towards none"


TWO_MINUTES = timedelta(minutes=2)
UNDELIVERED = [
    *table("undelivered", _undelivered, [
        ("no time to live", None, "tried again in 0:02:00"),
        ("its time to live ends the microsecond after", TWO_MINUTES + timedelta.resolution, "tried again in 0:02:00"),
        ("its time to live ends then", TWO_MINUTES, "stays failed"),
    ]),
    *table("undelivered, beside other channels", _replaced, [
        ("none", [], "pending"),
        ("another device of the same step", [(0, S.SENT)], "pending"),
        ("the next one waits", [(0, S.FAILED), (1, S.PENDING)], "failed"),
        ("the next one was sent", [(1, S.SENT)], "failed"),
        ("the next one arrived", [(1, S.DELIVERED)], "failed"),
        ("the next one failed as well", [(1, S.FAILED)], "pending"),
        ("the next one reaches nobody", [(1, S.SKIPPED)], "pending"),
    ]),
    *table("limit of reports", _limit, [
        ("undelivered, two are too many", K.UNDELIVERED, Channel.SMS, 2, "2 of unreachable"),
        ("undelivered, one is", K.UNDELIVERED, Channel.SMS, 1, "counts towards none"),
        ("bounced, whatever the row says", K.BOUNCED, Channel.SMS, 2, "counts towards none"),
        ("a soft bounce of an email", K.SOFT_BOUNCED, Channel.EMAIL, 0, "5 of soft_bounce"),
        ("one of no email", K.SOFT_BOUNCED, Channel.SMS, 0, "counts towards none"),
    ]),
]  # fmt: skip


def _overtaken(step: int, *others: tuple[int, State]) -> str:
    found = overtaken(step, others)
    return found.value if found else "replayed"


DEAD = [
    *table("replay beside other steps", _overtaken, [
        ("its own step was sent", 1, (1, S.SENT), "replayed"),
        ("its own step arrived", 1, (1, S.DELIVERED), "replayed"),
        ("its own step is under way", 1, (1, S.SENDING), "replayed"),
        ("an earlier one was sent", 1, (0, S.SENT), "replayed"),
        ("an earlier one arrived", 1, (0, S.DELIVERED), "reached by another channel"),
        ("an earlier one was complained about", 1, (0, S.COMPLAINED), "reached by another channel"),
        ("an earlier one is under way", 1, (0, S.SENDING), "replayed"),
        ("a later one was sent", 1, (2, S.SENT), "reached by another channel"),
        ("a later one is under way", 1, (2, S.SENDING), "another channel is trying"),
        ("a later one is under way, one after it failed", 1, (2, S.SENDING), (3, S.FAILED),
         "another channel is trying"),
    ]),
    *table("a foreseen outcome", foretold, [
        ("it would be handed over", S.SENDING, R.NONE,
         "It would go to the provider; what that answers, nobody can foresee."),
        ("it would wait", S.PENDING, R.QUIET_HOURS,
         "It is quiet for the recipient; it goes out when the quiet hours end."),
    ]),
]  # fmt: skip
CASES = [*HEALTH, *PACE, *RETRIES, *UNDELIVERED, *DEAD]
