"""Export and erase: everything that is kept about a person, gathered messages and throttle windows included."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection

from notifications import notify
from notifications.cipher import address_hash
from notifications.enums import SuppressionCause
from notifications.flows.erase import erase
from notifications.flows.export import export
from notifications.flows.preferences import change_preferences
from notifications.flows.suppress import suppress
from notifications.models import AuditEntry, Category, Device, Digest, Notification, Suppression, Template
from notifications.sandbox.process import SandboxProcess
from tests.live import work

pytestmark = pytest.mark.django_db


@pytest.fixture
def somebody(sandbox: SandboxProcess, person: Callable[..., User]) -> User:
    """A person with everything that can be kept: one message sent, two gathered, wishes, a suppression."""
    Category.objects.filter(slug="social").update(throttle="1/day", digest="hourly")
    user = person("token-private-0001", email="private@example.com", phone="+4915112999888")
    change_preferences(
        f"u:{user.pk}", {"devices": {str(Device.objects.get().pk): True}, "categories": {"news": {"push": False}}}
    )
    for name in ("Marie", "Lise", "Emmy"):
        notify(user, "new-follower", {"name": f"{name} Unmistakable"})
        work()
    notify(user, "login-code", {"code": "493021"})
    suppress("email", "private@example.com", SuppressionCause.COMPLAINT, "email")
    work()
    return user


def test_an_export_has_digests_windows_and_devices(somebody: User) -> None:
    told = export(somebody.pk)
    first, *gathered = [item.pk for item in Notification.objects.filter(template="new-follower").order_by("pk")]
    (digest,), (window,) = told["digests"], [row for row in told["throttle_windows"] if row["category"] == "social"]
    assert (digest["gathered"], digest["notification"]) == (gathered, None)
    assert window["admitted"] == [first]
    assert told["preferences"]["devices"] == {str(Device.objects.get().pk): True}
    assert [row["source"] for row in told["suppressions"]] == ["email"]
    text = json.dumps(told, cls=DjangoJSONEncoder)
    assert text.count("Unmistakable") == 3
    assert "493021" not in text


def test_erasing_leaves_nothing_but_a_hash_and_can_be_repeated(somebody: User) -> None:
    key, device = somebody.pk, str(Device.objects.get().pk)
    erased = [str(row) for row in Notification.objects.values_list("pk", flat=True)]
    assert Digest.objects.exists()
    assert erase(key, actor="test")["digests"] >= 1
    assert not any(erase(key, actor="test").values())
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename LIKE 'carillon%'"
        )
        for (table,) in cursor.fetchall():
            if table.startswith("carillon_audit"):
                continue
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            for (row,) in cursor.fetchall():
                for trace in (
                    "Unmistakable",
                    "private@",
                    "token-private",
                    "+4915112999888",
                    f"u:{key}",
                    device,
                    *erased,
                ):
                    assert trace not in row, (table, row)
    kept = Suppression.objects.get()
    assert (kept.address_hash, kept.hint) == (address_hash("email", "private@example.com"), "")
    assert AuditEntry.objects.filter(action="erase").count() == 2
    assert Template.objects.exists()
