"""After a restore from a backup: whatever may have gone out since is doubted, and marked if it goes out again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.utils import timezone

from notifications import broadcast, conf, notify
from notifications.enums import Channel, Reason, State, UncertainPolicy
from notifications.flows import restored, sweep
from notifications.flows.after_restore import Suspects, WorkersRun, doubt_all, suspects
from notifications.flows.broadcast import plan_page
from notifications.flows.digest import close_digests
from notifications.flows.operate import By
from notifications.models import AuditEntry, Broadcast, Category, Delivery, DeliveryEvent, Digest, Notification
from notifications.sandbox.process import SandboxProcess
from notifications.wakeups import beat, leave
from project.shop.models import Follow
from project.shop.notifications import followers
from tests.live import work

pytestmark = pytest.mark.django_db
Person = Callable[..., User]
BY = By("somebody", "a drill")


def doubt_now() -> int:
    """Do what the command does, as of now."""
    return doubt_all(BY, Delivery.objects.database_now(), lambda _: None)


def settle() -> None:
    """Let the wait for receipts be over, and do what workers then do."""
    past = Now() - timedelta(seconds=1)
    Delivery.objects.filter(state=State.UNCERTAIN).update(due_at=past)
    sweep.settle_uncertain()
    work()


def marks() -> Counter[tuple[str, bool]]:
    """Count deliveries by state and by whether they are marked."""
    return Counter(Delivery.objects.values_list("state", "possible_duplicate"))


def test_what_waited_goes_out_marked_and_what_came_since_does_not(sandbox: SandboxProcess, person: Person) -> None:
    ada = person("token-restored-1")
    notify(ada, "new-follower", {"name": "before"})

    assert doubt_now() == 1
    notify(ada, "new-follower", {"name": "since"})
    settle()

    assert marks() == {("sent", True): 1, ("sent", False): 1}
    event = DeliveryEvent.objects.get(actor="somebody")
    assert (event.state, event.detail) == ("uncertain", "restored from a backup: it may have gone out since")
    assert AuditEntry.objects.get(action="after_restore").done == 1


def test_what_was_to_wait_for_longer_is_left_alone(sandbox: SandboxProcess, person: Person) -> None:
    ada = person("token-restored-2")
    notify(ada, "new-follower", {"name": "A"}, send_at=timezone.now() + timedelta(days=1))
    soon = notify(ada, "new-follower", {"name": "B"})
    Delivery.objects.filter(notification=soon).update(due_at=Now() + timedelta(hours=1), reason=Reason.BREAKER_OPEN)

    assert doubt_now() == 1  # the breaker may have closed earlier
    assert Delivery.objects.get(state=State.PENDING).reason == Reason.SCHEDULED


def test_what_a_worker_held_is_doubted_started_or_not(sandbox: SandboxProcess, person: Person) -> None:
    held = notify(person("token-restored-3"), "new-follower", {"name": "A"})
    Delivery.objects.filter(notification=held).update(state=State.SENDING, claim_id=77, position=5, provider="fcm")

    assert doubt_now() == 1
    row = Delivery.objects.get()
    assert (row.state, row.claim_id, row.maybe_sent) == ("uncertain", None, True)


def test_a_category_that_holds_keeps_it_for_a_person(sandbox: SandboxProcess, person: Person) -> None:
    Category.objects.filter(slug="social").update(uncertain=UncertainPolicy.HOLD)
    notify(person("token-restored-4"), "new-follower", {"name": "A"})

    doubt_now()
    settle()

    assert Delivery.objects.values_list("state", "reason").get() == ("dead", "held")


def test_a_dead_letter_stays_one_and_its_replay_is_marked(sandbox: SandboxProcess, person: Person) -> None:
    letter = notify(person("token-restored-5"), "new-follower", {"name": "A"})
    Delivery.objects.filter(notification=letter).update(state=State.DEAD, reason=Reason.RETRIES_EXHAUSTED)

    assert doubt_now() == 1
    assert Delivery.objects.values_list("state", "reason", "maybe_sent").get() == ("dead", "retries_exhausted", True)
    assert doubt_now() == 0


def test_doing_it_again_adds_nothing(sandbox: SandboxProcess, person: Person) -> None:
    notify(person("token-restored-6"), "new-follower", {"name": "A"})
    doubt_now()
    Delivery.objects.update(due_at=Now() - timedelta(seconds=1))
    sweep.settle_uncertain()

    assert doubt_now() == 0
    assert Delivery.objects.get().state == State.PENDING


def test_pages_that_are_planned_again_are_marked(
    sandbox: SandboxProcess, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conf, "PAGE_SIZE", 2)
    for number in range(4):
        Follow.objects.create(user=person(f"token-restored-page-{number}"), author_id=7)
    made: Broadcast = broadcast("new-post", followers(author_id=7), {"title": "Bells"})
    later = broadcast(
        "new-post", followers(author_id=7), {"title": "Later"}, send_at=timezone.now() + timedelta(days=1)
    )
    plan_page(made.pk)

    assert suspects(Delivery.objects.database_now()).broadcasts == [f"{made.pk} planning", f"{later.pk} scheduled"]
    doubt_now()
    while plan_page(made.pk):
        pass
    settle()
    since: Broadcast = broadcast("new-post", followers(author_id=7), {"title": "New"})
    while plan_page(since.pk):
        pass

    assert marks() == {("sent", True): 4, ("pending", False): 4}


def test_a_broadcast_that_was_still_to_come_is_not_marked(person: Person) -> None:
    Follow.objects.create(user=person("token-restored-later"), author_id=7)
    made = broadcast("new-post", followers(author_id=7), {"title": "A"}, send_at=timezone.now() + timedelta(seconds=60))
    doubt_now()
    Broadcast.objects.update(send_at=Now() - timedelta(seconds=1))
    Notification.objects.filter(pk=made.notification_id).update(send_at=restored_at() + timedelta(milliseconds=1))

    plan_page(made.pk)

    assert Delivery.objects.get().state == State.PENDING


def test_a_fallback_that_may_have_been_planned_before_is_marked(sandbox: SandboxProcess, person: Person) -> None:
    ada = person(phone="+4915112345699")
    notify(ada, "login-code", {"code": "1"})
    past = timezone.now() - timedelta(seconds=1)
    Delivery.objects.update(state=State.FAILED, reason=Reason.INVALID_RECIPIENT, fallback_at=past)

    assert doubt_now() == 0
    sweep.consider_fallbacks()
    settle()

    assert dict(Delivery.objects.values_list("channel", "possible_duplicate")) == {"sms": False, "email": True}


def test_a_digest_that_was_due_is_marked_and_a_later_one_is_not(sandbox: SandboxProcess, person: Person) -> None:
    Category.objects.filter(slug="social").update(digest="hourly")
    for token in ("token-restored-digest-1", "token-restored-digest-2"):
        notify(person(token), "new-follower", {"name": "Ada"})
    work(Channel.PUSH)
    early, late = Digest.objects.order_by("pk")
    Digest.objects.filter(pk=early.pk).update(due_at=Now() - timedelta(minutes=1))

    doubt_now()
    Digest.objects.filter(pk=late.pk).update(due_at=restored_at() + timedelta(milliseconds=1))
    assert close_digests() == 2
    settle()

    ids = {digest.recipient: digest.notification_id for digest in Digest.objects.all()}
    sent = dict(Delivery.objects.filter(state=State.SENT).values_list("notification_id", "possible_duplicate"))
    assert sent == {ids[early.recipient]: True, ids[late.recipient]: False}


def test_a_receipt_settles_it(sandbox: SandboxProcess, person: Person) -> None:
    """The channel has one provider: its receipt of the attempt that the backup does not know is believed."""
    told = notify(person(phone="+4915112345688"), "login-code", {"code": "1"})
    doubt_now()

    row = Delivery.objects.get(notification=told)
    assert (row.attempt, row.provider) == (1, "twilio")


def test_a_provider_that_honours_keys_gets_the_same_one(
    sandbox: SandboxProcess, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    from_key: Any = timedelta(hours=24)
    monkeypatch.setattr("notifications.flows.gate.key_lifetime", lambda _: from_key)
    Category.objects.filter(slug="social").update(uncertain=UncertainPolicy.HOLD)
    notify(person("token-restored-key"), "new-follower", {"name": "A"})

    doubt_now()
    row = Delivery.objects.get()
    assert (row.maybe_sent, row.keyed_at is not None, row.generation) == (False, True, 0)
    settle()
    assert marks() == {("sent", False): 1}


def test_it_is_refused_while_workers_run(own_redis: None, person: Person) -> None:
    notify(person("token-restored-7"), "new-follower", {"name": "A"})
    beat([Channel.SMS], "somebody")
    with pytest.raises(WorkersRun):
        doubt_now()
    leave([Channel.SMS], "somebody")

    assert suspects(Delivery.objects.database_now()) == Suspects(1, 0, 0, [])
    assert doubt_now() == 1


def restored_at() -> datetime:
    """Return the moment of the restore, which is known."""
    found = restored.restored_at()
    assert found is not None
    return found
