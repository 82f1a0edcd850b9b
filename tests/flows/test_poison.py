"""One member who cannot be planned costs nobody else the message, and nobody is passed over in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection
from django.db.models import Case, CharField, F, FloatField, QuerySet, Value, When
from django.db.models.functions import Cast, Concat
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import audience, broadcast, conf
from notifications.declarations import registry
from notifications.exceptions import WrongStatus
from notifications.flows import plan as planning
from notifications.flows.broadcast import plan_page
from notifications.flows.control import cancel_broadcast, resume
from notifications.flows.erase import erase
from notifications.flows.estimate import Forecast, estimate
from notifications.flows.export import export
from notifications.flows.launch import BroadcastRequest
from notifications.flows.left_out import Again, errors_of, plan_left_out
from notifications.models import Alert, Broadcast, Delivery, LeftOut
from notifications.rules import ramp
from notifications.sandbox.process import SandboxProcess
from tests.live import work

pytestmark = pytest.mark.django_db
BAD = "bad"


@pytest.fixture
def greeted() -> Iterator[Callable[[], object]]:
    """Everybody with a title made in the database; making it fails for those whose first name is a word."""

    @audience
    def greeted() -> QuerySet[User]:
        worth = Case(When(first_name="", then=Value(1.0)), default=Cast("first_name", FloatField()))
        return User.objects.annotate(worth=worth, title=Concat(Value("For "), F("username"), output_field=CharField()))

    yield greeted
    del registry.audiences["greeted"]


def crowd(person: Callable[..., User], count: int, bad: set[int]) -> list[User]:
    """Make people with a device, of whom some cannot be read."""
    people = [person(f"token-poison-{number:04d}") for number in range(count)]
    User.objects.filter(pk__in=[people[number].pk for number in bad]).update(first_name=BAD)
    return people


def plan_all(made: Broadcast) -> Broadcast:
    """Plan every page, and those that failed once more at once."""
    for _ in range(50):
        Broadcast.objects.filter(pk=made.pk).update(retry_at=None)
        plan_page(made.pk)
        made.refresh_from_db()
        if made.status != "planning":
            break
    return made


@pytest.mark.parametrize("bad", [{0}, {6}, {2, 3}, {0, 4, 6}], ids=str)
def test_only_those_at_fault_are_left_out(
    person: Callable[..., User], greeted: Callable[[], object], monkeypatch: pytest.MonkeyPatch, bad: set[int]
) -> None:
    monkeypatch.setattr(conf, "PAGE_SIZE", 4)
    people = crowd(person, 7, bad)
    made = plan_all(broadcast("new-post", greeted()))
    assert (made.status, made.members, made.planned, made.problems) == ("sending", 7, 7 - len(bad), len(bad))
    left_out = {f"u:{people[number].pk}" for number in bad}
    assert set(LeftOut.objects.values_list("recipient", flat=True)) == left_out
    assert errors_of(made) == {"DataError": len(bad)}
    planned = Counter(Delivery.objects.values_list("recipient", flat=True))
    assert planned == {f"u:{user.pk}": 1 for user in people if f"u:{user.pk}" not in left_out}
    alert = Alert.objects.get(kind="broadcast_left_out")
    assert f"{len(bad)} could not be planned" in alert.detail
    assert BAD not in alert.detail


def test_those_left_out_are_sent_to_once_it_is_mended(
    sandbox: SandboxProcess, person: Callable[..., User], greeted: Callable[[], object]
) -> None:
    people = crowd(person, 5, {1, 3})
    made = plan_all(broadcast("new-post", greeted()))
    work()
    User.objects.filter(pk=people[1].pk).update(first_name="")
    assert plan_left_out(made.pk) == Again(planned=1, left_out=1)
    made.refresh_from_db()
    assert (made.planned, made.problems) == (4, 1)
    people[3].delete()
    assert plan_left_out(made.pk) == Again(gone=1)
    work()
    made.refresh_from_db()
    assert (made.problems, LeftOut.objects.count()) == (0, 0)
    assert Counter(Delivery.objects.values_list("state", flat=True)) == {"sent": 4}
    assert plan_left_out(made.pk) == Again()


def test_each_call_reaches_others_than_the_one_before(
    person: Callable[..., User], greeted: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    people = crowd(person, 9, {1, 3, 5})
    made = plan_all(broadcast("new-post", greeted()))
    User.objects.filter(pk=people[5].pk).update(first_name="")
    monkeypatch.setattr(conf, "PAGE_SIZE", 1)
    fails, works = Again(left_out=1), Again(planned=1)
    assert [plan_left_out(made.pk) for _ in range(4)] == [fails, fails, works, fails]
    left = LeftOut.objects.order_by("at").values_list("recipient", flat=True)
    assert list(left) == [f"u:{people[3].pk}", f"u:{people[1].pk}"]


def test_those_that_fail_again_are_noted_in_one_statement(
    person: Callable[..., User], greeted: Callable[[], object]
) -> None:
    crowd(person, 9, {1, 3, 5})
    made = plan_all(broadcast("new-post", greeted()))
    LeftOut.objects.update(error="Before")
    with CaptureQueriesContext(connection) as seen:
        assert plan_left_out(made.pk) == Again(left_out=3)
    assert sum(query["sql"].startswith('UPDATE "carillon_leftout"') for query in seen) == 1
    assert errors_of(made) == {"DataError": 3}


def test_a_rate_holds_for_those_left_out_too(
    person: Callable[..., User], greeted: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd(person, 8, {1, 2, 3, 4, 5})
    made = plan_all(broadcast("new-post", greeted(), rate=2))
    monkeypatch.setattr(ramp, "AHEAD", timedelta(seconds=1))
    assert made.problems == 5
    User.objects.update(first_name="")
    begin = timezone.now() + timedelta(hours=1)
    Broadcast.objects.update(paced_from=begin)
    planned = list(Delivery.objects.values_list("pk", flat=True))
    assert [plan_left_out(made.pk) for _ in range(3)] == [Again(planned=2), Again(planned=2), Again(planned=1)]
    due = Delivery.objects.exclude(pk__in=planned).order_by("due_at").values_list("due_at", flat=True)
    # Behind the eight that were planned or left out in four seconds.
    assert [(at - begin).total_seconds() for at in due] == [4, 4, 5, 5, 6]


def test_of_what_is_cancelled_nobody_is_planned_again(
    person: Callable[..., User], greeted: Callable[[], object]
) -> None:
    crowd(person, 5, {1})
    made = plan_all(broadcast("new-post", greeted()))
    cancel_broadcast(made.pk)
    with pytest.raises(WrongStatus, match="cancelled"):
        plan_left_out(made.pk)


@pytest.mark.parametrize("count", [3, 12])
def test_where_all_fail_nobody_is_passed_over(
    person: Callable[..., User], greeted: Callable[[], object], count: int
) -> None:
    people = crowd(person, count, set(range(count)))
    made = plan_all(broadcast("new-post", greeted()))
    assert (made.status, made.members, made.cursor, made.problems) == ("stopped", 0, "", 0)
    assert made.stopped_for == "its next page failed 5 times with DataError"
    assert "resume" in Alert.objects.get(kind="broadcast_stopped").detail
    User.objects.filter(pk__in=[user.pk for user in people]).update(first_name="")
    resume(made.pk)
    made = plan_all(made)
    assert (made.status, made.planned, made.failures, made.stopped_for) == ("sending", count, 0, "")


def test_a_last_page_of_nobody_else_is_judged_by_its_neighbours(
    person: Callable[..., User], greeted: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conf, "PAGE_SIZE", 1)
    crowd(person, 3, {0, 2})
    made = plan_all(broadcast("new-post", greeted()))
    assert (made.status, made.planned, made.problems) == ("sending", 1, 2)


def test_an_audience_that_raises_is_tried_again_and_then_stops_the_broadcast(person: Callable[..., User]) -> None:
    broken = False

    @audience
    def moody() -> QuerySet[User]:
        if broken:
            raise LookupError("ada@example.com")
        return User.objects.all()

    try:
        crowd(person, 3, set())
        made = broadcast("new-post", moody(), {"title": "Bells"})
        broken = True
        assert not plan_page(made.pk)
        made.refresh_from_db()
        assert (made.status, made.failures) == ("planning", 1)
        assert made.retry_at is not None
        assert not plan_page(made.pk)  # not before its time
        made.refresh_from_db()
        assert made.failures == 1
        made = plan_all(made)
        assert made.status == "stopped"
        assert "ada@" not in Alert.objects.get(kind="broadcast_stopped").detail
        broken = False
        resume(made.pk)
        assert plan_all(made).planned == 3
    finally:
        del registry.audiences["moody"]


def test_what_a_stopped_broadcast_planned_waits_and_goes_on(
    sandbox: SandboxProcess, person: Callable[..., User], greeted: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conf, "PAGE_SIZE", 2)
    people = crowd(person, 14, set(range(2, 14)))
    made = broadcast("new-post", greeted())
    assert plan_page(made.pk)
    monkeypatch.setattr(conf, "PAGE_SIZE", 100)
    made = plan_all(made)
    assert (made.status, made.planned) == ("stopped", 2)
    work()
    assert Counter(Delivery.objects.values_list("state", "reason")) == {("pending", "paused"): 2}
    User.objects.filter(pk__in=[user.pk for user in people]).update(first_name="")
    resume(made.pk)
    plan_all(made)
    work()
    assert Counter(Delivery.objects.values_list("state", flat=True)) == {"sent": 14}


def test_who_was_left_out_is_exported_and_erased(person: Callable[..., User], greeted: Callable[[], object]) -> None:
    people = crowd(person, 5, {1})
    plan_all(broadcast("new-post", greeted()))
    recipient = f"u:{people[1].pk}"
    assert export(recipient)["left_out"][0]["error"] == "DataError"
    assert erase(recipient, actor="test")["left_out"] == 1
    assert not LeftOut.objects.exists()


def test_where_nobody_can_be_written_a_small_page_stops_it_too(
    person: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise IntegrityError("a trigger of the host")

    monkeypatch.setattr(planning, "insert", refuse)
    crowd(person, 12, set())
    made = plan_all(broadcast("new-post", {"all": True}, {"title": "Bells"}, rate=5))
    assert (made.status, made.problems, made.members) == ("stopped", 0, 0)


def test_an_estimate_counts_those_who_cannot_be_planned(
    person: Callable[..., User], greeted: Callable[[], object]
) -> None:
    crowd(person, 5, {2})
    found = estimate(BroadcastRequest("new-post", {"name": "greeted"}))
    assert (found.members, found.sampled) == (5, 5)
    assert found.channels == {"push": Forecast(4, {"left_out": 1})}
