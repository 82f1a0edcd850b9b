"""Every screen of the console, asked for by a superuser inside a deployment's environment, with what each took."""

from __future__ import annotations

import json
import time
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from notifications.models import (
    ApiKey,
    Broadcast,
    Category,
    Delivery,
    Device,
    Notification,
    Template,
)


def screens() -> dict[str, str]:
    """Return the address of each screen by its name, about rows that there are."""
    dead = Delivery.objects.filter(state="dead").order_by("-pk").first()
    newest = Delivery.objects.exclude(provider_message_id="").order_by("-pk")[:1].get()
    somebody = Notification.objects.exclude(recipient="").order_by("-pk")[:1].get()
    broadcast, template = Broadcast.objects.order_by("-pk")[0], Template.objects.get(slug="bench-post")
    key, category, device = ApiKey.objects.all()[0], Category.objects.all()[0], Device.objects.order_by("-pk")[0]
    console = {
        "index": "", "overview 15 min": "overview/", "overview 1 h": "overview/?window=60",
        "overview 24 h": "overview/?window=1440", "find": "person/", "person": f"person/?q={somebody.recipient}",
        "by delivery": f"person/?q={newest.pk}", "by notification": f"person/?q={newest.notification_id}",
        "by provider id": f"person/?q={newest.provider_message_id}", "by token": f"person/?q={device.address[-8:]}",
        "by address": "person/?q=nobody%40example.com", "dead letters": "deadletter/",
        "dead letters, filtered": "deadletter/?channel=push", "broadcasts": "broadcast/",
        "broadcast": f"broadcast/{broadcast.pk}/change/", "providers": "providercard/", "queues": "queue/",
        "waiting": "queue/clear/?channel=push", "devices": "device/", "device": f"device/{device.pk}/change/",
        "suppressions": "suppression/", "templates": "template/", "words": f"template/{template.pk}/words/",
        "category": f"category/{category.pk}/change/", "preferences": "preference/", "notifications": "notification/",
        "deliveries": "delivery/", "deliveries, failed": "delivery/?state__exact=failed",
        "delivery": f"delivery/{(dead or newest).pk}/change/", "receipts": "receipt/", "audit": "auditentry/",
        "keys": "apikey/", "key": f"apikey/{key.pk}/change/", "refused": "refusedrequest/", "alerts": "alert/",
    }  # fmt: skip
    return {name: f"/admin/carillon/{path}" for name, path in console.items()}


def measure(turns: str) -> None:
    """Ask for each so many times, in turns; print JSON: milliseconds, statements of the last, status, by screen."""
    # As deployed, but for collected files: where they lie is no work of a screen's.
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with override_settings(ALLOWED_HOSTS=["*"], STORAGES={**settings.STORAGES, "staticfiles": plain}):
        print(json.dumps(_measured(int(turns))))


def _measured(turns: int) -> dict[str, dict[str, Any]]:
    user = get_user_model().objects.create_superuser(f"bench-{time.time_ns()}", password=None)
    client = Client()
    client.force_login(user)
    found: dict[str, dict[str, Any]] = {}
    addresses = screens()
    for _ in range(turns):
        for name, url in addresses.items():
            with CaptureQueriesContext(connection) as queries:
                began = time.perf_counter()
                answer = client.get(url, secure=True)
                took = (time.perf_counter() - began) * 1_000
            one = found.setdefault(name, {"ms": []})
            one["ms"].append(round(took, 1))
            one |= {"statements": len(queries), "status": answer.status_code}
    return found
