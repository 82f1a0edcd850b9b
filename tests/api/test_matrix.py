"""Whoever does not belong is refused: at every address of the URL conf, by every method, with a body that is accepted.

The addresses are read from the URL conf: one that the matrix does not know fails.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

import notifications.urls
from notifications.api import urls as api_urls
from notifications.enums import Scope
from notifications.flows.devices import Registration, register
from notifications.flows.topics import subscribe
from notifications.models import ApiKey, Broadcast
from notifications.rules.grants import Grant
from notifications.rules.links import Subscription, preferences_token, unsubscribe_token
from tests.addresses import METHODS, SAFE, addresses, nothing_changes, undone
from tests.api.conftest import Caller, make_caller, order
from tests.api.matrix import BEHIND_A_KEY, OPEN, Address, Call
from tests.api.test_broadcasts import body
from tests.fixtures import own_redis, patient_redis

__all__ = ["own_redis", "patient_redis"]
pytestmark = pytest.mark.django_db

API = "api/v1/"
OTHERS = Grant(templates=frozenset({"invoice"}))
REFUSALS = "carillon_refusedrequest"


@dataclass
class World:
    """What the addresses name, and who calls."""

    names: dict[str, str]
    broadcasts: dict[str, str]
    right: Caller
    strangers: Mapping[str, Caller]
    people: Mapping[str, Client]

    def path(self, route: str, call: Call | None = None) -> str:
        """Return an address with the names filled in."""
        names = {**self.names, "broadcast": self.broadcasts[call.broadcast if call else "planning"]}
        return "/" + re.sub(r"<\w+:(\w+)>", lambda found: names[found[1]], route) + (call.query if call else "")

    def send(self, client: Client, method: str, route: str, call: Call | None, key: str = "") -> Any:
        """Send the method's own body, or for one that there is not a body all the same."""
        content = call.body(self.names) if call else {}
        raw = b"" if content is None else json.dumps(content).encode()
        headers = {**(call.headers if call else {}), **({"Authorization": f"Api-Key {key}"} if key else {})}
        path = self.path(route, call)
        return client.generic(method, path, raw, content_type="application/json", headers=headers)


@pytest.fixture
def world(own_redis: None, person: Any) -> World:
    """Somebody who was notified, broadcasts in several statuses, and callers of every kind."""
    user = person()
    right = make_caller()
    device, _ = register(user.pk, Registration(platform="android", address="t" * 40))
    subscribe("news", [str(user.pk)])
    sent = right.notify(order(user), "before").json()["id"]
    broadcasts = {}
    for status in ("draft", "planning", "paused", "sending"):
        answer = right("POST", "broadcasts/", body([user], draft=True), Idempotency_Key=status)
        broadcasts[status] = answer.json()["id"]
        Broadcast.objects.filter(pk=broadcasts[status]).update(status=status)
    names = {"user": str(user.pk), "notification": sent, "device": str(device.pk), "slug": "news"}
    revoked, expired = make_caller(), make_caller()
    now = timezone.now()
    _mark(revoked, revoked_at=now)
    _mark(expired, expires_at=now - timedelta(seconds=1))
    strangers = {"a made-up key": Caller("ck_abcdefghij_nonsense", Client()), "revoked": revoked, "expired": expired}
    people = {"nobody": Client(), "another user": Client(), "staff": Client()}
    people["another user"].force_login(person())
    people["staff"].force_login(get_user_model().objects.create_user("clerk", is_staff=True))
    return World(names, broadcasts, right, strangers, people)


def _mark(caller: Caller, **changes: Any) -> None:
    ApiKey.objects.filter(prefix=caller.plain.split("_")[1]).update(**changes)


def all_routes() -> Iterator[str]:
    """Yield every address of the app, as the URL conf has it, but for the one that catches what is none."""
    return (route for route, item in addresses(notifications.urls.urlpatterns) if item.name != "nothing-here")


def test_the_matrix_knows_every_address() -> None:
    known = {API + route for route in BEHIND_A_KEY} | set(OPEN)
    assert not set(all_routes()) - known


