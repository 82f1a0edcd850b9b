"""What becomes of one delivery: fallback, retries, receipts, doubt, routes. It is 2026-11-22, 12:00 UTC."""

from __future__ import annotations

import random
from datetime import timedelta
from uuid import UUID

from notifications.conf import RouteEntry
from notifications.enums import Channel, Reason, ReceiptKind, State
from notifications.exceptions import (
    InvalidRecipient,
    PermanentFailure,
    ProviderError,
    ProviderMisconfigured,
    ProviderUnavailable,
    RateLimited,
    TemporaryFailure,
    UnknownOutcome,
)
from notifications.messages import Content, OutboundMessage, SendResult
from notifications.rules.doubt import MARGIN, Key, doubted, resumed
from notifications.rules.explanations import explain
from notifications.rules.fallback import has_failed, is_in_trouble, is_unreachable, judge, patience, steps
from notifications.rules.outcomes import after_send
from notifications.rules.receipts import Report, attempt_of, merge, must_wait
from notifications.rules.retries import RetryPolicy
from notifications.rules.routing import candidates, choose, in_order
from notifications.rules.standing import Standing
from notifications.rules.transitions import goes_alone, lost, replayed, returned, unsettled
from tests.rules.standings import NOW, at

from .cases import table

S, R, K = State, Reason, ReceiptKind
TINY, DAY = timedelta(microseconds=1), timedelta(days=1)


def _failed(state: State, reason: Reason) -> str:
    return "given up" if has_failed(state, reason) else "not given up"


def _judged(confirmed_only: str, *standings: Standing) -> str:
    verdict = judge(standings, NOW, confirmed_only=bool(confirmed_only))
    if verdict.again_at is not None:
        return f"look again in {verdict.again_at - NOW}"
    return "fall back" if verdict.fall_back else "leave it"


def _unreachable(*decided: tuple[State, Reason]) -> str:
    return "unreachable" if is_unreachable(decided) else "leave it"


def _patience(seconds: int, left: int | None) -> str:
    return str(patience(timedelta(seconds=seconds), None if left is None else timedelta(seconds=left)))


def _trouble(state: State, reason: Reason) -> str:
    return "patience runs" if is_in_trouble(at(state, reason)) else "patience does not run"


def _steps(channels: str, fallback: str, only: str) -> str:
    first, others = ([Channel(name) for name in names.split()] for names in (channels, fallback))
    found = steps(first, others, only.split())
    return ", then ".join("+".join(step) for step in found)


