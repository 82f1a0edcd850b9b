"""A canary's number, mailbox, token and secret go through everything; only the fields meant for them ever hold them."""

from __future__ import annotations

import base64
import io
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Permission, User
from django.db import DataError, connection, transaction
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from twilio.request_validator import RequestValidator

from notifications import Address, logs, notify, wakeups
from notifications.admin import PAGES
from notifications.enums import Channel, Source, State
from notifications.exceptions import RequestRejected
from notifications.flows import gate
from notifications.flows.declare import publish
from notifications.flows.explain import explain
from notifications.flows.keys import create_key
from notifications.flows.replay import replay
from notifications.flows.requests import Request
from notifications.flows.sweep import sweep
from notifications.models import Alert, Delivery, Device, ProviderHold, Receipt, Template
from notifications.rules.masking import unquoted
from notifications.sandbox import credentials
from notifications.sandbox.process import SandboxProcess
from tests.admin.test_matrix import console as every_address
from tests.live import work

pytestmark = pytest.mark.django_db
# Nothing else looks like these.
MARK, SECRET, NUMBER, TITLE = "kanarienvogel", "zq81xw7k3j", "+4915199887766", "Gelbfink"
FAULTY_NUMBERS = ("+15005550001", "+15005550004", "+15005550009", "+15005550500", "+15005553003", "+15005553007")
FAULTY_MAILBOXES = ("bounce", "complaint", "inactive", "invalid", "poison", "down", "flaky")
FAULTY_TOKENS = ("dead", "invalid", "oversized", "mismatch", "internal", "auth", "forbidden", "notfound", "flaky")
FEW, MANY = ("unauthorized",), (
    "outage", "rate_limited", "unauthorized", "reset", "reset_after_accept", "error_after_accept", "garbage"
)  # fmt: skip
CREDENTIALS = (
    credentials.TWILIO_AUTH_TOKEN,
    credentials.POSTMARK_SERVER_TOKEN,
    credentials.WEBHOOK_SECRET,
    credentials.WEBHOOK_SECRET.partition(":")[2],
)


def wanted() -> list[str]:
    """Return what must be found nowhere, as it may be written."""
    numbers = [number.lstrip("+") for number in (NUMBER, *FAULTY_NUMBERS)]
    words = [MARK, SECRET, TITLE, *numbers, *CREDENTIALS]
    return [*words, *(base64.b64encode(word.encode()).decode().rstrip("=")[:-1] for word in words)]


@dataclass
class Found:
    """Where the canary was looked for, and where it was."""

    looked: int = 0
    hits: list[str] = field(default_factory=list)

    def look(self, where: str, text: str, but: Sequence[str] = ()) -> None:
        """Look for the canary in a text; `but` are words that somebody had asked for there."""
        self.looked += 1
        for word in wanted():
            if word in text and word not in but:
                at = text.index(word)
                self.hits.append(f"{where}: {text[max(0, at - 80) : at + 40]!r}")


class Records(logging.Handler):
    """Keeps what is logged, at every level: what Carillon said itself, and each line as it is written."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.own, self.lines = io.StringIO(), io.StringIO()
        self.formatters = (logs.JSONFormatter(), logs.MaskingFormatter("%(levelname)s %(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record."""
        if record.name.startswith("notifications"):
            self.own.write(logging.Formatter().format(record) + "\n" + repr(record.__dict__.get("address", "")) + "\n")
        for formatter in self.formatters:
            self.lines.write(formatter.format(record) + "\n")


@pytest.fixture
def records() -> Iterator[Records]:
    """All loggers at DEBUG."""
    handler, root, before = Records(), logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(before)


def redis_dump() -> str:
    """Return every key of Redis with its value."""
    redis = wakeups.connection(Channel.SMS)
    read: dict[bytes, Callable[[bytes], Any]] = {
        b"string": redis.get,
        b"hash": redis.hgetall,
        b"list": lambda key: redis.lrange(key, 0, -1),
        b"set": redis.smembers,
        b"zset": lambda key: redis.zrange(key, 0, -1),
        b"none": lambda key: None,  # it ran out just now
    }
    return repr([(key, read[redis.type(key)](key)) for key in redis.keys("*")])


class Api:
    """A caller with a key."""

    def __init__(self) -> None:
        scopes = ["send", "read", "devices", "preferences", "erase", "broadcast"]
        made = create_key("canary", scopes)
        self.key = made[1] if isinstance(made, tuple) else made
        self.count = 0

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Ask the API."""
        self.count += 1
        headers = {
            "Authorization": f"Api-Key {self.key}", "Idempotency-Key": f"k{self.count}", "X-Request-Id": "r-1"
        }  # fmt: skip
        data = "" if body is None else json.dumps(body)
        return Client().generic(method, f"/api/v1/{path}", data, "application/json", headers=headers)


def mailbox(word: str) -> str:
    """Return a mailbox of the canary's; the sandbox goes by the word in front."""
    return f"{word}-{MARK}@example.com"


