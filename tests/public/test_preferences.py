"""The hosted preference page: what is ticked is what arrives."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.test import Client

from notifications import notify
from notifications.enums import Channel
from notifications.flows.devices import Registration, register
from notifications.flows.preferences import change_preferences
from notifications.models import Category, Delivery, Device, Preference, Template
from notifications.rules.links import Subscription, preferences_token, unsubscribe_token
from notifications.sandbox.process import SandboxProcess
from tests.live import work

pytestmark = pytest.mark.django_db
Person = Callable[..., User]
BASE = {"shown": "", "quiet_start": "", "quiet_end": "", "time_zone": "", "locale": ""}


def path_of(user: User) -> str:
    return f"/preferences/{preferences_token(f'u:{user.pk}')}/"


def ticked(page: bytes) -> set[str]:
    """Return the fields of the boxes that a page shows as ticked."""
    boxes = [part.split(b">")[0] for part in page.split(b'<input type="checkbox" ')[1:]]
    return {box.split(b'"')[1].decode() for box in boxes if b"checked" in box}


class _Form(HTMLParser):
    """Reads what a browser would post."""

    def __init__(self) -> None:
        super().__init__()
        self.pairs: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "input" and (found.get("type") != "checkbox" or "checked" in found):
            self.pairs.append((str(found["name"]), found.get("value") or "on" * ("checked" in found)))
        if tag == "select":
            self.pairs.append((str(found["name"]), ""))
        if tag == "option" and "selected" in found:
            self.pairs[-1] = (self.pairs[-1][0], str(found["value"]))


def pairs_of(page: bytes) -> list[tuple[str, str]]:
    """Return the page's form as a browser would post it unchanged."""
    form = _Form()
    form.feed(page.decode())
    return form.pairs


def form_of(page: bytes) -> dict[str, list[str]]:
    """Return the page's form by field."""
    pairs = pairs_of(page)
    return {name: [value for other, value in pairs if other == name] for name, _ in pairs}


def without(form: dict[str, list[str]], *fields: str) -> dict[str, list[str]]:
    """Return the form with these boxes left empty."""
    return {name: values for name, values in form.items() if name not in fields}


def test_everything_that_can_be_switched_off_is_shown_and_on(db: None, person: Person, client: Client) -> None:
    user = person("token-hosted-001")
    page = client.get(path_of(user))
    device = Device.objects.get()
    assert page.status_code == 200
    assert {"c:social:push", "c:news:push", "c:orders:email", f"d:{device.pk}"} <= ticked(page.content)
    assert b"c:login" not in page.content
    assert b"carillon-trial" not in page.content
    assert not Preference.objects.exists()


def test_what_is_not_ticked_does_not_arrive(sandbox: SandboxProcess, person: Person, client: Client) -> None:
    user = person("token-hosted-002")
    before = client.get(path_of(user)).content
    page = client.post(path_of(user), without(form_of(before), "c:social:push"))
    assert b"Saved." in page.content
    assert ticked(page.content) == ticked(before) - {"c:social:push"}
    assert Preference.objects.get().categories == {"social": {"push": False}}
    notify(user, "new-follower", {"name": "Ada"})
    notify(user, "new-post", {"title": "Bells"})
    work(Channel.PUSH)
    assert sorted(Delivery.objects.values_list("state", "reason")) == [("sent", ""), ("skipped", "preference")]


def test_one_device_can_be_left_out(sandbox: SandboxProcess, person: Person, client: Client) -> None:
    user = person("token-hosted-003", "token-hosted-004")
    quiet = Device.objects.get(address="token-hosted-003")
    client.post(path_of(user), without(form_of(client.get(path_of(user)).content), f"d:{quiet.pk}"))
    notify(user, "new-follower", {"name": "Ada"})
    work(Channel.PUSH)
    assert Delivery.objects.get(device=quiet).reason == "preference"
    assert Delivery.objects.exclude(device=quiet).get().state == "sent"


def test_a_device_left_out_after_planning_counts_too(sandbox: SandboxProcess, person: Person, client: Client) -> None:
    user = person("token-hosted-005")
    notify(user, "new-follower", {"name": "Ada"})
    device = f"d:{Device.objects.get().pk}"
    client.post(path_of(user), without(form_of(client.get(path_of(user)).content), device))
    work(Channel.PUSH)
    assert Delivery.objects.get().reason == "preference"


