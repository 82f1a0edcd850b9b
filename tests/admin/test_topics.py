"""Users come to a topic from a file, for those with the permission."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from notifications.models import AuditEntry, Topic, TopicSubscription

pytestmark = pytest.mark.django_db


def send(browser: Client, topic: Topic, content: bytes, **values: str) -> Any:
    """Send a file to the page that imports."""
    page = reverse("admin:carillon_topic_import", args=[topic.pk])
    return browser.post(page, {"file": SimpleUploadedFile("users.csv", content), "how": "add", **values})


@pytest.fixture
def topic(db: None) -> Topic:
    """A topic."""
    return Topic.objects.create(slug="news")


def test_an_import(browser: Client, ada: Any, root: Any, topic: Topic) -> None:
    content = f"\ufeffName;User\r\nAda;{ada.pk}\r\nNobody;0\r\n".encode()
    seen = send(browser, topic, content, dry_run="on")
    assert "Would be added: 1" in seen.content.decode()
    assert "first in lines 3" in seen.content.decode()
    assert not TopicSubscription.objects.exists()
    assert send(browser, topic, content).status_code == 302
    assert [row.user_id for row in TopicSubscription.objects.all()] == [ada.pk]
    assert send(browser, topic, f"{root.pk}".encode(), how="replace").status_code == 302
    assert [row.user_id for row in TopicSubscription.objects.all()] == [root.pk]
    assert list(AuditEntry.objects.order_by("pk").values_list("action", "subject", "planned", "done")) == [
        ("import_add", "topic news", 2, 1),
        ("import_replace", "topic news", 1, 2),
    ]
    shown = browser.get(reverse("admin:carillon_topic_change", args=[topic.pk]))
    assert "subscribers" in shown.content.decode().lower()


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a,b\n1,2", b'"broken', b"", b"x" * (5 * 1024 * 1024 + 1)])
def test_a_file_that_cannot_be_used_says_so(browser: Client, topic: Topic, content: bytes) -> None:
    seen = send(browser, topic, content, how="replace")
    assert seen.status_code == 200
    assert "errorlist" in seen.content.decode()


def test_only_with_the_permission(staff: Callable[..., Client], ada: Any, topic: Topic) -> None:
    page = reverse("admin:carillon_topic_import", args=[topic.pk])
    assert staff("view_topic").get(page).status_code == 403
    adds = staff("view_topic", "add_topicsubscription")
    assert adds.get(page).status_code == 200
    assert send(adds, topic, str(ada.pk).encode(), how="replace").status_code == 403
    assert send(adds, topic, str(ada.pk).encode()).status_code == 302
    assert adds.get(reverse("admin:carillon_topic_import", args=[topic.pk + 1])).status_code == 404
    assert Client().get(page).status_code == 302
