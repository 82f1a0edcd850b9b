"""Limits: what a category's throttle and digest ask for, as far as they can be read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

from django.db import transaction

from ..declarations.limits import Schedule, Throttle, parse_digest, parse_throttle
from ..models import Category
from .alerts import raise_alert

UNREADABLE = "limit_unreadable"


@dataclass(frozen=True)
class Limits:
    """A category's limits; `unreadable` says what is wrong with those that are taken as none."""

    throttle: Throttle | None
    digest: Schedule | None
    unreadable: tuple[str, ...] = ()


def limits_of(category: Category) -> Limits:
    """Return a category's limits; declarations and the console refuse what cannot be read, a row may hold it still.

    What cannot be read is taken as none: a limit is a comfort, and the message, a code to sign in perhaps, was
    promised. A dead letter for each would be a standstill by another name.
    """
    throttle: Throttle | None = None
    digest: Schedule | None = None
    unreadable = []
    try:
        throttle = parse_throttle(category.throttle)
    except ValueError as error:
        unreadable.append(f"throttle {error}, not {category.throttle!r}")
    try:
        digest = parse_digest(category.digest)
    except ValueError as error:
        unreadable.append(f"digest {error}, not {category.digest!r}")
    return Limits(throttle, digest, tuple(unreadable))


def tell_of_unreadable(categories: Collection[Category]) -> None:
    """Raise an alert for each of these categories with a limit that cannot be read, once the transaction commits."""
    for category in categories:
        if unreadable := limits_of(category).unreadable:
            told = f"{'; '.join(unreadable)}: its messages go out as if it had none"
            # Not now: workers that share the alert's row would wait for each other as long as their claims last.
            transaction.on_commit(partial(raise_alert, UNREADABLE, category.slug, told), robust=True)
