"""anymail: emails go together in one request where the ESP tells what became of each."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from anymail.exceptions import AnymailCancelSend, AnymailInvalidAddress
from anymail.signals import pre_send

from notifications.enums import Channel
from notifications.exceptions import (
    InvalidRecipient,
    PermanentFailure,
    ProviderMisconfigured,
    ProviderUnavailable,
    RateLimited,
    TemporaryFailure,
    UnknownOutcome,
)
from notifications.messages import Content, OutboundMessage, SendResult
from notifications.providers.anymail import AnymailAdapter
from notifications.providers.anymail_batches import MOST
from tests.contracts.server import Received, Reply, ScriptedProvider, closed_port, scripted, until

WORDS = Content(subject="News", text="Hello all", html="<p>Hello all</p>")
Item = Callable[[dict[str, Any]], dict[str, Any]]


def taken(email: dict[str, Any]) -> dict[str, Any]:
    return {"To": email["To"], "MessageID": str(uuid4()), "ErrorCode": 0, "Message": "OK"}


def answered(item: Item) -> Callable[[Received], Reply]:
    def script(request: Received) -> Reply:
        body = json.loads(request.body)
        answer = [item(email) for email in body] if isinstance(body, list) else item(body)
        return Reply(200, json.dumps(answer).encode())

    return script


@pytest.fixture
def server() -> Iterator[ScriptedProvider]:
    with scripted(answered(taken)) as server:
        yield server


@pytest.fixture
def make(server: ScriptedProvider) -> Iterator[Callable[..., AnymailAdapter]]:
    adapters: list[AnymailAdapter] = []

    def build(**options: Any) -> AnymailAdapter:
        own = {"esp": "postmark", "from_email": "noreply@example.com", "esp_options": {"server_token": "t"}}
        adapters.append(AnymailAdapter("postmark", {**own, "base_url": server.url, **options}))
        return adapters[-1]

    yield build
    for adapter in adapters:
        adapter.close()


def message(number: int, **changes: Any) -> OutboundMessage:
    values: dict[str, Any] = {"delivery_id": uuid4(), "attempt": 1, "generation": 1, "channel": Channel.EMAIL}
    return OutboundMessage(**(values | {"address": f"ada{number}@example.com", "content": WORDS} | changes))


def by_number(results: list[SendResult]) -> dict[str, SendResult]:
    return {result.message.address: result for result in results}


Make = Callable[..., AnymailAdapter]


def test_the_same_words_go_in_one_request(make: Make, server: ScriptedProvider) -> None:
    messages = [message(number) for number in range(100)]
    results = list(make(send_window=100).send_many(messages))
    assert all(result.accepted for result in results)
    assert {result.message.delivery_id for result in results} == {item.delivery_id for item in messages}
    assert len({result.provider_message_id for result in results}) == 100
    assert len(server.requests) < 20, "as many requests as there were moments' pauses, but far from one each"
    bodies = [json.loads(request.body) for request in server.requests]  # after a moment's pause one may be alone
    emails = [email for body in bodies for email in (body if isinstance(body, list) else [body])]
    assert "/email/batch" in {request.path for request in server.requests}
    assert {email["To"]: email["Metadata"]["carillon_id"] for email in emails} == {
        item.address: item.carillon_id for item in messages
    }
    assert {(email["Subject"], email["TextBody"], email["HtmlBody"]) for email in emails} == {
        ("News", "Hello all", "<p>Hello all</p>")
    }


def test_each_has_words_of_its_own(make: Make, server: ScriptedProvider) -> None:
    def words(number: int) -> Content:
        return Content(subject=f"News\n for {number}", text=f"Hello {number}", html=f"<p>Hello {number}</p>")

    messages = [message(number, content=words(number)) for number in range(50)]
    assert all(result.accepted for result in make(send_window=100).send_many(messages))
    assert len(server.requests) < 25, "not one by one"
    bodies = [json.loads(request.body) for request in server.requests]
    emails = [email for body in bodies for email in (body if isinstance(body, list) else [body])]
    assert {email["To"]: (email["Subject"], email["TextBody"], email["HtmlBody"]) for email in emails} == {
        item.address: (f"News for {number}", item.content.text, item.content.html)
        for number, item in enumerate(messages)
    }
    assert {email["From"] for email in emails} == {"noreply@example.com"}


def test_where_a_receiver_may_change_the_email_only_the_same_words_go_together(
    make: Make, server: ScriptedProvider
) -> None:
    def sign(message: Any, **_: object) -> None:
        message.body += " (signed)"

    other = Content(subject="Other", text="Hello you", html="<p>Hello you</p>")
    pre_send.connect(sign)
    try:
        results = list(make().send_many([message(0), message(1), message(2, content=other), message(3, content=other)]))
    finally:
        pre_send.disconnect(sign)
    assert all(result.accepted for result in results)
    bodies = [json.loads(request.body) for request in server.requests]
    emails = [email for body in bodies for email in (body if isinstance(body, list) else [body])]
    assert sorted(email["TextBody"] for email in emails) == ["Hello all (signed)"] * 2 + ["Hello you (signed)"] * 2


def test_large_messages_go_with_fewer(make: Make, server: ScriptedProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MOST, "postmark", (500, 100_000))
    large = Content(subject="Large", text="x" * 20_000, html="<p>x</p>")
    messages = [message(number, content=large if number == 5 else WORDS) for number in range(8)]
    assert all(result.accepted for result in make(send_window=100).send_many(messages))
    for request in server.requests:
        body = json.loads(request.body)
        if isinstance(body, list) and any(email["Subject"] == "Large" for email in body):
            assert len(body) <= 2


def test_each_has_its_own_link_to_unsubscribe_by(make: Make, server: ScriptedProvider) -> None:
    messages = [
        message(number, headers={"List-Unsubscribe": f"<https://example.com/{number}/>"}) for number in range(10)
    ]
    assert all(result.accepted for result in make(send_window=100).send_many(messages))
    assert len(server.requests) < 10, "not one by one"
    bodies = [json.loads(request.body) for request in server.requests]
    emails = [email for body in bodies for email in (body if isinstance(body, list) else [body])]
    links = {email["To"]: {item["Name"]: item["Value"] for item in email["Headers"]} for email in emails}
    assert {to: named["List-Unsubscribe"] for to, named in links.items()} == {
        item.address: item.headers["List-Unsubscribe"] for item in messages
    }


def test_at_most_half_a_send_window_goes_together(make: Make, server: ScriptedProvider) -> None:
    list(make(send_window=16).send_many(message(number) for number in range(64)))
    assert max(len(json.loads(request.body)) for request in server.requests) <= 8


def test_one_message_goes_alone_and_at_once(make: Make, server: ScriptedProvider) -> None:
    [result] = list(make().send_many([message(0)]))
    assert result.accepted
    assert [request.path for request in server.requests] == ["/email"]


@pytest.mark.parametrize(
    "other",
    [
        {"content": Content(subject="News", text="Hello all")},
        {"headers": {"List-Unsubscribe": "<https://e.example/1>"}},
        {"tags": ("x",)},
        {"high_priority": True},
        {"keyed": True},
        {"address": "Ada Lovelace <ada@example.com>"},
        {"address": "ada@bücher.example"},
        {"address": "ADA0@example.com"},
    ],
)
def test_what_differs_goes_by_itself(make: Make, server: ScriptedProvider, other: dict[str, Any]) -> None:
    results = list(make().send_many([message(0), message(1), message(2, **other)]))
    assert len(results) == 3
    assert all(result.accepted for result in results)
    ids = {item.message.carillon_id for item in results if item.message.address != "ada1@example.com"}
    for request in server.requests:
        body = json.loads(request.body)
        together = {email["Metadata"]["carillon_id"] for email in body} if isinstance(body, list) else set()
        assert not ids <= together


def test_each_message_has_its_own_outcome(make: Make, server: ScriptedProvider) -> None:
    refused: dict[str, dict[str, Any]] = {
        "ada1@example.com": {"ErrorCode": 406, "Message": "You tried to send to an inactive recipient."},
        "ada2@example.com": {"ErrorCode": 300, "Message": "Invalid 'To' address: 'ada2@example.com'."},
        "ada3@example.com": {"ErrorCode": 300, "Message": "Invalid metadata content."},
        "ada4@example.com": {"ErrorCode": 400, "Message": "The 'From' address is no Sender Signature."},
        "ada5@example.com": {"ErrorCode": 429, "Message": "Rate limit exceeded."},
        "ada6@example.com": {"ErrorCode": 100, "Message": "Maintenance"},
        "ada7@example.com": {"ErrorCode": 9999, "Message": "Nobody foresaw this."},
        "ada8@example.com": {"Message": "OK"},
        "ada9@example.com": {"To": "eve@example.com", "MessageID": "1", "ErrorCode": 0, "Message": "OK"},
    }
    server.script = answered(lambda email: refused.get(email["To"]) or taken(email))
    results = by_number(list(make(send_window=64).send_many([message(number) for number in range(12)])))
    kinds = {address: type(result.error) for address, result in results.items() if result.error}
    assert kinds == {
        "ada1@example.com": InvalidRecipient,
        "ada2@example.com": InvalidRecipient,
        "ada3@example.com": PermanentFailure,
        "ada4@example.com": ProviderMisconfigured,
        "ada5@example.com": RateLimited,
        "ada6@example.com": TemporaryFailure,
        "ada7@example.com": PermanentFailure,
        "ada8@example.com": UnknownOutcome,
        "ada9@example.com": UnknownOutcome,
    }
    inactive, invalid = results["ada1@example.com"].error, results["ada2@example.com"].error
    assert isinstance(inactive, InvalidRecipient)
    assert inactive.suppress
    assert isinstance(invalid, InvalidRecipient)
    assert not invalid.suppress
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(401, b'{"ErrorCode": 10, "Message": "x"}'), ProviderMisconfigured),
        (Reply(422, b'{"ErrorCode": 405, "Message": "x"}'), ProviderMisconfigured),
        (Reply(413, b"too large"), PermanentFailure),
        (Reply(429, b"{}", {"Retry-After": "7"}), RateLimited),
        (Reply(503, b"<html>"), TemporaryFailure),
        (Reply(how="reset"), UnknownOutcome),
        (Reply(200, b"garbage"), UnknownOutcome),
        (Reply(200, b"[]"), UnknownOutcome),
        (Reply(200, b"{}"), UnknownOutcome),
        (Reply(200, b'{"ErrorCode": 0, "Message": "OK", "MessageID": "1"}'), UnknownOutcome),
    ],
)
def test_a_failing_call_is_each_messages_outcome(
    make: Make, server: ScriptedProvider, reply: Reply, kind: type[Exception]
) -> None:
    server.script = lambda request: reply
    results = list(make().send_many([message(number) for number in range(8)]))
    assert {type(result.error) for result in results} == {kind}
    assert len(results) == 8
    assert len(server.requests) == 1, "exactly one HTTP request per attempt"
    for result in results:
        assert not isinstance(result.error, RateLimited) or result.error.retry_after == 7


def test_an_unreachable_esp_was_certainly_not_sent_to(make: Make) -> None:
    results = list(make(base_url=f"http://127.0.0.1:{closed_port()}").send_many(message(n) for n in range(8)))
    assert {type(result.error) for result in results} == {ProviderUnavailable}


def test_a_slowly_dripping_answer_ends_at_the_deadline(make: Make, server: ScriptedProvider) -> None:
    server.script = lambda request: Reply(200, b" " * 600, how="drip")
    results = list(make(timeout=1.0).send_many([message(number) for number in range(4)]))
    assert {type(result.error) for result in results} == {UnknownOutcome}
    assert len(server.requests) == 1


def test_an_address_that_cannot_be_written_costs_nobody_else(make: Make, server: ScriptedProvider) -> None:
    odd = message(1, address=".ada@example.com")
    results = by_number(list(make().send_many([message(0), odd, message(2)])))
    assert type(results[odd.address].error) is InvalidRecipient
    assert results["ada0@example.com"].accepted
    assert results["ada2@example.com"].accepted


@pytest.mark.parametrize("count", [1, 4])  # alone and together are told apart
@pytest.mark.parametrize("failure", [LookupError, AnymailInvalidAddress, AnymailCancelSend])
def test_a_failing_receiver_before_the_send_costs_no_device(
    make: Make, server: ScriptedProvider, failure: type[Exception], count: int
) -> None:
    def fail(**_: object) -> None:
        raise failure

    pre_send.connect(fail)
    try:
        results = list(make().send_many([message(number) for number in range(count)]))
    finally:
        pre_send.disconnect(fail)
    assert [type(result.error) for result in results] == [PermanentFailure] * count
    assert not server.requests


def test_the_stream_is_pulled_lazily_and_only_by_the_caller(make: Make, server: ScriptedProvider) -> None:
    release = threading.Event()
    pulled: list[int] = []
    threads: set[int] = set()

    def messages() -> Iterator[OutboundMessage]:
        for number in range(40):
            threads.add(threading.get_ident())
            pulled.append(number)
            yield message(number)

    def script(request: Received) -> Reply:
        release.wait(30)
        return answered(taken)(request)

    server.script = script
    results = make(send_window=8, timeout=30.0).send_many(messages())
    watcher = threading.Thread(target=lambda: (until(lambda: len(server.requests) >= 2, "two calls"), release.set()))
    watcher.start()
    assert next(results).accepted
    watcher.join(30)
    assert len(pulled) <= 8 + 1
    assert len(list(results)) == 39
    assert threads == {threading.get_ident()}


def test_a_pausing_stream_does_not_hold_back_what_was_pulled(make: Make, server: ScriptedProvider) -> None:
    def messages() -> Iterator[OutboundMessage]:
        yield from (message(number) for number in range(3))
        until(lambda: sum(_size(request) for request in server.requests) == 3, "the three that were pulled")
        yield message(3)

    assert len(list(make().send_many(messages()))) == 4


def test_what_was_pulled_before_the_stream_failed_is_still_sent(make: Make) -> None:
    def messages() -> Iterator[OutboundMessage]:
        yield from (message(number) for number in range(3))
        raise LookupError("the database went away")

    seen: list[SendResult] = []
    with pytest.raises(LookupError):
        seen.extend(make().send_many(messages()))
    assert [result.accepted for result in seen] == [True] * 3


def test_other_esps_send_one_by_one(make: Make, server: ScriptedProvider) -> None:
    server.script = lambda request: Reply(200, b'{"id": "1", "message": "Queued. Thank you."}')
    adapter = make(esp="mailgun", esp_options={"api_key": "k", "sender_domain": "e.example"})
    assert all(result.accepted for result in adapter.send_many([message(number) for number in range(5)]))
    assert len(server.requests) == 5


def _size(request: Received) -> int:
    body = json.loads(request.body)
    return len(body) if isinstance(body, list) else 1