def test_the_matrix_knows_every_method() -> None:
    views = {route: item.callback.view_class for route, item in addresses(api_urls.urlpatterns, API)}
    found = {route: set(views[API + route]().allowed_methods) for route in BEHIND_A_KEY}
    assert found == {route: {"OPTIONS", *address.calls} for route, address in BEHIND_A_KEY.items()}


@pytest.mark.parametrize("route", BEHIND_A_KEY)
def test_who_does_not_belong_is_refused_where_who_does_is_served(world: World, route: str) -> None:
    assert not list(_unexpected(world, route))
    _assert_looking_changes_nothing(world, route)
    for method in METHODS:
        call = _call_of(BEHIND_A_KEY[route], method)
        if call is not None:
            with undone():
                answer = world.send(Client(), method, API + route, call, make_caller(call.scope).plain)
                assert 200 <= answer.status_code < 300, (method, answer.content)


def _unexpected(world: World, route: str) -> Iterator[tuple[str, str, int, int]]:
    """Yield what was answered otherwise than by the refusal that it should be; none of it may have changed anything."""
    address = BEHIND_A_KEY[route]
    keys = {scope: make_caller(*(other for other in Scope.values if other != scope)) for scope in Scope}
    narrow, test = make_caller(grant=OTHERS), make_caller("send", "broadcast", "read", grant=Grant(test=True))
    with nothing_changes(REFUSALS):  # what was refused is kept for the timeline
        for method in METHODS:
            call = _call_of(address, method)
            callers = {"wrong scope": keys[call.scope] if call else world.right, "narrow": narrow, "test": test}
            for who, want in _expected(address, call):
                client, key = _who(world, who, callers)
                status = world.send(client, method, API + route, call, key).status_code
                if status != want:
                    yield method, who, status, want


def _assert_looking_changes_nothing(world: World, route: str) -> None:
    with nothing_changes():
        for method in SAFE:
            for client, key in ((Client(), world.right.plain), *((who, "") for who in world.people.values())):
                world.send(client, method, API + route, _call_of(BEHIND_A_KEY[route], method), key)


def _who(world: World, who: str, keys: Mapping[str, Caller]) -> tuple[Client, str]:
    if who in world.people:
        return world.people[who], ""
    caller = world.strangers.get(who) or keys[who]
    return caller.client, caller.plain


def _call_of(address: Address, method: str) -> Call | None:
    return address.calls.get("GET" if method == "HEAD" else method)


def _expected(address: Address, call: Call | None) -> Iterator[tuple[str, int]]:
    """Yield who calls, and the status of the refusal."""
    for who in ("nobody", "a made-up key", "revoked", "expired"):
        yield who, 401
    for who in ("another user", "staff"):
        yield who, 403 if address.me else 401  # elsewhere, a session is no way to say who one is
    if call is None:
        yield "wrong scope", 405
        return
    yield "wrong scope", 403
    if call.templated:
        yield "narrow", 403
    if call.changes or call.scope not in (Scope.SEND, Scope.BROADCAST, Scope.READ):
        yield "test", 403


def test_a_narrow_key_gets_nothing_else_in_a_batch_or_a_list(world: World) -> None:
    narrow = make_caller(grant=OTHERS)
    with nothing_changes(REFUSALS):
        items = BEHIND_A_KEY["notifications/batch/"].calls["POST"].body(world.names)
        (result,) = narrow("POST", "notifications/batch/", items).json()["results"]
        assert result["status"] == 403
        for path in ("notifications/", "broadcasts/"):
            assert narrow("GET", path).json()["results"] == []


def test_me_is_oneself_and_a_key_is_nobody(world: World, person: Any) -> None:
    user = person()
    signed_in = Client()
    signed_in.force_login(user)
    for route, address in BEHIND_A_KEY.items():
        if not address.me:
            continue
        for method, call in address.calls.items():
            path = world.path(API + route).replace(f"/users/{world.names['user']}/", "/users/me/")
            raw = json.dumps(call.body(world.names)).encode()
            with undone():
                mine = signed_in.generic(method, path, raw, content_type="application/json")
                assert mine.status_code in ((404,) if "<uuid:device>" in route else (200, 201))  # it is another's
                assert world.names["device"] not in mine.content.decode()
            headers = {"Authorization": f"Api-Key {world.right.plain}"}
            by_key = Client().generic(method, path, raw, content_type="application/json", headers=headers)
            assert by_key.status_code == 403


