"""Runs inside a deployment: thousands of tokens, all answered the same way, and what the product made of it.

python -m tests.chaos.mass_answers '{"answer": ..., "file": ..., "tokens": 5000}'
"""

# ruff: noqa: I001 - Django has to be set up before anything of it is imported
from __future__ import annotations

import json
import logging
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import tests.chaos.inside  # noqa: F401 - it sets Django up

from django.contrib.auth.models import User
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from notifications import broadcast
from notifications.cipher import address_hash
from notifications.enums import Channel
from notifications.flows import gate
from notifications.flows.broadcast import plan_page
from notifications.flows.drain import drain
from notifications.models import Alert, Delivery, Device, ProviderHold
from notifications.sandbox.records import read_refused
from project.shop.models import Follow
from project.shop.notifications import followers

SLICE = 160  # some more than a worker sends before the first refusals hold the provider
UNTRIED_ARE_DUE = """
    UPDATE carillon_delivery SET due_at = clock_timestamp() - interval '1 second'
    WHERE id IN (SELECT id FROM carillon_delivery WHERE state = 'pending' AND attempt = 0 ORDER BY id LIMIT %s)
"""
MOST_RELEASES = 200


class Errors(logging.Handler):
    """Counts what operators were told of."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take one."""
        self.told.append(record.getMessage())


def ask(prefix: str, author: int, count: int) -> None:
    """Let so many people with such tokens follow an author, and notify them of a post."""
    users = User.objects.bulk_create([User(username=f"{prefix}{n}") for n in range(count)], batch_size=1_000)
    Follow.objects.bulk_create([Follow(user=user, author_id=author) for user in users], batch_size=1_000)
    tokens = [f"{prefix}{n:06d}-{n:06d}" for n in range(count)]
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
        ],
        batch_size=1_000,
    )
    made = broadcast("new-post", followers(author_id=author), {"title": "Casting a bell"})
    while plan_page(made.pk):
        pass


def answered(file: Path, prefix: str) -> Counter[str]:
    """Return how often each token of a prefix was refused by the sandbox."""
    return Counter(row["to"] for row in read_refused(file) if str(row["to"]).startswith(prefix))


def held() -> bool:
    """Whether the provider is held."""
    return ProviderHold.objects.filter(alias="fcm", until__gt=Now()).exists()


def play(prefix: str, author: int, count: int, file: Path) -> dict[str, Any]:
    """Let one kind of answer meet all tokens: first as it comes, then with the hold ended again and again."""
    began = time.monotonic()
    gate.end_hold("fcm")
    ask(prefix, author, count)
    drain(Channel.PUSH, "chaos", [Channel.PUSH])
    first, held_at_once = answered(file, prefix), held()
    releases = 0
    while len(answered(file, prefix)) < count and releases < MOST_RELEASES:
        releases += 1
        gate.end_hold("fcm")
        with connection.cursor() as cursor:
            cursor.execute(UNTRIED_ARE_DUE, [SLICE])
        drain(Channel.PUSH, "chaos", [Channel.PUSH])
    own = Device.objects.filter(address__startswith=prefix)
    states = Counter(Delivery.objects.filter(address__startswith=prefix).values_list("state", "reason"))
    return {
        "tokens": count,
        "answered before the hold": sum(first.values()),
        "held at once": held_at_once,
        "answered in all": len(answered(file, prefix)),
        "holds ended": releases,
        "held at the end": held(),
        "deactivated": own.exclude(is_active=True).count(),
        "devices with a reason": own.exclude(deactivated_reason="").count(),
        "devices": own.count(),
        "took_s": round(time.monotonic() - began, 1),
        "states": {f"{state} {reason}".strip(): number for (state, reason), number in states.items()},
    }


def main(order: dict[str, Any]) -> None:
    """Play all three and write down what came of it."""
    errors = Errors()
    logging.getLogger("notifications.alerts").addHandler(errors)
    file = Path(order["file"])
    found: dict[str, Any] = {
        prefix: play(prefix, author, order["tokens"], file)
        for author, prefix in enumerate(("forbidden-", "notfound-", "oversized-"), start=1)
    }
    open_alerts = Alert.objects.filter(acknowledged_at__isnull=True).order_by("kind", "subject")
    found["open alerts"] = [[row.kind, row.subject, row.count] for row in open_alerts]
    found["errors logged"] = errors.told
    found["breaker"] = gate.breaker("fcm").state().state
    Path(order["answer"]).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
