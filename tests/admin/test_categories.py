"""The form of a category: what a worker could not read, or what would keep a secret, is refused where it is written."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from notifications.enums import Source
from notifications.models import Category, Template

FORM = {"slug": "tips", "priority": "normal", "channels": ["email"], "patience": "300", "uncertain": "resend"}


def errors(browser: Client, key: object = None, **changed: str) -> dict[str, str]:
    """Save a category and return what is wrong with it, by field; nothing where it was saved."""
    page = reverse(
        "admin:carillon_category_change" if key else "admin:carillon_category_add", args=[key] if key else ()
    )
    response = browser.post(page, {**FORM, **changed})
    if response.status_code == 302:
        return {}
    found = response.context["adminform"].form.errors
    return {field: " ".join(said) for field, said in found.items()}


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("throttle", "5 per hour", "such as 5/hour"),
        ("throttle", "0/hour", "such as 5/hour"),
        ("digest", "daily 9:00", "such as daily 09:00"),
        ("digest", "weekly", "such as daily 09:00"),
        ("ttl", "0", "more than 0 seconds"),
        ("ttl", "-60", "more than 0 seconds"),
        ("patience", "0", "more than 0 seconds"),
        ("fallback_after", "-1", "more than 0 seconds"),
    ],
)
def test_what_no_declaration_may_say_is_refused(browser: Client, field: str, text: str, said: str) -> None:
    found = errors(browser, **{field: text})
    assert set(found) == {field}
    assert said in found[field]
    assert not Category.objects.filter(slug="tips").exists()


def test_what_a_declaration_may_say_is_kept(browser: Client) -> None:
    assert errors(browser, throttle=" 5/hour ", digest="daily 09:00", ttl="120", fallback_after="60") == {}
    made = Category.objects.get(slug="tips")
    assert (made.throttle, made.digest, made.ttl) == ("5/hour", "daily 09:00", timedelta(seconds=120))
    assert made.patience == timedelta(seconds=60)  # as with a declared one, never more than half the ttl


def test_a_category_with_secrets_keeps_its_ttl_and_gathers_nothing(browser: Client) -> None:
    assert errors(browser, ttl="600") == {}
    category = Category.objects.get(slug="tips")
    Template.objects.create(slug="plain", category=category, source=Source.CONSOLE)
    assert errors(browser, category.pk) == {}
    Template.objects.create(slug="pin", category=category, variables={"pin": "str"}, sensitive=["pin"])
    found = errors(browser, category.pk, digest="hourly")
    assert set(found) == {"ttl", "digest"}
    assert "pin" in found["ttl"]
    assert errors(browser, category.pk, ttl="300", throttle="1/day") == {}