PAST, SOON, LATER = NOW - TINY, NOW + TINY, NOW + timedelta(seconds=30)
FAILED = at(S.FAILED, R.REFUSED)
FALLBACK = [
    *table("whether a delivery is given up", _failed, [
        ("refused", S.FAILED, R.REFUSED, "given up"),
        ("bounced", S.BOUNCED, R.NONE, "given up"),
        ("dead", S.DEAD, R.NO_ROUTE, "given up"),
        ("no address", S.SKIPPED, R.NO_ADDRESS, "given up"),
        ("suppressed", S.SKIPPED, R.SUPPRESSION, "given up"),
        ("device gone", S.SKIPPED, R.DEVICE_GONE, "given up"),
        ("no words", S.SKIPPED, R.NO_TEMPLATE, "given up"),
        ("opted out", S.SKIPPED, R.PREFERENCE, "not given up"),
        ("replaced", S.SKIPPED, R.REPLACED, "not given up"),
        ("over a limit", S.SKIPPED, R.LIMIT, "given up"),
        ("only a skip's reason counts", S.CANCELLED, R.NO_ADDRESS, "not given up"),
        ("expired", S.EXPIRED, R.TTL, "not given up"),
        ("complained: it arrived", S.COMPLAINED, R.NONE, "not given up"),
    ]),
    *table("a step's deliveries", _judged, [
        ("none", "", "leave it"),
        ("failed", "", FAILED, "fall back"),
        ("cannot be sent", "", at(S.SKIPPED, R.NO_ADDRESS), "fall back"),
        ("opted out", "", at(S.SKIPPED, R.PREFERENCE), "leave it"),
        ("opted out of one, the other failed", "", at(S.SKIPPED, R.PREFERENCE), FAILED, "fall back"),
        ("failed and cannot be sent", "", FAILED, at(S.SKIPPED, R.DEVICE_GONE), "fall back"),
        ("failed, the other has no patience set", "", FAILED, at(S.PENDING, R.RETRY), "leave it"),
        ("waits: the microsecond before patience ends", "", at(S.PENDING, R.RETRY, fallback_at=SOON),
         "look again in 0:00:00.000001"),
        ("waits: as patience ends", "", at(S.PENDING, R.RETRY, fallback_at=NOW), "fall back"),
        ("waits: the microsecond after", "", at(S.PENDING, R.RETRY, fallback_at=PAST), "fall back"),
        ("uncertain: the microsecond before patience ends", "", at(S.UNCERTAIN, R.NO_ANSWER, fallback_at=SOON),
         "look again in 0:00:00.000001"),
        ("uncertain: as patience ends", "", at(S.UNCERTAIN, R.NO_ANSWER, fallback_at=NOW), "fall back"),
        ("on the wire: as patience ends", "", at(S.SENDING, fallback_at=NOW), "leave it"),
        ("on the wire: before patience ends", "", at(S.SENDING, fallback_at=SOON), "look again in 0:00:00.000001"),
        ("sent, nobody asked for more: as patience ends", "", at(S.SENT, fallback_at=NOW), "leave it"),
        ("sent, to be confirmed: as patience ends", "confirmed", at(S.SENT, fallback_at=NOW), "fall back"),
        ("sent, to be confirmed: before it ends", "confirmed", at(S.SENT, fallback_at=SOON),
         "look again in 0:00:00.000001"),
        ("sent, to be confirmed, never reported", "confirmed", at(S.SENT), "leave it"),
        ("delivered: before patience ends", "confirmed", at(S.DELIVERED, fallback_at=SOON), "leave it"),
        ("complained: before patience ends", "confirmed", at(S.COMPLAINED, fallback_at=SOON), "leave it"),
        ("two wait: the first counts", "", at(S.PENDING, fallback_at=LATER), at(S.PENDING, fallback_at=SOON),
         "look again in 0:00:00.000001"),
        ("one waits in vain, one in patience", "", at(S.PENDING, fallback_at=PAST), at(S.PENDING, fallback_at=LATER),
         "look again in 0:00:30"),
        ("one failed, one in patience", "", FAILED, at(S.PENDING, fallback_at=LATER), "look again in 0:00:30"),
    ]),
    *table("a step as planned", _unreachable, [
        ("nothing planned", "leave it"),
        ("no address", (S.SKIPPED, R.NO_ADDRESS), "unreachable"),
        ("opted out", (S.SKIPPED, R.PREFERENCE), "leave it"),
        ("no address, and opted out", (S.SKIPPED, R.NO_ADDRESS), (S.SKIPPED, R.PREFERENCE), "unreachable"),
        ("one of two", (S.SKIPPED, R.NO_ADDRESS), (S.PENDING, R.NEW), "leave it"),
        ("too late", (S.EXPIRED, R.TTL), "leave it"),
    ]),
    *table("patience", _patience, [
        ("no time to live", 300, None, "0:05:00"),
        ("half of what is left is more", 300, 602, "0:05:00"),
        ("half of what is left is as much", 300, 600, "0:05:00"),
        ("half of what is left is less", 300, 598, "0:04:59"),
        ("nothing is left", 300, 0, "0:00:00"),
        ("less than nothing is left", 300, -10, "0:00:00"),
    ]),
    *table("trouble", _trouble, [
        ("retry", S.PENDING, R.RETRY, "patience runs"),
        ("paced", S.PENDING, R.PACED, "patience runs"),
        ("breaker open", S.PENDING, R.BREAKER_OPEN, "patience runs"),
        ("uncertain", S.UNCERTAIN, R.NO_ANSWER, "patience runs"),
        ("new", S.PENDING, R.NEW, "patience does not run"),
        ("quiet hours", S.PENDING, R.QUIET_HOURS, "patience does not run"),
        ("paused", S.PENDING, R.PAUSED, "patience does not run"),
        ("on the wire", S.SENDING, R.NONE, "patience does not run"),
        ("a retry that is on the wire again", S.SENDING, R.RETRY, "patience does not run"),
        ("sent", S.SENT, R.NONE, "patience does not run"),
    ]),
    *table("steps", _steps, [
        ("one channel", "push", "", "", "push"),
        ("two together", "push sms", "", "", "push+sms"),
        ("two, then one by one", "push sms", "email push", "", "push+sms, then email, then push"),
        ("narrowed to one of two", "push sms", "email", "sms", "sms"),
        ("narrowed to a fallback", "push", "sms email", "email", "email"),
        ("narrowed to a channel and a fallback", "push sms", "email", "push email", "push, then email"),
        ("narrowed to none", "push", "sms", "email", ""),
        ("fallbacks only", "", "sms", "", "sms"),
    ]),
]  # fmt: skip