def test_a_mandatory_message_reaches_every_device(sandbox: SandboxProcess, person: Person, client: Client) -> None:
    user = person("token-hosted-006")
    page = client.get(path_of(user)).content
    client.post(path_of(user), without(form_of(page), *ticked(page)))
    assert not ticked(client.get(path_of(user)).content)
    Category.objects.filter(slug="social").update(mandatory=True)
    notify(user, "new-follower", {"name": "Ada"})
    work(Channel.PUSH)
    assert Delivery.objects.get().state == "sent"


def test_who_switched_a_channel_off_and_ticks_one_kind_gets_that_kind(db: None, person: Person, client: Client) -> None:
    user = person("token-hosted-007")
    Preference.objects.create(recipient=f"u:{user.pk}", channels={"push": False})
    page = client.get(path_of(user)).content
    assert not [field for field in ticked(page) if field.endswith(":push")]
    client.post(path_of(user), {**form_of(page), "c:social:push": ["on"]})
    kept = Preference.objects.get()
    assert kept.channels == {}
    assert kept.categories["news"] == {"push": False}
    assert "social" not in kept.categories


def test_quiet_hours_zone_and_language_are_kept(db: None, person: Person, client: Client) -> None:
    user = person()
    form = {"shown": "", "quiet_start": "22:00", "quiet_end": "07:00", "time_zone": "Asia/Kolkata", "locale": "de"}
    page = client.post(path_of(user), form)
    kept = Preference.objects.get()
    assert kept.quiet_hours == [{"days": [0, 1, 2, 3, 4, 5, 6], "start": "22:00", "end": "07:00"}]
    assert (kept.time_zone, kept.locale) == ("Asia/Kolkata", "de")
    assert b'value="22:00"' in page.content


def test_what_cannot_be_is_said_and_nothing_is_changed(db: None, person: Person, client: Client) -> None:
    user = person()
    page = client.post(path_of(user), {**BASE, "time_zone": "Mars/Olympus", "c:social:push": "on"})
    assert page.status_code == 400
    assert b"Europe/Berlin" in page.content
    assert not Preference.objects.exists()
    page = client.post(path_of(user), {**BASE, "quiet_start": "22:00"})
    assert page.status_code == 400


def test_several_windows_are_kept_as_they_are(db: None, person: Person, client: Client) -> None:
    user = person()
    windows = [{"days": [0], "start": "22:00", "end": "07:00"}, {"days": [5], "start": "20:00", "end": "09:00"}]
    Preference.objects.create(recipient=f"u:{user.pk}", quiet_hours=windows)
    page = client.get(path_of(user))
    assert b"several quiet times" in page.content
    assert client.post(path_of(user), form_of(page.content)).status_code == 200
    assert Preference.objects.get().quiet_hours == windows


@pytest.mark.parametrize("token", ["x", unsubscribe_token(Subscription("u:1", "orders", "email")), ":", "a" * 5_000])
def test_a_forged_or_foreign_token_opens_nothing(db: None, client: Client, token: str) -> None:
    for answer in (client.get(f"/preferences/{token}/"), client.post(f"/preferences/{token}/", BASE)):
        assert answer.status_code == 404
    assert not Preference.objects.exists()


def test_an_erased_users_link_opens_nothing(db: None, person: Person, client: Client) -> None:
    user = person()
    path = path_of(user)
    user.delete()
    assert client.post(path, BASE).status_code == 404
    assert not Preference.objects.exists()


def test_nobody_ticks_somebody_elses_device(db: None, person: Person, client: Client) -> None:
    person("token-hosted-008")
    user = person()
    other = Device.objects.get()
    client.post(path_of(user), {**BASE, "shown": f"on d:{other.pk}"})
    client.post(path_of(user), {**BASE, "shown": f"off d:{other.pk}", f"d:{other.pk}": "on"})
    assert Preference.objects.get().devices == {}


@pytest.mark.parametrize(("accept", "direction"), [("de", "ltr"), ("ar", "rtl"), ("xx", "ltr")])
def test_the_page_speaks_the_readers_language(
    db: None, person: Person, client: Client, accept: str, direction: str
) -> None:
    page = client.get(path_of(person()), headers={"Accept-Language": accept})
    assert f'dir="{direction}"'.encode() in page.content
    assert page.headers["Content-Language"] == (accept if accept != "xx" else "en")


