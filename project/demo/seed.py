"""Brings the schema up to date and the people of the demo in; `python -m project.demo.seed`, safe to repeat.

People belong to the host's own tables, so they are written there, as a shop's sign-up would; all messages go through
the API. The crowd is generated: five thousand rows in a file would say nothing more.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import django
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connection, models, transaction
from redis import Redis

from notifications.breakers import KEY as BREAKER_KEY
from notifications.cipher import address_hash

from . import people

FIXTURES = Path(__file__).resolve().parent.parent.parent / "fixtures" / "demo"
FILES = ("users", "profiles", "follows", "topics", "preferences")
SCOPES = ("send", "broadcast", "devices", "preferences", "read")
BEGUN = datetime(2026, 1, 5, 9, tzinfo=UTC)
_LOCALES = (("en", "Europe/London"), ("de", "Europe/Berlin"), ("de-AT", "Europe/Vienna"), ("en", "America/New_York"))


def main() -> None:
    """Migrate, load the fixtures and the crowd, make a key, and print as JSON what there is."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    django.setup()
    call_command("migrate", verbosity=0, interactive=False)
    refuse_strangers()
    with transaction.atomic():
        call_command("loaddata", *(str(FIXTURES / f"{name}.json") for name in FILES), "carillon_roles", verbosity=0)
        new = add_crowd()
        set_sequences()
        restore_words()
    forget_breaker()
    found = {"people": apps.get_model("auth.User").objects.count(), "new": new, "key": make_key()}
    sys.stdout.write(json.dumps(found) + "\n")


def refuse_strangers() -> None:
    """Stop before overwriting anybody who is not of the demo.

    Raises:
        SystemExit: the database has other users with the demo's keys.
    """
    user = apps.get_model("auth.User")
    wanted = {row["pk"]: row["fields"]["username"] for row in json.loads((FIXTURES / "users.json").read_text("utf-8"))}
    wanted |= {people.FIRST_FOLLOWER: "follower0001"}
    found = dict(user.objects.filter(pk__in=wanted).values_list("pk", "username"))
    strangers = sorted(name for key, name in found.items() if wanted[key] != name)
    if strangers:
        raise SystemExit(f"This database has users of its own ({', '.join(strangers)}): give the demo an empty one.")


def add_crowd() -> int:
    """Add whoever of the crowd is missing, each with a profile, a push device and the author they follow."""
    user, follow = apps.get_model("auth.User"), apps.get_model("shop.Follow")
    keys = range(people.FIRST_FOLLOWER, people.FIRST_FOLLOWER + people.FOLLOWERS)
    there = set(user.objects.filter(pk__in=keys).values_list("pk", flat=True))
    numbers = [key - people.FIRST_FOLLOWER + 1 for key in keys if key not in there]
    if not numbers:
        return 0
    user.objects.bulk_create(_users(numbers), batch_size=1_000)
    apps.get_model("shop.Profile").objects.bulk_create(_profiles(numbers), batch_size=1_000)
    apps.get_model("carillon.Device").objects.bulk_create(_devices(numbers), batch_size=1_000)
    rows = [follow(user_id=int(people.follower(number)), author_id=people.AUTHOR) for number in numbers]
    follow.objects.bulk_create(rows, batch_size=1_000)
    return len(numbers)


def set_sequences() -> None:
    """Let the next user get a key after those that were given here."""
    tables: list[type[models.Model]] = [apps.get_model(name) for name in ("auth.User", "shop.Profile", "shop.Follow")]
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), tables):
            cursor.execute(statement)


def restore_words() -> None:
    """Make the words of the last deploy current again, as they were before an earlier run's operator mended them."""
    for template in apps.get_model("carillon.Template").objects.filter(slug="invoice"):
        template.current = template.versions.filter(source="code").order_by("-number").first()
        template.save(update_fields=["current"])


def forget_breaker() -> None:
    """Forget what the push provider did in an earlier run: 5,000 good sends would drown this run's outage."""
    with Redis.from_url(settings.REDIS_URL) as redis:
        redis.delete(BREAKER_KEY % "fcm")


def make_key() -> str:
    """Return a new key for the API, made as `manage.py carillon api-key create` makes it."""
    said = io.StringIO()
    scopes = [word for scope in SCOPES for word in ("--scope", scope)]
    call_command("carillon", "api-key", "create", "demo", "--expires", "1d", *scopes, stdout=said)
    return said.getvalue().split()[-1]


def _users(numbers: Iterable[int]) -> list[Any]:
    user, first, last = apps.get_model("auth.User"), people.FIRST_NAMES, people.LAST_NAMES
    return [
        user(
            pk=int(people.follower(number)),
            username=f"follower{number:04}",
            first_name=first[number % len(first)],
            last_name=last[number % len(last)],
            email=people.follower_email(number),
            password="!",  # noqa: S106 - nobody can log in with it
            date_joined=BEGUN,
        )
        for number in numbers
    ]


def _profiles(numbers: Iterable[int]) -> list[Any]:
    profile = apps.get_model("shop.Profile")
    made = []
    for number in numbers:
        locale, time_zone = _LOCALES[number % len(_LOCALES)]
        made.append(profile(user_id=int(people.follower(number)), locale=locale, time_zone=time_zone))
    return made


def _devices(numbers: Iterable[int]) -> list[Any]:
    device = apps.get_model("carillon.Device")
    return [
        device(
            user_id=int(people.follower(number)),
            channel="push",
            platform="ios" if number % 3 == 0 else "android",
            token_type="fcm",  # noqa: S106 - the kind of token
            address=people.follower_token(number),
            address_hash=address_hash("push", people.follower_token(number)),
            last_seen_at=BEGUN,
        )
        for number in numbers
    ]


if __name__ == "__main__":
    main()
