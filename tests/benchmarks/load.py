"""A load generator, a process of its own: `python -m tests.benchmarks.load ORDER.json` writes what it saw beside it.

`open`: each request begins when the schedule says, whether others were answered or not, and its latency counts from
that moment; a server that stalls cannot slow down who measures it. `closed`: so many clients, each asking again as
soon as it was answered; what is measured is the rate.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import aiohttp

from notifications.sandbox.credentials import TWILIO_AUTH_TOKEN

MOST_CONNECTIONS = 512
#: Kinds of which a request holds many items.
BATCHES = frozenset({"batch", "codes"})


@dataclass(frozen=True)
class Order:
    """What to ask for: `kind` is the body, `first` numbers the requests so that keys of two orders never meet."""

    url: str
    kind: str
    key: str = ""
    first: int = 0
    seconds: float = 10.0
    per_second: float = 0.0
    clients: int = 0
    users: tuple[str, ...] = ()
    items: int = 0
    stop_file: str = ""


class Seen(NamedTuple):
    """One request: when it was due, begun and answered (wall clock), its status (0: none), and its number."""

    due: float
    began: float
    ended: float
    status: int
    number: int

    @property
    def latency(self) -> float:
        """From when it was due to its answer."""
        return self.ended - self.due


def phone(number: int) -> str:
    """Return the number that a code is sent to, another one for each request."""
    return f"+4915{number:09d}"


def body(order: Order, number: int) -> dict[str, object]:
    """Return a request's body."""
    if order.kind == "code":
        return _code(number)
    if order.kind in BATCHES:
        one = _code if order.kind == "codes" else lambda at: _single(order, at)
        items = [
            {**one(number * order.items + turn), "idempotency_key": f"b-{number}-{turn}"} for turn in range(order.items)
        ]
        return {"items": items}
    return _single(order, number)


def _code(number: int) -> dict[str, object]:
    return {"to": {"sms": phone(number)}, "template": "login-code", "data": {"code": f"{number % 1_000_000:06d}"}}


def _single(order: Order, number: int) -> dict[str, object]:
    user = order.users[number % len(order.users)]
    return {"user": user, "template": "new-follower", "data": {"name": f"Ada{number}"}}


def accepted(kind: str, status: int, answer: bytes) -> int:
    """Return 202 if everything that was asked for was accepted: a batch answers item by item under one 200."""
    if kind not in BATCHES or status != 200:
        return status
    return min((item["status"] for item in json.loads(answer)["results"]), key=lambda found: found == 202, default=0)


def path(kind: str) -> str:
    """Return where requests of a kind go."""
    if kind in BATCHES:
        return "/api/v1/notifications/batch/"
    return "/bare/" if kind == "bare" else "/api/v1/notifications/"


def callback(order: Order, number: int) -> tuple[str, bytes, dict[str, str]]:
    """Return path, form and headers of Twilio's report that a message arrived; `users` are ids that went out with one.

    https://www.twilio.com/docs/usage/webhooks/webhooks-security
    """
    where = f"/webhooks/twilio/?carillon_id={order.users[number % len(order.users)]}"
    form = {"MessageSid": f"SM{number:032}", "MessageStatus": "delivered", "To": phone(number)}
    whole = order.url + where + "".join(f"{name}{form[name]}" for name in sorted(form))
    proof = base64.b64encode(hmac.new(TWILIO_AUTH_TOKEN.encode(), whole.encode(), hashlib.sha1).digest()).decode()
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": proof}
    return where, urlencode(form).encode(), headers


def request(order: Order, number: int) -> tuple[str, bytes, dict[str, str]]:
    """Return path, body and headers of a request."""
    if order.kind == "callback":
        return callback(order, number)
    headers = {"Authorization": f"Api-Key {order.key}", "Idempotency-Key": f"{order.kind}-{number}"}
    raw = json.dumps(body(order, number)).encode()
    return path(order.kind), raw, {**headers, "Content-Type": "application/json"}


class Generator:
    """Carries out one order."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.seen: list[Seen] = []

    async def run(self) -> None:
        """Ask until the time is over or the stop file is there, and wait for all answers."""
        connector = aiohttp.TCPConnector(limit=MOST_CONNECTIONS, keepalive_timeout=1.5)  # gunicorn closes after 2 s
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as self.session:
            await (self._open() if self.order.per_second else self._closed())

    async def _open(self) -> None:
        began, at = time.monotonic(), time.time()
        tasks = set()
        for turn in range(int(self.order.seconds * self.order.per_second)):
            due = turn / self.order.per_second
            await asyncio.sleep(max(0.0, began + due - time.monotonic()))
            if self._told_to_stop():
                break
            task = asyncio.create_task(self._ask(self.order.first + turn, at + due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)

    async def _closed(self) -> None:
        ends = time.monotonic() + self.order.seconds
        numbers = iter(range(self.order.first, sys.maxsize))
        await asyncio.gather(*(self._client(numbers, ends) for _ in range(self.order.clients)))

    async def _client(self, numbers: Iterator[int], ends: float) -> None:
        while time.monotonic() < ends and not self._told_to_stop():
            await self._ask(next(numbers), time.time())

    async def _ask(self, number: int, due: float) -> None:
        order = self.order
        began, status = time.time(), 0
        try:
            where, data, headers = request(order, number)
            async with self.session.post(order.url + where, data=data, headers=headers) as answer:
                status = accepted(order.kind, answer.status, await answer.read())
        except (aiohttp.ClientError, TimeoutError):
            pass
        self.seen.append(Seen(due, began, time.time(), status, number))

    def _told_to_stop(self) -> bool:
        return bool(self.order.stop_file) and Path(self.order.stop_file).exists()


def main(file: Path) -> None:
    """Carry out the order in a file and write what was seen to `<file>.seen`."""
    given = json.loads(file.read_text())
    generator = Generator(Order(**{**given, "users": tuple(given["users"])}))
    asyncio.run(generator.run())
    file.with_suffix(".seen").write_text(json.dumps(generator.seen))


def write_order(file: Path, order: Order) -> None:
    """Write an order."""
    file.write_text(json.dumps(asdict(order)))


def read_seen(file: Path) -> list[Seen]:
    """Read what came of an order."""
    return [Seen(*row) for row in json.loads(file.with_suffix(".seen").read_text())]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
