"""A draft shows what is missing before anybody gets it: by the code that plans and composes, and without a trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import CharField, F, Func, QuerySet, Value
from django.db.models.functions import Cast

from notifications import audience, broadcast
from notifications.declarations import registry
from notifications.enums import Channel, Source, SuppressionCause
from notifications.exceptions import WrongStatus
from notifications.flows import draft_preview
from notifications.flows.control import launch_draft
from notifications.flows.declare import publish
from notifications.flows.draft_preview import preview_broadcast
from notifications.flows.drafts import launch_later, take_back
from notifications.flows.operate import By
from notifications.flows.people import address_target
from notifications.flows.suppress import suppress
from notifications.models import Broadcast, Category, Delivery, Preference, Template

pytestmark = pytest.mark.django_db
WORDS = {
    (Channel.PUSH, "en"): {"title": "New: {{ title }}", "body": "{{ title }}", "url": "{{ title }}"},
    (Channel.EMAIL, "en"): {
        "subject": "New: {{ title }}",
        "html": '<p><a href="https://shop.example/posts/{{ title }}?to={{ title }}">{{ title }}</a></p>',
        "text": "{{ title }}",
    },
}


@pytest.fixture
def named() -> Iterator[Callable[[], Any]]:
    """Everybody, with the first name as the title."""

    @audience
    def named() -> QuerySet[User]:
        return User.objects.annotate(title=F("first_name"))

    yield named
    del registry.audiences["named"]


def gaps(made: Broadcast) -> dict[tuple[str, str, str], tuple[int, list[str]]]:
    found = preview_broadcast(made.pk).gaps
    return {(gap.kind, gap.channel, gap.what): (gap.count, gap.examples) for gap in found}


def with_words(*channels: str) -> None:
    template = Template.objects.get(slug="new-post")
    assert publish(template, {place: dict(parts) for place, parts in WORDS.items()}, Source.CONSOLE)
    Category.objects.filter(slug="news").update(channels=list(channels))


def test_what_is_missing_is_grouped_and_counted(person: Callable[..., User], named: Callable[[], Any]) -> None:
    with_words("email")
    full, empty, german, out, gone = (person(locale=locale) for locale in ("en", "en", "de", "en", "en"))
    User.objects.exclude(pk=empty.pk).update(first_name="Bells")
    Preference.objects.create(recipient=f"u:{out.pk}", categories={"news": {"email": False}})
    target = address_target(Channel.EMAIL, gone.email)
    assert target is not None
    suppress(Channel.EMAIL, target.address, SuppressionCause.MANUAL, "test")
    nowhere = person()
    User.objects.filter(pk=nowhere.pk).update(email="", first_name="Bells")
    made = broadcast("new-post", named(), draft=True)
    shown = preview_broadcast(made.pk)
    assert (shown.recipients, shown.is_all, shown.would_send) == (6, True, {"email": 3})
    assert gaps(made) == {
        ("empty_variable", "", "variable title is empty"): (1, [str(empty.pk)]),
        ("language", "email", "no words in de: would get en"): (1, [str(german.pk)]),
        ("skipped", "email", "would be skipped: the recipient opted out"): (1, [str(out.pk)]),
        ("skipped", "email", "would be skipped: the address is suppressed"): (1, [str(gone.pk)]),
        ("skipped", "email", "would be skipped: no address"): (1, [str(nowhere.pk)]),
    }
    assert str(full.pk) not in str(gaps(made))


@pytest.mark.parametrize(
    ("value", "channel", "what"),
    [
        ("None", "email", "dead link (a value is missing): https://shop.example/posts/None"),
        ("/posts/7", "push", "the url is empty or relative, and would be left out"),
        ("javascript:alert(1)", "push", "the url is empty or relative, and would be left out"),
        ("https://x.example/None/7?who=ada@example.com", "push", "dead link (a value is missing): https://x.example/None/…"),
        ("https://ours.example/n/preferences/", "push", "dead link (no such page): https://ours.example/n/preferences/"),
    ],
)  # fmt: skip
def test_dead_links(
    person: Callable[..., User], named: Callable[[], Any], settings: Any, value: str, channel: str, what: str
) -> None:
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "PUBLIC_URL": "https://ours.example/n"}
    with_words(channel)
    user = person("token-links-0001")
    User.objects.update(first_name=value)
    assert gaps(broadcast("new-post", named(), draft=True))["dead_link", channel, what] == (1, [str(user.pk)])


def test_links_of_our_own_that_are_there_are_no_gap(
    person: Callable[..., User], named: Callable[[], Any], settings: Any
) -> None:
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "PUBLIC_URL": "https://ours.example/n"}
    with_words("push")
    person("token-links-0002")
    User.objects.update(first_name="https://ours.example/n/preferences/abc:def/")
    assert gaps(broadcast("new-post", named(), draft=True)) == {}


def test_what_cannot_be_rendered_or_planned_is_shown(person: Callable[..., User], named: Callable[[], Any]) -> None:
    template = Template.objects.get(slug="new-post")
    publish(template, {(Channel.PUSH, "en"): {"title": "{{ title.nothing }}", "body": "x"}}, Source.CONSOLE)
    user = person("token-render-0001")
    User.objects.update(first_name="Ada-Secret")
    (kind, channel, what), found = next(iter(gaps(broadcast("new-post", named(), draft=True)).items()))
    assert (kind, channel, found) == ("render_error", "push", (1, [str(user.pk)]))
    assert "Ada" not in what


def test_it_leaves_no_trace_and_can_be_repeated(person: Callable[..., User], named: Callable[[], Any]) -> None:
    person("token-trace-0001")
    made = broadcast("new-post", named(), draft=True)
    assert preview_broadcast(made.pk) == preview_broadcast(made.pk)
    assert not Delivery.objects.exists()
    made.refresh_from_db()
    assert (made.status, made.members, made.cursor) == ("draft", 0, "")
    launch_draft(made.pk)
    with pytest.raises(WrongStatus, match="cannot be previewed"):
        preview_broadcast(made.pk)


def test_it_is_bounded_in_rows_and_time(
    person: Callable[..., User], named: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        person(f"token-bounded-{number:04d}")
    made = broadcast("new-post", named(), draft=True)
    monkeypatch.setattr(draft_preview, "_PAGE", 2)
    assert (preview_broadcast(made.pk).recipients, preview_broadcast(made.pk).is_all) == (5, True)
    monkeypatch.setattr(draft_preview, "MOST_RECIPIENTS", 4)
    assert (preview_broadcast(made.pk).recipients, preview_broadcast(made.pk).is_all) == (4, False)
    monkeypatch.setattr(draft_preview, "SECONDS", 0.0)
    assert (preview_broadcast(made.pk).recipients, preview_broadcast(made.pk).is_all) == (0, False)


def test_an_old_draft_is_as_fresh_as_when_it_is_launched(person: Callable[..., User], named: Callable[[], Any]) -> None:
    person("token-old-0001")
    made = broadcast("new-post", named(), draft=True, ttl=60)
    notification = made.notification_id
    type(made)._meta.apps.get_model("carillon", "Notification").objects.filter(pk=notification).update(
        created_at="2020-01-01T00:00:00Z", expires_at="2020-01-01T00:01:00Z"
    )
    assert preview_broadcast(made.pk).would_send == {"push": 1}


def test_it_shows_the_words_that_it_would_be_sent_with(person: Callable[..., User], named: Callable[[], Any]) -> None:
    user = person("token-newer-0001")
    User.objects.update(first_name="None")
    made = broadcast("new-post", named(), draft=True)
    drafted = preview_broadcast(made.pk)
    with_words("push", "email")
    launch_later(made.pk, By("root", ""), version="newest")
    shown = preview_broadcast(made.pk)
    assert shown.would_send == {"push": 1, "email": 1}
    assert ("dead_link", "email") in {(gap.kind, gap.channel) for gap in shown.gaps}
    take_back(made.pk, By("root", ""))
    again = preview_broadcast(made.pk)
    assert [gap for gap in again.gaps if gap.kind != "skipped"] == drafted.gaps
    assert user.pk


def test_what_takes_too_long_is_told_and_nobody_is_taken_for_broken(
    person: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    @audience
    def slow() -> QuerySet[User]:
        return User.objects.annotate(title=Cast(Func(Value(0.2), function="pg_sleep"), CharField()))

    monkeypatch.setattr(draft_preview, "SECONDS", 0.5)
    for number in range(8):
        person(f"token-slow-{number:04d}")
    try:
        found = preview_broadcast(broadcast("new-post", slow(), draft=True).pk)
    finally:
        del registry.audiences["slow"]
    assert [gap.kind for gap in found.gaps] == ["too_slow"]
    assert not found.is_all
