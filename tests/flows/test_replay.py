"""Replay: by selection, cause or filter; looked at again, paced, in pages, and nobody twice however often pressed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from threading import Barrier, Thread
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from notifications import jobs, notify, wakeups
from notifications.enums import Channel, Reason, Refusal, State, SuppressionCause
from notifications.flows import gate, runs
from notifications.flows import replay as replaying
from notifications.flows.dead_letters import Choice, LetterFilter, cause_of, filter_from, groups
from notifications.flows.filters import BadFilter
from notifications.flows.operate import By
from notifications.flows.replay import DISCARD, REPLAY, REPLAYS, Wanted, begin, continue_replays, look
from notifications.flows.suppress import suppress
from notifications.models import (
    Alert,
    AuditEntry,
    Category,
    Delivery,
    DeliveryEvent,
    Mark,
    Notification,
    Preference,
    Template,
)
from tests.live import work

pytestmark = pytest.mark.django_db
BY = By("root", "the provider is back")
DATA = {"number": "A-1042", "total": 59.9, "items": ["Bell"]}
ALL = LetterFilter(template="order-shipped")


def kill(row: Delivery, reason: Reason = Reason.RETRIES_EXHAUSTED, code: str = "500", **values: object) -> Delivery:
    """Let a delivery be dead."""
    Delivery.objects.filter(pk=row.pk).update(
        **{
            "state": State.DEAD, "reason": reason, "error_code": code, "provider": "email", "attempt": 5,
            "updated_at": Now(), "fallback_at": None, **values,
        }
    )  # fmt: skip
    row.refresh_from_db()
    return row


@pytest.fixture
def dead(person: Callable[..., Any]) -> Callable[..., Delivery]:
    """Makes a dead letter of somebody new."""

    def make(*why: object, **values: object) -> Delivery:
        return kill(notify(person(), "order-shipped", DATA).deliveries.get(), *why, **values)  # type: ignore[arg-type]

    return make


def chosen(wanted: LetterFilter = ALL, *rows: Delivery) -> Choice:
    return Choice(Delivery.objects.database_now(), wanted, tuple(row.pk for row in rows))


def run(wanted: LetterFilter = ALL, **how: Any) -> AuditEntry:
    return REPLAYS.work_for(begin(Wanted(REPLAY, chosen(wanted), **how), BY).pk, 60)


def states() -> list[str]:
    return list(Delivery.objects.order_by("pk").values_list("state", flat=True))


def snapshot() -> list[Any]:
    models = (Delivery, DeliveryEvent, Notification, AuditEntry, Mark)
    return [list(model.objects.order_by("pk").values()) for model in models]


# ---------------------------------------------------------------- filters


@pytest.mark.parametrize(
    ("field", "text", "says"),
    [
        ("channel", "fax", "is no channel; one of push, sms, email"),
        ("why", "preference", "is nothing that letters die of"),
        ("why", "bad", "is nothing that letters die of"),
        ("about", "42", "is no id"),
        ("died_from", "yesterday", "is no time"),
        ("died_from", "2026-02-31T00:00", "is no time"),
        ("died_before", "0001-01-01T00:00+23:00", "is no time"),
        ("code", "x" * 61, "is longer than 60 characters"),
        ("template", "a\x00b", "contains a character"),
    ],
)
def test_a_filter_says_what_is_wrong(field: str, text: str, says: str) -> None:
    with pytest.raises(BadFilter) as caught:
        filter_from({field: text})
    assert list(caught.value.errors) == [field]
    assert says in caught.value.errors[field]


def test_times_must_be_in_order_and_are_utc() -> None:
    with pytest.raises(BadFilter, match="died_before"):
        filter_from({"died_from": "2026-11-22T10:00", "died_before": "2026-11-22T10:00"})
    assert filter_from({"died_from": "2026-11-22T10:00"}).died_from == datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert not filter_from({"channel": "", "unknown": "x"})


@pytest.mark.parametrize("code", ["", "-", "--", "500", " 500", "a-b"])
def test_a_filter_reads_back_what_it_writes(code: str) -> None:
    made = LetterFilter(
        channel="email", provider="", code=code, code_begins="5", template="t", why="held", about=uuid4(),
        died_from=datetime(2026, 11, 22, 10, 0, 0, 123456, tzinfo=UTC),
    )  # fmt: skip
    assert filter_from(made.values()) == made


def test_a_filter_finds_by_each_of_its_parts(dead: Callable[..., Delivery]) -> None:
    old = dead(updated_at=timezone.now() - timedelta(hours=2))
    held, other = dead(Reason.HELD, ""), dead(code="503", provider="spare")
    since = timezone.now() - timedelta(hours=1)
    cases: list[tuple[LetterFilter, list[Delivery]]] = [
        (LetterFilter(channel="email"), [old, held, other]),
        (LetterFilter(channel="sms"), []),
        (LetterFilter(provider="spare"), [other]),
        (LetterFilter(code=""), [held]),
        (LetterFilter(code="50"), []),
        (LetterFilter(code_begins="50"), [old, other]),
        (LetterFilter(why=Reason.HELD), [held]),
        (LetterFilter(template="invoice"), []),
        (LetterFilter(about=held.notification_id), [held]),
        (LetterFilter(died_from=since), [held, other]),
        (LetterFilter(died_before=since, channel="email"), [old]),
    ]
    for wanted, found in cases:
        assert set(chosen(wanted).letters()) == set(found), wanted
    assert set(chosen(cause_of(next(group for group in groups()[0] if group.code == "503"))).letters()) == {other}


# ---------------------------------------------------------------- looking again


def test_a_dry_run_changes_nothing_and_says_what_the_run_does(dead: Callable[..., Delivery]) -> None:
    sure, maybe, twice = dead(Reason.NO_ROUTE), dead(maybe_sent=True), dead(Reason.HELD, "", maybe_sent=True)
    gone = dead(expires_at=timezone.now() - timedelta(minutes=1))
    suppress("email", dead().address, SuppressionCause.COMPLAINT, "email")
    before = snapshot()
    found = look(Wanted(REPLAY, chosen()))
    assert snapshot() == before
    assert (found.will_send, found.may_arrive_twice, found.looked_at) == (3, 2, 5)
    assert found.refused == {"expired: ttl": 1, "skipped: suppression": 1}
    entry = run()
    assert (entry.planned, entry.done, entry.detail["refused"]) == (5, 3, dict(found.refused))
    assert states() == ["pending", "pending", "pending", "expired", "skipped"]
    for row in (sure, maybe, twice):
        earlier = row.maybe_sent
        row.refresh_from_db()
        assert (row.generation, row.retries, row.lost_leases, row.maybe_sent) == (1, 0, 0, earlier)
    event = DeliveryEvent.objects.get(delivery=sure)
    assert (event.actor, event.detail) == ("root", "replayed: the provider is back")
    assert "not replayed" in DeliveryEvent.objects.get(delivery=gone).detail


def test_quiet_hours_park_a_letter_until_they_end(dead: Callable[..., Delivery]) -> None:
    row = dead()
    day = {"days": list(range(7)), "start": "00:00", "end": "23:59"}
    Preference.objects.create(recipient=row.recipient, quiet_hours=[day], channels={}, categories={})
    Delivery.objects.filter(pk=row.pk).update(time_zone="UTC")
    run()
    row.refresh_from_db()
    assert (row.state, row.reason) == (State.PENDING, Reason.QUIET_HOURS)
    assert row.due_at > timezone.now()


def test_what_cannot_be_sent_yet_stays_dead_with_the_reason(dead: Callable[..., Delivery], settings: Any) -> None:
    row = dead()
    before = Delivery.objects.filter(pk=row.pk).values().get()
    category = Notification.objects.get(pk=row.notification_id).category
    Category.objects.filter(slug=category).update(slug="renamed")
    assert run().detail["refused"] == {Refusal.CATEGORY.value: 1}
    Category.objects.filter(slug="renamed").update(slug=category)
    routes = settings.NOTIFICATIONS
    settings.NOTIFICATIONS = {**routes, "ROUTES": {**routes["ROUTES"], "email": []}}
    assert run().detail["refused"] == {Refusal.NO_ROUTE.value: 1}
    settings.NOTIFICATIONS = routes
    assert Delivery.objects.filter(pk=row.pk).values().get() == before
    assert run().done == 1


def test_a_letter_whose_secrets_were_erased_is_refused_with_that_reason(person: Callable[..., Any]) -> None:
    row = kill(notify(person(), "login-code", {"code": "493021"}).deliveries.filter(channel="sms").get())
    wanted = LetterFilter(template="login-code")
    assert look(Wanted(REPLAY, chosen(wanted))).will_send == 1
    Notification.objects.filter(pk=row.notification_id).update(secrets=None)
    assert run(wanted).detail["refused"] == {Refusal.ERASED.value: 1}
    row.refresh_from_db()
    assert row.state == State.DEAD


def other_step(row: Delivery, state: State) -> None:
    """Let the person have been written to on a later channel as well."""
    Delivery.objects.filter(pk=row.pk).update(step=0)
    row.refresh_from_db()
    row.pk, row.step, row.channel, row.state, row.reason = uuid_like(row.pk), 1, "sms", state, ""
    row.save(force_insert=True)


def uuid_like(key: Any) -> Any:
    """Return another id of the same time."""
    return type(key)(int=key.int ^ 1)


def test_whom_another_channel_reached_gets_nothing_unless_asked_for(dead: Callable[..., Delivery]) -> None:
    reached, trying, failed = dead(), dead(), dead()
    keys = [row.pk for row in (reached, trying, failed)]
    other_step(reached, State.SENT)
    other_step(trying, State.PENDING)
    other_step(failed, State.FAILED)
    wanted = LetterFilter(channel="email")
    assert look(Wanted(REPLAY, chosen(wanted), also_reached=True)).will_send == 3
    entry = run(wanted)
    assert entry.detail["refused"] == {Refusal.REACHED.value: 1, Refusal.TRYING.value: 1}
    found = Delivery.objects.in_bulk(keys)
    assert [(found[key].state, found[key].reason) for key in keys] == [
        (State.CANCELLED, Reason.FALLBACK), (State.DEAD, Reason.RETRIES_EXHAUSTED), (State.PENDING, Reason.NEW),
    ]  # fmt: skip


def test_a_held_provider_and_words_not_mended_are_told(dead: Callable[..., Delivery]) -> None:
    row = dead(Reason.RENDER_ERROR, "")
    assert look(Wanted(REPLAY, chosen())).unmended == 1
    gate.hold("email", "broken", by="root", lasting=timedelta(minutes=5))
    assert look(Wanted(REPLAY, chosen())).held == {"email": 1}
    gate.end_hold("email")
    current = Template.objects.get(slug="order-shipped").current_id
    Notification.objects.filter(pk=row.notification_id).update(version_id=(current or 0) - 1)
    assert look(Wanted(REPLAY, chosen())).unmended == 0
    run()
    assert Notification.objects.get(pk=row.notification_id).version_id == current


# ---------------------------------------------------------------- pace and pages


def test_letters_come_due_at_the_rate_over_pages(
    dead: Callable[..., Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "PAGE", 2)
    for _ in range(5):
        dead()
    run(rate=1)  # a busy machine must not need longer for a page than its letters' turns last
    due = sorted(Delivery.objects.values_list("due_at", flat=True))
    assert all(later - earlier == timedelta(seconds=1) for earlier, later in pairwise(due))
    assert sorted(Delivery.objects.values_list("reason", flat=True)) == ["new", *["paced"] * 4]


def test_the_most_urgent_go_first_and_what_would_expire_before_its_turn_stays(dead: Callable[..., Delivery]) -> None:
    soon = timezone.now() + timedelta(minutes=1)
    slow, urgent, late = dead(lane=3), dead(lane=0), dead(lane=3, expires_at=soon)
    for _ in range(70):
        dead(lane=2)
    entry = run(rate=1)
    for row in (slow, urgent, late):
        row.refresh_from_db()
    assert entry.detail["refused"] == {Refusal.TOO_LATE.value: 1}
    assert (late.state, urgent.reason) == (State.DEAD, Reason.NEW)
    assert slow.due_at == max(Delivery.objects.filter(state=State.PENDING).values_list("due_at", flat=True))


def test_pressed_twice_it_is_one_run(dead: Callable[..., Delivery]) -> None:
    """Two would go at twice the rate that was chosen."""
    for _ in range(3):
        dead()
    wish = Wanted(REPLAY, chosen(), rate=1)
    first = begin(wish, BY)
    assert begin(wish, BY).pk == first.pk
    REPLAYS.work_for(first.pk, 60)
    again = begin(wish, BY)
    assert (again.pk, again.done) == (first.pk, 3)
    assert begin(replace(wish, rate=2), BY).pk != first.pk
    assert begin(Wanted(DISCARD, wish.choice), BY).pk != first.pk
    assert begin(Wanted(REPLAY, chosen(), rate=1), BY).pk != first.pk, "a later moment is another wish"


@pytest.mark.django_db(transaction=True)
def test_a_run_that_was_interrupted_is_continued_by_workers(
    dead: Callable[..., Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "PAGE", 2)
    for _ in range(5):
        dead()
    entry = begin(Wanted(REPLAY, chosen()), BY)
    assert REPLAYS.work_on(entry.pk)

    def killed(*_: object) -> set[Any]:
        raise SystemExit  # in the middle of a page, after its letters were judged

    with monkeypatch.context() as patch:
        patch.setattr(replaying, "record", killed)
        with pytest.raises(SystemExit):
            REPLAYS.work_on(entry.pk)
    assert sorted(states()) == ["dead"] * 3 + ["pending"] * 2
    assert [run.pk for run in REPLAYS.unfinished()] == [entry.pk]
    jobs.act_on_dead_letters(str(entry.pk))
    entry.refresh_from_db()
    assert (entry.done, entry.planned, entry.detail["seen"]) == (5, 5, 5)
    assert not REPLAYS.unfinished()
    assert not REPLAYS.work_on(entry.pk)
    assert set(Delivery.objects.values_list("generation", flat=True)) == {1}


def test_the_sweeper_asks_workers_to_go_on_with_what_is_unfinished(dead: Callable[..., Delivery]) -> None:
    dead()
    entry = begin(Wanted(REPLAY, chosen()), BY)
    redis = wakeups.connection("email")
    redis.flushdb()  # the wake-up was lost
    continue_replays()
    assert [job.decode() if isinstance(job, bytes) else job for job in redis.lrange("rq:queue:email", 0, -1)]
    assert redis.exists(f"carillon:wake:email:act_on_dead_letters:{entry.pk}")
    assert REPLAYS.work_for(entry.pk, 60).done == 1
    redis.flushdb()
    continue_replays()
    assert not wakeups.waiting("email")


def test_a_run_can_be_stopped_and_the_rest_is_still_dead(
    dead: Callable[..., Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "PAGE", 1)
    dead(), dead()
    entry = begin(Wanted(REPLAY, chosen()), BY)
    assert REPLAYS.work_on(entry.pk)
    assert REPLAYS.stop(entry.pk, BY)
    assert not REPLAYS.stop(entry.pk, BY)
    assert not REPLAYS.work_on(entry.pk)
    assert sorted(states()) == ["dead", "pending"]
    assert AuditEntry.objects.filter(action="stop_replay", subject=str(entry.pk)).count() == 1
    assert run().done == 1


def test_a_paused_run_rests_until_it_is_resumed(dead: Callable[..., Delivery], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "PAGE", 1)
    dead(), dead(), dead()
    entry = begin(Wanted(REPLAY, chosen()), BY)
    assert REPLAYS.work_on(entry.pk)
    assert [REPLAYS.pause(entry.pk, BY), REPLAYS.pause(entry.pk, BY)] == [True, False]  # two operators
    assert not REPLAYS.work_on(entry.pk)
    wakeups.connection("email").flushdb()
    continue_replays()
    assert not wakeups.waiting("email")
    assert (REPLAYS.is_paused(entry.pk), [run.pk for run in REPLAYS.unfinished()]) == (True, [entry.pk])
    assert sorted(states()) == ["dead", "dead", "pending"]
    assert [REPLAYS.resume(entry.pk, BY), REPLAYS.resume(entry.pk, BY)] == [True, False]
    assert REPLAYS.work_for(entry.pk, 60).done == 3
    assert not REPLAYS.pause(entry.pk, BY)
    actions = AuditEntry.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["replay", "pause_replay", "resume_replay"]


def test_a_run_gives_turns_only_some_seconds_ahead(
    dead: Callable[..., Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "PAGE", 12)
    for _ in range(30):
        dead()
    entry = begin(Wanted(REPLAY, chosen(), rate=1), BY)
    assert REPLAYS.work_for(entry.pk, 60).done == 12  # the last of them has its turn in twelve seconds
    assert not REPLAYS.work_on(entry.pk)
    monkeypatch.setattr(replaying, "_AHEAD", timedelta(hours=1))  # as if the time had come
    assert REPLAYS.work_for(entry.pk, 60).done == 30
    due = sorted(Delivery.objects.values_list("due_at", flat=True))
    assert all(later - earlier == timedelta(seconds=1) for earlier, later in pairwise(due))


def test_all_there_is_can_be_chosen_and_only_when_it_is_said(dead: Callable[..., Delivery]) -> None:
    dead(), dead(Reason.HELD, ""), dead(code="503", provider="spare")
    now = Delivery.objects.database_now()
    assert Choice(now).count() == 0
    entry = REPLAYS.work_for(begin(Wanted(REPLAY, Choice(now, everything=True)), BY).pk, 60)
    assert (entry.planned, entry.done, states()) == (3, 3, ["pending"] * 3)
    assert entry.detail["everything"] is True


def test_a_page_that_fails_again_and_again_ends_the_run_with_an_alert(
    dead: Callable[..., Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    dead()
    entry = begin(Wanted(REPLAY, chosen()), BY)

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(replaying, "judge", broken)
    for _ in range(5):
        assert not REPLAYS.work_on(entry.pk)
    assert not REPLAYS.unfinished()
    assert Alert.objects.get().kind == "replay_stopped"
    assert states() == ["dead"]


def test_discard_takes_the_same_path(dead: Callable[..., Delivery]) -> None:
    dead(), dead(Reason.HELD, "")
    entry = REPLAYS.work_for(begin(Wanted(DISCARD, chosen(LetterFilter(why=Reason.HELD))), BY).pk, 60)
    assert (entry.action, entry.planned, entry.done) == ("discard", 1, 1)
    assert states() == ["dead", "cancelled"]


# ---------------------------------------------------------------- nobody twice


def test_what_was_sent_again_and_died_anew_is_not_in_an_old_choice(dead: Callable[..., Delivery]) -> None:
    row = dead()
    choice = chosen()
    wanted = Wanted(REPLAY, choice)
    assert REPLAYS.work_for(begin(wanted, BY).pk, 60).done == 1
    kill(row)
    REPLAYS.work_for(begin(wanted, BY).pk, 60)
    assert states() == ["dead"]
    by_hand = Wanted(REPLAY, Choice(choice.until, ids=(row.pk,)))
    again = REPLAYS.work_for(begin(by_hand, BY).pk, 60)
    assert (again.done, again.detail["refused"]) == (0, {Refusal.GONE.value: 1})
    assert REPLAYS.work_for(begin(Wanted(REPLAY, chosen()), BY).pk, 60).done == 1


@pytest.mark.django_db(transaction=True)
def test_two_operators_at_once_send_each_letter_once(
    dead: Callable[..., Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "PAGE", 3)
    for _ in range(30):
        dead()
    until = Delivery.objects.database_now()
    started, entries, failed = Barrier(4), [], []
    shared = begin(Wanted(REPLAY, Choice(until, ALL), rate=0), BY)

    def press(entry: AuditEntry | None) -> None:
        try:
            started.wait()
            mine = entry or begin(Wanted(REPLAY, Choice(until, ALL), rate=0), BY)
            entries.append(mine.pk)
            REPLAYS.work_for(mine.pk, 60)
        except Exception as error:  # noqa: BLE001
            failed.append(error)
        finally:
            connection.close()

    threads = [Thread(target=press, args=[entry]) for entry in (shared, shared, None, None)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    while left := REPLAYS.unfinished():
        REPLAYS.work_for(left[0].pk, 60)
    assert set(Delivery.objects.values_list("state", "generation")) == {(State.PENDING, 1)}
    assert sum(AuditEntry.objects.filter(pk__in=entries).values_list("done", flat=True)) == 30
    assert DeliveryEvent.objects.filter(detail__startswith="replayed").count() == 30


def test_a_letter_that_may_have_gone_out_is_marked_when_it_is_sent_again(
    sandbox: Any, person: Callable[..., Any]
) -> None:
    row = kill(notify(person(), "order-shipped", DATA).deliveries.get(), Reason.HELD, "", maybe_sent=True)
    sure = kill(notify(person(), "order-shipped", DATA).deliveries.get())
    run(rate=0)
    work(Channel.EMAIL)
    for item, marked in ((row, True), (sure, False)):
        item.refresh_from_db()
        assert item.state in (State.SENT, State.DELIVERED)
        assert item.possible_duplicate is marked
