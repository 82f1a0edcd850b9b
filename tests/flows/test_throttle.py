"""Throttle and digest: a busy recipient gets so many messages and one digest of the rest, and nothing is lost."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from notifications import broadcast, notify
from notifications.enums import Channel, Reason, Source, State
from notifications.flows import digest as digest_flow
from notifications.flows import throttle as throttle_flow
from notifications.flows.broadcast import plan_page
from notifications.flows.declare import publish
from notifications.flows.digest import close_digests
from notifications.flows.recheck import load_facts
from notifications.flows.record import record
from notifications.models import (
    Category,
    Delivery,
    Device,
    Digest,
    DigestItem,
    Notification,
    Preference,
    Template,
    ThrottleWindow,
)
from notifications.models.throttle import hold_notifications
from notifications.sandbox.process import SandboxProcess
from project.shop.models import Profile
from tests.live import work

pytestmark = pytest.mark.django_db
Person = Callable[..., User]


def limit(throttle: str = "", digest: str = "") -> None:
    """Let the shop's social messages be throttled and digested so."""
    Category.objects.filter(slug="social").update(throttle=throttle, digest=digest)


def follow(user: User, count: int, key: str = "") -> None:
    """Notify somebody so many times."""
    for number in range(count):
        notify(user, "new-follower", {"name": f"Ada {number}"}, collapse_key=key)


def states() -> Counter[str]:
    """Count deliveries by state and reason."""
    return Counter(":".join(filter(None, pair)) for pair in Delivery.objects.values_list("state", "reason"))


def close() -> int:
    """Let every digest's window be over, and close it."""
    Digest.objects.filter(notification_id=None).update(due_at=Now() - timedelta(seconds=1))
    return close_digests()


def test_so_many_go_out_and_the_rest_is_one_digest(sandbox: SandboxProcess, person: Person) -> None:
    limit("2/hour", "hourly")
    user = person("token-busy-0001")
    follow(user, 5)
    work(Channel.PUSH)
    assert states() == {"sent": 2, "digested": 3}
    assert close() == 1
    work(Channel.PUSH)
    assert states() == {"sent": 3, "digested": 3}
    newest = sandbox.client.messages(to="token-busy-0001")[0]
    assert newest.content["title"] == "3 new notifications"
    assert close_digests() == 0


def test_devices_are_not_counted_but_notifications(sandbox: SandboxProcess, person: Person) -> None:
    limit("1/hour", "hourly")
    user = person("token-phone-001", "token-tablet-01")
    follow(user, 2)
    work(Channel.PUSH)
    assert states() == {"sent": 2, "digested": 2}
    assert DigestItem.objects.count() == 1
    close()
    work(Channel.PUSH)
    assert states() == {"sent": 4, "digested": 2}


def test_without_a_digest_the_rest_waits_for_the_next_window(sandbox: SandboxProcess, person: Person) -> None:
    limit("2/hour")
    follow(person("token-later-001"), 3)
    work(Channel.PUSH)
    assert states() == {"sent": 2, "pending:throttled": 1}
    waiting = Delivery.objects.get(reason=Reason.THROTTLED)
    assert waiting.due_at == ThrottleWindow.objects.get().ends_at


def test_what_would_expire_before_the_next_window_is_expired_now(sandbox: SandboxProcess, person: Person) -> None:
    limit("1/day")
    user = person("token-expires-1")
    follow(user, 1)
    notify(user, "new-follower", {"name": "Late"}, ttl=1)
    Delivery.objects.filter(expires_at__isnull=False).update(expires_at=Now() + timedelta(seconds=30))
    ThrottleWindow.objects.all().delete()
    work(Channel.PUSH)
    assert sorted(states()) == ["expired:ttl", "sent"]


def test_a_digest_alone_gathers_everything(sandbox: SandboxProcess, person: Person) -> None:
    limit(digest="daily 09:00")
    follow(person("token-daily-001"), 3)
    work(Channel.PUSH)
    assert states() == {"digested": 3}


def test_alike_messages_are_one_line_of_the_digest(sandbox: SandboxProcess, person: Person) -> None:
    limit(digest="hourly")
    user = person("token-alike-001")
    follow(user, 3, key="followers")
    follow(user, 1)
    work(Channel.PUSH)
    close()
    made = Notification.objects.get(digest_id__isnull=False)
    lines = made.data["items"]
    assert [line["count"] for line in lines] == [1, 3]
    assert (made.data["count"], made.data["more"]) == (4, 0)