def test_everything_on_the_page_is_in_the_language_that_the_recipient_chose(
    db: None, person: Person, client: Client
) -> None:
    user = person("token-hosted-020")
    Preference.objects.create(recipient=f"u:{user.pk}", locale="de")
    Device.objects.update(platform="web")
    page = client.get(path_of(user), headers={"Accept-Language": "en"}).content.decode()
    assert "> E-Mail</label>" in page
    assert "Was Sie erhalten möchten" in page
    assert '<option value="ar">العربيّة</option>' in page, "languages are named in their own words"
    wrong = {**BASE, "time_zone": "Mars/Olympus", "locale": "de", "quiet_start": "22:00"}
    told = client.post(path_of(user), wrong, headers={"Accept-Language": "en"}).content.decode()
    assert "Diese Zeitzone ist nicht bekannt." in told
    assert "Die Ruhezeit braucht" in told
    assert "IANA" not in told


# --- what was not on the page, or was left as it was


def test_saving_unchanged_writes_nothing(db: None, person: Person, client: Client) -> None:
    user = person("token-hosted-030")
    stored = {
        "channels": {"sms": False, "push": False},
        "categories": {"orders": {"email": False}},
        "devices": {str(Device.objects.get().pk): False},
        "quiet_hours": [{"days": [0, 1, 2, 3, 4, 5, 6], "start": "22:00", "end": "07:00"}],
        "locale": "pt-BR",  # the page does not offer it
        "time_zone": "Asia/Kolkata",
    }
    Preference.objects.create(recipient=f"u:{user.pk}", **stored)
    page = client.get(path_of(user)).content
    assert b"Saved." in client.post(path_of(user), form_of(page)).content
    kept = Preference.objects.values().get()
    assert {name: kept[name] for name in stored} == stored


def test_what_came_after_the_page_was_opened_is_left_alone(db: None, person: Person, client: Client) -> None:
    user = person("token-hosted-031")
    form = form_of(client.get(path_of(user)).content)
    social = Category.objects.get(slug="social")
    Template.objects.create(slug="later", category=Category.objects.create(slug="later", channels=social.channels))
    register(user.pk, Registration(platform="android", address="token-hosted-032"))
    change_preferences(f"u:{user.pk}", {"categories": {"orders": {"email": False}}, "locale": "de"})
    client.post(path_of(user), without(form, "c:social:push"))
    kept = Preference.objects.get()
    assert kept.categories == {"social": {"push": False}, "orders": {"email": False}}
    assert (kept.devices, kept.locale) == ({}, "de")


def test_what_left_since_the_page_was_opened_is_no_mistake(db: None, person: Person, client: Client) -> None:
    user = person("token-hosted-033")
    form = form_of(client.get(path_of(user)).content)
    Device.objects.all().delete()
    Category.objects.filter(slug="social").update(mandatory=True)
    gone = [name for name in form if name.startswith("d:")]
    assert client.post(path_of(user), without(form, "c:social:push", *gone)).status_code == 200
    assert (Preference.objects.get().categories, Preference.objects.get().devices) == ({}, {})


@pytest.mark.parametrize("body", [{}, {"locale": "", "time_zone": ""}, {"c:social:push": "on"}])
def test_a_form_that_did_not_arrive_whole_changes_nothing(
    db: None, person: Person, client: Client, body: dict[str, str]
) -> None:
    user = person("token-hosted-034")
    Preference.objects.create(recipient=f"u:{user.pk}", locale="de", channels={"push": False})
    answer = client.post(path_of(user), body)
    assert answer.status_code == 400
    assert "Öffnen Sie den Link" in answer.content.decode()
    kept = Preference.objects.get()
    assert (kept.locale, kept.channels, kept.categories, kept.devices) == ("de", {"push": False}, {}, {})


def test_a_form_that_was_cut_off_changes_only_what_is_whole_in_it(db: None, person: Person, client: Client) -> None:
    user = person("token-hosted-035")
    whole = urlencode(pairs_of(client.get(path_of(user)).content))
    for length in range(0, len(whole), 23):
        client.post(path_of(user), whole[:length], content_type="application/x-www-form-urlencoded")
        assert not any(row.categories or row.channels or row.devices for row in Preference.objects.all())
