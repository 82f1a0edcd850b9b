"""Whom an audience means: every form by pages, with every form excluded, each person once."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import Enum
from typing import Any, Literal
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import CharField, Count, F, QuerySet, Value, Window
from django.db.models.functions import Rank, Upper
from django.test.utils import CaptureQueriesContext

from notifications import audience, broadcast, conf
from notifications.declarations import AudienceReference, registry
from notifications.enums import State
from notifications.exceptions import ConfigurationError, InvalidData
from notifications.flows.audience_pages import next_page
from notifications.flows.audiences import as_stored, excluding, members
from notifications.flows.broadcast import plan_page
from notifications.flows.erase import erase
from notifications.models import Broadcast, Delivery, Topic, TopicSubscription
from project.shop.models import Follow
from tests.flows.test_broadcasts import POST, plan_all

pytestmark = pytest.mark.django_db


@pytest.fixture
def people(person: Callable[..., User], monkeypatch: pytest.MonkeyPatch) -> list[User]:
    """Nine people with a device each, in pages of two; the first five on a topic, three of them followers."""
    monkeypatch.setattr(conf, "PAGE_SIZE", 2)
    found = [person(f"token-audience-{n:04d}") for n in range(9)]
    topic = Topic.objects.create(slug="news")
    TopicSubscription.objects.bulk_create([TopicSubscription(topic=topic, user=user) for user in found[:5]])
    # Each of them twice: a join repeats them.
    Follow.objects.bulk_create([Follow(user=user, author_id=author) for user in found[2:5] for author in (7, 8)])
    return found


@pytest.fixture
def declared() -> Iterator[None]:
    """Forget audiences that a test declares."""
    before = dict(registry.audiences)
    yield
    registry.audiences.clear()
    registry.audiences.update(before)


def reached(users: list[User]) -> dict[str, object]:
    """Return the audience of an earlier broadcast that reached these users, and only tried others."""
    earlier = plan_all(broadcast("new-post", {"users": [user.pk for user in User.objects.all()]}, POST))
    rows = Delivery.objects.filter(notification_id=earlier.notification_id)
    rows.update(state=State.FAILED)
    rows.filter(recipient__in=[f"u:{user.pk}" for user in users]).update(state=State.DELIVERED)
    return {"broadcast": str(earlier.pk), "state": "sent"}


def paged(wanted: Any, exclude: Any = None, size: int = 2) -> list[object]:
    """Return the keys on all pages, in order."""
    wanted, exclude = as_stored(wanted), None if exclude is None else as_stored(exclude)
    found: list[object] = []
    cursor, complete = "", False
    while not complete:
        page = next_page(wanted, exclude, cursor, size)
        assert page.complete or page.cursor != cursor
        found += [row["pk"] for row in page.rows]
        cursor, complete = page.cursor, page.complete
    return found


def forms(people: list[User]) -> dict[str, Any]:
    """Return each form of an audience; all but the first mean the third to the fifth of nine."""

    @audience
    def of_anybody(authors: list[int]) -> QuerySet[User]:
        return User.objects.filter(follows__author_id__in=authors).select_related("profile").order_by("-username")

    other = Topic.objects.get_or_create(slug="three")[0]
    TopicSubscription.objects.bulk_create(
        [TopicSubscription(topic=other, user=user) for user in people[2:5]], ignore_conflicts=True
    )
    return {
        "all": {"all": True},
        "topic": {"topic": "three"},
        "users": {"users": [*(str(user.pk) for user in people[2:5]), people[2].pk]},
        "broadcast": reached(people[2:5]),
        "name": {"name": "of_anybody", "params": {"authors": [7, 8]}},
    }


FORMS = ["all", "topic", "users", "broadcast", "name"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("exclude", [None, *FORMS])
def test_every_form_without_every_form(people: list[User], declared: None, form: str, exclude: str | None) -> None:
    of = forms(people)
    everybody, three = {user.pk for user in people}, {user.pk for user in people[2:5]}
    wanted = everybody if form == "all" else three
    left = wanted - (set() if exclude is None else everybody if exclude == "all" else three)
    found = paged(of[form], of[exclude] if exclude else None)
    assert len(found) == len(set(found))
    assert set(found) == left
    queryset = excluding(members(as_stored(of[form])), as_stored(of[exclude]) if exclude else None)
    assert set(queryset.values_list("pk", flat=True)) == left


def test_whom_a_broadcast_reached_stays_in_the_database(people: list[User]) -> None:
    earlier = as_stored(reached(people[:4]))
    with CaptureQueriesContext(
        connection,
    ) as seen:
        next_page(earlier, None, "", 2)
    # The broadcast, a page of recipients and their users; however many there are, two are read.
    assert len(seen) == 3
    assert "LIMIT 2" in seen.captured_queries[1]["sql"]
    assert broadcast("new-post", earlier, POST)


def test_who_was_erased_from_a_list_moves_nobody(people: list[User]) -> None:
    made = broadcast("new-post", {"users": [user.pk for user in people]}, POST)
    assert plan_page(made.pk)
    planned = set(Delivery.objects.values_list("recipient", flat=True))
    gone = next(user for user in people if f"u:{user.pk}" in planned)
    erase(f"u:{gone.pk}", actor="test")
    made = plan_all(made)
    assert made.members == len(people)
    assert set(Delivery.objects.values_list("recipient", flat=True)) == {
        f"u:{user.pk}" for user in people if user != gone
    }


def test_a_page_of_a_long_list_asks_about_its_own_people(people: list[User]) -> None:
    wanted = as_stored({"users": [*(user.pk for user in people), *range(10_000_000, 10_050_000)]})
    with CaptureQueriesContext(connection) as seen:
        next_page(wanted, wanted, "", 3)
    assert len(seen) == 1
    assert len(seen.captured_queries[0]["sql"]) < 3_000


def test_a_list_is_planned_once_however_its_values_are_spelled(people: list[User]) -> None:
    key = people[0].pk
    made = plan_all(broadcast("new-post", {"users": [key, str(key), f"0{key}", f" {key}"]}, POST))
    assert made.members == 1


def test_pages_of_grouped_distinct_and_aliased_querysets(people: list[User], declared: None) -> None:
    @audience
    def grouped() -> QuerySet[User]:
        return User.objects.annotate(number=Count("follows")).filter(number__gte=2)

    @audience
    def distinct() -> QuerySet[User]:
        return User.objects.filter(follows__author_id__gt=0).distinct().only("username").prefetch_related("follows")

    @audience
    def aliased() -> QuerySet[User]:
        return User.objects.alias(number=Count("follows")).filter(number__gte=2)

    @audience
    def nobody() -> QuerySet[User]:
        return User.objects.none()

    three = [user.pk for user in people[2:5]]
    for reference in (grouped(), distinct(), aliased()):
        assert paged({"name": reference.name, "params": {}}) == three
        assert paged({"all": True}, {"name": reference.name}) == [user.pk for user in people if user.pk not in three]
        assert plan_all(broadcast("new-post", reference, POST)).members == 3
    assert plan_all(broadcast("new-post", nobody(), POST)).members == 0


@pytest.mark.parametrize(
    "made",
    [
        lambda: User.objects.all()[:5],
        lambda: User.objects.all().union(User.objects.all()),
        lambda: User.objects.distinct("username").order_by("username"),
        lambda: User.objects.using("replica"),
        lambda: User.objects.values("pk"),
        lambda: User.objects.values_list("pk", flat=True),
        lambda: User.objects.raw("SELECT * FROM auth_user"),
        User.objects.select_for_update,
        lambda: User.objects.annotate(title=Window(Rank(), order_by="pk")),
        Follow.objects.all,
        lambda: User.objects,
        lambda: [1, 2],
        lambda: None,
        lambda: 1 / 0,
    ],
)
def test_what_cannot_be_paged_is_refused(people: list[User], declared: None, made: Callable[[], Any]) -> None:
    @audience
    def odd() -> Any:
        return made()

    with pytest.raises(InvalidData):
        broadcast("new-post", odd(), POST)
    with pytest.raises(InvalidData):
        broadcast("new-post", {"all": True}, POST, exclude={"name": "odd"})
    assert not Broadcast.objects.exists()


def test_each_recipients_own_variables(people: list[User], declared: None) -> None:
    User.objects.filter(pk=people[0].pk).update(last_login=None)
    moment = dt.datetime(2027, 1, 31, 9, tzinfo=dt.UTC)
    User.objects.exclude(pk=people[0].pk).update(last_login=moment)

    @audience
    def seen() -> QuerySet[User]:
        return User.objects.annotate(title=F("last_login"))

    made = plan_all(broadcast("new-post", seen()))
    assert made.members == 9
    own = dict(Delivery.objects.values_list("recipient", "data"))
    assert own.pop(f"u:{people[0].pk}") is None
    assert list(own.values()) == [{"title": moment.isoformat()}] * 8
    lacking = Delivery.objects.get(recipient=f"u:{people[0].pk}")
    assert (lacking.state, lacking.reason) == (State.SKIPPED, "no_variable")


def test_an_annotation_of_another_type_is_refused_at_launch(people: list[User], declared: None) -> None:
    @audience
    def counted() -> QuerySet[User]:
        return User.objects.annotate(title=Count("follows"))

    @audience
    def named() -> QuerySet[User]:
        return User.objects.annotate(title=Upper("username"), other=Value("x", output_field=CharField()))

    with pytest.raises(InvalidData) as caught:
        broadcast("new-post", counted())
    assert [problem.pointer for problem in caught.value.problems] == ["/data/title"]
    assert broadcast("new-post", counted(), POST)
    assert broadcast("new-post", named())


class Colour(Enum):
    RED = "red"
    BLUE = 2


VALUES: list[tuple[Any, object, object]] = [
    (int, 7, 7),
    (int | None, None, None),
    (str, "x", "x"),
    (bool, True, True),
    (float, 3, 3.0),
    (UUID, "01980000-0000-7000-8000-000000000000", UUID("01980000-0000-7000-8000-000000000000")),
    (dt.date, "2027-01-31", dt.date(2027, 1, 31)),
    (dt.datetime, "2027-01-31T09:00:00+00:00", dt.datetime(2027, 1, 31, 9, tzinfo=dt.UTC)),
    (Decimal, "12.50", Decimal("12.50")),
    (list[int], [1, 2], [1, 2]),
    (set[UUID], ["01980000-0000-7000-8000-000000000000"], {UUID("01980000-0000-7000-8000-000000000000")}),
    (tuple[int, str], [1, "a"], (1, "a")),
    (Literal["a", 1], 1, 1),
    (Colour, "red", Colour.RED),
    (Colour, 2, Colour.BLUE),
    (UUID | str, "not a key", "not a key"),
    (dict, {"a": [1]}, {"a": [1]}),
]
MISFITS: list[tuple[Any, object, str]] = [
    (int, "7", "/value"),
    (int, True, "/value"),
    (int, 7.0, "/value"),
    (int, None, "/value"),
    (str, 7, "/value"),
    (str, "nul\x00", "/value"),
    (bool, 1, "/value"),
    (UUID, "7", "/value"),
    (dt.date, "31.1.2027", "/value"),
    (dt.datetime, "2027-01-31T09:00:00", "/value"),
    (Decimal, 1.5, "/value"),
    (Decimal, "NaN", "/value"),
    (Decimal, "9" * 100, "/value"),
    (list[int], [1, "x"], "/value/1"),
    (list[int], "12", "/value"),
    (list[list[int]], [[1], [2, None]], "/value/1/1"),
    (tuple[int, str], [1], "/value"),
    (Literal["a", 1], True, "/value"),
    (Colour, "green", "/value"),
    (Colour, {}, "/value"),
    (int | None, "x", "/value"),
    (list[int] | None, ["x"], "/value/0"),
    (dict, [], "/value"),
]


@pytest.mark.parametrize(("kind", "value", "expected"), VALUES)
def test_parameters_come_back_as_their_types(declared: None, kind: Any, value: object, expected: object) -> None:
    given: list[object] = []
    reference = _declare(kind, given)
    made = broadcast("new-post", {"name": "typed", "params": {"value": value}}, POST)
    made.refresh_from_db()
    plan_page(made.pk)
    again = broadcast("new-post", reference(value=expected), POST)
    assert again.audience == made.audience == {"name": "typed", "params": {"value": value}}
    assert given
    assert {(type(item), repr(item)) for item in given} == {(type(expected), repr(expected))}


@pytest.mark.parametrize(("kind", "value", "pointer"), MISFITS)
def test_parameters_that_do_not_fit_say_where(declared: None, kind: Any, value: object, pointer: str) -> None:
    _declare(kind, [])
    with pytest.raises(InvalidData) as caught:
        broadcast("new-post", {"name": "typed", "params": {"value": value}}, POST)
    (problem,) = caught.value.problems
    assert (problem.pointer, problem.code) == (f"/audience/params{pointer}", "wrong_params")
    assert "must be" in problem.detail or "must have" in problem.detail


def test_a_user_is_no_parameter(people: list[User], declared: None) -> None:
    reference = _declare(User, [])
    with pytest.raises(InvalidData, match="parameters do not fit"):
        broadcast("new-post", reference(value=people[0]), POST)


def test_parameters_need_names() -> None:
    with contextlib.suppress(KeyError), pytest.raises(ConfigurationError, match="given by name"):

        @audience
        def nameless(*authors: int) -> QuerySet[User]:
            return User.objects.filter(follows__author_id__in=authors)


def _declare(kind: Any, given: list[object]) -> Callable[..., AudienceReference]:
    def typed(value: Any) -> QuerySet[User]:
        given.append(value)
        return User.objects.none()

    typed.__annotations__["value"] = kind
    return audience(typed)
