"""Idempotency: whatever callers do with their keys, one key leads to one notification and one answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

import psycopg2
import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from notifications.flows.cancel import cancel
from notifications.flows.idempotency import _lock_of
from notifications.flows.leftovers import forget_keys
from notifications.models import (
    ApiKey,
    Category,
    IdempotencyKey,
    Notification,
    RefusedRequest,
    Template,
    Topic,
)
from notifications.rules.grants import Grant
from tests.api.conftest import Caller, login_code, make_caller

OWNERS = st.sampled_from(["shop", "office"])
KEYS = st.sampled_from(["k1", "k2", "ключ 3"])
LONG_AGO = timedelta(days=400)
#: Few, so that the same ones come again, with their fields in any order; users by their place.
BODIES = st.fixed_dictionaries(
    {
        "user": st.just(0),
        "template": st.just("login-code"),
        "data": st.fixed_dictionaries({"code": st.sampled_from(["1", "2"])}),
    },
    optional={"ttl": st.just(60)},
).flatmap(lambda body: st.permutations(list(body.items())).map(dict))


@dataclass
class Sent:
    """What was sent under a key, and what was answered first."""

    body: dict[str, Any]
    answer: bytes


class Callers(RuleBasedStateMachine):
    """Two owners of keys who send, repeat, change, rotate and wait, and a model of what each key stands for."""

    users: ClassVar[list[str]] = []

    def __init__(self) -> None:
        super().__init__()
        self.point = transaction.savepoint()
        self.callers: dict[str, Caller] = {owner: make_caller(owner=owner) for owner in ("shop", "office")}
        self.known: dict[tuple[str, str], Sent] = {}

    def teardown(self) -> None:
        transaction.savepoint_rollback(self.point)

    def named(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return a body that names a user who is there."""
        return {name: self.users[value] if name == "user" else value for name, value in body.items()}

    def expect(self, name: tuple[str, str], body: dict[str, Any], status: int, answer: bytes, *, again: bool) -> None:
        before = self.known.get(name)
        if before is None:
            assert (status, again) == (202, False), answer
            self.known[name] = Sent(body, answer)
        elif before.body == body:
            assert (status, again) == (202, True), answer
            assert answer == before.answer
        else:
            assert status == 422, answer

    @rule(owner=OWNERS, key=KEYS, body=BODIES)
    def send(self, owner: str, key: str, body: dict[str, Any]) -> None:
        answer = self.callers[owner].notify(self.named(body), key)
        again = answer.get("Idempotent-Replayed") == "true"
        self.expect((owner, key), body, answer.status_code, answer.content, again=again)

    @rule(owner=OWNERS, pairs=st.lists(st.tuples(KEYS, BODIES), min_size=1, max_size=4))
    def send_together(self, owner: str, pairs: list[tuple[str, dict[str, Any]]]) -> None:
        items = [{**self.named(body), "idempotency_key": key} for key, body in pairs]
        results = self.callers[owner]("POST", "notifications/batch/", {"items": items}).json()["results"]
        for (key, body), result in zip(pairs, results, strict=True):
            text = json.dumps(result.get("notification"), ensure_ascii=False, separators=(",", ":")).encode()
            self.expect((owner, key), body, result["status"], text, again=result.get("replayed", False))

    @rule(owner=OWNERS, key=KEYS, body=BODIES)
    def send_what_cannot_be(self, owner: str, key: str, body: dict[str, Any]) -> None:
        answer = self.callers[owner].notify({**self.named(body), "template": "login-kode"}, key)
        assert answer.status_code == 400, "what is refused uses up no key"

    @rule(owner=OWNERS)
    def rotate(self, owner: str) -> None:
        ApiKey.objects.filter(owner=owner).update(revoked_at=timezone.now())
        self.callers[owner] = make_caller(owner=owner)

    @rule(owner=OWNERS, key=KEYS, body=BODIES)
    def send_while_in_flight(self, owner: str, key: str, body: dict[str, Any]) -> None:
        if (owner, key) in self.known:
            return
        with elsewhere(owner, key) as is_held:
            if not is_held:  # our own transaction, which is that of all requests here, has it from an earlier one
                return
            answer = self.callers[owner].notify(self.named(body), key)
        assert answer.status_code == 409
        assert int(answer["Retry-After"]) >= 1

    @rule(owner=OWNERS, key=KEYS, is_over=st.booleans())
    def grow_old(self, owner: str, key: str, is_over: bool) -> None:
        sent = self.known.get((owner, key))
        if sent is None:
            return
        if is_over:
            cancel(json.loads(sent.answer)["id"], actor="test")
        IdempotencyKey.objects.filter(owner=owner, key=key).update(created_at=timezone.now() - LONG_AGO)
        forget_keys()
        if is_over:
            del self.known[owner, key]

    @invariant()
    def a_key_is_one_row(self) -> None:
        rows = set(IdempotencyKey.objects.values_list("owner", "key"))
        assert rows == set(self.known)
        ids = {json.loads(sent.answer)["id"] for sent in self.known.values()}
        assert len(ids) == len(self.known)
        assert Notification.objects.filter(pk__in=ids).count() == len(ids)


