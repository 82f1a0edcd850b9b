"""What is crashed at every boundary: doors, drains of each channel, fallback, a broadcast's plan, sweeper, receipts."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode

import django_rq
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from rq.serializers import JSONSerializer

from notifications import Address, broadcast, jobs, notify, workers
from notifications.enums import Channel
from notifications.flows.devices import Registration, register
from notifications.flows.keys import create_key
from notifications.flows.reconcile import reconcile
from notifications.flows.sweep import sweep
from notifications.models import Broadcast, Delivery, Receipt
from notifications.sandbox.twilio_webhooks import sign
from project.shop.models import Follow
from project.shop.notifications import followers

SHORT_LEASE = 0.3
SHORT_DOUBT = 0.05
PAGE = 1  # of a broadcast's plan
_UNREACHABLE = "+15005550002"  # Twilio's own: it cannot be reached, and that is no reason to suppress it


@dataclass
class Scene:
    """What a round has to hand: its number, the shop's user, a key of the API, and the log of what was acknowledged."""

    number: int
    user: User
    key: str
    acknowledged: Path
    public_url: str

    @property
    def phone(self) -> str:
        """A number that nobody else has."""
        return f"+491511{self.number:07d}"

    @property
    def mailbox(self) -> str:
        """An address that nobody else has."""
        return f"round{self.number}@example.com"

    def acknowledge(self, *notification_ids: object) -> None:
        """Keep what the caller was promised: a whole line, synced to the disk."""
        descriptor = os.open(self.acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, "".join(f"{self.number} {key}\n" for key in notification_ids).encode())
        os.fsync(descriptor)
        os.close(descriptor)


def nothing(_: Scene) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Target:
    """One thing to crash: what is there before, what the doomed process does, what the world does afterwards."""

    name: str
    act: Callable[[Scene], None]
    prepare: Callable[[Scene], None] = nothing
    afterwards: Callable[[Scene], None] = nothing
    check: Callable[[Scene], Sequence[str]] = field(default=lambda _: ())
    email: str = "email"
    """The provider that email goes through."""
    keyed: bool = False
    told_to_stop: bool = False
    refused: Channel | None = None
    """The channel whose provider takes nothing of this target's: its deliveries must end with a reason, unsent."""
    beforehand: Literal["", "sent", "left behind"] = ""
    """What became of it before: nothing, all was sent, or a worker died just after a provider's first answer."""


def make_scene(acknowledged: Path, public_url: str) -> Scene:
    """Make the shop's user with a device, and a key of the API."""
    own = os.getpid()
    user = User.objects.create(username=f"ada{own}", email=f"ada{own}@example.com")
    register(user.pk, Registration(platform="android", address=f"token-ada-{own:08d}"))
    return Scene(0, user, create_key("chaos", ["send"])[1], acknowledged, public_url)


# --- Doors ----------------------------------------------------------------------------------------------------------
def _notify_with_own_row(scene: Scene) -> None:
    with transaction.atomic():
        Follow.objects.create(user=scene.user, author_id=scene.number)
        made = notify(Address(sms=scene.phone), "login-code", {"code": "493021"})
    scene.acknowledge(made.pk)


def _row_and_delivery_together(scene: Scene) -> Sequence[str]:
    own = Follow.objects.filter(author_id=scene.number).count()
    asked = Delivery.objects.filter(address=scene.phone).count()
    return () if own == asked <= 1 else (f"the host has {own} rows, and there are {asked} deliveries",)


def _post(scene: Scene) -> None:
    order = {"order": {"number": "1", "total": 2}}
    answer = Client(raise_request_exception=False).post(
        "/api/v1/notifications/",
        json.dumps({"to": {"email": scene.mailbox}, "template": "invoice", "data": order}),
        content_type="application/json",
        headers={"Authorization": f"Api-Key {scene.key}", "Idempotency-Key": f"round-{scene.number}"},
    )
    if answer.status_code == 202:
        scene.acknowledge(answer.json()["id"])


def _asked_once(scene: Scene) -> Sequence[str]:
    asked = Delivery.objects.filter(address=scene.mailbox).count()
    return () if asked == 1 else (f"{asked} deliveries of one idempotency key",)


# --- Worker ---------------------------------------------------------------------------------------------------------
def _ask_push(scene: Scene) -> None:
    made = [notify(scene.user, "new-follower", {"name": name}) for name in ("Grace", "Mary")]
    scene.acknowledge(*(item.pk for item in made))


def _ask_sms(scene: Scene) -> None:
    made = [notify(Address(sms=scene.phone), "login-code", {"code": code}) for code in ("1", "2")]
    scene.acknowledge(*(item.pk for item in made))


def _ask_email(scene: Scene) -> None:
    order = {"order": {"number": "1", "total": 2}}
    made = [notify(Address(email=scene.mailbox), "invoice", order) for _ in range(2)]
    scene.acknowledge(*(item.pk for item in made))


def _drain(channel: Channel) -> Callable[[Scene], None]:
    return lambda _: jobs.drain(channel)


class _NoSweeper:
    """Stands in for the sweeper's thread, whose steps would fall at any time; it is crashed by itself."""

    def __init__(self, holder: str) -> None:
        """Do nothing with the holder."""

    def start(self) -> None:
        """Do nothing."""

    def join(self, timeout: float | None = None) -> None:
        """Do nothing."""


