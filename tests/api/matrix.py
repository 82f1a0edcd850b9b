"""The authorisation matrix: every address of `notifications.urls`, what each of its methods needs, and a real body."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from notifications.enums import Scope

Names: TypeAlias = Mapping[str, str]
"""What the addresses and bodies name: the keys of the world that the test has made."""


@dataclass(frozen=True)
class Call:
    """One method of an address: the scope that a key needs, a body that is accepted, and what it is about.

    `broadcast` is the status of the broadcast that is named. `templated`: a key for other templates is refused.
    `changes`: a test key is refused.
    """

    scope: Scope
    body: Callable[[Names], Any] = lambda _: None
    broadcast: str = "planning"
    templated: bool = False
    changes: bool = False
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Address:
    """An address behind a key; `me` may be asked for by whoever is signed in."""

    calls: Mapping[str, Call]
    me: bool = False


def _order(names: Names) -> dict[str, Any]:
    return {
        "user": names["user"],
        "template": "order-shipped",
        "data": {"number": "A-1", "total": 9.5, "items": ["Bell"]},
    }


def _news(names: Names) -> dict[str, Any]:
    return {"audience": {"users": [names["user"]]}, "template": "new-post", "data": {"title": "Bells"}}


def _users(names: Names) -> dict[str, Any]:
    return {"users": [names["user"]]}


def _device(_: Names) -> dict[str, Any]:
    return {"platform": "android", "address": "another-token"}


_KEY = {"Idempotency-Key": "matrix"}
_SEES = Call(Scope.READ, templated=True)
_READS = Call(Scope.READ)


def _acts(status: str) -> Address:
    return Address({"POST": Call(Scope.BROADCAST, lambda _: {}, status, templated=True, changes=True)})


BEHIND_A_KEY: Mapping[str, Address] = {
    "notifications/": Address(
        {"GET": _READS, "POST": Call(Scope.SEND, _order, templated=True, changes=True, headers=_KEY)}
    ),
    "notifications/batch/": Address(
        {"POST": Call(Scope.SEND, lambda names: {"items": [{**_order(names), "idempotency_key": "matrix-2"}]})}
    ),
    "notifications/<uuid:notification>/": Address({"GET": _SEES}),
    "notifications/<uuid:notification>/cancel/": Address(
        {"POST": Call(Scope.SEND, lambda _: {}, templated=True, changes=True)}
    ),
    "notifications/<uuid:notification>/deliveries/": Address({"GET": _SEES}),
    "broadcasts/": Address(
        {"GET": _READS, "POST": Call(Scope.BROADCAST, _news, templated=True, changes=True, headers=_KEY)}
    ),
    "broadcasts/estimate/": Address({"POST": Call(Scope.BROADCAST, _news, templated=True, changes=True)}),
    "broadcasts/<uuid:broadcast>/": Address({"GET": _SEES}),
    "broadcasts/<uuid:broadcast>/deliveries/": Address({"GET": _SEES}),
    "broadcasts/<uuid:broadcast>/left-out/": Address({"GET": _SEES}),
    "broadcasts/<uuid:broadcast>/preview/": Address({"GET": Call(Scope.BROADCAST, broadcast="draft", templated=True)}),
    "broadcasts/<uuid:broadcast>/launch/": _acts("draft"),
    "broadcasts/<uuid:broadcast>/pause/": _acts("planning"),
    "broadcasts/<uuid:broadcast>/resume/": _acts("paused"),
    "broadcasts/<uuid:broadcast>/cancel/": _acts("planning"),
    "broadcasts/<uuid:broadcast>/retry/": _acts("sending"),
    "topics/": Address({"GET": _READS}),
    "topics/<slug:slug>/": Address({"GET": _READS}),
    "topics/<slug:slug>/subscribers/": Address({"POST": Call(Scope.PREFERENCES, _users)}),
    "topics/<slug:slug>/subscribers/remove/": Address({"POST": Call(Scope.PREFERENCES, _users)}),
    "users/<str:user>/": Address({"DELETE": Call(Scope.ERASE)}),
    "users/<str:user>/devices/": Address(
        {"GET": Call(Scope.DEVICES), "POST": Call(Scope.DEVICES, _device)},
        me=True,
    ),
    "users/<str:user>/devices/<uuid:device>/": Address({"DELETE": Call(Scope.DEVICES)}, me=True),
    "users/<str:user>/preferences/": Address(
        {
            "GET": Call(Scope.PREFERENCES),
            "PATCH": Call(Scope.PREFERENCES, lambda _: {"channels": {"sms": False}}),
        },
        me=True,
    ),
    "users/<str:user>/export/": Address({"GET": Call(Scope.ERASE)}),
}

#: Addresses for everybody. What is named in them is the proof (a signed token), or they change nothing at all.
OPEN: Mapping[str, str] = {
    "webhooks/<str:alias>/": "callbacks carry their provider's proof",
    "unsubscribe/<str:token>/": "the token is signed",
    "preferences/<str:token>/": "the token is signed",
    "problems/": "a page to read",
    "problems/<slug:slug>/": "a page to read",
    "api/v1/schema/": "a document to read",
    "api/v1/docs/": "a page to read",
    "api/v1/receipts/<str:token>/": "the token is signed",
}
