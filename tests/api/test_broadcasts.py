"""One call notifies an audience; it can be watched, paused, resumed and cancelled."""

from __future__ import annotations

import uuid
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifications.enums import BroadcastStatus, Channel, Reason, Source, State
from notifications.flows import newer_words
from notifications.flows.broadcast import plan_page
from notifications.flows.control import unpark
from notifications.flows.declare import publish
from notifications.flows.left_out import keep_left_out
from notifications.flows.record import record
from notifications.flows.status import deliveries_of
from notifications.models import Broadcast, Delivery, Preference, RefusedRequest, Template, Topic
from notifications.models.delivery_queries import standing_of
from notifications.rules.standing import Change
from notifications.rules.transitions import parked
from tests.api.conftest import API, Caller
from tests.came_to import came_to

COUNTS = {
    "members",
    "planned",
    "waiting",
    "sent",
    "delivered",
    "skipped",
    "failed",
    "dead",
    "cancelled",
    "expired",
    "digested",
    "uncertain",
}
OUTCOME = {"template": "new-post", "per_second": None, "counts": dict.fromkeys(COUNTS, 0)}


def body(users: Any, **more: Any) -> dict[str, Any]:
    audience = {"users": [str(user.pk) for user in users]}
    return {"audience": audience, "template": "new-post", "data": {"title": "Bells"}, **more}


def start(call: Caller, users: Any, key: str = "b1", **more: Any) -> Any:
    answer = call("POST", "broadcasts/", body(users, **more), Idempotency_Key=key)
    assert answer.status_code == 202, answer.content
    return answer


def names_people(queries: Any) -> list[str]:
    """Return the statements that read whom broadcasts are for, which may be 100,000 by name."""
    return [item["sql"] for item in queries if '"audience"' in item["sql"] or '"exclude"' in item["sql"]]


@pytest.fixture
def crowd(call: Caller, person: Any) -> list[Any]:
    """Three people with a device each."""
    users = [person() for _ in range(3)]
    for user in users:
        call("POST", f"users/{user.pk}/devices/", {"platform": "android", "address": f"token-{user.pk}"})
    return users


def test_post_answers_at_once(call: Caller, crowd: Any) -> None:
    answer = start(call, crowd)
    made = answer.json()
    assert answer["Location"] == f"{API}/broadcasts/{made['id']}/"
    assert made["status"] == "planning"
    assert set(made["counts"]) == COUNTS
    assert not any(made["counts"].values())
    assert made["per_second"] is None
    assert made["eta"] is None


def test_the_same_request_again(call: Caller, crowd: Any) -> None:
    first, again = start(call, crowd), start(call, crowd)
    assert again.json() == first.json()
    assert again["Idempotent-Replayed"] == "true"
    other = call("POST", "broadcasts/", body(crowd, rate=5), Idempotency_Key="b1")
    assert other.status_code == 422
    assert Broadcast.objects.count() == 1


def test_counts_and_deliveries(call: Caller, crowd: Any, django_assert_num_queries: Any) -> None:
    made = start(call, crowd).json()
    plan_page(UUID(made["id"]))
    with django_assert_num_queries(4) as queries:
        seen = call("GET", f"broadcasts/{made['id']}/").json()
    assert not names_people(queries)
    assert seen["status"] == "sending"
    assert seen["counts"]["members"] == seen["counts"]["planned"] == seen["counts"]["waiting"] == 3
    with django_assert_num_queries(3):
        rows = call("GET", f"broadcasts/{made['id']}/deliveries/?state=pending&limit=2").json()
    assert len(rows["results"]) == 2
    assert len(call("GET", rows["next"]).json()["results"]) == 1