def test_a_session_needs_the_csrf_token(world: World, person: Any) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(person())
    with nothing_changes():
        for path, method, raw in (
            ("devices/", "POST", b'{"platform": "android", "address": "another-token"}'),
            ("preferences/", "PATCH", b'{"channels": {"sms": false}}'),
        ):
            answer = browser.generic(method, f"/{API}users/me/{path}", raw, content_type="application/json")
            assert answer.status_code == 403, answer.content


# --- addresses for everybody


def test_a_callback_without_proof_is_refused(world: World) -> None:
    raw = json.dumps({"RecordType": "Delivery", "MessageID": "1", "Metadata": {}}).encode()
    with nothing_changes():
        for alias, method in product(("email", "twilio", "fcm", "none"), METHODS):
            for client, headers in _everybody(world):
                answer = client.generic(
                    method, f"/webhooks/{alias}/", raw, content_type="application/json", headers=headers
                )
                # An ESP may look whether there is anything, by HEAD, before it is told where to report.
                looked = alias == "email" and method == "HEAD"
                assert answer.status_code in ((200,) if looked else (403, 404, 405)), (alias, method)


def test_a_token_that_is_not_signed_opens_nothing(world: World) -> None:
    theirs = Subscription(f"u:{world.names['user']}", "orders", "email")
    tokens = {"unsubscribe": unsubscribe_token(theirs), "preferences": preferences_token(theirs.recipient)}
    with nothing_changes():
        for page, token in tokens.items():
            crossed = tokens["preferences" if page == "unsubscribe" else "unsubscribe"]
            forgeries = (world.names["user"], token[:-1] + "!", token.replace(":", "."), crossed)
            for forged, method in product(forgeries, METHODS):
                for client, headers in _everybody(world):
                    answer = client.generic(
                        method,
                        f"/{page}/{forged}/",
                        b"shown=channel%3Asms+on",
                        content_type="application/x-www-form-urlencoded",
                        headers=headers,
                    )
                    assert answer.status_code in (404, 405), (page, forged, answer.status_code)


def test_looking_at_a_page_changes_nothing(world: World) -> None:
    theirs = Subscription(f"u:{world.names['user']}", "orders", "email")
    pages = [
        f"/unsubscribe/{unsubscribe_token(theirs)}/",
        f"/unsubscribe/{unsubscribe_token(theirs)}/?action=unsubscribe&List-Unsubscribe=One-Click",
        f"/preferences/{preferences_token(theirs.recipient)}/",
        f"/preferences/{preferences_token(theirs.recipient)}/?shown=channel%3Asms+on",
        "/problems/",
        "/problems/not-found/",
        *(f"/{API}{path}/" for path in ("schema", "docs", "receipts/forged", "nothing")),
    ]
    with nothing_changes():
        for page, method in product(pages, SAFE):
            for client, headers in _everybody(world):
                assert client.generic(method, page, headers=headers).status_code in (200, 404, 405)


def test_pages_to_read_and_what_is_not_there_take_nothing(world: World) -> None:
    with nothing_changes():
        for page, method in product(("/problems/", "/problems/not-found/", f"/{API}nothing/"), METHODS[len(SAFE) :]):
            for client, headers in _everybody(world):
                answer = client.generic(method, page, b"{}", content_type="application/json", headers=headers)
                assert answer.status_code in (404, 405)
        for client, headers in _everybody(world):
            for path, method in product(("schema/", "docs/", "receipts/forged/"), METHODS[len(SAFE) :]):
                raw = b'{"event": "opened"}'
                answer = client.generic(method, f"/{API}{path}", raw, content_type="application/json", headers=headers)
                assert answer.status_code in (404, 405)


def _everybody(world: World) -> Iterator[tuple[Client, dict[str, str]]]:
    for client in world.people.values():
        yield client, {}
    yield Client(), {"Authorization": f"Api-Key {world.right.plain}"}