def everything(api: Api, most: int) -> None:
    """Ask for a message on every way that a message can go wrong, of each kind at most so many."""
    code = {"template": "login-code", "data": {"code": SECRET}, "channels": ["sms"]}
    invoice = {"template": "invoice", "data": {"order": {"number": TITLE, "total": 2}}}
    for number in (NUMBER, *FAULTY_NUMBERS[:most]):
        assert api.ask("POST", "notifications/", {"to": {"sms": number}, **code}).status_code == 202
    for word in ("well", *FAULTY_MAILBOXES[:most]):
        assert api.ask("POST", "notifications/", {"to": {"email": mailbox(word)}, **invoice}).status_code == 202


def refusals(api: Api, user: User, found: Found) -> None:
    """Ask for what is refused: answers and errors quote no value."""
    bodies: list[dict[str, object]] = [
        {"to": {"sms": NUMBER}, "template": "login-code", "data": {"code": SECRET, "more": SECRET}},
        {"to": {"sms": NUMBER}, "template": "login-code", "data": {"code": [SECRET]}},
        {"to": {"email": mailbox("well")}, "template": "nothing", "data": {"code": SECRET}},
        {"to": {"email": f"{MARK} is none"}, "template": "invoice", "data": {}},
        {"to": {"sms": f"{NUMBER}{NUMBER}"}, "template": "login-code", "data": {"code": SECRET}},
    ]
    for body in bodies:
        answer = api.ask("POST", "notifications/", body)
        assert answer.status_code == 400
        found.look("refusal over HTTP", answer.content.decode())
    for data in ({"code": [SECRET]}, {"code": SECRET, SECRET[:3]: 1}):
        with pytest.raises(RequestRejected) as refused:
            notify(Address(sms=NUMBER), "login-code", data)
        found.look("exception", f"{refused.value} {refused.value!r} {refused.value.problems}")
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT %s::text::int", [f"{NUMBER} {mailbox('well')} {SECRET}"])
    except DataError as error:
        logging.getLogger("notifications.sweep").exception("a duty failed", exc_info=unquoted(error))
    explain(Request(user, "login-code", {"code": SECRET}))


def receipts(found: Found) -> None:
    """Let providers report, truly and falsely."""
    basic = base64.b64encode(credentials.WEBHOOK_SECRET.encode()).decode()
    told = f"smtp;550 5.1.1 <{mailbox('well')}> unknown, call {NUMBER}"
    for row in Delivery.objects.filter(channel="email", state__in=[State.SENT, State.DELIVERED]):
        body = {
            "RecordType": "Bounce", "Type": "HardBounce", "TypeCode": 1, "ID": 7, "MessageID": row.provider_message_id,
            "Email": row.address, "Details": told, "Description": told, "BouncedAt": "2026-11-05T16:33:54.0Z",
            "Metadata": {"carillon_id": f"{row.pk}.{row.attempt}"},
        }  # fmt: skip
        for secret in (basic, "Zm9yZ2VkOmZvcmdlZA=="):
            headers = {"Authorization": f"Basic {secret}"}
            answer = Client().post("/webhooks/email/", json.dumps(body), "application/json", headers=headers)
            assert answer.status_code == (200 if secret == basic else 403)
            found.look("answer to a callback", answer.content.decode())
    inbound = {
        "MessageSid": "SM" + "7" * 32, "From": NUMBER, "To": credentials.TWILIO_FROM_NUMBER, "Body": f"STOP {TITLE}",
        "OptOutType": "STOP", "SmsStatus": "received",
    }  # fmt: skip
    url = "/webhooks/twilio/"
    proof = RequestValidator(credentials.TWILIO_AUTH_TOKEN).compute_signature(f"http://testserver{url}", inbound)
    for signature in (proof, "forged"):
        headers = {"X-Twilio-Signature": signature}
        Client().post(url, urlencode(inbound), "application/x-www-form-urlencoded", headers=headers)


def well_again(found: Found, sandbox: SandboxProcess) -> None:
    """Look into Redis, then let everything be well and due."""
    found.look("redis", redis_dump())
    sandbox.client.reset()
    wakeups.connection(Channel.SMS).flushdb()
    gate.breaker.cache_clear()
    gate.pace.cache_clear()
    ProviderHold.objects.all().delete()
    gate.end_hold("twilio")
    Delivery.objects.filter(state__in=[State.PENDING, State.UNCERTAIN]).update(due_at=Now())


