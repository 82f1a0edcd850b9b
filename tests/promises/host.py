"""What the host application does in these tests; runs inside a deployment's own process through `manage.py shell`."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from datetime import timedelta

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone

from notifications import Address, broadcast, notify
from notifications.cipher import address_hash
from notifications.enums import OPEN_STATES, Reason, State
from notifications.exceptions import InvalidData
from notifications.flows import gate
from notifications.models import Broadcast, Delivery, Device, Notification, Template, TemplateVersion, Translation
from notifications.rules.explanations import explain
from project.shop.models import Follow, Profile
from project.shop.notifications import followers


def seed(count: int) -> None:
    """Make users who follow author 7, each with one push device."""
    users = User.objects.bulk_create([User(username=f"u{n}", email=f"u{n}@example.com") for n in range(count)])
    Profile.objects.bulk_create([Profile(user=user, phone=f"+491511{n:07d}") for n, user in enumerate(users)])
    Follow.objects.bulk_create([Follow(user=user, author_id=7) for user in users])
    tokens = [f"token-{n:06d}-{n:06d}" for n in range(count)]
    Device.objects.bulk_create(
        [
            Device(
                user=user,
                platform="android",
                token_type="fcm",
                address=token,
                address_hash=address_hash("push", token),
                last_seen_at=timezone.now(),
            )
            for user, token in zip(users, tokens, strict=True)
        ]
    )


def launch(title: str = "Bells") -> None:
    """Notify the followers of author 7."""
    made = broadcast("new-post", followers(author_id=7), {"title": title})
    print(made.pk)


def login_code(username: str = "u1") -> None:
    """Send a login code."""
    print(notify(User.objects.get(username=username), "login-code", {"code": "493021"}).pk)


def retry_and_deferral() -> None:
    """Ask for one message that fails at first, and for one that is due in a moment."""
    notify(Address(email="flaky-1@example.com"), "invoice", {"order": {"number": "1", "total": 2}})
    notify(
        User.objects.get(username="u0"),
        "new-follower",
        {"name": "Grace"},
        send_at=timezone.now() + timedelta(seconds=3),
    )


def open_deliveries() -> None:
    """Print how many deliveries are not final, planning included."""
    planning = Broadcast.objects.filter(status__in=("scheduled", "planning")).count()
    print(planning + Delivery.objects.filter(state__in=OPEN_STATES).count())


def possible_duplicates() -> None:
    """Print the ids of deliveries marked as possible duplicates."""
    marked = Delivery.objects.filter(possible_duplicate=True).values_list("pk", flat=True)
    print(json.dumps([str(key) for key in marked]))


def deliveries() -> None:
    """Print the ids of all deliveries."""
    print(json.dumps([str(key) for key in Delivery.objects.values_list("pk", flat=True)]))


def explanations() -> None:
    """Print what each delivery's state means."""
    rows = Delivery.objects.values_list("pk", "state", "reason")
    print(json.dumps({str(key): explain(State(state), Reason(reason)) for key, state, reason in rows}))


def states() -> None:
    """Print how many deliveries stand in each state."""
    print(json.dumps(dict(Counter(Delivery.objects.values_list("state", flat=True)))))


def email_to(address: str) -> None:
    """Send an email to an address and print the notification's id."""
    print(notify(Address(email=address), "invoice", {"order": {"number": "1", "total": 2}}).pk)


def outcomes_of(*addresses: str) -> None:
    """Print state and reason of the newest delivery to each of these addresses."""
    rows = Delivery.objects.filter(address__in=addresses).order_by("pk")
    print(json.dumps({row.address: [row.state, row.reason] for row in rows}))


def console_session() -> None:
    """Print the session key of a superuser who is logged in to the console."""
    root = User.objects.create_superuser("root", "root@example.com", "secret")
    session = SessionStore()
    session.update({SESSION_KEY: str(root.pk), BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0]})
    session[HASH_SESSION_KEY] = root.get_session_auth_hash()
    session.save()
    print(session.session_key)


def sensitive_rows() -> None:
    """Print how many notifications still hold sensitive variables, encrypted."""
    print(Notification.objects.exclude(secrets=None).count())


def hold(alias: str, seconds: int) -> None:
    """Hold a provider."""
    gate.hold(alias, "a test", by="test", lasting=timedelta(seconds=seconds))


def break_words(code: str) -> None:
    """Ask for a code in words that cannot be rendered, and for one whose variables are refused."""
    template = Template.objects.get(slug="login-code")
    version = TemplateVersion.objects.create(template=template, number=99, checksum="broken")
    parts = {"text": "{{ code|date:code }}{{ code.nothing }}"}
    Translation.objects.create(version=version, channel="sms", locale="en", parts=parts)
    Template.objects.filter(pk=template.pk).update(current=version)
    notify(User.objects.get(username="u2"), "login-code", {"code": code})
    for data in ({"code": code, code: code}, {"code": [code]}):
        with contextlib.suppress(InvalidData):
            notify(User.objects.get(username="u2"), "login-code", data)
