"""A batch is so many single notifications: the same outcomes, rows and refusals, in a fixed number of statements."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from notifications.enums import Channel, SuppressionCause
from notifications.flows.idempotency import Keys
from notifications.flows.people import address_target
from notifications.models import Delivery, IdempotencyKey, Notification, Preference, RefusedRequest, Suppression
from project.shop.models import Profile
from tests.api.conftest import Caller, login_code, make_caller, order
from tests.api.test_weather import together


@pytest.fixture
def items(person: Any) -> list[Any]:
    """Items of every kind; those with the same key stand in the order in which they would be sent one by one."""
    plain, silent, stopped, several = person(), person(phone=""), person(), person()
    Preference.objects.create(recipient=f"u:{several.pk}", categories={"orders": {"email": False}}, locale="de")
    night = {"days": [0, 1, 2, 3, 4, 5, 6], "start": "00:00", "end": "23:59"}
    Preference.objects.create(recipient=f"u:{plain.pk}", quiet_hours=[night])
    target = address_target(Channel.SMS, stopped.profile.phone)
    assert target is not None
    Suppression.objects.create(channel="sms", address_hash=target.address_hash, cause=SuppressionCause.STOP)
    used = {**order(plain, "used"), "idempotency_key": "used"}
    return [
        used,
        {**order(plain, "other"), "idempotency_key": "used"},
        {**login_code(plain), "idempotency_key": "code"},
        {**login_code(plain), "idempotency_key": "code"},
        {**login_code(plain), "data": {"code": "2"}, "idempotency_key": "code"},
        {**login_code(silent), "idempotency_key": "silent"},
        {**login_code(stopped), "idempotency_key": "stopped"},
        {**order(several), "idempotency_key": "several"},
        {
            **order(plain),
            "channels": ["email"],
            "tags": ["a"],
            "collapse_key": "c",
            "ttl": 60,
            "idempotency_key": "all",
        },
        {**order(plain, send_at="2199-01-01T00:00:00Z"), "idempotency_key": "later"},
        {"to": {"email": "ada@example.org", "locale": "de"}, **_letter(), "idempotency_key": "address"},
        {"to": {"email": "nobody"}, **_letter(), "idempotency_key": "no-address"},
        {"user": "0", **_letter(), "idempotency_key": "nobody"},
        {"user": "0", **_letter(), "idempotency_key": "nobody"},
        {"user": "+1", **_letter(), "idempotency_key": "spelt"},
        {"user": "9" * 40, **_letter(), "idempotency_key": "large"},
        {"user": "²", **_letter(), "idempotency_key": "odd"},
        {"user": int(plain.pk), **_letter(), "idempotency_key": "number"},
        {**order(plain), "template": "nothing", "idempotency_key": "no-template"},
        {**order(plain), "template": "carillon-layout", "idempotency_key": "layout"},
        {**login_code(plain), "data": {"kode": "1"}, "idempotency_key": "wrong-data"},
        {**login_code(plain), "idempotency_key": "wrong-data"},
        {**login_code(plain), "channels": ["pigeon"], "idempotency_key": "pigeon"},
        {**login_code(plain), "tempalte": "x", "idempotency_key": "unknown-field"},
        {**login_code(plain), "idempotency_key": "tab\there"},
    ]


def _letter() -> dict[str, Any]:
    return {"template": "order-shipped", "data": {"number": "A-1", "total": 1, "items": []}}


def one_by_one(caller: Caller, items: list[Any]) -> list[dict[str, Any]]:
    """Send items as single notifications and answer as the batch does."""
    answers = []
    for item in items:
        body = {name: value for name, value in item.items() if name != "idempotency_key"}
        answer = caller.notify(body, item["idempotency_key"])
        if answer.status_code == 202:
            replayed = answer.headers.get("Idempotent-Replayed") == "true"
            answers.append({"status": 202, "replayed": replayed, "notification": answer.json()})
        else:
            answers.append({"status": answer.status_code, "problem": answer.json()})
    return answers


def at_once(caller: Caller, items: list[Any]) -> list[dict[str, Any]]:
    """Send items as a batch."""
    answer = caller("POST", "notifications/batch/", {"items": items})
    assert answer.status_code == 200, answer.content
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def told(answers: list[dict[str, Any]]) -> list[Any]:
    """Return answers without ids and times; a notification is named by the place where it was answered first."""
    places: dict[str, int] = {}
    found: list[Any] = []
    for place, answer in enumerate(answers):
        made, problem = answer.get("notification"), answer.get("problem")
        if made:
            rows = [(row["channel"], row["state"], row["reason"], row["explanation"]) for row in made["deliveries"]]
            first = places.setdefault(made["id"], place)
            found.append((answer["status"], answer["replayed"], first, made["status"], made["template"], rows))
        else:
            assert problem
            found.append((answer["status"], problem["type"], problem["title"], problem.get("errors")))
    return found


def written(owner: str) -> list[Any]:
    """Return what a caller's requests left in the tables, without ids and times."""
    left_out = {"id", "_state", "created_at", "updated_at", "expires_at", "request_id", "owner", "client", "due_at"}

    def plain(row: Any, *also: str) -> str:
        return json.dumps({k: v for k, v in vars(row).items() if k not in left_out | set(also)}, default=str)

    found: list[Any] = []
    for row in Notification.objects.filter(owner=owner).order_by("pk"):
        deliveries = Delivery.objects.filter(notification_id=row.pk).order_by("channel", "address")
        key = IdempotencyKey.objects.get(owner=owner, notification_id=row.pk)
        assert key.response["id"] == str(row.pk)  # type: ignore[index]
        found.append((key.key, plain(row, "secrets"), [plain(delivery, "notification_id") for delivery in deliveries]))
    refused = RefusedRequest.objects.filter(owner=owner).order_by("pk")
    return [*sorted(found), *(plain(row) for row in refused)]


