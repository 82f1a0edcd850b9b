"""A caller who means harm, or has no idea: a clear answer that the document foresees, nothing lost."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from django.test import Client

from notifications.models import Broadcast, Delivery, Notification, Receipt
from notifications.webhooks import LARGEST_BODY
from tests.api.conftest import API, Caller, login_code, make_caller
from tests.api.described import assert_described
from tests.api.test_broadcasts import body as news
from tests.api.test_webhooks import bounce, postmark

pytestmark = pytest.mark.django_db
JSON = "application/json"


class Try(NamedTuple):
    """One request, and the statuses that it may be answered with."""

    method: str
    path: str
    raw: bytes = b""
    headers: Mapping[str, str] = {}
    media: str = JSON
    statuses: tuple[int, ...] = (400,)


def send(caller: Caller, one: Try, **more: Any) -> Any:
    """Send it as it is; fail if it is a server error, is not described, or a refusal is not explained."""
    headers = {"Authorization": f"Api-Key {caller.plain}", "Idempotency-Key": uuid4().hex, **one.headers}
    client = Client(raise_request_exception=False)
    url = f"{API}/{one.path}"
    answer = client.generic(one.method, url, one.raw, content_type=one.media, headers=headers, **more)
    shown = f"{one.method} {one.path[:80]} {one.raw[:120]!r} {dict(one.headers)}: {answer.content[:300]!r}"
    assert answer.status_code < 500, shown
    assert_described(one.method, url, answer)
    if answer.status_code >= 400:
        assert answer["Content-Type"] == "application/problem+json", shown
        told = answer.json()
        assert told["detail"], shown
        assert told["type"].rpartition("/problems/")[2], shown
    assert answer.status_code in one.statuses, shown
    return answer


def texts() -> Iterator[bytes]:
    """Yield bodies that are not JSON, or not one that anybody can mean."""
    yield b""
    yield b"\x00"
    yield b"\xff\xfe{\x00}\x00"
    yield b"{" * 100_000
    yield b"[" * 33 + b"]" * 33
    yield b'{"user": NaN}'
    yield b'{"user": Infinity}'
    yield b'{"user": 1e999}'
    yield b'{"user": ' + b"9" * 5_000 + b"}"
    yield b'{"user": "1", "template": "login-code", "data": {"code": "\\ud800"}}'
    yield b'{"user": "1", "template": "login-code", "data": {"code": "\\u0000"}}'
    yield b'{"user": "1", "template": "login-code", "data": {"\\udfff": "1"}}'
    yield b'{"user": "\xed\xa0\x80"}'
    yield b'{"user": "1"} {"user": "2"}'
    yield b"\xef\xbb\xbf{}"
    yield b"'user'"
    yield b"null"
    yield b"[]"
    yield b'{"__class__": "x", "": 1, "\\u202e": {"$ne": null}}'


def twice() -> Iterator[bytes]:
    """Yield bodies that give a name twice: whoever checks one of them may not be who reads the other."""
    yield b'{"user": "%(user)s", "user": "2", "template": "login-code", "data": {"code": "1"}}'
    yield b'{"user": "%(user)s", "template": "login-code", "data": {"code": "1", "code": "2"}}'
    yield b'{"user": "%(user)s", "template": "login-code", "data": {"code": "1"}, "ttl": 5, "ttl": 6}'


BODIES = ("notifications/", "notifications/batch/", "broadcasts/", "broadcasts/estimate/", "users/1/devices/")


@pytest.mark.parametrize("path", BODIES)
def test_what_is_no_body(call: Caller, path: str) -> None:
    for raw in texts():
        send(call, Try("POST", path, raw))
    send(call, Try("PATCH", "users/1/preferences/", b'{"channels": NaN}'))
    assert not Notification.objects.exists()


def test_a_name_that_is_given_twice(call: Caller, person: Any) -> None:
    user = str(person().pk).encode()
    for raw in twice():
        answer = send(call, Try("POST", "notifications/", raw.replace(b"%(user)s", user)))
        assert "twice" in answer.json()["detail"]
    assert not Notification.objects.exists()


@pytest.mark.parametrize(
    "media",
    [
        "text/plain",
        "application/xml",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-16",
        "",
        "json",
        "application/json\u00e9",
        "a/b/c",
        ";",
    ],
)
def test_another_content_type(call: Caller, person: Any, media: str) -> None:
    raw = json.dumps(login_code(person())).encode()
    statuses = (202,) if media.startswith("application/json;") else (400, 415)
    send(call, Try("POST", "notifications/", raw, media=media, statuses=statuses))


WRONG: list[dict[str, Any]] = [
    {"ttl": -1},
    {"ttl": 0},
    {"ttl": 2**31},
    {"ttl": 2**63},
    {"ttl": 10**300},
    {"ttl": "1"},
    {"ttl": True},
    {"ttl": 1e3},
    {"send_at": "0001-01-01T00:00:00Z"},
    {"send_at": "9999-12-31T23:59:59Z"},
    {"send_at": "2027-02-30T00:00:00Z"},
    {"send_at": "2027-01-01T00:00:00+99:00"},
    {"send_at": "٢٠٢٧-01-01T00:00:00Z"},
    {"send_at": "now"},
    {"send_at": []},
    {"send_at": "2199-12-31T23:59:59-23:59"},
    {"send_at": "2000-01-01T00:00:00+23:59"},
    {"user": "١"},
    {"user": "1\n"},
    {"user": ""},
    {"user": " "},
    {"user": -1},
    {"user": 2**70},
    {"user": "9" * 254},
    {"user": "9" * 300},
    {"user": {"pk": 1}},
    {"user": ["1"]},
    {"user": "1' OR '1'='1"},
    {"user": 1.0},
    {"user": None},
    {"template": "../../etc/passwd"},
    {"template": ""},
    {"template": "login-code\n"},
    {"template": ["login-code"]},
    {"data": {"code": {"a": [1]}}},
    {"data": {"code": 10**400}},
    {"data": {f"v{n}": 1 for n in range(5_000)}},
    {"channels": []},
    {"channels": ["sms"] * 17},
    {"channels": ["SMS"]},
    {"channels": {}},
    {"channels": [["sms"]]},
    {"tags": ["a"] * 1_000},
    {"tags": [None]},
    {"tags": {"a": 1}},
    {"collapse_key": 5},
    {"collapse_key": "x" * 10_000},
]
#: Sent for good, though odd.
TAKEN: tuple[dict[str, Any], ...] = (
    {"channels": []},
    {"send_at": "2000-01-01T00:00:00+23:59"},
    {"send_at": "2199-12-31T23:59:59-23:59"},
)


@pytest.mark.parametrize("path", ["notifications/", "notifications/batch/"])
def test_fields_that_cannot_be(call: Caller, person: Any, path: str) -> None:
    user = person()
    for number, change in enumerate(WRONG):
        item = {**login_code(user), **change}
        body = item if path == "notifications/" else {"items": [{**item, "idempotency_key": f"k{number}"}]}
        good = (202,) if change in TAKEN else (400,)
        statuses = good if path == "notifications/" else (200, 400)
        answer = send(call, Try("POST", path, json.dumps(body).encode(), statuses=statuses))
        if answer.status_code == 200:
            (result,) = answer.json()["results"]
            assert (result["status"],) == good, (change, result)


@pytest.mark.parametrize(
    "to",
    [
        {},
        {"email": None},
        {"email": "a@b\r\nBcc: c@d"},
        {"email": "x" * 300},
        {"email": "ada@example.com", "sms": "x"},
        {"sms": "1" * 32},
        {"sms": "+49\x00"},
        {"sms": "+"},
        {"sms": "+4915112345678,+4915112345679"},
        {"sms": "+4915112345678", "time_zone": "Mars/Olympus"},
        {"sms": "+4915112345678", "time_zone": "../../etc/passwd"},
        {"sms": "+4915112345678", "time_zone": ""},
        {"sms": "+4915112345678", "time_zone": "x" * 65},
        {"sms": "+4915112345678", "time_zone": "Europe"},
        {"sms": "+4915112345678", "time_zone": "/usr/share/zoneinfo/UTC"},
        {"sms": "+4915112345678", "locale": "zz-" * 20},
        {"sms": ["+4915112345678"]},
        "ada@example.com",
        [],
        5,
    ],
)
def test_addresses_that_are_none(call: Caller, to: Any) -> None:
    raw = json.dumps({"to": to, "template": "login-code", "data": {"code": "1"}}).encode()
    send(call, Try("POST", "notifications/", raw))
    assert not Delivery.objects.exists()


@pytest.mark.parametrize(
    "to", [{"sms": "+٤٩١٥١١٢٣٤٥٦٧٨"}, {"sms": "tel:+4915112345678"}, {"sms": "+4915112345678", "locale": "../en"}]
)
def test_addresses_that_are_written_oddly(call: Caller, to: Any) -> None:
    raw = json.dumps({"to": to, "template": "login-code", "data": {"code": "1"}}).encode()
    send(call, Try("POST", "notifications/", raw, statuses=(202,)))
    assert [(row.address, row.locale) for row in Delivery.objects.all()] == [("+4915112345678", "")]


BROADCAST: list[dict[str, Any]] = [
    {"audience": None},
    {"audience": {}},
    {"audience": {"all": False}},
    {"audience": {"all": True, "topic": "news"}},
    {"audience": {"topic": "nowhere"}},
    {"audience": {"topic": 5}},
    {"audience": {"users": {}}},
    {"audience": {"users": [None]}},
    {"audience": {"name": "followers", "params": {"author_id": "x" * 100_000}}},
    {"audience": {"name": "__init__"}},
    {"audience": {"broadcast": "x"}},
    {"audience": {"broadcast": str(uuid4())}},
    {"version": 2**63},
    {"version": -1},
    {"version": 0},
    {"version": 10**300},
    {"version": "oldest"},
    {"version": 1.5},
    {"ramp_up": 2**63},
    {"ramp_up": -1},
    {"ramp_up": 10**300},
    {"ramp_up": 1.5},
    {"ramp_up": "1"},
    {"rate": 0},
    {"rate": -1},
    {"rate": 2**63},
    {"rate": 10**300},
    {"rate": "x"},
    {"rate": 1.5},
    {"ttl": -5},
    {"ttl": 10**18},
    {"draft": "yes"},
    {"exclude": {"users": [[]]}},
    {"exclude": {"all": 1}},
    {"send_at": "9999-12-31T23:59:59Z"},
    {"deadline": "0001-01-01T00:00:00Z"},
    {"local_time": "25:99"},
    {"canary": 10**300},
    {"canary": -1},
    {"at_local_time": "٠٩:٠٠"},
]


@pytest.mark.parametrize("path", ["broadcasts/", "broadcasts/estimate/"])
def test_broadcasts_that_cannot_be(call: Caller, person: Any, path: str) -> None:
    good = news([person()])
    for change in BROADCAST:
        send(call, Try("POST", path, json.dumps({**good, **change}).encode()))
    assert not Broadcast.objects.exists()


@pytest.mark.long
def test_a_hundred_thousand_users(call: Caller, person: Any) -> None:
    user = str(person().pk)
    many = {**news([]), "audience": {"users": [user, *(str(10**9 + n) for n in range(99_999))]}}
    send(call, Try("POST", "broadcasts/", json.dumps(many).encode(), statuses=(202,)))
    many["audience"]["users"].append("1")
    send(call, Try("POST", "broadcasts/", json.dumps(many).encode()))
    wide = {**news([]), "audience": {"users": ["x" * 254 for _ in range(100_000)]}}
    send(call, Try("POST", "broadcasts/", json.dumps(wide).encode(), statuses=(202, 400, 413)))


@pytest.mark.parametrize("path", [*BODIES, "topics/news/subscribers/"])
def test_ten_megabytes(call: Caller, path: str) -> None:
    send(call, Try("POST", path, b'{"x": "' + b"x" * 10 * 2**20 + b'"}', statuses=(413,)))


@pytest.mark.parametrize("length", ["\xb2", "9" * 5_000, "-1", "1e3", "0x10", " ", "+5"])
def test_a_length_that_is_none(call: Caller, person: Any, length: str) -> None:
    raw = json.dumps(login_code(person())).encode()
    send(call, Try("POST", "notifications/", raw, statuses=(202, 400, 413)), CONTENT_LENGTH=length)


def in_chunks(raw: bytes) -> dict[str, Any]:
    """Return what a server tells of a body that comes in chunks."""
    told = {"wsgi.input": BytesIO(raw), "wsgi.input_terminated": True}
    return {"CONTENT_LENGTH": "", "CONTENT_TYPE": JSON, "HTTP_TRANSFER_ENCODING": "chunked", **told}


def test_a_body_in_chunks_is_a_body(call: Caller, person: Any) -> None:
    raw = json.dumps(login_code(person())).encode()
    send(call, Try("POST", "notifications/", statuses=(202,)), **in_chunks(raw))
    send(call, Try("POST", "notifications/", statuses=(413,)), **in_chunks(b'"' + b"x" * 10 * 2**20))
    send(call, Try("POST", "notifications/"), **in_chunks(b""))
    assert Notification.objects.count() == 1


def test_a_callback_in_chunks_is_a_callback() -> None:
    body = json.dumps(bounce()).encode()
    assert postmark(b"", **in_chunks(body)).status_code == 200
    assert Receipt.objects.count() == 1
    assert postmark(b"", **in_chunks(b"x" * (LARGEST_BODY + 1))).status_code == 413
    assert postmark(b"", secret="hook:guessed-guessed", **in_chunks(body)).status_code == 403
    assert Receipt.objects.count() == 1


class BadTrailer(Exception):
    """What a server says of chunks that are none: gunicorn's own errors are no OSErrors either."""