def _delay(retries: int, retry_after: float | None) -> str:
    class Highest(random.Random):
        def uniform(self, a: float, b: float) -> float:
            return b

    return str(RetryPolicy(most=8, first=2.0, cap=100.0).delay(retries, retry_after, Highest()))


def _sent(error: ProviderError | None, **before: int) -> str:
    standing = at(S.SENDING, **before)
    message = OutboundMessage(UUID(int=1), standing.attempt + 1, 0, Channel.SMS, "+49", Content())
    after = after_send(standing, SendResult(message, error=error), NOW, random.Random(1), timedelta(seconds=15))
    marks = " maybe sent" * after.maybe_sent + " possible duplicate" * after.possible_duplicate
    return f"{after.state} {after.reason}{marks}, {after.retries} retries"


def _answered(error: ProviderError | None, retries: int, earlier: str) -> str:
    return _sent(error, attempt=retries, retries=retries, maybe_sent=earlier == "maybe sent")


def _soonest(error: ProviderError) -> str:
    class Lowest(random.Random):
        def uniform(self, a: float, b: float) -> float:
            return a

    message = OutboundMessage(UUID(int=1), 1, 0, Channel.SMS, "+49", Content())
    after = after_send(at(S.SENDING), SendResult(message, error=error), NOW, Lowest(), timedelta(seconds=15))
    return str(after.due_at - NOW)


def _marked(possible_duplicate: str, maybe_sent: str, attempt: int) -> str:
    """Return whether a refusal of this attempt leaves the mark, where one attempt is known."""
    before = at(S.SENDING, attempt=1, possible_duplicate=bool(possible_duplicate), maybe_sent=bool(maybe_sent))
    message = OutboundMessage(UUID(int=1), attempt, 0, Channel.SMS, "+49", Content())
    result = SendResult(message, error=PermanentFailure("a", "400", ""))
    after = after_send(before, result, NOW, random.Random(1), timedelta(seconds=15))
    return "marked" if after.possible_duplicate else "unmarked"