def _run_worker(_: Scene) -> None:
    workers.Sweeper = _NoSweeper  # type: ignore[assignment,misc]
    queue = django_rq.get_queue("sms", serializer=JSONSerializer)
    workers.ChannelWorker([queue], connection=queue.connection).work(burst=True, logging_level="WARNING")


# --- Fallback -------------------------------------------------------------------------------------------------------
def _ask_unreachable(scene: Scene) -> None:
    made = notify(Address(sms=_UNREACHABLE, email=scene.mailbox), "login-code", {"code": "1"})
    scene.acknowledge(made.pk)


def _fell_back_once(scene: Scene) -> Sequence[str]:
    states = list(Delivery.objects.filter(address=scene.mailbox).values_list("channel", "step", "state"))
    return () if [row[:2] for row in states] == [("email", 1)] else (f"the fallback made {states}",)


# --- A broadcast's plan ---------------------------------------------------------------------------------------------
_FOLLOWERS = [f"follower-{number}" for number in range(3 * PAGE)]


def _ask_followers(scene: Scene) -> None:
    own = os.getpid()
    people = list(User.objects.filter(username__in=[f"{name}-{own}" for name in _FOLLOWERS]))
    if not people:
        people = User.objects.bulk_create([User(username=f"{name}-{own}") for name in _FOLLOWERS])
        for person in people:
            register(person.pk, Registration(platform="android", address=f"token-{person.username}-{own:08d}"))
    Follow.objects.bulk_create([Follow(user=person, author_id=scene.number) for person in people])
    made = broadcast("new-post", followers(author_id=scene.number), {"title": "Bells"})
    scene.acknowledge(made.notification_id)


def _of(scene: Scene) -> Broadcast:
    return Broadcast.objects.get(audience__params__author_id=scene.number)


def _plan(scene: Scene) -> None:
    jobs.plan_broadcast(str(_of(scene).pk))


def _planned_each_once(scene: Scene) -> Sequence[str]:
    made = _of(scene)
    rows = Delivery.objects.filter(notification_id=made.notification_id).count()
    counts = (made.members, made.planned, rows)
    return () if set(counts) == {len(_FOLLOWERS)} else (f"members, planned and deliveries are {counts}",)


# --- Sweeper --------------------------------------------------------------------------------------------------------
def _sweep_twice(scene: Scene) -> None:
    sweep(f"doomed-{scene.number}")
    time.sleep(2 * SHORT_DOUBT)
    sweep(f"doomed-{scene.number}")


# --- Receipts -------------------------------------------------------------------------------------------------------
def _send_one(scene: Scene) -> None:
    made = notify(Address(sms=scene.phone), "login-code", {"code": "1"})
    scene.acknowledge(made.pk)


def _call_back(scene: Scene) -> bool:
    row = Delivery.objects.get(address=scene.phone)
    query = urlencode({"carillon_id": f"{row.pk}.{row.attempt}"})
    form = {"MessageSid": row.provider_message_id, "MessageStatus": "delivered", "To": scene.phone}
    signature = sign(f"{scene.public_url}/webhooks/twilio/?{query}", form)
    answer = Client(raise_request_exception=False).post(
        f"/webhooks/twilio/?{query}",
        urlencode(form),
        content_type="application/x-www-form-urlencoded",
        headers={"X-Twilio-Signature": signature},
    )
    return answer.status_code == 200


def _receive_and_reconcile(scene: Scene) -> None:
    if _call_back(scene):
        scene.acknowledged.with_suffix(f".{scene.number}").touch()
    while reconcile():
        pass


def _call_back_again(scene: Scene) -> None:
    answered = scene.acknowledged.with_suffix(f".{scene.number}")
    if not answered.exists() and not _call_back(scene):
        raise RuntimeError("the callback was refused")
    answered.unlink(missing_ok=True)


def _delivered_once(scene: Scene) -> Sequence[str]:
    row = Delivery.objects.get(address=scene.phone)
    stored = Receipt.objects.filter(delivery_id=row.pk).count()
    return () if (row.state, stored) == ("delivered", 1) else (f"{row.state} with {stored} receipts",)


TARGETS = (
    Target("notify in a host's transaction", _notify_with_own_row, check=_row_and_delivery_together),
    Target("POST notifications/", _post, afterwards=_post, check=_asked_once),
    Target("drain push through FCM", _drain(Channel.PUSH), _ask_push),
    Target("drain sms through Twilio", _drain(Channel.SMS), _ask_sms),
    Target("drain email through Postmark", _drain(Channel.EMAIL), _ask_email),
    Target("drain email through Resend", _drain(Channel.EMAIL), _ask_email, email="resend", keyed=True),
    Target("drain email through SMTP", _drain(Channel.EMAIL), _ask_email, email="smtp"),
    Target(
        "fall back from sms to email", _drain(Channel.SMS), _ask_unreachable, check=_fell_back_once, refused=Channel.SMS
    ),
    Target("plan a broadcast", _plan, _ask_followers, check=_planned_each_once),
    Target("RQ worker", _run_worker, _ask_sms),
    Target("RQ worker, told to stop", _run_worker, _ask_sms, told_to_stop=True),
    Target("sweep", _sweep_twice, _ask_sms, beforehand="left behind"),
    Target(
        "receive and reconcile",
        _receive_and_reconcile,
        _send_one,
        _call_back_again,
        _delivered_once,
        beforehand="sent",
    ),
)
