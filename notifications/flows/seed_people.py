"""Seed: recipients of what is seeded, with devices, preferences and suppressions, through the host's own model."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import models, transaction

from ..cipher import address_hash
from ..enums import Channel, Platform, SuppressionCause, TokenType
from ..models import Delivery, Device, Preference, Suppression
from ..models.seeding import OWNER, Someone
from ..rules.identity import first_id_at, user_recipient

PREFIX = "seed-load-"
PAGE = 5_000


def id_of(at: datetime, *parts: int) -> UUID:
    """Return a version 7 id of a moment that follows from some numbers."""
    bits = random.Random(repr(parts)).getrandbits(74)  # noqa: S311
    return UUID(int=first_id_at(at).int | 0x7 << 76 | (bits >> 62) << 64 | 0b10 << 62 | bits & (1 << 62) - 1)


def _users() -> Any:
    model = get_user_model()
    return model._default_manager.filter(**{f"{model.USERNAME_FIELD}__startswith": PREFIX})


def make_people(users: int, seed: int) -> list[Someone]:
    """Have so many users with their devices, preferences and suppressions, and return them by number."""
    name = get_user_model().USERNAME_FIELD
    keys = {str(username): key for key, username in _users().values_list("pk", name)}
    for start in range(0, users, PAGE):
        wanted = [n for n in range(start, min(start + PAGE, users)) if _username(n) not in keys]
        if wanted:
            with transaction.atomic():
                keys |= _make(wanted, seed)
    seeded = Device.objects.filter(user__in=_users(), address__startswith="seeded").order_by("pk")
    devices = {key: (pk, token) for key, pk, token in seeded.values_list("user_id", "pk", "address")}
    found = []
    for number in range(users):
        key = keys[_username(number)]
        device, token = devices.get(key, (None, ""))
        found.append(Someone(number, user_recipient(key), device, token, _email(number), _phone(number)))
    return found


def _make(numbers: list[int], seed: int) -> dict[str, Any]:
    model = get_user_model()
    fields = {model.EMAIL_FIELD} if isinstance(getattr(model, "EMAIL_FIELD", None), str) else set()
    fields = {field for field in fields if field != model.USERNAME_FIELD and _has(model, field)}
    made = model._default_manager.bulk_create(
        [
            model(**{model.USERNAME_FIELD: _username(number), "password": "!"}, **dict.fromkeys(fields, _email(number)))
            for number in numbers
        ]
    )
    dice = random.Random(f"{seed} {numbers[0]}")  # noqa: S311
    now = Delivery.objects.database_now()
    devices, preferences, suppressions = [], [], []
    for number, user in zip(numbers, made, strict=True):
        luck = dice.random()
        for _ in range(0 if luck < 0.05 else 2 if luck < 0.10 else 1):
            token = f"seeded{dice.getrandbits(544):0136x}"
            devices.append(Device(
                id=id_of(now, seed, number, dice.getrandbits(30)), user=user, channel=Channel.PUSH,
                platform=dice.choice([Platform.ANDROID, Platform.IOS]), token_type=TokenType.FCM, address=token,
                address_hash=address_hash(Channel.PUSH, token), last_seen_at=now,
            ))  # fmt: skip
        if dice.random() < 0.2:
            quiet = [{"days": list(range(7)), "start": "22:00", "end": "07:00"}] if dice.random() < 0.5 else []
            off = {} if quiet else {f"{PREFIX}news": {"push": False}}
            preferences.append(Preference(
                recipient=user_recipient(user.pk), quiet_hours=quiet, categories=off, time_zone="Europe/Berlin",
                updated_at=now,
            ))  # fmt: skip
        if dice.random() < 0.03:
            suppressions.append(Suppression(
                channel=Channel.EMAIL, address_hash=address_hash(Channel.EMAIL, _email(number)), hint="s…@example.com",
                cause=SuppressionCause.HARD_BOUNCE, source=OWNER, created_at=now,
            ))  # fmt: skip
    Device.objects.bulk_create(devices)
    Preference.objects.bulk_create(preferences, ignore_conflicts=True)
    Suppression.objects.bulk_create(suppressions, ignore_conflicts=True)
    return {_username(number): user.pk for number, user in zip(numbers, made, strict=True)}


def remove_people() -> None:
    """Delete the users that were made, and what is theirs."""
    Suppression.objects.filter(source=OWNER).delete()
    while keys := list(_users().values_list("pk", flat=True)[:PAGE]):
        Preference.objects.filter(recipient__in=[user_recipient(key) for key in keys]).delete()
        get_user_model()._default_manager.filter(pk__in=keys).delete()


def _has(model: type[models.Model], name: str) -> bool:
    return any(field.name == name for field in model._meta.get_fields())


def _username(number: int) -> str:
    return f"{PREFIX}{number}"


def _email(number: int) -> str:
    return f"{PREFIX}{number}@example.com"


def _phone(number: int) -> str:
    return f"+1555{number:07d}"
