"""A test that commits leaves the database as it was before the first one; the same tests twice would see if not."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection

from notifications import notify
from notifications.models import Delivery, DeliveryEvent, Mark, Notification, Template
from project.shop.models import Profile

SEEN: list[tuple[object, ...]] = []
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("untouched")]


def figures() -> tuple[object, ...]:
    """Return what there is of all that a test of these can touch."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM carillon_template t")
        ((templates,),) = cursor.fetchall()
    kinds = (User, Profile, Group, Permission, Notification, Delivery, DeliveryEvent, Mark, Template)
    return (templates, *(kind.objects.count() for kind in kinds))  # type: ignore[attr-defined]


@pytest.mark.parametrize("turn", ["first", "second", "third"])
def test_whatever_was_committed_is_gone(turn: str) -> None:
    SEEN.append(figures())
    assert SEEN[-1] == SEEN[0]
    user = User.objects.create(username="left over")
    Profile.objects.create(user=user, phone="+4915112345678")
    user.groups.add(Group.objects.create(name="left over"))
    notify(user, "order-shipped", {"number": "A-1", "total": 1.0, "items": []})
    Mark.objects.bulk_create(Mark(name=f"left over {number}", value=turn * 10) for number in range(4_000))
    Permission.objects.order_by("pk")[0].delete()
    Template.objects.filter(pk=Template.objects.order_by("pk")[0].pk).update(slug="left-over")
    assert figures() != SEEN[0]
