"""A bad hour of a shop, seeded: what screens look like when they are needed. It runs inside a deployment's process.

Messages are asked for that a worker then really sends; some of them become what an outage leaves.
"""

from __future__ import annotations

from datetime import timedelta
from math import sin

from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.utils import timezone

from notifications import broadcast, notify
from notifications.enums import Channel, DeactivatedReason, Reason, State, SuppressionCause
from notifications.flows import operate
from notifications.flows.alerts import raise_alert
from notifications.flows.control import pause
from notifications.flows.keys import create_key
from notifications.flows.operate import By
from notifications.flows.pausing import pause_channel
from notifications.flows.suppress import suppress
from notifications.models import Broadcast, Delivery, Device, Preference, Topic, TopicSubscription, Traffic
from project.shop.models import Profile
from project.shop.notifications import followers
from tests.live import wait_for
from tests.promises import host

PEOPLE = 120
OUTAGE_MINUTES = 12
PATIENCE_SECONDS = 600
HALF_WAY = 48
NAMES = ("Ada Nowak", "Jonas Albers", "Yuki Tanaka", "Clara Moreau", "Tom Okafor", "Emil Sand")
ORDER = {"number": "A-1042", "total": 59.9, "items": ["Bell, bronze, 24 cm", "Rope, 6 m"]}
GRACE = By("grace", "their status page is red: INC-4")


def seed(password: str) -> None:
    """Add the shop's people, a superuser `grace`, and a topic."""
    call_command("loaddata", "carillon_roles", verbosity=0)
    host.seed(PEOPLE)
    for number, user in enumerate(User.objects.order_by("pk")[: len(NAMES)]):
        user.first_name, user.last_name = NAMES[number].split()
        user.save()
    grace = User.objects.create_superuser("grace", "grace@example.com", password)
    grace.groups.set(Group.objects.filter(name="Carillon Operator"))
    Profile.objects.create(user=grace, phone="+491519999999")
    topic = Topic.objects.create(slug="bell-founders")
    TopicSubscription.objects.bulk_create(
        TopicSubscription(topic=topic, user=user) for user in User.objects.filter(username__startswith="u")[:40]
    )


def happen() -> None:
    """Let it happen, beside a worker."""
    _send()
    mails_and_texts = Delivery.objects.filter(channel__in=["email", "sms"], state__in=[State.PENDING, State.SENDING])
    wait_for(lambda: not mails_and_texts.exists(), "mails and texts to be sent", PATIENCE_SECONDS)
    pushed = Delivery.objects.filter(channel="push", sent_at__isnull=False)
    wait_for(lambda: pushed.count() >= HALF_WAY, "a part of the broadcast", PATIENCE_SECONDS)
    _break_down()
    _wait()


def _send() -> None:
    """Ask for what a shop sends in an hour."""
    people = list(User.objects.filter(username__startswith="u").order_by("pk"))
    for user in people[:90]:
        notify(user, "order-shipped", ORDER, channels=["email"])
    for user in people[:40]:
        notify(user, "login-code", {"code": "493021"}, channels=["sms"])
    broadcast("new-post", followers(author_id=7), {"title": "Casting a bell"}, rate=4)
    broadcast("new-post", {"all": True}, {"title": "A sale of bells"}, draft=True)


def _break_down() -> None:
    """Let the mail provider have been down, one text gateway be held, and a channel be paused."""
    sent = [State.SENT, State.DELIVERED]
    mails = list(Delivery.objects.filter(channel="email", state__in=sent).order_by("pk").values_list("pk", flat=True))
    _kill(mails[10:47], Reason.RETRIES_EXHAUSTED, "503", "Service Unavailable")
    _kill(mails[50:54], Reason.RENDER_ERROR, "", "“items” is missing")
    texts = list(Delivery.objects.filter(channel="sms", state__in=sent).order_by("pk").values_list("pk", flat=True))
    _kill(texts[4:9], Reason.HELD, "", "no answer within 10 s")
    operate.hold_provider("twilio", timedelta(minutes=45), GRACE)
    raise_alert("provider_degraded", "twilio", "12% of 240 texts were reported as delivered; usually it is 97%.")
    raise_alert("breaker_open", "email", "41 of 44 sends failed within a minute.")
    _hour()
    _people()
    pause(Broadcast.objects.exclude(status="draft").get().pk)
    create_key("shop", ["send", "read"], owner="the shop")
    create_key("warehouse", ["send"], owner="the warehouse")


def _wait() -> None:
    """Pause the channel of mails, and ask for some that wait for it."""
    pause_channel(Channel.EMAIL, timedelta(minutes=30), GRACE)
    for user in User.objects.filter(username__startswith="u").order_by("-pk")[:25]:
        notify(user, "order-shipped", ORDER, channels=["email"])


def _kill(keys: list[object], reason: Reason, code: str, detail: str) -> None:
    died = {"state": State.DEAD, "reason": reason, "error_code": code, "error_detail": detail, "attempt": 6}
    now, apart = timezone.now(), timedelta(minutes=OUTAGE_MINUTES) / len(keys)
    for place, key in enumerate(keys):
        Delivery.objects.filter(pk=key).update(**died, updated_at=now - place * apart)


def _hour() -> None:
    """Let the last hour have been busy, and mails have failed for the last twelve minutes of it."""
    this = timezone.now().replace(second=0, microsecond=0)
    usual = {"push": ("fcm", 9, 16), "sms": ("twilio", 3, 18), "email": ("email", 5, 19)}
    rows = []
    for ago in range(2, 60):
        for place, (channel, (provider, count, lag)) in enumerate(usual.items()):
            down = channel == "email" and ago <= OUTAGE_MINUTES
            moved = round((3 if down else count) * (1.2 + sin(ago / 4 + place)))
            of = {
                "begins": this - timedelta(minutes=ago), "seconds": 60, "channel": channel, "provider": provider,
                "category": "orders",
            }  # fmt: skip
            died = {"was": "pending", "state": "dead", "reason": "retries_exhausted", "lag": -1}
            sent = {"was": "pending", "state": "sent", "lag": lag}
            rows.append(Traffic(**of, **(died if down else sent), moved=moved))
            if not down and channel != "push":
                rows.append(Traffic(**of, was="sent", state="delivered", lag=-1, moved=moved))
    Traffic.objects.bulk_create(row for row in rows if row.moved)


def _people() -> None:
    ada = User.objects.get(username="u0")
    suppress("email", ada.email, SuppressionCause.HARD_BOUNCE, "email")
    suppress("sms", "+4915110000003", SuppressionCause.STOP, "twilio")
    for number in range(60, 66):
        suppress("email", f"u{number}@example.com", SuppressionCause.COMPLAINT, "email")
    Preference.objects.create(
        recipient=f"u:{ada.pk}", channels={"sms": True}, categories={}, time_zone="Europe/Berlin",
        quiet_hours=[{"days": [0, 1, 2, 3, 4, 5, 6], "start": "22:00", "end": "07:00"}],
    )  # fmt: skip
    notify(ada, "order-shipped", ORDER)
    gone = Device.objects.order_by("pk").values_list("pk", flat=True)[20:32]
    Device.objects.filter(pk__in=list(gone)).update(
        is_active=False, deactivated_reason=DeactivatedReason.UNREGISTERED, deactivated_by="fcm",
        deactivated_at=timezone.now(),
    )  # fmt: skip
