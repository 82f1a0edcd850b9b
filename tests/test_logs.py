"""What is logged can be followed from a request to the provider's answer, and names nobody."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User

from notifications import logs, request_ids
from notifications.enums import Channel
from notifications.flows.accept import accept
from notifications.flows.requests import Request
from notifications.models import Delivery
from notifications.sandbox.process import SandboxProcess
from tests.fixtures import own_redis, patient_redis, person, running_sandbox, sandbox
from tests.live import work

__all__ = ["own_redis", "patient_redis", "person", "running_sandbox", "sandbox"]
NUMBER = "+4915199887766"


@pytest.fixture
def written() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What the app logs at DEBUG, as JSON."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JSONFormatter())
    logger = logging.getLogger("notifications")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logger.removeHandler(handler)
    logger.setLevel(before)


@pytest.mark.django_db
def test_a_request_is_followed_to_the_providers_answer(
    sandbox: SandboxProcess, person: Callable[..., User], written: Callable[[], list[dict[str, Any]]]
) -> None:
    request = Request(person(phone=NUMBER), "login-code", {"code": "493021"}, channels=("sms",), request_id="req-7")
    made = accept(request)
    work(Channel.SMS)
    row = Delivery.objects.get(notification_id=made.notification_id)
    found = {line["logger"]: line for line in written() if line.get("request_id") == "req-7"}
    assert found["notifications.accepted"]["notification"] == str(made.notification_id)
    attempt = found["notifications.attempts"]
    assert (attempt["delivery"], attempt["provider"], attempt["attempt"]) == (str(row.pk), "twilio", 1)
    assert (attempt["state"], attempt["provider_message_id"]) == ("sent", row.provider_message_id)
    assert attempt["address"] == "+49…66"
    everything = json.dumps(written())
    assert NUMBER[1:] not in everything
    assert "493021" not in everything


def record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    """Make a record as a logger would."""
    made = logging.LogRecord("a", logging.ERROR, __file__, 1, message, args, None)
    for name, value in extra.items():
        setattr(made, name, value)
    return made


def fail() -> None:
    """Fail as a database would that quotes the row."""
    raise ValueError(f"Key (address)=({NUMBER}) exists")


def test_a_line_has_ids_in_fields_and_masks_everything() -> None:
    request_ids.take("from-the-door")
    try:
        fail()
    except ValueError as error:
        made = record("to %s failed", "ada@example.com", delivery="d1", address="bob@example.com", secret="x", code="")
        made.exc_info = (ValueError, error, error.__traceback__)
    line = json.loads(logs.JSONFormatter().format(made))
    assert (line["message"], line["delivery"], line["address"]) == ("to … failed", "d1", "…")
    assert line["request_id"] == "from-the-door"
    assert "Key (address)=(…) exists" in line["error"]
    assert {"secret", "code"}.isdisjoint(line)
    text = logs.MaskingFormatter("%(levelname)s %(message)s").format(made)
    assert text.startswith("ERROR to … failed")
    assert text.endswith("delivery=d1 address=… request_id=from-the-door")
    assert NUMBER not in text
    request_ids.forget()
    assert "request_id" not in json.loads(logs.JSONFormatter().format(record("x")))
    assert json.loads(logs.JSONFormatter().format(record("x", request_id="own")))["request_id"] == "own"