class BadChunks(BytesIO):
    """A server's input whose chunks cannot be read."""

    def read(self, size: int | None = -1) -> bytes:
        raise BadTrailer


def test_chunks_that_cannot_be_read_are_a_body_that_breaks_off(call: Caller, person: Any) -> None:
    broken = {**in_chunks(b""), "wsgi.input": BadChunks()}
    for path in ("notifications/", "receipts/x/"):
        send(call, Try("POST", path), **broken)
    assert postmark(b"", **broken).status_code == 413
    assert not Notification.objects.exists()
    assert not Receipt.objects.exists()


@pytest.mark.parametrize(
    "key", ["x" * 1_000, " ", "\t", "k\x00", "k\r\nX-Evil: 1", "кл\u00fcч", "\xfc", "\udcff", "k k", "x" * 256, "\x7f"]
)
def test_an_odd_idempotency_key(call: Caller, person: Any, key: str) -> None:
    raw = json.dumps(login_code(person())).encode()
    answer = send(call, Try("POST", "notifications/", raw, {"Idempotency-Key": key}, statuses=(202, 400)))
    assert "X-Evil" not in answer
    if answer.status_code == 202:
        again = send(call, Try("POST", "notifications/", raw, {"Idempotency-Key": key}, statuses=(202,)))
        assert again.content == answer.content
        assert again["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Request-Id": "a\r\nSet-Cookie: x=1"},
        {"X-Request-Id": "x" * 10_000},
        {"X-Request-Id": "\udcff"},
        {"Accept": "text/html"},
        {"Accept": "*/;q=x"},
        {"Accept": "application/json; indent=" + "9" * 5_000},
        {"Accept": "application/json; indent=\xb2"},
        {"Accept": ", ,;;"},
        {"Accept": "\udcff"},
        {"Accept": "image/png"},
        {"Accept-Language": "x" * 5_000},
        {"Accept-Language": "../../etc"},
        {"Accept-Language": "de;q=9e999"},
        {"If-None-Match": '"' * 1_000},
        {"If-None-Match": "W/"},
        {"If-None-Match": "\udcff"},
        {"If-None-Match": "," * 9_999},
        {"If-None-Match": '"' + "\\" * 5_000},
        {"If-Match": "x"},
        {"If-Modified-Since": "x" * 1_000},
        {"Range": "bytes=0-999999999999999999999"},
        {"X-HTTP-Method-Override": "DELETE"},
        {"Cookie": "sessionid=\xff; ;="},
        {"X-CSRFToken": "\udcff"},
        {"Origin": "null"},
        {"X-Forwarded-For": "' OR 1=1 --"},
        {"X-Forwarded-Host": "evil.example"},
        {"Content-Encoding": "gzip"},
    ],
)
def test_odd_headers(call: Caller, person: Any, headers: dict[str, str]) -> None:
    raw = json.dumps(login_code(person())).encode()
    sent = send(call, Try("POST", "notifications/", raw, headers, statuses=(202, 400, 406)))
    assert "\n" not in sent["X-Request-Id"] if "X-Request-Id" in sent else True
    made = Notification.objects.first()
    path = f"notifications/{made.pk if made else uuid4()}/"
    found = send(call, Try("GET", path, headers=headers, statuses=(200, 304, 400, 404, 406)))
    assert "Set-Cookie" not in found


