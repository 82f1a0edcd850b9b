"""Unsubscribe links: looking changes nothing, one click does, and nobody can make a link of their own."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client

from notifications import Address, notify
from notifications.enums import Channel, Source
from notifications.flows import deliver as deliver_flow
from notifications.flows.declare import publish
from notifications.flows.suppress import suppress
from notifications.models import Category, Delivery, Preference, Suppression, Template
from notifications.rules.links import Subscription, preferences_token, read_unsubscribe_token, unsubscribe_token
from notifications.sandbox.process import SandboxProcess
from tests.live import work

pytestmark = pytest.mark.django_db
Person = Callable[..., User]
ORDER = {"number": "A-1", "total": 2.5, "items": []}


def header(sandbox: SandboxProcess, to: str, name: str = "List-Unsubscribe") -> str:
    """Return a header of the newest email to an address, or ""."""
    request = sandbox.client.messages(to=to)[0].request
    found = {item["Name"]: item["Value"] for item in request.get("Headers", [])}
    return str(found.get(name, ""))


def sent_link(sandbox: SandboxProcess, person: Person, address: str) -> str:
    """Send an order email to a user and return the path of its unsubscribe link."""
    notify(person(email=address), "order-shipped", ORDER)
    work(Channel.EMAIL)
    return urlsplit(header(sandbox, address).strip("<>")).path


def test_one_click_ends_that_kind_of_message_on_that_channel(
    sandbox: SandboxProcess, person: Person, client: Client
) -> None:
    path = sent_link(sandbox, person, "one-click@example.com")
    answer = client.post(path, "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 200
    assert Preference.objects.get().categories == {"orders": {"email": False}}
    notify(User.objects.get(email="one-click@example.com"), "order-shipped", ORDER)
    work(Channel.EMAIL)
    assert sorted(Delivery.objects.values_list("state", "reason")) == [("sent", ""), ("skipped", "preference")]


def test_the_headers_are_those_of_the_standard(sandbox: SandboxProcess, person: Person) -> None:
    sent_link(sandbox, person, "headers@example.com")
    assert re.fullmatch(r"<http://testserver/unsubscribe/[^<>]+/>", header(sandbox, "headers@example.com"))
    assert header(sandbox, "headers@example.com", "List-Unsubscribe-Post") == "List-Unsubscribe=One-Click"


def test_mandatory_mail_has_none(sandbox: SandboxProcess, person: Person) -> None:
    Category.objects.filter(slug="orders").update(mandatory=True)
    assert sent_link(sandbox, person, "mandatory@example.com") == ""


def test_a_link_may_be_looked_at_and_scanned_without_harm(
    sandbox: SandboxProcess, person: Person, client: Client
) -> None:
    path = sent_link(sandbox, person, "scanned@example.com")
    for _ in range(2):
        page = client.get(path)
        assert (page.status_code, client.head(path).status_code) == (200, 200)
        assert b"Unsubscribe" in page.content
    assert not Preference.objects.exists()
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert "no-store" in page.headers["Cache-Control"]
    assert not page.cookies


def test_it_can_be_taken_back(sandbox: SandboxProcess, person: Person, client: Client) -> None:
    path = sent_link(sandbox, person, "back@example.com")
    assert b"You are unsubscribed" in client.post(path).content
    assert b"Do you want to receive no more" in client.post(path, {"action": "resubscribe"}).content
    assert Preference.objects.get().categories == {}


def test_somebody_without_an_account_is_suppressed_and_can_come_back(sandbox: SandboxProcess, client: Client) -> None:
    notify(Address(email="guest@example.com"), "order-shipped", ORDER)
    work(Channel.EMAIL)
    path = urlsplit(header(sandbox, "guest@example.com").strip("<>")).path
    client.post(path)
    assert Suppression.objects.get().cause == "unsubscribe"
    notify(Address(email="guest@example.com"), "order-shipped", ORDER)
    assert Delivery.objects.filter(reason="suppression").count() == 1
    client.post(path, {"action": "resubscribe"})
    assert not Suppression.objects.in_force().exists()


def test_a_link_lifts_no_other_suppression(sandbox: SandboxProcess, client: Client) -> None:
    notify(Address(email="bounced@example.com"), "order-shipped", ORDER)
    work(Channel.EMAIL)
    path = urlsplit(header(sandbox, "bounced@example.com").strip("<>")).path
    suppress("email", "bounced@example.com", "hard_bounce", "esp")  # type: ignore[arg-type]
    client.post(path, {"action": "resubscribe"})
    assert Suppression.objects.in_force().count() == 1


def test_what_has_become_mandatory_says_so(sandbox: SandboxProcess, person: Person, client: Client) -> None:
    path = sent_link(sandbox, person, "became@example.com")
    Category.objects.filter(slug="orders").update(mandatory=True)
    assert b"cannot be switched off" in client.post(path).content
    assert not Preference.objects.exists()


def forged() -> list[str]:
    good = unsubscribe_token(Subscription("u:1", "orders", "email"))
    body, _, signature = good.rpartition(":")
    other, _, _ = unsubscribe_token(Subscription("u:2", "orders", "email")).rpartition(":")
    return [
        "x", ":", good[:-1], good + "x", body, f"{other}:{signature}", f":{signature}", good.swapcase(),
        preferences_token("u:1"), "%00", "a" * 5_000, f"{body}:{signature[::-1]}", "é:ü",
    ]  # fmt: skip


@pytest.mark.parametrize("token", forged())
def test_a_forged_or_foreign_token_opens_nothing(db: None, client: Client, token: str) -> None:
    assert read_unsubscribe_token(token) is None
    for answer in (client.get(f"/unsubscribe/{token}/"), client.post(f"/unsubscribe/{token}/")):
        assert answer.status_code == 404
    assert not Preference.objects.exists()
    assert not Suppression.objects.exists()


def test_the_same_subscription_always_has_the_same_link() -> None:
    about = Subscription("u:1", "orders", "email")
    assert unsubscribe_token(about) == unsubscribe_token(about)
    assert read_unsubscribe_token(unsubscribe_token(about)) == about


def test_links_outlive_a_change_of_the_secret_key(settings: object) -> None:
    token = unsubscribe_token(Subscription("u:1", "orders", "email"))
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]  # type: ignore[attr-defined]
    settings.SECRET_KEY = "another-secret-key"  # type: ignore[attr-defined]
    assert read_unsubscribe_token(token) is not None


def test_links_are_made_only_where_words_print_them(
    sandbox: SandboxProcess, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    real = deliver_flow.links_of
    monkeypatch.setattr(deliver_flow, "links_of", lambda row, category: made.append(row.channel) or real(row, category))
    user = person("token-links-001")
    notify(user, "new-follower", {"name": "Ada"})
    work(Channel.PUSH)
    assert made == []
    template = Template.objects.get(slug="new-follower")
    publish(template, {(Channel.PUSH, "en"): {"title": "New", "body": "{{ unsubscribe_url }}"}}, Source.CONSOLE)
    notify(user, "new-follower", {"name": "Ada"})
    work(Channel.PUSH)
    assert made == [Channel.PUSH]
    newest = sandbox.client.messages(to="token-links-001")[0]
    assert newest.content["body"].startswith("http://testserver/unsubscribe/")


def test_a_link_of_a_user_who_is_gone_opens_nothing(sandbox: SandboxProcess, person: Person, client: Client) -> None:
    path = sent_link(sandbox, person, "gone@example.com")
    User.objects.get(email="gone@example.com").delete()
    for answer in (client.get(path), client.post(path), client.post(path, {"action": "resubscribe"})):
        assert answer.status_code == 404
        assert b"This link does not work" in answer.content
    assert not Preference.objects.exists()


def test_somebody_without_an_account_reads_that_everything_ends(sandbox: SandboxProcess, client: Client) -> None:
    notify(Address(email="all@example.com"), "order-shipped", ORDER)
    work(Channel.EMAIL)
    path = urlsplit(header(sandbox, "all@example.com").strip("<>")).path
    before = client.get(path).content.decode()
    assert "nothing more at this address by Email?" in before
    assert "every kind, also those that belong to the service itself" in before
    after = client.post(path).content.decode()
    assert "You will receive nothing more at this address by Email" in after
    assert "of the kind" not in before + after
    Category.objects.update(mandatory=True)
    notify(Address(email="all@example.com"), "order-shipped", ORDER)
    assert Delivery.objects.filter(reason="suppression").count() == 1
