"""The hosted preference page: what is ticked is what arrives."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from notifications import notify
from notifications.enums import Channel
from notifications.models import Category, Delivery, Device, Preference
from notifications.rules.links import Subscription, preferences_token, unsubscribe_token
from notifications.sandbox.process import SandboxProcess
from tests.live import work

pytestmark = pytest.mark.django_db
Person = Callable[..., User]
BASE = {"quiet_start": "", "quiet_end": "", "time_zone": "", "locale": ""}


def path_of(user: User) -> str:
    return f"/preferences/{preferences_token(f'u:{user.pk}')}/"


def ticked(page: bytes) -> set[str]:
    """Return the fields of the boxes that a page shows as ticked."""
    boxes = [part.split(b">")[0] for part in page.split(b'<input type="checkbox" ')[1:]]
    return {box.split(b'"')[1].decode() for box in boxes if b"checked" in box}


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
    fields = ticked(client.get(path_of(user)).content) - {"c:social:push"}
    page = client.post(path_of(user), {**BASE, **dict.fromkeys(fields, "on")})
    assert b"Saved." in page.content
    assert ticked(page.content) == fields
    assert Preference.objects.get().categories == {"social": {"push": False}}
    notify(user, "new-follower", {"name": "Ada"})
    notify(user, "new-post", {"title": "Bells"})
    work(Channel.PUSH)
    assert sorted(Delivery.objects.values_list("state", "reason")) == [("sent", ""), ("skipped", "preference")]


def test_one_device_can_be_left_out(sandbox: SandboxProcess, person: Person, client: Client) -> None:
    user = person("token-hosted-003", "token-hosted-004")
    quiet = Device.objects.get(address="token-hosted-003")
    fields = ticked(client.get(path_of(user)).content) - {f"d:{quiet.pk}"}
    client.post(path_of(user), {**BASE, **dict.fromkeys(fields, "on")})
    notify(user, "new-follower", {"name": "Ada"})
    work(Channel.PUSH)
    assert Delivery.objects.get(device=quiet).reason == "preference"
    assert Delivery.objects.exclude(device=quiet).get().state == "sent"


def test_a_device_left_out_after_planning_counts_too(sandbox: SandboxProcess, person: Person, client: Client) -> None:
    user = person("token-hosted-005")
    notify(user, "new-follower", {"name": "Ada"})
    client.post(path_of(user), {**BASE, "c:social:push": "on"})
    work(Channel.PUSH)
    assert Delivery.objects.get().reason == "preference"


def test_a_mandatory_message_reaches_every_device(sandbox: SandboxProcess, person: Person, client: Client) -> None:
    user = person("token-hosted-006")
    client.post(path_of(user), BASE)
    Category.objects.filter(slug="social").update(mandatory=True)
    notify(user, "new-follower", {"name": "Ada"})
    work(Channel.PUSH)
    assert Delivery.objects.get().state == "sent"


def test_who_switched_a_channel_off_and_ticks_one_kind_gets_that_kind(db: None, person: Person, client: Client) -> None:
    user = person("token-hosted-007")
    Preference.objects.create(recipient=f"u:{user.pk}", channels={"push": False})
    assert not [field for field in ticked(client.get(path_of(user)).content) if field.endswith(":push")]
    client.post(path_of(user), {**BASE, "c:social:push": "on"})
    kept = Preference.objects.get()
    assert kept.channels == {}
    assert kept.categories["news"] == {"push": False}
    assert "social" not in kept.categories


def test_quiet_hours_zone_and_language_are_kept(db: None, person: Person, client: Client) -> None:
    user = person()
    form = {"quiet_start": "22:00", "quiet_end": "07:00", "time_zone": "Asia/Kolkata", "locale": "de"}
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
    assert b"keep_quiet_hours" in page.content
    client.post(path_of(user), {"keep_quiet_hours": "1", "time_zone": "", "locale": ""})
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
    client.post(path_of(user), {**BASE, f"d:{other.pk}": "on"})
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