QUERIES = (
    "limit=-1",
    "limit=1_0",
    "limit=%D9%A1",
    "limit=9999999999",
    "limit=%00",
    "limit=1&limit=2",
    "limit=",
    "cursor=",
    "cursor=n",
    "cursor=n%00",
    "cursor=nzzzz",
    "cursor=n" + "f" * 5_000,
    "cursor=x" + "0" * 32,
    "cursor=%FF",
    "cursor=n" + "%D9%A1" * 32,
    "since=x",
    "since=%00",
    "since=0001-01-01T00:00:00Z",
    "since=9999-12-31T23:59:59Z",
    "since=2027-01-31",
    "since=" + "2" * 5_000,
    "since=2027-01-31T09:00:00%2B99:00",
    "since=%ED%A0%80",
    "user=%00",
    "user=%ED%A0%80",
    "user=",
    "user=" + "9" * 5_000,
    "user=%D9%A1",
    "state=",
    "state=%00",
    "state=pending&state=dead",
    "template=%00",
    "template=" + "x" * 5_000,
    "template=%27%20OR%201=1",
    "nonsense=1",
    "=",
    "%00=1",
    "[]=1",
    "a[$ne]=1",
    ";",
    "%",
    "%zz",
    "limit[]=1",
    "limit=1;limit=2",
    "cursor=n" + "_" * 32,
    "cursor=n{" + "0" * 32 + "}",
    "possible_duplicate=1",
    "possible_duplicate=%00",
)