def test_counts_are_cumulative(call: Caller, crowd: Any) -> None:
    made = start(call, crowd).json()
    plan_page(UUID(made["id"]))
    rows = Delivery.objects.order_by("pk")
    for row, state in zip(rows, (State.SENT, State.CLICKED, State.DEAD), strict=True):
        came_to(row, state)
    counts = call("GET", f"broadcasts/{made['id']}/").json()["counts"]
    assert (counts["sent"], counts["delivered"], counts["dead"], counts["waiting"]) == (2, 1, 1, 0)


def test_the_list_counts_in_one_statement(call: Caller, crowd: Any, django_assert_num_queries: Any) -> None:
    made = [start(call, crowd, key=f"b{number}").json()["id"] for number in range(3)]
    for key in made:
        plan_page(UUID(key))
    with django_assert_num_queries(4) as queries:
        answer = call("GET", "broadcasts/").json()
    assert not names_people(queries)
    assert [row["id"] for row in answer["results"]] == made[::-1]
    assert [row["counts"]["waiting"] for row in answer["results"]] == [3, 3, 3]
    assert {row["template"] for row in answer["results"]} == {"new-post"}


def test_a_draft_waits_for_its_launch(call: Caller, crowd: Any) -> None:
    made = start(call, crowd, draft=True).json()
    assert made["status"] == "draft"
    plan_page(UUID(made["id"]))
    assert not Delivery.objects.exists()
    assert call("POST", f"broadcasts/{made['id']}/launch/").json()["status"] == "planning"
    plan_page(UUID(made["id"]))
    assert Delivery.objects.count() == 3
    again = call("POST", f"broadcasts/{made['id']}/launch/")
    assert again.status_code == 409
    assert again.json()["type"].endswith("/problems/wrong-status/")


def test_a_draft_for_later_is_scheduled(call: Caller, crowd: Any) -> None:
    made = start(call, crowd, draft=True, send_at="2199-01-01T00:00:00Z").json()
    assert call("POST", f"broadcasts/{made['id']}/launch/").json()["status"] == "scheduled"


def test_pause_and_resume(call: Caller, crowd: Any) -> None:
    made = start(call, crowd).json()
    assert call("POST", f"broadcasts/{made['id']}/pause/").json()["status"] == "paused"
    plan_page(UUID(made["id"]))
    assert not Delivery.objects.exists()
    assert call("POST", f"broadcasts/{made['id']}/pause/").status_code == 200
    assert call("POST", f"broadcasts/{made['id']}/resume/").json()["status"] == "planning"
    plan_page(UUID(made["id"]))
    assert Delivery.objects.count() == 3
    assert call("POST", f"broadcasts/{made['id']}/resume/").status_code == 409


def test_resume_unparks_what_a_pause_parked(call: Caller, crowd: Any) -> None:
    made = start(call, crowd).json()
    plan_page(UUID(made["id"]))
    call("POST", f"broadcasts/{made['id']}/pause/")
    rows = list(Delivery.objects.all())
    later = rows[0].due_at.replace(year=rows[0].due_at.year + 1)
    record(Change(row.pk, standing_of(row), parked(standing_of(row), Reason.PAUSED, later)) for row in rows)
    assert call("POST", f"broadcasts/{made['id']}/resume/").json()["status"] == "sending"
    assert not Delivery.objects.filter(reason=Reason.PAUSED).exists()
    assert not Delivery.objects.filter(due_at=later).exists()
    assert unpark(Broadcast.objects.get()) == 0


def test_cancel(call: Caller, crowd: Any) -> None:
    made = start(call, crowd).json()
    plan_page(UUID(made["id"]))
    seen = call("POST", f"broadcasts/{made['id']}/cancel/").json()
    assert seen["status"] == "cancelled"
    assert seen["counts"]["cancelled"] == 3
    assert call("POST", f"broadcasts/{made['id']}/cancel/").status_code == 200
    Broadcast.objects.update(status=BroadcastStatus.DONE)
    assert call("POST", f"broadcasts/{made['id']}/cancel/").json()["status"] == "cancelled"
    Broadcast.objects.update(status=BroadcastStatus.DONE, outcome={"counts": {}})
    assert call("POST", f"broadcasts/{made['id']}/cancel/").status_code == 409