def test_the_digest_is_never_throttled_itself(sandbox: SandboxProcess, person: Person) -> None:
    limit("1/hour", "hourly")
    follow(person("token-itself-01"), 3)
    work(Channel.PUSH)
    close()
    work(Channel.PUSH)
    assert states() == {"sent": 2, "digested": 2}


def test_the_categorys_own_words_are_used(sandbox: SandboxProcess, person: Person) -> None:
    """A template named after the category wins over the built-in one."""
    from_builtin = Category.objects.get(slug="carillon-digest").templates.get()
    limit(digest="hourly")
    own = type(from_builtin).objects.create(
        slug="social-digest", category=Category.objects.get(slug="social"), current=from_builtin.current
    )
    follow(person("token-words-001"), 2)
    work(Channel.PUSH)
    close()
    assert Notification.objects.get(digest_id__isnull=False).template == own.slug


def test_what_joins_as_the_window_closes_goes_to_the_next(sandbox: SandboxProcess, person: Person) -> None:
    limit(digest="hourly")
    user = person("token-closing-1")
    follow(user, 1)
    work(Channel.PUSH)
    first = Digest.objects.get()
    # It became a notification although, by this process's clock, it still gathers.
    Digest.objects.update(notification_id=first.pk)
    follow(user, 1)
    work(Channel.PUSH)
    later = Digest.objects.get(notification_id=None)
    assert later.due_at == first.due_at + timedelta(hours=1)
    assert later.items.count() == 1


def test_what_was_cancelled_meanwhile_is_not_in_the_digest(sandbox: SandboxProcess, person: Person) -> None:
    limit(digest="hourly")
    user = person("token-cancelled")
    follow(user, 2)
    work(Channel.PUSH)
    Notification.objects.filter(pk=Notification.objects.first().pk).update(cancelled_at=Now())  # type: ignore[union-attr]
    close()
    assert Notification.objects.get(digest_id__isnull=False).data["count"] == 1


def test_who_opted_out_meanwhile_gets_no_digest(sandbox: SandboxProcess, person: Person) -> None:
    limit(digest="hourly")
    user = person("token-optedout1")
    follow(user, 2)
    work(Channel.PUSH)
    Preference.objects.update_or_create(recipient=f"u:{user.pk}", defaults={"categories": {"social": {"push": False}}})
    close()
    assert states() == {"digested": 2, "skipped:preference": 1}


def test_a_broadcast_is_throttled_as_well(sandbox: SandboxProcess, person: Person) -> None:
    Category.objects.filter(slug="news").update(throttle="1/day", digest="hourly")
    user = person("token-broadcast")
    for _ in range(3):
        made = broadcast("new-post", {"users": [str(user.pk)]}, {"title": "Bells"})
        while plan_page(made.pk):
            pass
    work(Channel.PUSH)
    assert states() == {"sent": 1, "digested": 2}