def console(found: Found, people: Sequence[User], most: int) -> int:
    """Walk the console as somebody who may do all but see personal data; of each kind at most so many pages."""
    operator = User.objects.create_user("operator", is_staff=True)
    operator.user_permissions.set(
        Permission.objects.filter(content_type__app_label="carillon").exclude(codename="view_pii")
    )
    browser = Client()
    browser.force_login(operator)
    pages = [reverse("admin:index")]
    for model in PAGES:
        name = model._meta.model_name
        pages.append(reverse(f"admin:carillon_{name}_changelist"))
        if not model._meta.proxy:
            keys = list(model._default_manager.values_list("pk", flat=True)[:most])
            pages += [reverse(f"admin:carillon_{name}_change", args=[quote(str(key))]) for key in keys]
    person = reverse("admin:carillon_person_changelist")
    pages += [f"{person}?{urlencode({'q': f'u:{user.pk}'})}" for user in people[:most]]
    pages += [page for page, *_ in every_address()]  # forms, previews, pictures, what-if and the others
    recipients = Delivery.objects.values_list("recipient", flat=True).distinct()
    pages += [f"{person}?{urlencode({'q': key})}" for key in recipients[:most]]
    opened = 0
    for page in pages:
        answer = browser.get(page, follow=True)
        opened += answer.status_code == 200
        found.look(f"console {page}", answer.content.decode())
    root = Client()
    root.force_login(User.objects.create_superuser("root"))
    row = Delivery.objects.exclude(address="").first()
    assert row is not None
    seen = Found()
    seen.look("", root.get(reverse("admin:carillon_delivery_change", args=[row.pk])).content.decode())
    assert seen.hits, "who may see personal data does, so that a hit would be noticed"
    return opened


@pytest.mark.parametrize(
    ("modes", "most"), [(FEW, 1), pytest.param(MANY, 25, marks=pytest.mark.long)], ids=["slice", "everything"]
)
def test_the_canary_is_found_nowhere(
    modes: Sequence[str],
    most: int,
    sandbox: SandboxProcess,
    person: Callable[..., User],
    records: Records,
    django_capture_on_commit_callbacks: Any,
) -> None:
    found, api = Found(), Api()
    template = Template.objects.get(slug="new-follower")
    tokens = [f"{word}-{MARK}-{'x' * 100}" for word in ("well", *FAULTY_TOKENS[:most])]
    people = [
        person(token, email=mailbox(f"well{n}"), phone=f"{NUMBER[:-3]}9{n:02d}") for n, token in enumerate(tokens)
    ]
    answer = api.ask("POST", f"users/{people[0].pk}/devices/", {"platform": "android", "address": f"new-{tokens[0]}"})
    assert answer.status_code == 201
    with django_capture_on_commit_callbacks(execute=True):
        for mode in modes:
            everything(api, most)
            for user in people:
                notify(user, "new-follower", {"name": TITLE})
            for provider in ("twilio", "postmark", "fcm"):
                sandbox.client.fault(provider, mode)
            work()
            sweep("canary")
            well_again(found, sandbox)
        for _ in range(2):
            work()
            well_again(found, sandbox)
        refusals(api, people[0], found)
        receipts(found)
        work()
        publish(template, {(Channel.PUSH, "en"): {"title": "{{ name.nothing }}", "body": "x"}}, Source.CONSOLE)
        notify(people[0], "new-follower", {"name": TITLE})
        well_again(found, sandbox)
        work()
        died = list(Delivery.objects.filter(state=State.DEAD).values_list("pk", flat=True))
        replay(died, actor="operator", reason="a canary")
        sweep("canary")
        work()
    found.look("redis", redis_dump())
    assert died, Counter(Delivery.objects.values_list("channel", "state", "reason", "error_code"))
    assert Alert.objects.exists(), "somebody must have been told"
    assert Receipt.objects.exists()
    assert Device.objects.filter(is_active=False).exists()
    assert any(NUMBER[1:] in address for address in Delivery.objects.values_list("address", flat=True)), "it is there"
    assert console(found, people, most) > (200 if most > 10 else 30)
    found.look("what Carillon logs", records.own.getvalue())
    found.look("what is written to the log", records.lines.getvalue())
    assert records.own.getvalue().count("\n") > 20
    for key in (api.key, django_settings.SECRET_KEY):
        assert key not in records.lines.getvalue() + records.own.getvalue() + redis_dump()
    assert found.hits == []
