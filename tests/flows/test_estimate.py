"""An estimate counts whom a broadcast means and asks a sample the rules of planning; nothing is stored."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.db.models import QuerySet

from notifications import audience
from notifications.declarations import registry
from notifications.exceptions import InvalidData, UnknownTemplate
from notifications.flows import estimate as flow
from notifications.flows.estimate import Estimate, Forecast, count_members, estimate, rounded
from notifications.flows.launch import BroadcastRequest
from notifications.models import Broadcast, Delivery, Notification, Preference
from project.shop.models import Follow
from tests.api.conftest import make_caller

pytestmark = pytest.mark.django_db
EVERYBODY = BroadcastRequest("new-post", {"all": True}, {"title": "Bells"})
RULES = {"push": Forecast(6, {"no_address": 2, "preference": 1})}


@pytest.fixture
def people(person: Callable[..., User]) -> list[User]:
    """Nine people: two without a device, one who opted out."""
    found = [person(f"token-estimate-{n:04d}") for n in range(7)] + [person() for _ in range(2)]
    Preference.objects.create(recipient=f"u:{found[0].pk}", categories={"news": {"push": False}})
    Follow.objects.bulk_create([Follow(user=user, author_id=author) for user in found[:2] for author in (7, 7)])
    return found


def test_everybody_is_counted_and_judged(people: list[User]) -> None:
    assert estimate(EVERYBODY) == Estimate(9, exact=True, sampled=9, channels=RULES)
    assert not Notification.objects.exists()
    assert not Delivery.objects.exists()
    assert not Broadcast.objects.exists()


def test_joins_and_exclusions_count_people(people: list[User]) -> None:
    followers = {"name": "followers", "params": {"author_id": 7}}
    assert count_members(followers).members == 2
    assert count_members({"all": True}, followers).members == 7
    listed = {"users": [user.pk for user in people]}
    assert count_members(listed, {"users": [people[0].pk]}).members == 8
    assert count_members(followers, {"users": [people[0].pk]}).members == 1
    assert count_members(followers, {"all": True}).members == 0
    some = estimate(BroadcastRequest("new-post", {"all": True}, {"title": "x"}, {"users": [people[0].pk, 0]}))
    assert some == Estimate(8, exact=True, sampled=8, channels={"push": Forecast(6, {"no_address": 2})})
    nobody = estimate(BroadcastRequest("new-post", followers, {"title": "x"}, {"all": True}))
    assert nobody == Estimate(0, exact=True)


def test_a_sample_stands_for_the_rest(people: list[User], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "SAMPLE", 3)
    found = estimate(EVERYBODY)
    assert (found.members, found.sampled) == (9, 3)
    push = found.channels["push"]
    assert push.deliveries + sum(push.skipped.values()) == 9
    assert estimate(EVERYBODY) == found
    assert [rounded(number) for number in (0, 7, 99, 1_234_567, 1_250_001)] == [0, 7, 99, 1_200_000, 1_300_000]


def test_what_takes_too_long_is_told_as_expected(people: list[User]) -> None:
    @audience
    def slow() -> QuerySet[User]:
        return User.objects.extra(where=["pg_sleep(0.2) IS NOT NULL"])

    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        before = cursor.fetchone()
    try:
        found = estimate(BroadcastRequest("new-post", {"name": "slow"}, {"title": "x"}), seconds=0.1)
    finally:
        del registry.audiences["slow"]
    assert not found.exact
    assert found.told().startswith("about ")
    assert found.sampled == 0
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == before


def test_a_database_that_is_away_is_no_estimate(people: list[User], monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> int:
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(flow, "_count_one", away)
    with pytest.raises(OperationalError):
        estimate(EVERYBODY)


def test_what_cannot_be_launched_cannot_be_estimated(db: None) -> None:
    with pytest.raises(InvalidData):
        estimate(BroadcastRequest("new-post", {"all": True}))
    with pytest.raises(UnknownTemplate):
        estimate(BroadcastRequest("new-pots", {"all": True}))


def test_over_http(people: list[User]) -> None:
    call = make_caller()
    body = {"audience": {"all": True}, "template": "new-post", "data": {"title": "Bells"}}
    answer = call("POST", "broadcasts/estimate/", body)
    assert answer.status_code == 200, answer.content
    assert answer.json() == {
        "members": 9,
        "exact": True,
        "sampled": 9,
        "channels": {"push": {"deliveries": 6, "skipped": {"no_address": 2, "preference": 1}}},
    }
    wrong = call(
        "POST", "broadcasts/estimate/", {**body, "audience": {"name": "followers", "params": {"author_id": "7"}}}
    )
    assert wrong.status_code == 400
    assert wrong.json()["errors"][0]["pointer"] == "/audience/params/author_id"
    assert not Broadcast.objects.exists()
    assert call("GET", "broadcasts/estimate/").status_code == 405


def test_the_command(people: list[User], capsys: pytest.CaptureFixture[str]) -> None:
    call_command("carillon", "audience", "followers", "author_id=7")
    assert capsys.readouterr().out.split() == ["people", "2"]
    everybody = ['{"all": true}', "--template", "new-post", "--data", '{"title": "x"}']
    call_command("carillon", "audience", *everybody, "--exclude", '{"users": ["0"]}')
    assert capsys.readouterr().out.split("\n")[:3] == [
        "people      9",
        "push        6 deliveries",
        "            2 not: no_address",
    ]
    for wrong in (["followers", "author_id"], ["followers", "author_id=x"], ["{"], ["followerz"]):
        with pytest.raises(CommandError):
            call_command("carillon", "audience", *wrong)
