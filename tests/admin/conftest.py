"""What the console's tests share: a superuser, plain staff, a customer, and deliveries that stand somewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db.models.functions import Now
from django.test import Client

from notifications import notify
from notifications.enums import Reason, State
from notifications.models import Delivery, Notification
from project.shop.models import Profile
from tests.fixtures import own_redis, patient_redis, running_sandbox, sandbox

__all__ = ["own_redis", "patient_redis", "running_sandbox", "sandbox"]


@pytest.fixture
def root(db: None) -> Any:
    """A superuser."""
    return get_user_model().objects.create_superuser("root", "root@example.com", "secret")


@pytest.fixture
def ada(db: None) -> Any:
    """A customer with a mailbox and a phone."""
    user = get_user_model().objects.create_user("ada", "ada@example.com")
    Profile.objects.create(user=user, phone="+4915112345678", locale="de", time_zone="Europe/Berlin")
    return user


@pytest.fixture
def browser(root: Any) -> Client:
    """A browser in which the superuser is logged in."""
    client = Client()
    client.force_login(root)
    return client


@pytest.fixture
def staff(db: None) -> Callable[..., Client]:
    """Makes a browser of a member of staff with just these permissions."""

    def make(*permissions: str) -> Client:
        count = get_user_model().objects.count()
        user = get_user_model().objects.create_user(f"staff{count}", is_staff=True)
        names = [name.removeprefix("carillon.") for name in permissions]
        found = Permission.objects.filter(content_type__app_label="carillon", codename__in=names)
        assert found.count() == len(names)
        user.user_permissions.set(found)
        client = Client()
        client.force_login(user)
        return client

    return make


def order(user: Any) -> Notification:
    """Notify a customer of an order by email."""
    return notify(user, "order-shipped", {"number": "A-1042", "total": 59.9, "items": ["Bell"]})


def killed(user: Any, reason: Reason = Reason.RETRIES_EXHAUSTED, code: str = "500") -> Delivery:
    """Return a dead letter of a customer."""
    row: Delivery = order(user).deliveries.get()
    Delivery.objects.filter(pk=row.pk).update(
        state=State.DEAD, reason=reason, error_code=code, provider="email", attempt=5, updated_at=Now()
    )
    row.refresh_from_db()
    return row
