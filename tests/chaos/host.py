"""The host application's side, inside a deployment's environment: `python -m tests.chaos.host COMMAND ARGUMENTS`."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.chaos.settings")
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import Error, connection, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from notifications import Address, broadcast, conf, notify  # noqa: E402
from notifications.cipher import address_hash  # noqa: E402
from notifications.exceptions import IdempotencyConflict  # noqa: E402
from notifications.flows.broadcast import plan_page  # noqa: E402
from notifications.models import Device  # noqa: E402
from project.shop.models import Follow  # noqa: E402
from project.shop.notifications import followers  # noqa: E402
from tests.chaos.acknowledged import Book, read  # noqa: E402
from tests.chaos.messages import AUTHOR, message, tokens  # noqa: E402


def prepare(users: str, devices: str = "1") -> None:
    """Make users with push devices who all follow one author, and print an API key.

    User `n` (from 0) has the key n + 1 and the token `messages.token(n)`; further devices have it with a suffix.
    """
    with transaction.atomic():
        people = [User(pk=n + 1, username=f"u{n}", email=f"u{n}@example.org") for n in range(int(users))]
        User.objects.bulk_create(people, batch_size=2_000)
        Follow.objects.bulk_create([Follow(user=user, author_id=AUTHOR) for user in people], batch_size=2_000)
        now = timezone.now()
        rows = [
            Device(
                user=user,
                platform="android",
                token_type="fcm",
                address=address,
                address_hash=address_hash("push", address),
                last_seen_at=now,
            )
            for number, user in enumerate(people)
            for address in tokens(number, int(devices))
        ]
        Device.objects.bulk_create(rows, batch_size=2_000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    out = io.StringIO()
    scopes = [word for scope in ("send", "broadcast", "read") for word in ("--scope", scope)]
    call_command("carillon", "api-key", "create", "chaos", *scopes, stdout=out)
    print(out.getvalue().strip())


def launch(book: str, users: str, devices: str = "1", ttl: str = "") -> None:
    """Broadcast to the followers; once that is committed, every one of their devices counts as acknowledged."""
    made = broadcast("new-post", followers(author_id=AUTHOR), {"title": "Bells"}, ttl=int(ttl) if ttl else None)
    lines = [
        {"key": to, "to": to, "channel": "push", "id": str(made.notification_id)}
        for number in range(int(users))
        for to in tokens(number, int(devices))
    ]
    written = Book(Path(book))
    written.append(*lines)
    written.close()
    print(made.pk)


def plan(broadcast_id: str) -> None:
    """Plan a broadcast to its end in this process, as a worker would, but however much is due already."""
    conf.BACKLOG_LIMIT = 1_000_000_000
    while plan_page(UUID(broadcast_id)):
        pass


def calls(book: str, first: str, count: str, per_second: str) -> None:
    """Call notify() for messages `first` on, each in a transaction of its own, and write down what was committed.

    Every tenth is rolled back after the call: its address must never get anything. Begun again after a kill, it goes
    on with what it had not written down; the idempotency keys see to the rest.
    """
    written = Book(Path(book))
    done = {line["key"] for line in read(Path(book))}
    began = time.monotonic()
    for turn, number in enumerate(range(int(first), int(first) + int(count))):
        wanted = message(number, "call", "email")
        if wanted.key in done:
            continue
        time.sleep(max(0.0, began + turn / float(per_second) - time.monotonic()))
        while True:
            try:
                with transaction.atomic():
                    made = notify(Address(email=wanted.to), "invoice", wanted.body["data"], idempotency_key=wanted.key)
                    if number % 10 == 9:
                        transaction.set_rollback(True)
            except (Error, IdempotencyConflict):
                connection.close()
                time.sleep(0.3)
            else:
                break
        if number % 10 != 9:
            written.append({"key": wanted.key, "to": wanted.to, "channel": "email", "id": str(made.pk)})
    written.append({"key": "end", "to": "", "channel": "", "id": ""})


COMMANDS: dict[str, Callable[..., None]] = {"prepare": prepare, "launch": launch, "plan": plan, "calls": calls}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](*sys.argv[2:])
    print(json.dumps({"done": sys.argv[1]}), file=sys.stderr)
