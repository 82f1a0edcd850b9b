"""Idempotency: whatever callers do with their keys, one key leads to one notification and one answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
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

from notifications import conf
from notifications.flows.cancel import cancel
from notifications.flows.idempotency import _lock_of
from notifications.flows.leftovers import forget_keys
from notifications.models import ApiKey, IdempotencyKey, Notification
from tests.api.conftest import Caller, make_caller

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
def test_one_key_is_one_notification_whatever_happens(person: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conf, "KEY_LOCK_WAIT_SECONDS", 0.02)  # hundreds are in flight, and whoever waits is refused
    walk(person, 150, 40, repeats=False)
