"""Pages by keys that are text or UUIDs: compared and ordered by the database, in its own type and collation."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, models
from django.test.utils import isolate_apps

from notifications import broadcast
from notifications.enums import State
from notifications.flows import audience_pages, audiences, lookups
from notifications.flows.audiences import as_stored, excluding, members
from notifications.models import Delivery
from notifications.rules.identity import delivery_id, user_recipient
from tests.flows.test_audiences import paged
from tests.flows.test_broadcasts import POST

pytestmark = pytest.mark.django_db
WORDS = ["a", "A", "b", "B", "ä", "Z", "z", "10", "9", "é", "e", "u:1", "-1", " x", "ß", "ss", "日本", "a'b", "%", "_"]
MANY = [uuid.UUID(int=number << 100 | number) for number in range(20)]


def a_language() -> str:
    """Return a collation that orders as a language does, if this server has one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT collname FROM pg_collation WHERE collname ~ '^(en_|de_|en-x|de-x)' ORDER BY collname")
        row = cursor.fetchone()
    return str(row[0]) if row else pytest.skip("this server has no collation of a language")


@pytest.fixture(params=["language", "C", "uuid"])
def people(db: None, request: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A user model with another kind of key, in place of the project's, and twenty of its users."""
    collation = a_language() if request.param == "language" else request.param
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "RECIPIENT": {"lookup": "pk"}}
    with isolate_apps("project.shop"):
        key: Any = models.CharField(primary_key=True, max_length=60, db_collation=collation)
        if request.param == "uuid":
            key = models.UUIDField(primary_key=True)
        meta = type("Meta", (), {"app_label": "shop"})
        model: Any = type("Member", (models.Model,), {"id": key, "Meta": meta, "__module__": __name__})
        with connection.schema_editor() as editor:
            editor.create_model(model)
        model.objects.bulk_create([model(pk=value) for value in (MANY if request.param == "uuid" else WORDS)])
        earlier = broadcast("new-post", {"all": True}, POST)
        for module in (audiences, audience_pages, lookups):
            monkeypatch.setattr(module, "get_user_model", lambda: model)
        lookups.lookup_field.cache_clear()
        yield model, earlier
        lookups.lookup_field.cache_clear()


def test_every_page_in_the_keys_own_order(people: Any) -> None:
    model, _ = people
    for size in (1, 3, 20, 100):
        assert paged({"all": True}, None, size) == list(model.objects.order_by("pk").values_list("pk", flat=True))


def test_recipients_of_a_broadcast_and_lists(people: Any) -> None:
    model, earlier = people
    keys = list(model.objects.values_list("pk", flat=True))
    now = Delivery.objects.database_now()
    for number, key in enumerate(keys):
        # On two devices each: still one person.
        for device in ("one", "two"):
            Delivery.objects.create(
                id=delivery_id(earlier.notification_id, user_recipient(key), "push", device),
                notification_id=earlier.notification_id,
                recipient=user_recipient(key),
                channel="push",
                lane=3,
                state=State.SENT if number % 2 else State.FAILED,
                due_at=now,
                updated_at=now,
            )
    wanted = {"broadcast": str(earlier.pk)}
    for size in (1, 3, 50):
        found = paged(wanted, None, size)
        assert len(found) == len(set(found)) == 10
        assert set(found) == set(keys[1::2])
    assert set(paged({"all": True}, wanted)) == set(keys[::2])
    assert set(excluding(members({"all": True}), wanted).values_list("pk", flat=True)) == set(keys[::2])
    assert set(members(wanted).values_list("pk", flat=True)) == set(keys[1::2])
    listed = {"users": [str(key) for key in keys[:5]]}
    assert set(paged(listed)) == set(keys[:5])
    assert set(paged({"all": True}, as_stored(listed))) == set(keys[5:])