ANSWERS = [
    *table("longest wait for a retry", _delay, [
        ("the first", 0, None, "0:00:02"),
        ("the second", 1, None, "0:00:04"),
        ("the last below the cap", 5, None, "0:01:04"),
        ("the first at the cap", 6, None, "0:01:40"),
        ("the last", 7, None, "0:01:40"),
        ("none left", 8, None, "None"),
        ("none left, whatever Retry-After says", 8, 1.0, "None"),
        ("more than none left", 9, None, "None"),
        ("Retry-After below it", 0, 1.0, "0:00:02"),
        ("Retry-After above it: spread behind it", 0, 3.0, "0:00:05"),
        ("Retry-After above the cap: spread behind it", 7, 101.0, "0:03:21"),
        ("Retry-After of a day", 0, 86_400.0, "1 day, 0:00:00"),
        ("Retry-After of more", 0, 86_401.0, "1 day, 0:00:00"),
    ]),
    *table("shortest wait for a retry", _soonest, [
        ("a fault", TemporaryFailure("a", "500", ""), "0:00:00"),
        ("a fault with Retry-After", TemporaryFailure("a", "500", "", retry_after=0.5), "0:00:00.500000"),
        ("a limit", RateLimited("a", "429", ""), "0:00:01"),
        ("a limit with Retry-After", RateLimited("a", "429", "", retry_after=0.5), "0:00:00.500000"),
    ]),
    *table("mark of a possible duplicate", _marked, [
        ("a further attempt after a refused one", "", "", 2, "unmarked"),
        ("a further attempt after a doubtful one", "", "maybe sent", 2, "marked"),
        ("a late answer of the doubtful one itself", "", "maybe sent", 1, "unmarked"),
        ("it stays", "marked", "", 2, "marked"),
    ]),
    *table("an answer", _answered, [
        ("taken", None, 0, "", "sent  maybe sent, 0 retries"),
        ("taken after a doubtful attempt", None, 1, "maybe sent", "sent  maybe sent possible duplicate, 1 retries"),
        ("taken after a refused attempt", None, 1, "", "sent  maybe sent, 1 retries"),
        ("later", TemporaryFailure("a", "425", ""), 0, "", "pending retry, 1 retries"),
        ("later, the last retry", TemporaryFailure("a", "425", ""), 7, "", "pending retry, 8 retries"),
        ("later, none left", TemporaryFailure("a", "425", ""), 8, "", "dead retries_exhausted, 8 retries"),
        ("a fault", TemporaryFailure("a", "500", "", maybe_sent=True), 0, "", "pending retry maybe sent, 1 retries"),
        ("slower", RateLimited("a", "429", ""), 8, "", "pending paced, 9 retries"),
        ("slower, the last", RateLimited("a", "429", ""), 19, "", "pending paced, 20 retries"),
        ("slower, none left", RateLimited("a", "429", ""), 20, "", "dead retries_exhausted, 20 retries"),
        ("away", ProviderUnavailable("a", "dns", ""), 3, "", "pending retry, 3 retries"),
        ("misconfigured", ProviderMisconfigured("a", "401", ""), 3, "", "pending breaker_open, 3 retries"),
        ("refused", PermanentFailure("a", "400", ""), 3, "", "failed refused, 3 retries"),
        ("no such address", InvalidRecipient("a", "404", ""), 3, "", "failed invalid_recipient, 3 retries"),
        ("no answer", UnknownOutcome("a", "timeout", ""), 3, "", "uncertain no_answer maybe sent, 4 retries"),
    ]),
]  # fmt: skip


def _merged(state: State, kind: ReceiptKind, attempt: int) -> str:
    return merge(at(state, attempt=2), Report(kind, attempt, NOW)).state.value


def _named(known: str, told: str) -> str:
    standing = at(S.SENT, attempt=2, provider_message_id=known)
    return merge(standing, Report(K.DELIVERED, 2, NOW, told)).provider_message_id


def _times(sent: int | None, delivered: int | None, told: int) -> str:
    """Return when it was sent and delivered after a receipt of delivery, in seconds before now."""
    moments = [None if seconds is None else NOW - timedelta(seconds=seconds) for seconds in (sent, delivered)]
    standing = at(S.UNCERTAIN, attempt=2, sent_at=moments[0], delivered_at=moments[1])
    after = merge(standing, Report(K.DELIVERED, 2, NOW - timedelta(seconds=told)))
    assert after.sent_at is not None
    assert after.delivered_at is not None
    return f"sent {(NOW - after.sent_at).seconds}, delivered {(NOW - after.delivered_at).seconds}"


def _about(attempt: int | None, generation: int | None) -> str:
    return str(attempt_of(attempt, generation, 3, 1))


def _early(state: State, attempt: int) -> str:
    return "waits" if must_wait(at(state, attempt=2), Report(K.DELIVERED, attempt, NOW)) else "counts"


def _doubt_of(state: State, reason: Reason) -> str:
    return merge(at(state, reason, attempt=2), Report(K.SENT, 2, NOW)).state.value