@pytest.mark.parametrize("path", ["notifications/", "broadcasts/", "topics/", "deliveries"])
def test_odd_queries(call: Caller, person: Any, path: str) -> None:
    sent = call.notify(login_code(person())).json()["id"]
    for query in QUERIES:
        where = f"notifications/{sent}/deliveries/" if path == "deliveries" else path
        send(call, Try("GET", f"{where}?{query}", statuses=(200, 400)))


PATHS = (
    "users/%00/devices/",
    "users/%00/preferences/",
    "users/%00/export/",
    "users/%FF/devices/",
    "users/%ED%A0%80/export/",
    "users/" + "9" * 5_000 + "/devices/",
    "users/%D9%A1/preferences/",
    "users/-1/preferences/",
    "users/%0A/devices/",
    "users/1%0D%0ASet-Cookie:x/preferences/",
    "users/..%2f..%2f/export/",
    "users/1.0/preferences/",
    "users/99999999999999999999999/preferences/",
    "topics/nowhere/",
    "topics/" + "x" * 5_000 + "/",
    "topics/%00/",
    "notifications/00000000-0000-0000-0000-000000000000/",
    "notifications/ffffffff-ffff-ffff-ffff-ffffffffffff/",
    "notifications/x/",
    "notifications/%00/",
    "broadcasts/ffffffff-ffff-ffff-ffff-ffffffffffff/left-out/",
    "broadcasts/00000000-0000-0000-0000-000000000000/preview/",
    "broadcasts/x/",
    "nothing",
    "%00",
    "%FF/",
    "..",
    "../admin/",
    "notifications//",
    "receipts/x/",
    "schema",
    "docs",
    "problems/x/",
)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "G\u00cbT"])
def test_odd_paths(call: Caller, method: str) -> None:
    for path in PATHS:
        send(call, Try(method, path, b"{}", statuses=(200, 204, 301, 400, 403, 404, 405)))


