"""What schemathesis needs to reach more than refusals: a world of real people and things, and cases that name them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import requests
import schemathesis
from django.contrib.auth import get_user_model
from django.db import transaction
from django.test import Client
from django.utils import timezone
from schemathesis.specs.openapi import checks

from notifications.flows.devices import Registration, register
from notifications.flows.topics import subscribe
from notifications.models import Broadcast, Delivery
from notifications.rules.receipt_tokens import receipt_token
from project.shop.models import Follow, Profile
from tests.api.conftest import Caller
from tests.api.described import PREFIX, document

CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]
_CSRF = "c" * 32
_TEMPLATES: tuple[dict[str, Any], ...] = (
    {"template": "login-code", "data": {"code": "493021"}},
    {"template": "order-shipped", "data": {"number": "A-1042", "total": 59.9, "items": ["Bell"]}},
    {"template": "new-follower", "data": {"name": "Ada"}},
)
_OPEN = ("draft", "scheduled", "planning", "sending", "paused")


@dataclass
class World:
    """What there is: people, topics, notifications, and broadcasts by where they stand."""

    users: list[str]
    devices: dict[str, str]
    notifications: list[str]
    receipts: list[str]
    broadcasts: dict[str, str]
    headers: dict[str, str]
    session: str
    tally: Counter[tuple[str, int]] = field(default_factory=Counter)

    def share(self, label: str) -> float:
        """Return how many of an operation's cases went well, from 0 to 1."""
        statuses = {status: count for (name, status), count in self.tally.items() if name == label}
        return sum(count for status, count in statuses.items() if 200 <= status < 300) / max(1, sum(statuses.values()))


def make_world(call: Caller) -> World:
    """Fill the database."""
    users, devices = [], {}
    for number in range(4):
        user = get_user_model().objects.create(username=f"f{number}", email=f"f{number}@example.com")
        Profile.objects.create(user=user, phone=f"+4915110{number:06d}")
        Follow.objects.create(user=user, author_id=7)
        device, _ = register(user.pk, Registration(platform="android", address=f"token-of-{user.pk}"))
        users.append(str(user.pk))
        devices[str(user.pk)] = str(device.pk)
    subscribe("news", users)
    notifications = []
    for number, user in enumerate(users):
        body = {"user": user, **_TEMPLATES[number % len(_TEMPLATES)]}
        notifications.append(_accepted(call("POST", "notifications/", body, Idempotency_Key=f"world-{number}")))
    session = Client()
    session.force_login(get_user_model().objects.get(pk=users[0]))
    cookie = session.cookies["sessionid"].value
    headers = {"Authorization": f"Api-Key {call.plain}"}
    sent = Delivery.objects.values_list("pk", flat=True)
    receipts = [receipt_token(pk, 1, timezone.now()) for pk in sent]
    return World(users, devices, notifications, receipts, _broadcasts(call), headers, cookie)


def _broadcasts(call: Caller) -> dict[str, str]:
    made = {}
    body = {"audience": {"topic": "news"}, "template": "new-post", "data": {"title": "x"}, "draft": True}
    for status in (*_OPEN, "done"):
        made[status] = _accepted(call("POST", "broadcasts/", body, Idempotency_Key=f"world-{status}"))
        rows = Broadcast.objects.filter(pk=made[status])
        planned = rows.get().created_at if status in {"sending", "done"} else None
        rows.update(status=status, planned_at=planned)
    return made


def _accepted(answer: Any) -> str:
    assert answer.status_code == 202, answer.content
    return str(answer.json()["id"])


def loaded() -> Any:
    """Return the document as schemathesis reads it."""
    schema = schemathesis.openapi.from_dict({**document(), "servers": [{"url": f"http://testserver{PREFIX}"}]})
    schema.config.generation.update(with_security_parameters=False)
    return schema


@contextmanager
def undone() -> Iterator[None]:
    """Leave the database as it was."""
    point = transaction.savepoint()
    try:
        yield
    finally:
        transaction.savepoint_rollback(point)


def called(case: Any, headers: dict[str, str]) -> schemathesis.Response:
    """Send a case through Django's client, which stays within the test's transaction, as it would be on the wire."""
    sent = requests.Request(**case.as_transport_kwargs(f"http://testserver{PREFIX}", headers)).prepare()
    body = sent.body or b""
    answer = Client(raise_request_exception=False).generic(
        str(sent.method),
        str(sent.url),
        body.encode() if isinstance(body, str) else body,
        content_type=str(sent.headers.pop("Content-Type", "")),
        headers=dict(sent.headers),
    )
    headers = {name.lower(): [value] for name, value in answer.headers.items()}
    return schemathesis.Response(answer.status_code, headers, answer.content, sent, elapsed=0, verify=False)


def send(world: World, case: Any, headers: dict[str, str] | None = None) -> Any:
    """Send a case and hold what comes back against the document."""
    answer = called(case, {**world.headers, **(headers or {})})
    world.tally[case.operation.label, answer.status_code] += 1
    validate(case, answer)
    return answer