def _first_attempt(generation: int) -> str:
    return str(attempt_of(None, generation, 1, 1))


RECEIPTS = [
    *table("a receipt", _merged, [
        ("sent, of the newest attempt, waiting for it", S.UNCERTAIN, K.SENT, 2, "sent"),
        ("sent, of an older attempt, waiting for it", S.UNCERTAIN, K.SENT, 1, "uncertain"),
        ("sent, already known", S.SENT, K.SENT, 2, "sent"),
        ("undelivered, of the newest attempt", S.SENT, K.UNDELIVERED, 2, "failed"),
        ("undelivered, of an older attempt", S.SENT, K.UNDELIVERED, 1, "sent"),
        ("undelivered after delivered", S.DELIVERED, K.UNDELIVERED, 2, "delivered"),
        ("undelivered while it waits to retry", S.PENDING, K.UNDELIVERED, 2, "pending"),
        ("delivered, of an older attempt", S.SENT, K.DELIVERED, 1, "delivered"),
        ("delivered after failed", S.FAILED, K.DELIVERED, 2, "delivered"),
        ("delivered while it waits to retry", S.PENDING, K.DELIVERED, 1, "delivered"),
        ("delivered after a bounce", S.BOUNCED, K.DELIVERED, 2, "bounced"),
        ("opened after delivered", S.DELIVERED, K.OPENED, 2, "opened"),
        ("opened after clicked", S.CLICKED, K.OPENED, 2, "clicked"),
        ("bounced, of the newest attempt", S.CLICKED, K.BOUNCED, 2, "bounced"),
        ("bounced, of an older attempt", S.SENT, K.BOUNCED, 1, "sent"),
        ("complained, of an older attempt", S.CLICKED, K.COMPLAINED, 1, "complained"),
        ("delivered of a dead letter", S.DEAD, K.DELIVERED, 2, "delivered"),
        ("sent of a dead letter", S.DEAD, K.SENT, 2, "dead"),
        ("delivered of an expired one", S.EXPIRED, K.DELIVERED, 2, "delivered"),
        ("delivered of a digested one", S.DIGESTED, K.DELIVERED, 2, "digested"),
        ("deferred says nothing", S.SENT, K.DEFERRED, 2, "sent"),
    ]),
    *table("the provider's own id", _named, [
        ("known before", "SM1", "SM2", "SM1"), ("told by the receipt", "", "SM2", "SM2"), ("never told", "", "", ""),
    ]),
    *table("times of a receipt", _times, [
        ("nothing known", None, None, 5, "sent 5, delivered 5"),
        ("sent before", 9, None, 5, "sent 9, delivered 5"),
        ("delivered earlier", 9, 7, 5, "sent 9, delivered 7"),
        ("delivered later", 9, 3, 5, "sent 9, delivered 5"),
    ]),
    *table("which of three attempts in two generations", _about, [
        ("names nothing", None, None, "3"),
        ("names an attempt", 1, None, "1"),
        ("names the newest generation", None, 1, "3"),
        ("names the newest generation and an attempt", 2, 1, "2"),
        ("names the older generation", None, 0, "2"),
        ("names the older generation and an attempt", 3, 0, "2"),
        ("names a generation to come", None, 2, "4"),
    ]),
    *table("a report that it was sent", _doubt_of, [
        ("held in doubt", S.DEAD, R.HELD, "sent"),
        ("its worker died", S.DEAD, R.WORKER_DIED, "sent"),
        ("certainly not sent", S.DEAD, R.NO_ROUTE, "dead"),
        ("cancelled, for all that its reason says", S.CANCELLED, R.HELD, "cancelled"),
    ]),
    *table("which of one attempt in two generations", _first_attempt, [("names the older generation", 0, "1")]),
    *table("a receipt before our record", _early, [
        ("on the wire, the same attempt", S.SENDING, 2, "waits"),
        ("on the wire, an older attempt", S.SENDING, 1, "waits"),
        ("recorded, the same attempt", S.SENT, 2, "counts"),
        ("recorded, an attempt to come", S.SENT, 3, "waits"),
        ("recorded, an older attempt", S.SENT, 1, "counts"),
    ]),
]  # fmt: skip