@pytest.mark.parametrize("body", [b"null", b"[]", b"false", b"0", b'""'])
@pytest.mark.parametrize("action", ["pause", "resume", "cancel"])
def test_a_body_that_is_no_object_does_nothing(call: Caller, crowd: Any, action: str, body: bytes) -> None:
    made = start(call, crowd).json()
    assert call("POST", f"broadcasts/{made['id']}/{action}/", body).status_code == 400
    assert Broadcast.objects.get().status == made["status"]


def test_rate_and_eta(call: Caller, crowd: Any) -> None:
    made = start(call, crowd, rate=50).json()
    assert made["per_second"] == 50
    plan_page(UUID(made["id"]))
    first = Delivery.objects.order_by("pk").first()
    assert first is not None
    came_to(first, State.SENT)
    assert call("GET", f"broadcasts/{made['id']}/").json()["eta"] is not None


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"audience": {"topik": "x"}}, "/audience"),
        ({"audience": {"name": "folowers"}}, "/audience/name"),
        ({"audience": {"name": "followers", "params": {"author_id": "x"}}}, "/audience/params/author_id"),
        ({"audience": {"name": "followers", "params": {"authr": 1}}}, "/audience/params"),
        ({"audience": {"users": []}}, "/audience/users"),
        ({"audience": {"users": [{}]}}, "/audience/users"),
        ({"audience": {"users": ["x"]}}, "/audience/users"),
        ({"audience": {"broadcast": "x"}}, "/audience/broadcast"),
        ({"audience": []}, "/audience"),
        ({"exclude": {"x": 1}}, "/exclude"),
        ({"rate": 0}, "/rate"),
        ({"rate": 10**400}, "/rate"),
        ({"draft": "yes"}, "/draft"),
        ({"ttl": True}, "/ttl"),
        ({"data": {}}, "/data/title"),
        ({"template": "login-code", "data": {"code": "1"}}, "/template"),
        ({"send_at": "2027-01-01T00:00:00"}, "/send_at"),
        ({"ramp_up": "yes"}, "/ramp_up"),
        ({"ramp_up": 31}, "/ramp_up"),
        ({"ramp_up": -1}, "/ramp_up"),
        ({"ramp_up": 10**400}, "/ramp_up"),
        ({"audiense": 1}, "/audiense"),
    ],
)
def test_what_is_wrong_is_pointed_at(call: Caller, crowd: Any, change: dict[str, Any], pointer: str) -> None:
    answer = call("POST", "broadcasts/", body(crowd, **change), Idempotency_Key="b1")
    assert answer.status_code == 400, answer.content
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert not Broadcast.objects.exists()
    assert RefusedRequest.objects.count() == 1


@pytest.mark.parametrize("action", ["launch", "pause", "resume", "cancel", "retry"])
def test_a_broadcast_that_is_not_there(call: Caller, action: str) -> None:
    assert call("POST", f"broadcasts/{uuid.uuid4()}/{action}/").status_code == 404


def test_a_broadcast_is_not_among_notifications(call: Caller, crowd: Any) -> None:
    start(call, crowd)
    notification = Broadcast.objects.get().notification_id
    assert call("GET", "notifications/").json()["results"] == []
    assert call("POST", f"notifications/{notification}/cancel/").status_code == 404


@pytest.mark.parametrize(
    "audience", [{"users": ["9" * 40]}, {"name": "followers", "params": {"author_id": 10**30}}, {"topic": "empty"}]
)
def test_an_audience_of_nobody_is_planned_to_its_end(call: Caller, audience: dict[str, Any]) -> None:
    Topic.objects.create(slug="empty")
    made = call("POST", "broadcasts/", {**body([]), "audience": audience}, Idempotency_Key="b1")
    assert made.status_code == 202, made.content
    plan_page(UUID(made.json()["id"]))
    assert call("GET", f"broadcasts/{made.json()['id']}/").json()["status"] == "sending"