def validate(case: Any, answer: Any) -> None:
    """Fail if an answer is not as the document says."""
    # A batch answers for each item, and of a file any text will do: neither refuses the whole.
    is_by_part = case.operation.label == "POST /notifications/batch/" or case.media_type == "text/csv"
    case.validate_response(answer, checks=CHECKS[:-1] if is_by_part else CHECKS)


def made_likely(world: World, case: Any, random: Random, *, duds: float, keeps_ids: bool = False) -> dict[str, str]:
    """Let a case name what there is, but for a share of `duds`; return headers that it needs instead of the key's."""
    if random.random() < duds:
        return {}
    label, names = case.operation.label, case.path_parameters or {}
    user = random.choice(world.users)
    known = {"user": user, "slug": "news", "device": world.devices[user], "token": random.choice(world.receipts)}
    if not keeps_ids:
        known["notification"] = random.choice(world.notifications)
        known["broadcast"] = world.broadcasts[random.choice(_FITTING.get(label, _OPEN))]
    for name in names:
        names[name] = known.get(name, names[name])
    if case.query and "user" in case.query:
        case.query["user"] = user
    if case.query and "since" in case.query:
        case.query["since"] = "2027-01-31T09:00:00+01:00"
    if label in _BODIES:
        case.body = _BODIES[label](world, case, random)
    if label.endswith(("/devices/", "/preferences/")) and random.random() < 0.25:
        names["user"] = "me"
        return {"Authorization": "", "Cookie": f"sessionid={world.session}; csrftoken={_CSRF}", "X-CSRFToken": _CSRF}
    return {}


def _kept(case: Any, *names: str) -> dict[str, Any]:
    """Return these fields of a generated body."""
    body = case.body if isinstance(case.body, dict) else {}
    return {name: body[name] for name in names if name in body}


def _notification(world: World, case: Any, random: Random) -> dict[str, Any]:
    to = random.choice(
        [{"user": random.choice(world.users)}, {"to": {"email": "ada@example.com", "sms": "+4915112345678"}}]
    )
    times = {"send_at": random.choice([None, "2027-01-31T09:00:00+01:00"])}
    return {**to, **random.choice(_TEMPLATES), **times, **_kept(case, "ttl", "tags", "collapse_key")}


def _batch(world: World, case: Any, random: Random) -> dict[str, Any]:
    count = random.randint(1, 3)
    items = [{**_notification(world, case, random), "idempotency_key": f"k{number}"} for number in range(count)]
    return {"items": items}


def _audience(world: World, random: Random) -> dict[str, Any]:
    return random.choice(
        [
            {"all": True},
            {"topic": "news"},
            {"users": world.users},
            {"name": "followers", "params": {"author_id": 7}},
            {"broadcast": world.broadcasts["done"]},
        ]
    )


def _broadcast(world: World, case: Any, random: Random) -> dict[str, Any]:
    exclude = random.choice([None, {"users": world.users[:1]}])
    words = {"template": "new-post", "data": {"title": "Casting a bell"}}
    return {
        "audience": _audience(world, random),
        "exclude": exclude,
        **words,
        **_kept(case, "ttl", "rate", "draft", "ramp_up"),
    }


def _users(world: World, case: Any, random: Random) -> Any:
    users: Sequence[str] = world.users[: random.randint(1, 4)]
    if case.media_type == "text/csv":
        return "\n".join(["user", *users, "4711", ""])
    return {"users": [int(user) if random.random() < 0.5 else user for user in users]}


def _device(world: World, case: Any, random: Random) -> dict[str, Any]:
    address = random.choice(["fMEp1Xk2Rw:APA91bHun4MxP5egoKMwt2", f"token-{random.randint(0, 9)}"])
    return {"channel": "push", "platform": random.choice(["android", "ios", "web"]), "address": address}


def _changes(world: World, case: Any, random: Random) -> dict[str, Any]:
    found = _kept(case, "channels", "quiet_hours")
    return {**found, "locale": "de", "time_zone": "Europe/Berlin", "categories": {"social": {"push": False}}}


_FITTING: dict[str, tuple[str, ...]] = {
    "GET /broadcasts/{broadcast}/preview/": ("draft", "scheduled"),
    "POST /broadcasts/{broadcast}/launch/": ("draft",),
    "POST /broadcasts/{broadcast}/pause/": ("sending", "planning"),
    "POST /broadcasts/{broadcast}/resume/": ("paused",),
    "POST /broadcasts/{broadcast}/cancel/": _OPEN,
    "POST /broadcasts/{broadcast}/retry/": ("sending", "done"),
}
_BODIES: dict[str, Callable[[World, Any, Random], Any]] = {
    "POST /notifications/": _notification,
    "POST /notifications/batch/": _batch,
    "POST /broadcasts/": _broadcast,
    "POST /broadcasts/estimate/": _broadcast,
    "POST /topics/{slug}/subscribers/": _users,
    "POST /topics/{slug}/subscribers/remove/": _users,
    "POST /users/{user}/devices/": _device,
    "PATCH /users/{user}/preferences/": _changes,
}
