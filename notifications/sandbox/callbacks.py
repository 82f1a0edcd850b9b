"""Posts the providers' webhooks: in order per message, a little later than the answer, again if the receiver fails."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aiohttp import BasicAuth, ClientError, ClientSession, ClientTimeout, TCPConnector
from yarl import URL

RETRY_AFTER = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before each further try. The real schedules run for hours; a developer's receiver restarts in seconds."""

MAX_PENDING = 50_000
"""More waiting messages than this are dropped (and counted): a dead receiver must not eat the machine's memory."""

_CONCURRENT = 100
_TIMEOUT = 10.0
_GIVE_UP_STATUS = 403


@dataclass(frozen=True, slots=True)
class Callback:
    """One POST to a webhook: JSON or form, in bytes, so that what was signed is what is sent."""

    url: str
    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Callbacks:
    """The sandbox's sender of webhooks."""

    def __init__(self, delay: float, *, enabled: bool = True) -> None:
        """Prepare; ``start`` must be called inside the event loop."""
        self.delay = delay
        self.enabled = enabled
        self.counts: Counter[str] = Counter({"delivered": 0, "retried": 0, "failed": 0, "dropped": 0})
        self._session: ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Open the pool of connections."""
        self._session = ClientSession(
            connector=TCPConnector(limit=_CONCURRENT), timeout=ClientTimeout(total=_TIMEOUT), auto_decompress=False
        )

    async def close(self) -> None:
        """Forget what is still waiting and close the pool."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def schedule(self, callbacks: Sequence[Callback]) -> None:
        """Send these one after the other, ``delay`` apart, as one message's story."""
        if not callbacks or not self.enabled:
            return
        if len(self._tasks) >= MAX_PENDING:
            self.counts["dropped"] += len(callbacks)
            return
        task = asyncio.create_task(self._tell(callbacks))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def as_json(self) -> dict[str, int]:
        """Return what became of the webhooks so far; ``pending`` counts messages, the others single posts."""
        return {**self.counts, "pending": len(self._tasks)}

    async def _tell(self, callbacks: Sequence[Callback]) -> None:
        for callback in callbacks:
            await asyncio.sleep(self.delay)
            await self._deliver(callback)

    async def _deliver(self, callback: Callback) -> None:
        for wait in (*RETRY_AFTER, None):
            status = await self._post(callback)
            if 200 <= status < 300:
                self.counts["delivered"] += 1
                return
            # Postmark gives up at 403: https://postmarkapp.com/developer/webhooks/webhooks-overview#errors-and-retries
            if wait is None or status == _GIVE_UP_STATUS:
                break
            self.counts["retried"] += 1
            await asyncio.sleep(wait)
        self.counts["failed"] += 1

    async def _post(self, callback: Callback) -> int:
        """Return the receiver's status, 0 if there was none."""
        if self._session is None:
            raise RuntimeError("Callbacks.start() was not called")
        url = URL(callback.url, encoded=True)
        auth = BasicAuth(url.user, url.password or "") if url.user else None
        headers = {"Content-Type": callback.content_type, **callback.headers}
        try:
            async with self._session.post(
                url.with_user(None), data=callback.body, headers=headers, auth=auth, allow_redirects=False
            ) as answer:
                await answer.read()
                return answer.status
        except (ClientError, TimeoutError, OSError):
            return 0