def test_a_ramp_is_kept_and_belongs_to_the_request(call: Caller, crowd: Any) -> None:
    start(call, crowd, ramp_up=5)
    assert Broadcast.objects.get().ramp_minutes == 5
    assert call("POST", "broadcasts/", body(crowd), Idempotency_Key="b1").status_code == 422
    start(call, crowd, key="b2", ramp_up=False)
    assert call("POST", "broadcasts/", body(crowd), Idempotency_Key="b2").status_code == 202


def test_who_was_left_out_is_listed_and_tried_again(call: Caller, crowd: Any) -> None:
    made = start(call, crowd).json()
    assert (made["left_out"], made["stopped_for"]) == (0, None)
    plan_page(UUID(made["id"]))
    row = Broadcast.objects.get()
    keep_left_out(row, {crowd[0].pk: "DataError"})
    row.save()
    path = f"broadcasts/{made['id']}/"
    seen = call("GET", path).json()
    assert (seen["left_out"], seen["left_out_for"], seen["versions"]) == (1, {"DataError": 1}, [])
    listed = call("GET", f"{path}left-out/").json()["results"]
    assert [(item["user"], item["error"]) for item in listed] == [(str(crowd[0].pk), "DataError")]
    assert call("GET", f"{path}left-out/?state=x").status_code == 400
    again = call("POST", f"{path}retry/").json()
    assert (again["left_out"], again["counts"]["planned"]) == (0, 3)
    call("POST", f"{path}cancel/")
    assert call("POST", f"{path}retry/").status_code == 409


def test_a_stopped_one_says_why_and_is_resumed(call: Caller, crowd: Any) -> None:
    made = start(call, crowd).json()
    plan_page(UUID(made["id"]))
    Broadcast.objects.update(status="stopped", stopped_for="3 of 4 failed")
    seen = call("GET", f"broadcasts/{made['id']}/").json()
    assert (seen["status"], seen["stopped_for"]) == ("stopped", "3 of 4 failed")
    assert call("POST", f"broadcasts/{made['id']}/pause/").status_code == 409
    again = call("POST", f"broadcasts/{made['id']}/resume/").json()
    assert (again["status"], again["stopped_for"]) == ("sending", None)


@pytest.mark.parametrize(
    ("given", "pointer", "words"),
    [
        ({"version": "latest"}, "/version", "newest"),
        ({"version": 1.5}, "/version", "newest"),
        ({"version": True}, "/version", "newest"),
        ({"version": 0}, "/version", "no such published version; the newest is 1"),
        ({"version": 10**400}, "/version", "no such published version"),
        ({"versions": 1}, "/versions", "did you mean 'version'?"),
        ([1], "", "must be an object"),
    ],
)
def test_a_resume_with_words_that_cannot_be(call: Caller, crowd: Any, given: Any, pointer: str, words: str) -> None:
    made = start(call, crowd).json()
    call("POST", f"broadcasts/{made['id']}/pause/")
    answer = call("POST", f"broadcasts/{made['id']}/resume/", given)
    assert answer.status_code == 400, answer.content
    problem = answer.json()["errors"][0]
    assert problem["pointer"] == pointer
    assert words in problem["detail"]
    assert Broadcast.objects.get().status == "paused"


def test_a_resume_with_newer_words(call: Caller, crowd: Any) -> None:
    made = start(call, crowd).json()
    plan_page(UUID(made["id"]))
    call("POST", f"broadcasts/{made['id']}/pause/")
    template = Template.objects.get(slug="new-post")
    publish(template, {(Channel.PUSH, "en"): {"title": "x", "body": "{{ title }}"}}, Source.CONSOLE)
    seen = call("POST", f"broadcasts/{made['id']}/resume/", {"version": "newest"}).json()
    assert seen["status"] == "sending"
    assert seen["versions"] is None  # counting reads every row: only for who asks