def test_two_owners_may_use_the_same_key(call: Caller, person: Any) -> None:
    user, other = person(), make_caller(owner="office")
    mine = call.notify(login_code(user), "same")
    theirs = other.notify(login_code(user, ttl=60), "same")
    assert mine.status_code == theirs.status_code == 202
    assert mine.json()["id"] != theirs.json()["id"]


@pytest.mark.parametrize(
    "body",
    [
        {"address": "x" * 10_000, "platform": "android"},
        {"address": "", "platform": "android"},
        {"address": "a b", "platform": "ios"},
        {"address": "\u0661" * 40, "platform": "android"},
        {"address": "t" * 40, "platform": "toaster"},
        {"platform": "android"},
        {"address": ["t" * 40], "platform": "android"},
        {"address": "t\r\nX: 1" + "t" * 40, "platform": "android"},
        {"address": "t" * 40, "platform": "android", "channel": "sms"},
        {"address": "t" * 40, "platform": 5},
        {"address": "t" * 40, "platform": "android", "locale": 5},
        {"address": "t" * 40, "platform": "android", "user": "2"},
        {"address": "t" * 40, "platform": "android", "app_version": "x" * 10_000},
    ],
)
def test_odd_devices(call: Caller, person: Any, body: dict[str, Any]) -> None:
    raw = json.dumps(body).encode()
    send(call, Try("POST", f"users/{person().pk}/devices/", raw, statuses=(201, 400)))