def _lost(attempt: int, maybe_sent: str, key_lives: timedelta | None) -> str:
    key = None if key_lives is None else Key(key_lives, NOW)
    after = lost(at(S.SENDING, attempt=attempt, maybe_sent=bool(maybe_sent)), NOW, DAY, key)
    return " ".join(("key" if after.keyed_at else "doubt", "duplicate" if after.possible_duplicate else "once"))


def _unsettled(leases: int, hold: str, doubt: str) -> str:
    after = unsettled(at(S.UNCERTAIN, lost_leases=leases, maybe_sent=bool(doubt)), hold=bool(hold), now=NOW)
    return f"{after.state} {after.reason}"


def _resumed(keyed: str, provider: str, lifetime: timedelta | None, passed: timedelta) -> str:
    standing = at(S.PENDING, R.RETRY, provider="a", keyed_at=NOW if keyed else None)
    after = resumed(standing, provider, lifetime, NOW + passed)
    return "doubt" if after.maybe_sent else "key" if after.keyed_at else "no doubt"


def _doubted(**values: object) -> str:
    after = doubted(at(S.SENDING, **values), Key(MARGIN + TINY, NOW))
    return f"key since {after.keyed_at - NOW}" if after.keyed_at else "doubt"


def _keyed(earlier: timedelta | None, maybe_sent: str) -> str:
    return _doubted(keyed_at=None if earlier is None else NOW + earlier, maybe_sent=bool(maybe_sent))


def _returned(attempt: int) -> str:
    return str(returned(at(S.SENDING, attempt=attempt), NOW).reason)


def _alone(leases: int) -> str:
    return "alone" if goes_alone(at(S.PENDING, lost_leases=leases)) else "with others"


def _replayed(maybe_sent: str, keyed: str) -> str:
    after = replayed(at(S.DEAD, R.HELD, maybe_sent=bool(maybe_sent), keyed_at=NOW if keyed else None), NOW)
    return "doubt" if after.maybe_sent else "no doubt"


def _explained(state: State, maybe_sent: str) -> str:
    told = explain(state, R.NONE, maybe_sent=bool(maybe_sent))
    return "adds a doubt" if told.removeprefix(explain(state, R.NONE)) else "adds none"


DOUBTS = [
    *table("a lost lease", _lost, [
        ("the first attempt", 0, "", None, "doubt once"),
        ("after a refused attempt", 1, "", None, "doubt once"),
        ("after a doubtful attempt", 1, "maybe sent", None, "doubt duplicate"),
        ("a key that lives", 0, "", DAY, "key once"),
        ("a key that lives the microsecond longer than a claim", 0, "", MARGIN + TINY, "key once"),
        ("a key that lives as long as a claim", 0, "", MARGIN, "doubt once"),
    ]),
    *table("no receipt in time", _unsettled, [
        ("resend", 1, "", "doubt", "pending retry"),
        ("hold", 1, "hold", "doubt", "dead held"),
        ("hold, but a key lifts the doubt", 1, "hold", "", "pending retry"),
        ("two leases lost", 2, "", "doubt", "pending retry"),
        ("three leases lost", 3, "", "doubt", "dead worker_died"),
        ("four leases lost", 4, "hold", "doubt", "dead worker_died"),
    ]),
    *table("the next attempt after one with a key", _resumed, [
        ("there was no key", "", "b", None, DAY, "no doubt"),
        ("the same provider", "keyed", "a", DAY, TINY, "key"),
        ("another provider", "keyed", "b", DAY, TINY, "doubt"),
        ("the provider honours keys no more", "keyed", "a", None, TINY, "doubt"),
        ("the microsecond before its margin", "keyed", "a", DAY, DAY - MARGIN - TINY, "key"),
        ("at its margin", "keyed", "a", DAY, DAY - MARGIN, "doubt"),
    ]),
    *table("a doubtful attempt with a key", _keyed, [
        ("its first use", None, "", "key since 0:00:00"),
        ("used before", -DAY, "", "key since -1 day, 0:00:00"),
        ("in doubt already", None, "maybe sent", "doubt"),
    ]),
    *table("a claim that ended before the send", _returned, [
        ("never tried", 0, "new"), ("tried once", 1, "retry"), ("tried often", 5, "retry"),
    ]),
    *table("who goes alone", _alone, [
        ("no lease lost", 0, "with others"), ("one", 1, "with others"), ("two", 2, "alone"), ("three", 3, "alone"),
    ]),
    *table("a replay", _replayed, [
        ("certainly never sent", "", "", "no doubt"), ("maybe sent", "maybe", "", "doubt"), ("a key", "", "key",
         "doubt"),
    ]),
    *table("what support reads", _explained, [
        ("expired", S.EXPIRED, "", "adds none"),
        ("expired, maybe sent", S.EXPIRED, "maybe", "adds a doubt"),
        ("cancelled, maybe sent", S.CANCELLED, "maybe", "adds a doubt"),
        ("skipped, maybe sent", S.SKIPPED, "maybe", "adds a doubt"),
        ("delivered, maybe sent", S.DELIVERED, "maybe", "adds none"),
        ("uncertain, maybe sent", S.UNCERTAIN, "maybe", "adds none"),
    ]),
]  # fmt: skip


