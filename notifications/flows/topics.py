"""Topics: named lists that users are put on and taken off."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from .. import conf
from ..exceptions import Problem, UnknownRecipient
from ..models import Topic, TopicSubscription
from ..rules.identity import UserKey
from .estimate import Estimate, expected_rows
from .users import keys_by_lookup

COUNTED = 10_000


def subscribe(slug: str, users: Sequence[str]) -> int:
    """Put these users on a topic, which is made if it is new, and return how many were not on it yet.

    Raises:
        UnknownRecipient: one of them does not exist; nobody was added, and each is named by its place.
    """
    keys = _user_keys(users)
    with transaction.atomic():
        topic = locked_topic(slug)
        there = set(TopicSubscription.objects.filter(topic=topic, user__in=keys).values_list("user_id", flat=True))
        new = [TopicSubscription(topic=topic, user_id=key) for key in dict.fromkeys(keys) if key not in there]
        TopicSubscription.objects.bulk_create(new, batch_size=1_000, ignore_conflicts=True)
    return len(new)


def unsubscribe(slug: str, users: Sequence[str]) -> int:
    """Take these users off a topic and return how many were on it.

    Raises:
        UnknownRecipient: one of them does not exist.
    """
    keys = _user_keys(users)
    done, _ = TopicSubscription.objects.filter(topic__slug=slug, user__in=keys).delete()
    return done


def locked_topic(slug: str) -> Topic:
    """Return a topic, made if it is new, and locked: one writer at a time, so that the numbers are exact."""
    topic, _ = Topic.objects.get_or_create(slug=slug)
    return Topic.objects.select_for_update().get(pk=topic.pk)


def count_subscribers(topic: Topic) -> Estimate:
    """Return how many users are on a topic: counted up to 10,000, beyond that as PostgreSQL expects."""
    rows = TopicSubscription.objects.filter(topic=topic).order_by()
    counted = rows[: COUNTED + 1].count()
    if counted <= COUNTED:
        return Estimate(counted, exact=True)
    return Estimate(max(expected_rows(rows), COUNTED), exact=False)


def _user_keys(users: Sequence[str]) -> list[UserKey]:
    found = keys_by_lookup(users)
    problems = [
        Problem(f"/users/{index}", "unknown_user", f"no user has this {conf.get().recipient.lookup}")
        for index, value in enumerate(users)
        if value not in found
    ]
    if problems:
        raise UnknownRecipient("Some of these users do not exist.", *problems[:100])
    return [found[value] for value in users]