def test_a_batch_does_what_its_items_would_do_one_by_one(items: list[Any], call: Caller) -> None:
    single, batch = make_caller(owner="single"), make_caller(owner="batch")
    for caller in (single, batch):
        one_by_one(caller, items[:1])
    assert told(at_once(batch, items)) == told(one_by_one(single, items))
    assert written("batch") == written("single")
    # And once more, when all that can be known is.
    assert told(at_once(batch, items)) == told(one_by_one(single, items))
    assert written("batch") == written("single")


def test_any_number_of_items_takes_the_statements_of_two(call: Caller, person: Any) -> None:
    users = [person() for _ in range(40)]

    def statements(key: str, count: int) -> int:
        with CaptureQueriesContext(connection) as caught:
            sent = [{**order(user), "idempotency_key": f"{key}-{user.pk}"} for user in users[:count]]
            assert {answer["status"] for answer in at_once(call, sent)} == {202}
        return len(caught)

    statements("first", 2)
    assert statements("many", 40) == statements("few", 2) <= 10


def test_a_value_that_cannot_be_stored_harms_no_other_item(call: Caller, person: Any) -> None:
    user: User = person()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE carillon_notification ALTER COLUMN collapse_key TYPE varchar(3)")
    sent = [{**order(user, f"A-{n}"), "idempotency_key": f"k{n}"} for n in range(5)]
    sent[3]["collapse_key"] = "longer"
    assert [answer["status"] for answer in at_once(call, sent)] == [202, 202, 202, 400, 202]
    assert Notification.objects.count() == 4
    assert RefusedRequest.objects.get().recipient == f"u:{user.pk}"


def test_a_host_that_means_harm_is_refused_alone(call: Caller, person: Any, settings: Any) -> None:
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "ABUSE": {"link_hosts": ["a.io"]}}
    hostile = "a." * 1_200 + "com"
    sent = [
        {**login_code(person()), "data": {"code": code}, "idempotency_key": f"k{n}"}
        for n, code in enumerate(["https://a.io/1", hostile, "2"])
    ]
    answers = at_once(call, sent)
    assert [answer["status"] for answer in answers] == [202, 400, 202]
    assert [error["code"] for error in answers[1]["problem"]["errors"]] == ["foreign_link"]


@pytest.mark.usefixtures("committed")
def test_two_batches_with_the_same_keys_in_opposite_order(person: Any) -> None:
    user, plain = person(), make_caller().plain
    for round_ in range(4):
        sent = [{**order(user, f"A-{n}"), "idempotency_key": f"{round_}-{n}"} for n in range(60)]

        def work(number: int, sent: list[Any] = sent) -> list[dict[str, Any]]:
            return at_once(Caller(plain, Client()), sent[:: -1 if number else 1])

        first, second = together(2, work)
        assert {answer["status"] for answer in first + second} <= {202, 409}
        again = at_once(Caller(plain, Client()), sent)
        assert all(answer["status"] == 202 for answer in again)
        ids = [answer["notification"]["id"] for answer in again]
        for answers in (first, second[::-1]):
            told_ids = [answer["notification"]["id"] if answer["status"] == 202 else None for answer in answers]
            assert all(told_id in (None, identity) for told_id, identity in zip(told_ids, ids, strict=True))
        assert Notification.objects.count() == 60 * (round_ + 1)


@pytest.mark.usefixtures("committed")
def test_a_key_stored_between_the_look_and_the_lock_counts(person: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    user, caller = person(), make_caller()
    sent = [{**order(user, f"A-{n}"), "idempotency_key": f"k{n}"} for n in range(3)]
    first = at_once(caller, sent)
    kept = IdempotencyKey.objects.get(key="k1")
    IdempotencyKey.objects.all().delete()
    real = Keys.hold

    def hold(*given: Any) -> Keys:
        held = real(*given)
        together(1, lambda _: kept.save(force_insert=True, using="default") or connections.close_all())
        return held

    monkeypatch.setattr(Keys, "hold", hold)
    again = at_once(caller, sent)
    assert [answer["status"] for answer in again] == [202, 202, 202]
    assert [answer["replayed"] for answer in again] == [False, True, False]
    assert again[1]["notification"] == first[1]["notification"]
    assert Notification.objects.count() == 5
    assert not Delivery.objects.exclude(notification_id__in=Notification.objects.values("pk")).exists()


@pytest.mark.parametrize("lookup", ["email", "profile__phone", "username"])
def test_users_by_another_look_up(call: Caller, person: Any, settings: Any, lookup: str) -> None:
    users = [person(), person(), person()]
    recipient = {**settings.NOTIFICATIONS["RECIPIENT"], "lookup": lookup}
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "RECIPIENT": recipient}
    names = [user.profile.phone if "phone" in lookup else getattr(user, lookup) for user in users]
    Profile.objects.filter(user=users[2]).update(phone=users[1].profile.phone)  # two users with one number
    sent = [{"user": name, **_letter(), "idempotency_key": f"{n}"} for n, name in enumerate([*names, "nobody", ""])]
    single, batch = make_caller(owner="single"), make_caller(owner="batch")
    assert told(at_once(batch, sent)) == told(one_by_one(single, sent))
    assert written("batch") == written("single")