@pytest.mark.parametrize(
    "body",
    [
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../x"},
        {"time_zone": ""},
        {"time_zone": 5},
        {"locale": "x" * 99},
        {"quiet_hours": {"start": "25:00", "end": "07:00"}},
        {"quiet_hours": "x"},
        {"quiet_hours": {"start": "٠٩:٠٠", "end": "10:00"}},
        {"quiet_hours": {"start": "09:00"}},
        {"quiet_hours": []},
        {"channels": {"fax": True}},
        {"channels": {"sms": "no"}},
        {"categories": {"nothing": {"push": False}}},
        {"categories": {"social": {"fax": False}}},
        {"categories": []},
        {"categories": {"social": None}},
        {"categories": {"security": {"sms": False}}},
        {"digest": "never"},
        {"x": 1},
        {"categories": {"social": {"push": 0}}},
        {"channels": None},
        {"time_zone": "Europe/Berlin\x00"},
    ],
)
def test_odd_preferences(call: Caller, person: Any, body: dict[str, Any]) -> None:
    raw = json.dumps(body).encode()
    send(call, Try("PATCH", f"users/{person().pk}/preferences/", raw, statuses=(200, 400)))


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff\xfe",
        b"user\n\x00\n",
        b"user\n" + b"x" * 10_000,
        b'user\n"\n',
        b"nope\n1\n",
        b"\n\n\n",
        b"user,user\n1,2\n",
        b"user\n" + b"1\n" * 10,
        b"user\n\xed\xa0\x80\n",
        b'"' * 10_001,
    ],
)
def test_odd_files_of_subscribers(call: Caller, raw: bytes) -> None:
    for path in ("topics/news/subscribers/", "topics/news/subscribers/remove/"):
        send(call, Try("POST", path, raw, media="text/csv", statuses=(200, 400, 404)))
