"""What an abuser asks for is stopped with a reason, and everybody else gets what was promised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User

from notifications import Address, broadcast, notify, wakeups
from notifications.enums import Channel, Reason, Source, State
from notifications.exceptions import InvalidData
from notifications.flows.broadcast import plan_page
from notifications.flows.declare import publish
from notifications.flows.explain import explain
from notifications.flows.requests import Request
from notifications.flows.words import problems_in
from notifications.models import Alert, Category, Delivery, Template
from notifications.sandbox.process import SandboxProcess
from tests.live import work

pytestmark = pytest.mark.django_db
Person = Callable[..., User]
CODE = {"code": "493021"}


@pytest.fixture
def limits(sandbox: SandboxProcess, settings: Any) -> Callable[..., None]:
    """Set limits against abuse."""

    def set_them(**limits: object) -> None:
        settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "ABUSE": limits}

    return set_them


def came_to(channel: str = "sms") -> Counter[tuple[str, str]]:
    """Return how many deliveries of a channel stand where."""
    return Counter(Delivery.objects.filter(channel=channel).values_list("state", "reason"))


def text_to(number: str, *, template: str = "login-code", data: dict[str, object] | None = None) -> None:
    """Send a code to a number without an account."""
    notify(Address(sms=number), template, CODE if data is None else data, channels=["sms"])


def test_sms_go_to_the_countries_named_and_the_next_channel_takes_over(
    limits: Callable[..., None], person: Person
) -> None:
    limits(sms_countries=["49", "US"])
    text_to("+4915112345678")
    text_to("+12125550123")
    text_to("+18765550123")
    assert came_to() == {(State.PENDING, Reason.NEW): 2, (State.SKIPPED, Reason.LIMIT): 1}
    abroad = person(phone="+447400123456")
    notify(abroad, "login-code", CODE)
    found = {row.channel: (row.state, row.reason) for row in Delivery.objects.filter(recipient=f"u:{abroad.pk}")}
    assert found["sms"] == (State.SKIPPED, Reason.LIMIT)
    assert found["email"] == (State.PENDING, Reason.NEW)


def test_one_prefix_gets_so_many_and_no_more(
    limits: Callable[..., None], django_capture_on_commit_callbacks: Any
) -> None:
    limits(sms_per_prefix="3/hour")
    for number in range(6):
        text_to(f"+49151999{number:05d}")
    text_to("+4915200000000")
    with django_capture_on_commit_callbacks(execute=True):
        work(Channel.SMS)
    states = came_to()
    assert states[State.SKIPPED, Reason.LIMIT] == 3
    assert sum(states.values()) - states[State.SKIPPED, Reason.LIMIT] == 4
    skipped = Delivery.objects.filter(state=State.SKIPPED).first()
    assert skipped is not None
    assert skipped.error_code == "sms_per_prefix"
    alert = Alert.objects.get(kind="sms_pumping")
    assert (alert.subject, "+491519990" in alert.detail) == ("+49", True)
    text_to("+4915199900009")
    work(Channel.SMS)
    assert came_to()[State.SKIPPED, Reason.LIMIT] == 4


def test_what_was_counted_once_is_not_counted_again(limits: Callable[..., None]) -> None:
    limits(sms_per_prefix="1/hour")
    text_to("+4915199900001")
    explained = explain(Request(Address(sms="+4915199900002"), "login-code", channels=("sms",)))
    assert explained.outcomes[0].state == State.SENDING
    work(Channel.SMS)
    Delivery.objects.update(state=State.PENDING, reason=Reason.PACED, attempt=0, provider="")
    work(Channel.SMS)
    assert not came_to()[State.SKIPPED, Reason.LIMIT]
    explained = explain(Request(Address(sms="+4915199900002"), "login-code", channels=("sms",)))
    assert (explained.outcomes[0].state, explained.outcomes[0].reason) == (State.SKIPPED, Reason.LIMIT)


def test_a_broadcast_is_not_taken_for_pumping(limits: Callable[..., None], person: Person) -> None:
    limits(sms_per_prefix="1/hour", codes_per_recipient="1/hour")
    Category.objects.filter(slug="news").update(channels=["sms"])
    template = Template.objects.get(slug="new-post")
    publish(template, {(Channel.SMS, "en"): {"text": "{{ title }}"}}, Source.CONSOLE)
    people = [person(phone=f"+4915199900{number:03d}") for number in range(3)]
    made = broadcast("new-post", {"users": [str(user.pk) for user in people]}, {"title": "Casting"})
    while plan_page(made.pk):
        pass
    work(Channel.SMS)
    assert came_to() == {(State.SENT, ""): 3}


@pytest.fixture
def without_redis(settings: Any) -> Iterator[None]:
    """Let Redis be a port where nobody listens."""
    before = {name: queue["URL"] for name, queue in settings.RQ_QUEUES.items()}
    for queue in settings.RQ_QUEUES.values():
        queue["URL"] = "redis://127.0.0.1:9/0"
    wakeups.connection.cache_clear()
    yield
    for name, url in before.items():
        settings.RQ_QUEUES[name]["URL"] = url
    wakeups.connection.cache_clear()


def test_without_redis_codes_still_go(limits: Callable[..., None], without_redis: None) -> None:
    limits(sms_per_prefix="1/hour")
    for number in range(3):
        text_to(f"+4915199900{number:03d}")
    work(Channel.SMS)
    assert not came_to()[State.SKIPPED, Reason.LIMIT]


def test_a_recipient_gets_so_many_codes_whatever_the_template(limits: Callable[..., None], person: Person) -> None:
    limits(codes_per_recipient="2/day")
    ada, bob = person(), person()
    for _ in range(5):
        notify(ada, "login-code", CODE, channels=["sms"])
    notify(bob, "login-code", CODE, channels=["sms"])
    work(Channel.SMS)
    hers = Counter(Delivery.objects.filter(recipient=f"u:{ada.pk}").values_list("state", "error_code"))
    assert hers[State.SKIPPED, "codes_per_recipient"] == 3
    assert sum(hers.values()) == 5
    assert not Delivery.objects.filter(recipient=f"u:{bob.pk}", state=State.SKIPPED).exists()
    explained = explain(Request(ada, "login-code", channels=("sms",)))
    outcome = explained.outcomes[0]
    assert (outcome.state, outcome.reason) == (State.SKIPPED, Reason.LIMIT)
    assert [line.rule for line in outcome.lines if line.verdict == "stops"] == ["limit"]


def test_one_phone_gets_so_many_codes_whoever_it_is_said_to_be(limits: Callable[..., None]) -> None:
    """A form that anybody can sign up with is given another mailbox each time, and one number."""
    limits(codes_per_recipient="2/day")
    for number in range(4):
        notify(Address(email=f"x{number}@e.test", sms="+4915112345678"), "login-code", CODE, channels=["sms"])
    work(Channel.SMS)
    assert came_to() == {(State.SENT, ""): 2, (State.SKIPPED, Reason.LIMIT): 2}
    explained = explain(Request(Address(sms="+49 151 12345678"), "login-code", channels=("sms",)))
    assert (explained.outcomes[0].state, explained.outcomes[0].reason) == (State.SKIPPED, Reason.LIMIT)


def test_a_day_of_codes_is_one_day_in_whatever_zone(limits: Callable[..., None]) -> None:
    limits(codes_per_recipient="2/day")
    for where in ("Pacific/Kiritimati", "Asia/Kolkata", "UTC", "Pacific/Pago_Pago"):
        notify(Address(sms="+4915112345678", time_zone=where), "login-code", CODE, channels=["sms"])
    work(Channel.SMS)
    assert came_to() == {(State.SENT, ""): 2, (State.SKIPPED, Reason.LIMIT): 2}


def test_links_elsewhere_are_refused_and_the_value_is_not_told(limits: Callable[..., None], person: Person) -> None:
    limits(link_hosts=["shop.test"])
    for bad in ("https://evil.com/x", "see evil.com", {"a": ["www.evil.museum"]}):
        with pytest.raises(InvalidData) as refused:
            notify(person(), "login-code", {"code": bad})
        assert "evil" not in str(refused.value) + repr(refused.value.problems)
    problem = next(item for item in refused.value.problems if item.code == "foreign_link")
    assert (problem.pointer, "shop.test, testserver" in problem.detail) == ("/data/code", True)
    notify(person(), "login-code", {"code": "https://shop.test/1 https://www.shop.test/2 http://testserver/3"})


def test_words_with_links_elsewhere_cannot_be_saved_nor_sent(limits: Callable[..., None], person: Person) -> None:
    template = Template.objects.get(slug="login-code")
    words = {(Channel.SMS, "en"): {"text": "Your code {{ code }}: https://evil.com/"}}
    assert problems_in(template, words) == {}
    limits(link_hosts=["shop.test"])
    assert "Links to evil.com" in problems_in(template, words)[Channel.SMS, "en", "text"]
    split = {(Channel.SMS, "en"): {"text": "https://{{ code }}.evil.com/"}}
    assert "Links to 493021.evil.com" in problems_in(template, split)[Channel.SMS, "en", "text"]
    good = {(Channel.SMS, "en"): {"text": "{{ code }} https://shop.test/ {{ unsubscribe_url }}"}}
    assert problems_in(template, good) == {}


def test_a_message_that_links_elsewhere_all_the_same_is_not_sent(limits: Callable[..., None], person: Person) -> None:
    """A value that was harmless by itself became a host within our words, before anybody named the hosts."""
    template = Template.objects.get(slug="new-follower")
    words = {(Channel.PUSH, "en"): {"title": "Look", "body": "https://{{ name }}.evil.com/"}}
    publish(template, words, Source.CONSOLE)
    limits(link_hosts=["shop.test"])
    notify(person("token-" + "x" * 60), "new-follower", {"name": "ada"})
    work(Channel.PUSH)
    row = Delivery.objects.get(channel="push")
    assert (row.state, row.reason) == (State.DEAD, Reason.RENDER_ERROR)
    assert "link_hosts" in row.error_detail
    assert "evil" not in row.error_detail
