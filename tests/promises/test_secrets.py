"""A login code is found nowhere after delivery or expiry, and only encrypted before; addresses are not logged."""

from __future__ import annotations

import base64
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from redis import Redis

from project import embedded
from project.demo.stack import Stack
from tests.live import wait_for
from tests.promises.deployment import accepted, host

# Nothing else looks like these; one per way that a code may go.
DELIVERED, RETRIED, EXPIRED, BROKEN, REFUSED = (f"kq{number}7xw{number}3zj" for number in range(5))
CODES = (DELIVERED, RETRIED, EXPIRED, BROKEN, REFUSED)
FLAKY = "+15005557001"  # the sandbox fails it the first time
NUMBER = "+4915110000001"
ADDRESSES = (FLAKY, NUMBER, "u1@example.com", "u2@example.com", "token-000001-000001", "+4915110000002")


def spellings(code: str) -> list[bytes]:
    """Return how a text may be hidden in a dump: as it is, in hex, and in the three alignments of base64."""
    raw = code.encode()
    inner = [base64.b64encode(b"x" * shift + raw)[4 * bool(shift) : -4] for shift in range(3)]
    return [raw, raw.hex().encode(), *inner]


def holds(dump: bytes, code: str) -> bool:
    """Whether a dump has a code in any spelling."""
    return any(spelling in dump for spelling in spellings(code))


def database(url: str) -> bytes:
    """Return every row of every table, each with all its columns."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'")
        dumps = []
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT t::text FROM {table} t")
            dumps += [row for (row,) in cursor.fetchall()]
    connection.close()
    return "\n".join(dumps).encode()


def redis_dump(url: str) -> bytes:
    """Return every key of Redis with its value."""
    redis = Redis.from_url(url)
    read = {
        b"string": redis.get,
        b"hash": redis.hgetall,
        b"list": lambda key: redis.lrange(key, 0, -1),
        b"set": redis.smembers,
        b"zset": lambda key: redis.zrange(key, 0, -1),
        b"stream": redis.xrange,
    }
    keys = redis.keys("*")
    return repr([(key, read[redis.type(key)](key)) for key in keys]).encode()


def logs(stack: Stack) -> str:
    """Return what web and worker wrote."""
    return stack.log("web") + stack.log("worker")


def ask(stack: Stack, path: str, headers: dict[str, str], body: object = None) -> tuple[int, str]:
    """Ask the web process and return status and body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{stack.url}/{path}", data=data, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def send(stack: Stack, key: str, body: object, idempotency_key: str) -> tuple[int, str]:
    """POST a notification."""
    headers = {"Authorization": f"Api-Key {key}", "Idempotency-Key": idempotency_key}
    return ask(stack, "api/v1/notifications/", {**headers, "Content-Type": "application/json"}, body)


def console_pages(stack: Stack) -> Iterator[tuple[str, str]]:
    """Walk the console: its index, every list and every page that they link to."""
    cookie = {"Cookie": f"sessionid={host(stack, 'console_session()')}"}
    ahead, seen = ["admin/", "admin/carillon/"], set()
    terms = ["u:2", "u:3", FLAKY, NUMBER, *CODES]
    ahead += [f"admin/carillon/person/?{urllib.parse.urlencode({'q': term})}" for term in terms]
    while ahead:
        path = ahead.pop()
        if path in seen or len(seen) > 400:
            continue
        seen.add(path)
        status, text = ask(stack, path, cookie)
        if status == 200:
            yield path, text
            found = re.findall(r'href="/?(admin/carillon/[^"#]+)"', text)
            ahead += [link.replace("&amp;", "&") for link in found if "?" not in link]


def trouble(stack: Stack, key: str, number: str) -> None:
    """Ask for codes on every way that they can go: sent, tried again, too late, refused, not renderable."""
    to = {"to": {"sms": number}, "template": "login-code"}
    assert send(stack, key, {"user": "2", "template": "login-code", "data": {"code": DELIVERED}}, "k1")[0] == 202
    assert send(stack, key, {**to, "data": {"code": RETRIED}}, "k2")[0] == 202
    assert (
        send(stack, key, {"user": "2", "template": "login-code", "data": {"code": EXPIRED}, "ttl": 1}, "k3")[0] == 202
    )
    for body in (
        {**to, "data": {"code": REFUSED, "more": REFUSED}},
        {**to, "data": {"code": {"nested": REFUSED}}},
        {**to, "data": {"code": REFUSED + "\x00"}},
    ):
        status, text = send(stack, key, body, "k4")
        assert status == 400
        assert REFUSED not in text
    status, text = send(stack, key, {**to, "data": {"code": REFUSED}}, "k2")
    assert status == 422
    assert REFUSED not in text
    host(stack, f"break_words({BROKEN!r})")


@pytest.mark.long
@pytest.mark.parametrize("level", ["DEBUG", "INFO"])
def test_a_code_is_nowhere(tmp_path: Path, database_url: str, valkey: embedded.Services, level: str) -> None:
    extra = {"DJANGO_LOG_LEVEL": level}
    with Stack(tmp_path / "stack", database_url, valkey.redis_url, extra_env=extra) as stack:
        stack.manage("migrate", "--verbosity", "0")
        host(stack, "seed(3)")
        stack.start_web(workers=1)
        key = stack.manage("carillon", "api-key", "create", "t", "--scope", "send", "--scope", "read").strip()
        trouble(stack, key, FLAKY)

        waiting = database(database_url) + redis_dump(valkey.redis_url)
        assert host(stack, "sensitive_rows()") == "4"
        assert not [code for code in CODES if holds(waiting, code)]

        stack.start_worker()
        wait_for(lambda: {FLAKY, NUMBER} <= {row.to for row in accepted(stack, "twilio")}, "both codes to be sent")
        assert any(DELIVERED in str(row.content) for row in accepted(stack)), "the far end does have it"
        wait_for(lambda: host(stack, "sensitive_rows()") == "1", "the codes to be erased")
        left = database(database_url) + redis_dump(valkey.redis_url) + logs(stack).encode()
        assert not [code for code in CODES if holds(left, code)]

        pages = dict(console_pages(stack))
        assert len(pages) > 20
        assert not [(path, code) for path, text in pages.items() for code in CODES if code in text and code not in path]
        headers = {"Authorization": f"Api-Key {key}"}
        told = "".join(ask(stack, f"api/v1/notifications/?user={user}", headers)[1] for user in "23")
        assert not [code for code in CODES if code in told]
        after = database(database_url) + redis_dump(valkey.redis_url) + logs(stack).encode()
        assert not [code for code in CODES if holds(after, code)]
        if level == "INFO":
            lines = logs(stack)
            assert not [address for address in ADDRESSES if address in lines]