def other_variables() -> None:
    Template.objects.filter(slug="login-code").update(variables={"code": "str", "shop": "str"})


def without_words() -> None:
    Template.objects.filter(slug="login-code").update(current=None)


def without_the_channel() -> None:
    Category.objects.filter(slug="login").update(channels=["email"], fallback=[])


@pytest.mark.django_db
@pytest.mark.parametrize("change", [other_variables, without_words, without_the_channel])
def test_a_repeat_is_answered_whatever_has_changed_since(call: Caller, person: Any, change: Callable[[], None]) -> None:
    body = {**login_code(person()), "channels": ["sms"]}
    first = call.notify(body)
    assert first.status_code == 202
    change()
    again = call.notify(body)
    assert (again.status_code, again.content) == (202, first.content), again.content
    assert again["Idempotent-Replayed"] == "true"
    item = {**body, "idempotency_key": "k1"}
    results = call("POST", "notifications/batch/", {"items": [item, {**item, "tags": ["x"]}]}).json()["results"]
    assert [(result["status"], result.get("replayed")) for result in results] == [(202, True), (400, None)]
    assert RefusedRequest.objects.count() == 1
    assert call.notify(body, "k2").status_code == 400
    assert call.notify({**body, "data": {"code": "2"}}).status_code == 400
    assert Notification.objects.count() == IdempotencyKey.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("change", [None, other_variables, without_words])
def test_what_a_key_may_not_send_it_may_not_repeat(
    call: Caller, person: Any, change: Callable[[], None] | None
) -> None:
    body = login_code(person())
    assert call.notify(body).status_code == 202
    if change is not None:
        change()
    for grant in (Grant(templates=frozenset({"invoice"})), Grant(categories=frozenset({"orders"}))):
        answer = make_caller("send", grant=grant).notify(body)
        assert answer.status_code == (400 if change is without_words else 403)


@pytest.mark.django_db
def test_a_broadcasts_repeat_is_answered_whatever_has_changed_since(call: Caller) -> None:
    Topic.objects.create(slug="bells")
    body = {"audience": {"topic": "bells"}, "template": "new-post", "data": {"title": "Bells"}}
    first = call("POST", "broadcasts/", body, Idempotency_Key="b1")
    assert first.status_code == 202
    Topic.objects.all().delete()
    again = call("POST", "broadcasts/", body, Idempotency_Key="b1")
    assert (again.status_code, again.content) == (202, first.content), again.content
    assert again["Idempotent-Replayed"] == "true"
    Template.objects.filter(slug="new-post").update(current=None)
    assert call("POST", "broadcasts/", body, Idempotency_Key="b1").content == first.content
    assert not RefusedRequest.objects.exists()
    for other in ({**body, "data": {"title": "Ropes"}}, {**body, "audience": {"name": "nobody"}}):
        assert call("POST", "broadcasts/", other, Idempotency_Key="b1").status_code == 400
    assert call("POST", "broadcasts/", body, Idempotency_Key="b2").status_code == 400


@contextmanager
def elsewhere(owner: str, key: str) -> Iterator[bool]:
    """Hold a key as another request does that has not committed yet; yield whether it could be had."""
    other = psycopg2.connect(**connection.get_connection_params())
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_lock_of(owner, key)])
            yield bool(cursor.fetchone()[0])
    finally:
        other.close()


def walk(person: Any, examples: int, steps: int, *, repeats: bool) -> None:
    """Let callers do as they like so many times."""
    Callers.users = [str(person().pk) for _ in range(2)]
    run_state_machine_as_test(
        Callers,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            derandomize=repeats,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.django_db
def test_one_key_is_one_notification(person: Any) -> None:
    walk(person, 4, 15, repeats=True)


@pytest.mark.long
@pytest.mark.django_db
def test_one_key_is_one_notification_whatever_happens(person: Any) -> None:
    walk(person, 150, 40, repeats=False)