@pytest.mark.django_db(transaction=True)
def test_eight_workers_at_once_admit_exactly_so_many(
    sandbox: SandboxProcess, person: Person, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setattr("notifications.conf.CLAIM_SIZE", 7)
    limit("5/hour", "hourly")
    users = [person(f"token-many-{number:04}") for number in range(3)]
    for user in users:
        follow(user, 60)

    def drain() -> None:
        try:
            work(Channel.PUSH)
        finally:
            connection.close()

    threads = [threading.Thread(target=drain) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    work(Channel.PUSH)
    assert states() == {"sent": 15, "digested": 165}
    assert DigestItem.objects.count() == 165
    assert close() == 3
    work(Channel.PUSH)
    assert states() == {"sent": 18, "digested": 165}
    counts = sorted(item.data["count"] for item in Notification.objects.filter(digest_id__isnull=False))
    assert counts == [55, 55, 55]
    assert State.DEAD not in states()


@pytest.mark.django_db(transaction=True)
def test_callers_that_notify_the_same_people_in_opposite_order_do_not_wait_for_each_other(
    sandbox: SandboxProcess, person: Person
) -> None:
    limit("1/hour", "hourly")
    one, other = person("token-order-001"), person("token-order-002")
    both_have_notified_one = threading.Barrier(2, timeout=60)
    problems: list[BaseException] = []

    def call(first: User, second: User) -> None:
        try:
            with transaction.atomic():
                notify(first, "new-follower", {"name": "A"}, collapse_key="same")
                both_have_notified_one.wait()
                notify(second, "new-follower", {"name": "B"}, collapse_key="same")
        except BaseException as error:  # noqa: BLE001 - it is looked at below, in the test's own thread
            problems.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=call, args=pair) for pair in ((one, other), (other, one))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert problems == []
    work(Channel.PUSH)
    assert states() == {"sent": 2, "digested": 2}


def test_an_email_digest_has_the_words_of_its_messages(sandbox: SandboxProcess, person: Person) -> None:
    Category.objects.filter(slug="orders").update(digest="hourly")
    user = person(email="digest@example.com")
    for number in ("A-1", "A-2"):
        notify(user, "order-shipped", {"number": number, "total": 2.5, "items": []})
    work(Channel.EMAIL)
    close()
    lines = Notification.objects.get(digest_id__isnull=False).data["items"]
    assert [("A-2" in line["title"], "A-1" in line["title"]) for line in lines] == [(True, False), (False, True)]


def test_a_digest_counts_all_and_renders_only_what_it_shows(
    sandbox: SandboxProcess, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest_flow, "_BATCH", 7)
    limit(digest="hourly")
    user = person("token-counting1")
    follow(user, 25)
    work(Channel.PUSH)
    rendered: list[int] = []
    real = digest_flow.compose
    monkeypatch.setattr(digest_flow, "compose", lambda *given: rendered.append(1) or real(*given))
    close()
    data = Notification.objects.get(digest_id__isnull=False).data
    assert (data["count"], len(data["items"]), data["more"], len(rendered)) == (25, 10, 15, 10)
    assert "Ada 24" in data["items"][0]["text"] + data["items"][0]["title"]


def test_a_line_of_a_digest_may_print_a_link(sandbox: SandboxProcess, person: Person) -> None:
    template = Template.objects.get(slug="new-follower")
    publish(template, {(Channel.PUSH, "en"): {"title": "New", "body": "{{ preferences_url }}"}}, Source.CONSOLE)
    limit(digest="hourly")
    user = person("token-linked-01")
    follow(user, 1)
    work(Channel.PUSH)
    close()
    line = Notification.objects.get(digest_id__isnull=False).data["items"][0]
    assert line["text"].startswith("http://testserver/preferences/")


def hold_back(token: str) -> None:
    """Keep one device's deliveries for later."""
    Delivery.objects.filter(address=token, state=State.PENDING).update(due_at=Now() + timedelta(hours=1))


def let_go() -> None:
    """Let everything that was kept be due."""
    Delivery.objects.filter(state=State.PENDING).update(due_at=Now() - timedelta(seconds=1))


def test_a_device_that_comes_after_its_window_joins_no_second_digest(sandbox: SandboxProcess, person: Person) -> None:
    limit(digest="hourly")
    follow(person("token-early-001", "token-tardy-001"), 1)
    hold_back("token-tardy-001")
    work(Channel.PUSH)
    close()
    work(Channel.PUSH)
    let_go()
    work(Channel.PUSH)
    assert states() == {"digested": 2, "sent": 2}
    assert (Digest.objects.count(), DigestItem.objects.count()) == (1, 1)


def test_a_device_that_comes_after_its_window_still_has_its_place(sandbox: SandboxProcess, person: Person) -> None:
    limit("1/hour", "hourly")
    user = person("token-early-002", "token-tardy-002")
    follow(user, 1)
    hold_back("token-tardy-002")
    work(Channel.PUSH)
    ThrottleWindow.objects.all().delete()  # its hour is over, and another message takes the place of the next one
    follow(user, 1)
    hold_back("token-tardy-002")
    work(Channel.PUSH)
    let_go()
    work(Channel.PUSH)
    assert states() == {"sent": 4}
    assert [len(window.admitted) for window in ThrottleWindow.objects.all()] == [1]


def in_zones(user: User, account: str, chosen: str, **by_device: str) -> None:
    """Let an account, its preferences and its devices (by their tokens, with _ for -) have these zones."""
    Profile.objects.filter(user=user).update(time_zone=account)
    Preference.objects.create(recipient=f"u:{user.pk}", time_zone=chosen)
    for token, where in by_device.items():
        assert Device.objects.filter(address=token.replace("_", "-")).update(time_zone=where) == 1


NINE = "daily 09:00"


def test_devices_in_two_zones_share_one_digest(sandbox: SandboxProcess, person: Person) -> None:
    limit(digest=NINE)
    user = person("token-berlin-1", "token-newyork")
    in_zones(user, "Europe/Berlin", "", token_berlin_1="Europe/Berlin", token_newyork="America/New_York")
    follow(user, 2)
    work(Channel.PUSH)
    assert states() == {"digested": 4}
    digest = Digest.objects.get()
    assert f"{digest.due_at.astimezone(ZoneInfo('Europe/Berlin')):%H:%M}" == "09:00"
    close()
    work(Channel.PUSH)
    assert states() == {"digested": 4, "sent": 2}
    assert Notification.objects.get(digest_id__isnull=False).data["count"] == 2


def test_devices_in_two_zones_share_one_window(sandbox: SandboxProcess, person: Person) -> None:
    limit("1/day", NINE)
    user = person("token-berlin-2", "token-newyork")
    in_zones(user, "Europe/Berlin", "", token_berlin_2="Europe/Berlin", token_newyork="America/New_York")
    follow(user, 3)
    work(Channel.PUSH)
    assert states() == {"sent": 2, "digested": 4}
    assert (ThrottleWindow.objects.count(), Digest.objects.count()) == (1, 1)


@pytest.mark.parametrize(
    ("account", "chosen", "counted"),
    [
        ("Europe/Berlin", "Asia/Kolkata", "Asia/Kolkata"),
        ("Europe/Berlin", "", "Europe/Berlin"),
        ("", "", "America/St_Johns"),
        ("Mars/Olympus", "Mars/Olympus", "America/St_Johns"),
    ],
)
def test_a_persons_days_are_the_same_whichever_device_comes_first(
    sandbox: SandboxProcess, person: Person, account: str, chosen: str, counted: str
) -> None:
    """What they chose, else their account's zone, else that of the device that they registered first."""
    limit("1/day")
    user = person("token-nowhere1", "token-stjohns1", "token-chatham1")
    in_zones(user, account, chosen, token_stjohns1="America/St_Johns", token_chatham1="Pacific/Chatham")
    for token in ("token-stjohns1", "token-chatham1"):
        follow(user, 1)
        Delivery.objects.filter(state=State.PENDING).exclude(address=token).update(due_at=Now() + timedelta(hours=1))
        work(Channel.PUSH)
    window = ThrottleWindow.objects.get()
    assert f"{window.ends_at.astimezone(ZoneInfo(counted)):%H:%M}" == "00:00"
    assert states() == {"sent": 1, "pending:new": 4, "pending:throttled": 1}


def test_without_any_zone_days_are_those_of_the_installation(sandbox: SandboxProcess, person: Person) -> None:
    limit("1/day")
    user = person("token-nozone-1")
    in_zones(user, "", "")
    follow(user, 1)
    work(Channel.PUSH)
    assert ThrottleWindow.objects.get().ends_at.astimezone(timezone.get_default_timezone()).hour == 0


def test_zones_are_looked_up_only_where_days_are_counted(
    sandbox: SandboxProcess, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Collection[str]] = []
    monkeypatch.setattr(throttle_flow, "zones_of", lambda recipients, _: asked.append(recipients) or {})
    limit("1/hour", "hourly")
    follow(person("token-hourly-01"), 2)
    work(Channel.PUSH)
    assert states() == {"sent": 1, "digested": 1}
    assert not any(asked)


@pytest.mark.django_db(transaction=True)
def test_two_workers_with_a_device_each_at_a_windows_edge_agree_on_one_digest(person: Person) -> None:
    limit(digest="hourly")
    follow(person("token-edge-0001", "token-edge-0002"), 1)
    rows = list(Delivery.objects.order_by("address"))
    edge = timezone.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    first_has_decided, second_is_done = threading.Event(), threading.Event()
    problems: list[BaseException] = []

    def decide(row: Delivery, now: datetime, then: Callable[[], object]) -> None:
        try:
            with transaction.atomic():
                record(throttle_flow.throttle([row], load_facts([row], now)).values())
                then()
        except BaseException as error:  # noqa: BLE001 - it is looked at below, in the test's own thread
            problems.append(error)
        finally:
            connection.close()

    def wait_for_the_other() -> None:
        first_has_decided.set()
        second_is_done.wait(1)  # until then it has had the time to go on without this one's word

    early = threading.Thread(target=decide, args=(rows[0], edge - timedelta(seconds=1), wait_for_the_other))
    early.start()
    assert first_has_decided.wait(30)
    decide(rows[1], edge + timedelta(seconds=1), second_is_done.set)
    early.join(30)
    assert problems == []
    assert states() == {"digested": 2}
    assert (Digest.objects.count(), DigestItem.objects.count()) == (1, 1)


def test_only_who_has_a_device_elsewhere_waits_for_others(person: Person) -> None:
    limit(digest="hourly")
    follow(person("token-both-0001", "token-both-0002"), 1)
    both = list(Delivery.objects.all())

    def held(rows: Sequence[Delivery]) -> int:
        with transaction.atomic():
            hold_notifications(rows)
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
                return int(cursor.fetchone()[0])

    assert held(both) == 0
    assert held(both[:1]) == 1
