"""API keys: an owner is nobody else's, so that no caller is answered with what another one sent."""

from __future__ import annotations

from typing import Any

import pytest

from notifications import notify
from notifications.exceptions import InvalidData
from notifications.flows.keys import LONGEST_NAME, create_key
from notifications.models import ApiKey
from tests.api.conftest import Caller, login_code


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "owner", "pointer", "code"),
    [
        ("python", "", "/name", "reserved"),
        (" PYTHON ", "", "/name", "reserved"),
        ("shop", "Python", "/owner", "reserved"),
        ("shop", " python\t", "/owner", "reserved"),
        ("x" * (LONGEST_NAME + 1), "shop", "/name", "max_length"),
        ("x" * (LONGEST_NAME + 1), "", "/name", "max_length"),
        ("shop", "x" * (LONGEST_NAME + 1), "/owner", "max_length"),
        ("  ", "shop", "/name", "required"),
    ],
)
def test_an_owner_that_cannot_be(name: str, owner: str, pointer: str, code: str) -> None:
    with pytest.raises(InvalidData) as caught:
        create_key(name, ["send"], owner=owner)
    assert [(item.pointer, item.code) for item in caught.value.problems] == [(pointer, code)]
    assert not ApiKey.objects.exists()


@pytest.mark.django_db
def test_names_and_owners_are_kept_whole() -> None:
    name, owner = "n" * LONGEST_NAME, "o" * LONGEST_NAME
    key, _plain = create_key(f" {name} ", ["send"], owner=f" {owner} ")
    assert (key.name, key.owner) == (name, owner)
    assert create_key("shop", ["send"], owner="  ")[0].owner == "shop"
    assert create_key("python", ["send"], owner="shop")[0].owner == "shop"  # only a name, not an owner


def test_what_python_sent_is_never_answered_over_http(call: Caller, person: Any) -> None:
    user = person()
    notify(user, "login-code", {"code": "493021"}, idempotency_key="order-1")
    answer = call.notify(login_code(user), "order-1")
    assert answer.status_code == 202
    assert "Idempotent-Replayed" not in answer
    assert answer.json()["id"]
