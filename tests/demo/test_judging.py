"""Each outcome is judged by a pure function: it accepts what it should, and nothing less."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from project.demo import people
from project.demo.outcomes import (
    broadcast,
    dead_device,
    hard_bounce,
    idempotency,
    login_code,
    opted_out,
    order_email,
    outage,
    poison,
    quiet_hours,
)
from tests.demo.evidence import answer, delivery, message, seen

SMS = message("sms", "+447700900101", text="493021 is your code.")
GERMAN = message("email", subject="Bestellung A-1 ist unterwegs", html="<p>Summe: 59,90 €</p>")
TOKYO = ZoneInfo("Asia/Tokyo")


def test_a_login_code_counts_only_when_delivered_with_the_code() -> None:
    good = seen(delivery("sms", "delivered"), messages=(SMS,))
    assert login_code.judge(good, "493021").ok
    assert not login_code.judge(good, "111111").ok
    assert not login_code.judge(seen(delivery("sms", "sent"), messages=(SMS,)), "493021").ok
    failed = login_code.judge(seen(delivery("sms", "failed", "refused")), "493021")
    assert not failed.ok
    assert "sms failed (refused)" in failed.seen


def test_an_order_email_counts_only_in_german() -> None:
    state = delivery("email", "delivered")
    english = message("email", subject="Order A-1 is on its way", html="<p>Total: 59.90 €</p>")
    assert order_email.judge(seen(state, messages=(GERMAN,)), "A-1").ok
    assert not order_email.judge(seen(state, messages=(english,)), "A-1").ok
    assert not order_email.judge(seen(state, messages=(GERMAN, GERMAN)), "A-1").ok
    assert not order_email.judge(seen(state), "A-1").ok


def test_a_dead_device_counts_only_when_it_was_pruned() -> None:
    phone = delivery("push", "sent", device="phone")
    tablet = delivery("push", "failed", "invalid_recipient", device="tablet")
    push = seen(phone, tablet, messages=(message("push"),))
    gone = {"id": "tablet", "is_active": False, "deactivated_reason": "unregistered"}
    pair = ("phone", "tablet")
    assert dead_device.judge(push, [{"id": "phone", "is_active": True}, gone], pair).ok
    assert not dead_device.judge(push, [{**gone, "is_active": True}], pair).ok
    assert not dead_device.judge(push, [], pair).ok
    assert not dead_device.judge(seen(phone, {**tablet, "state": "sent"}), [gone], pair).ok


def test_idempotency_wants_one_notification_a_replay_and_one_message() -> None:
    first, again = answer("n1"), answer("n1", replayed=True)
    assert idempotency.judge([first, again], [GERMAN]).ok
    assert not idempotency.judge([first, again], [GERMAN, GERMAN]).ok
    assert not idempotency.judge([first, again], []).ok
    assert not idempotency.judge([first, first], [GERMAN]).ok
    assert not idempotency.judge([first, answer("n2")], [GERMAN]).ok


def test_opted_out_wants_a_skip_for_the_preference_and_nothing_sent() -> None:
    skipped = delivery("push", "skipped", "preference")
    assert opted_out.judge(seen(skipped)).ok
    assert not opted_out.judge(seen(skipped, messages=(message("push"),))).ok
    assert not opted_out.judge(seen(delivery("push", "skipped", "suppression"))).ok
    assert not opted_out.judge(seen()).ok


def test_quiet_hours_want_the_right_time() -> None:
    end = datetime(2026, 3, 1, 21, 0, tzinfo=TOKYO)
    waits = delivery("email", "pending", "quiet_hours", due_at="2026-03-01T12:00:00Z")
    found = quiet_hours.judge(seen(waits), end)
    assert found.ok
    assert "21:00 Asia/Tokyo" in found.seen
    assert not quiet_hours.judge(seen(waits), end + timedelta(hours=1)).ok
    assert not quiet_hours.judge(seen(waits, messages=(GERMAN,)), end).ok
    assert not quiet_hours.judge(seen(delivery("email", "delivered")), end).ok
    assert not quiet_hours.judge(seen(), end).ok


@pytest.mark.parametrize("hour", range(24))
def test_the_quiet_window_holds_this_moment_at_any_hour(hour: int) -> None:
    now = datetime(2026, 3, 1, hour, 30, 12, tzinfo=TOKYO)
    start, end = quiet_hours.window(now, quiet_now=True)
    assert start < now < end
    assert start.time().replace(second=0) != end.time()
    later, _ = quiet_hours.window(now, quiet_now=False)
    assert later > now


class TestOutage:
    """All four parts must have been seen: refusals, the open breaker, email, and push again."""

    by_email = seen(delivery("push", "cancelled", "fallback"), delivery("email", "delivered"))
    by_push = seen(delivery("push", "sent"), messages=(message("push"),))
    good = outage.Evidence(11, [by_email, by_push], [by_email] * 2, ["breaker_open"] * 2, by_push)

    def test_all_four(self) -> None:
        found = outage.judge(self.good)
        assert found.ok
        assert "3 of 4 reached by email, 1 by push" in found.seen

    @pytest.mark.parametrize(
        "change",
        [
            {"refused": 0},
            {"held": ["breaker_open", ""]},
            {"during": [by_email, by_push]},
            {"before": [by_email, seen(delivery("push", "pending", "breaker_open"))]},
            {"after": by_email},
            {"after": seen(delivery("push", "sent"))},
        ],
    )
    def test_nothing_less(self, change: dict[str, object]) -> None:
        assert not outage.judge(replace(self.good, **change)).ok


def test_a_poison_message_is_dead_first_and_delivered_once_after() -> None:
    letter = message("email", text="Your invoice follows.\n")
    dead = seen(delivery("email", "dead", "render_error"))
    good = seen(delivery("email", "delivered"), messages=(letter,))
    assert poison.judge(dead, good).ok
    assert not poison.judge(dead, dead).ok
    assert not poison.judge(good, good).ok
    assert not poison.judge(seen(delivery("email", "dead", "retries_exhausted")), good).ok
    assert not poison.judge(dead, seen(delivery("email", "delivered"), messages=(letter, letter))).ok


def test_a_hard_bounce_suppresses_the_second_email() -> None:
    bounced = seen(delivery("email", "bounced"), messages=(GERMAN,))
    skipped = seen(delivery("email", "skipped", "suppression"))
    assert hard_bounce.judge(bounced, skipped).ok
    assert not hard_bounce.judge(bounced, bounced).ok
    assert not hard_bounce.judge(seen(delivery("email", "delivered"), messages=(GERMAN,)), skipped).ok
    assert not hard_bounce.judge(bounced, seen(delivery("email", "skipped", "preference"))).ok


def test_a_broadcast_reaches_everybody_exactly_once() -> None:
    counts = {"members": people.FOLLOWERS, "sent": people.FOLLOWERS}
    done = {"status": "done", "counts": counts}
    sent = [message("push", f"token{number}", f"d{number}") for number in range(people.FOLLOWERS)]
    assert broadcast.judge(done, sent).ok
    assert not broadcast.judge(done, sent[:-1]).ok
    assert not broadcast.judge(done, [*sent, sent[0]]).ok
    assert not broadcast.judge(done, [*sent[:-1], sent[0]]).ok
    assert not broadcast.judge({**done, "status": "sending"}, sent).ok
    assert not broadcast.judge({**done, "counts": {**counts, "members": 4_999}}, sent).ok