def resumed_with_newer_words(call: Caller, crowd: Any) -> str:
    """Return the path of a broadcast to three, of whom one got the first words and two wait for the second."""
    made = start(call, crowd).json()
    plan_page(UUID(made["id"]))
    came_to(Delivery.objects.order_by("pk")[0], State.SENT)
    call("POST", f"broadcasts/{made['id']}/pause/")
    template = Template.objects.get(slug="new-post")
    publish(template, {(Channel.PUSH, "en"): {"title": "x", "body": "{{ title }}"}}, Source.CONSOLE)
    call("POST", f"broadcasts/{made['id']}/resume/", {"version": "newest"})
    return f"broadcasts/{made['id']}/"


def test_what_went_out_with_which_version_is_counted_for_who_asks(call: Caller, crowd: Any) -> None:
    path = resumed_with_newer_words(call, crowd)
    with CaptureQueriesContext(connection) as seen:
        assert call("GET", path).json()["versions"] is None
        assert call("GET", f"{path}?versions=0").json()["versions"] is None
        assert call("POST", f"{path}pause/").json()["versions"] is None
    assert not [query["sql"] for query in seen if "GROUP BY" in query["sql"] and '"carillon_delivery"' in query["sql"]]
    for asked in ("1", "true"):
        counted = call("GET", f"{path}?versions={asked}").json()["versions"]
        assert counted == [{"version": 1, "sent": 1}, {"version": 2, "sent": 0}]
    assert call("GET", f"{path}?versions=yes").json()["errors"][0]["pointer"] == "/versions"
    assert call("POST", f"{path}resume/?versions=1").status_code == 400
    # What was kept with the outcome costs nothing.
    Broadcast.objects.update(outcome={**OUTCOME, "versions": [{"version": 1, "sent": 3}]})
    assert call("GET", path).json()["versions"] == [{"version": 1, "sent": 3}]


def test_counting_versions_has_an_end(call: Caller, crowd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = resumed_with_newer_words(call, crowd)
    monkeypatch.setattr("notifications.api.broadcasts._COUNTING_MILLISECONDS", 50)
    monkeypatch.setattr(newer_words, "deliveries_of", slow_deliveries)
    answer = call("GET", f"{path}?versions=1")
    assert answer.status_code == 503
    assert answer.json()["type"].endswith("/problems/too-slow/")
    assert answer["Retry-After"] == "60"
    assert call("GET", path).status_code == 200


def slow_deliveries(notification: UUID) -> Any:
    """Return a broadcast's deliveries as a database at its limits finds them."""
    return deliveries_of(notification).extra(where=["(SELECT pg_sleep(5)) IS NOT NULL"])


def test_the_others_take_no_body(call: Caller, crowd: Any) -> None:
    made = start(call, crowd).json()
    answer = call("POST", f"broadcasts/{made['id']}/pause/", {"version": 2})
    assert answer.status_code == 400
    assert Broadcast.objects.get().status == "planning"


def test_a_draft_is_previewed(call: Caller, crowd: Any) -> None:
    Preference.objects.create(recipient=f"u:{crowd[0].pk}", categories={"news": {"push": False}})
    made = start(call, crowd, draft=True).json()
    seen = call("GET", f"broadcasts/{made['id']}/preview/").json()
    assert seen == {
        "recipients": 3,
        "is_all": True,
        "would_send": {"push": 2},
        "gaps": [
            {
                "kind": "skipped",
                "channel": "push",
                "what": "would be skipped: the recipient opted out",
                "count": 1,
                "examples": [str(crowd[0].pk)],
            }
        ],
    }
    call("POST", f"broadcasts/{made['id']}/launch/")
    assert call("GET", f"broadcasts/{made['id']}/preview/").status_code == 409
    assert call("GET", f"broadcasts/{uuid.uuid4()}/preview/").status_code == 404
