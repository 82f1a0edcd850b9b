"""The document's examples are true: each body is sent, and what comes back is the example, but for ids and times."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from notifications.api.schema import samples
from notifications.flows.devices import Registration, register
from notifications.flows.topics import subscribe
from notifications.models import Broadcast, Delivery, LeftOut
from notifications.rules.receipt_tokens import receipt_token
from project.shop.models import Follow, Profile
from tests.api.conftest import API, Caller
from tests.api.described import operations, resolved

_VOLATILE = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)"), "<time>"),
    (re.compile(r"https?://[^/]+/problems/"), "<problems>"),
)


@pytest.fixture
def world(db: None) -> None:
    """The people and the topic that the examples name."""
    for number in (42, 43):
        user = get_user_model().objects.create(pk=number, username=f"u{number}", email=f"u{number}@example.com")
        Profile.objects.create(user=user, phone=f"+49151123456{number}")
    register(42, Registration(platform="android", address=samples.PUSH_DEVICE["address"]))
    Follow.objects.create(user_id=42, author_id=7)
    subscribe("news", ["42", "43"])


def steady(value: object) -> Any:
    """Return a JSON value without what differs from run to run."""
    text = json.dumps(value, sort_keys=True)
    for pattern, word in _VOLATILE:
        text = pattern.sub(word, text)
    return json.loads(text)


def _made(call: Caller, label: str, body: object, **headers: str) -> str:
    method, path = label.split()
    answer = call(method, path[1:], body, Idempotency_Key="made-1", **headers)
    assert answer.status_code == 202, answer.content
    return str(answer.json()["id"])


def _notification(call: Caller) -> dict[str, str]:
    return {"notification": _made(call, "POST /notifications/", samples.LOGIN)}


def _draft(call: Caller, **changes: object) -> dict[str, str]:
    return {"broadcast": _made(call, "POST /broadcasts/", {**samples.FOLLOWERS, **changes})}


def _in(status: str) -> Callable[[Caller], dict[str, str]]:
    def make(call: Caller) -> dict[str, str]:
        found = _draft(call)
        Broadcast.objects.filter(pk=found["broadcast"]).update(status=status)
        return found

    return make


def _planned(call: Caller) -> dict[str, str]:
    found = _in("sending")(call)
    broadcast = Broadcast.objects.get(pk=found["broadcast"])
    Broadcast.objects.filter(pk=broadcast.pk).update(planned_at=broadcast.created_at)
    return found


def _device(call: Caller) -> dict[str, str]:
    return {"device": call("GET", "users/42/devices/").json()["results"][0]["id"]}


def _phone(call: Caller) -> dict[str, str]:
    delivery = Delivery.objects.get(notification_id=_notification(call)["notification"])
    return {"token": receipt_token(delivery.pk, 1, timezone.now())}


def _preferring(call: Caller) -> dict[str, str]:
    assert call("PATCH", "users/42/preferences/", samples.CHANGES).status_code == 200
    return {}


#: What has to be there before an example is sent; the path parameters that it brings.
BEFORE: dict[str, Callable[[Caller], dict[str, str]]] = {
    "GET /notifications/": _notification,
    "GET /notifications/{notification}/": _notification,
    "GET /notifications/{notification}/deliveries/": _notification,
    "POST /notifications/{notification}/cancel/": _notification,
    "GET /broadcasts/": _draft,
    "GET /broadcasts/{broadcast}/": _draft,
    "GET /broadcasts/{broadcast}/deliveries/": _draft,
    "GET /broadcasts/{broadcast}/left-out/": _draft,
    "GET /broadcasts/{broadcast}/preview/": lambda call: _draft(call, data={"title": ""}),
    "POST /broadcasts/{broadcast}/launch/": _draft,
    "POST /broadcasts/{broadcast}/pause/": _in("sending"),
    "POST /broadcasts/{broadcast}/resume/": _in("paused"),
    "POST /broadcasts/{broadcast}/cancel/": _in("sending"),
    "POST /broadcasts/{broadcast}/retry/": _planned,
    "POST /receipts/{token}/": _phone,
    "DELETE /users/{user}/devices/{device}/": _device,
    "GET /users/{user}/preferences/": _preferring,
}


def cases() -> list[Any]:
    """Return each operation with each of its examples of a body, or with none."""
    found = []
    for label, operation in operations().items():
        content = operation.get("requestBody", {}).get("content", {})
        bodies = [(media, item["value"]) for media, of in content.items() for item in of.get("examples", {}).values()]
        bodies += [("text/csv", value) for value in content.get("text/csv", {}).get("schema", {}).get("examples", [])]
        found += [pytest.param(label, *body, id=f"{label} {n}") for n, body in enumerate(bodies or [("", None)])]
    return found


@pytest.mark.parametrize(("label", "media", "body"), cases())
def test_an_example_is_answered_as_the_document_says(
    world: None, call: Caller, label: str, media: str, body: object
) -> None:
    method, template = label.split()
    names = {"user": "42", "slug": "news", **BEFORE.get(label, lambda _: {})(call)}
    path = template.format(**names)
    headers = {"Authorization": f"Api-Key {call.plain}", "Idempotency-Key": samples.KEY}
    sent = body.encode() if isinstance(body, str) else b"" if body is None else json.dumps(body).encode()
    answer = call.client.generic(
        method, f"{API}{path}", sent, content_type=media or "application/json", headers=headers
    )
    described = operations()[label]["responses"]
    assert str(answer.status_code) in described, answer.content
    assert 200 <= answer.status_code < 300, answer.content
    content = resolved(described[str(answer.status_code)]).get("content", {})
    example = content.get("application/json", {}).get("example")
    is_first = not isinstance(body, str) and body in (None, *first_bodies(label))
    if example is not None and is_first and label != "DELETE /users/{user}/":
        assert steady(answer.json()) == steady(_like(example, label))


def first_bodies(label: str) -> list[object]:
    """Return the example that an answer's example belongs to: the first."""
    content = operations()[label].get("requestBody", {}).get("content", {}).get("application/json", {})
    return [item["value"] for item in content.get("examples", {}).values()][:1]


def _like(example: Any, label: str) -> Any:
    """Return an example as this world has it: both users are on the topic already."""
    if label == "POST /topics/{slug}/subscribers/":
        return {"added": 0}
    if label == "GET /topics/":
        return example
    return example


def test_what_was_left_out_is_as_described(world: None, call: Caller) -> None:
    names = _draft(call)
    LeftOut.objects.create(broadcast_id=names["broadcast"], recipient="u:42", error="ValueError")
    answer = call("GET", f"broadcasts/{names['broadcast']}/left-out/")
    assert answer.json()["results"][0]["user"] == "42"