def _routed(address: str, platform: str) -> str:
    route = [
        RouteEntry("german", countries=("49", "43")), RouteEntry("phones", platforms=("ios", "android")),
        RouteEntry("german-phones", countries=("49",), platforms=("ios",)),
    ]  # fmt: skip
    return " ".join(candidates(route, address, platform))


def _chosen(serving: str, usable: str) -> str:
    alias, available = choose(["a", "b", "c"], lambda name: name in serving, lambda name: name in usable)
    return f"{alias or 'none'} {'now' if available else 'later'}"


def _ordered(state: State, reason: Reason, provider: str, doubt: str) -> str:
    keyed_at = NOW if doubt == "key" else None
    standing = at(state, reason, provider=provider, maybe_sent=doubt == "maybe", keyed_at=keyed_at)
    return " ".join(in_order(["a", "b", "c"], standing))


ROUTES = [
    *table("route", _routed, [
        ("a country, no platform", "+4915112345678", "", "german"),
        ("another country, no platform", "+15005550006", "", ""),
        ("no country, a platform", "token", "android", "phones"),
        ("no country, another platform", "token", "web", ""),
        ("a country and a platform", "+4915112345678", "ios", "german phones german-phones"),
        ("the second country and a platform", "+436601234567", "ios", "german phones"),
        ("a country and the second platform", "+4915112345678", "android", "german phones"),
    ]),
    *table("provider", _chosen, [
        ("all serve and are usable", "abc", "abc", "a now"),
        ("the first does not serve", "bc", "abc", "b now"),
        ("the first is open", "abc", "bc", "b now"),
        ("only the last is usable", "abc", "c", "c now"),
        ("the usable one does not serve", "bc", "a", "b later"),
        ("none serves", "", "abc", "none later"),
    ]),
    *table("order of the next attempt", _ordered, [
        ("new", S.PENDING, R.NEW, "", "", "a b c"),
        ("a did not take it", S.PENDING, R.RETRY, "a", "", "b c a"),
        ("b did not take it", S.PENDING, R.RETRY, "b", "", "a c b"),
        ("a's breaker was open", S.PENDING, R.BREAKER_OPEN, "a", "", "a b c"),
        ("a retry's reason on the wire", S.SENDING, R.RETRY, "a", "", "a b c"),
        ("b may have sent it", S.PENDING, R.RETRY, "b", "maybe", "b"),
        ("b knows our key", S.PENDING, R.RETRY, "b", "key", "b"),
        ("one that is routed no more may have sent it", S.PENDING, R.RETRY, "z", "maybe", "a b c"),
    ]),
]  # fmt: skip
CASES = [*FALLBACK, *ANSWERS, *RECEIPTS, *DOUBTS, *ROUTES]
