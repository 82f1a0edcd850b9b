"""Posts the providers' webhooks: in order per message, a little later than the answer, again if the receiver fails.

A provider's can be told to misbehave (``MANNERS``): real ones come late, twice, in any order, or not at all.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from aiohttp import BasicAuth, ClientError, ClientSession, ClientTimeout, TCPConnector
from yarl import URL

from .records import CHANNELS

RETRY_AFTER = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before each further try. The real schedules run for hours; a developer's receiver restarts in seconds."""

MAX_PENDING = 50_000
"""More waiting messages than this are dropped (and counted): a dead receiver must not eat the machine's memory."""

MANNERS: dict[str, str] = {
    "normal": "in order, a little after the answer",
    "late": "the first one after `delay` seconds",
    "twice": "each one twice, word for word",
    "reversed": "the last one first",
    "early": "before the answer to the request is sent",
    "none": "never",
}
"""How a provider's webhooks come."""

_EARLY_PATIENCE = 5.0
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


class BadMannerError(ValueError):
    """The request to set a manner makes no sense; its text says why."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How one provider's webhooks come; ``delay`` is for "late"."""

    mode: str = "normal"
    delay: float = 5.0


_NORMAL = Manner()


class Callbacks:
    """The sandbox's sender of webhooks."""

    def __init__(self, delay: float, *, enabled: bool = True) -> None:
        """Prepare; ``start`` must be called inside the event loop."""
        self.delay = delay
        self.enabled = enabled
        self.counts: Counter[str] = Counter({"delivered": 0, "retried": 0, "failed": 0, "dropped": 0})
        self._session: ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._manners: dict[str, Manner] = {}
        self._early: dict[str, list[asyncio.Task[None]]] = {}

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

    def schedule(self, provider: str, callbacks: Sequence[Callback]) -> None:
        """Send these one after the other, ``delay`` apart, as one message's story, in the provider's manner."""
        manner = self._manners.get(provider, _NORMAL)
        if not callbacks or not self.enabled or manner.mode == "none":
            return
        if len(self._tasks) >= MAX_PENDING:
            self.counts["dropped"] += len(callbacks)
            return
        task = asyncio.create_task(self._tell(_as_told(manner, callbacks), manner))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if manner.mode == "early":
            self._early.setdefault(provider, []).append(task)

    async def before_answer(self, provider: str) -> None:
        """Wait until the webhooks that come before the answer have come, if this provider's do."""
        tasks = self._early.pop(provider, None)
        if tasks:
            # Not for ever: a receiver that refuses what it cannot know yet is posted to again later.
            await asyncio.wait(tasks, timeout=_EARLY_PATIENCE)

    def set_manner(self, provider: str, wanted: Mapping[str, Any]) -> Manner:
        """Change how a provider's webhooks come from now on; raises ``BadMannerError``."""
        delay = wanted.get("delay", 5.0)
        if provider not in CHANNELS:
            raise BadMannerError(f"provider must be one of {', '.join(CHANNELS)}")
        if set(wanted) - {"mode", "delay"}:
            raise BadMannerError(f"unknown: {', '.join(sorted(set(wanted) - {'mode', 'delay'}))}")
        if wanted.get("mode") not in MANNERS:
            raise BadMannerError(f"mode must be one of {', '.join(MANNERS)}")
        if isinstance(delay, bool) or not isinstance(delay, int | float) or delay < 0:
            raise BadMannerError("delay must be a number of at least 0")
        self._manners[provider] = Manner(wanted["mode"], float(delay))
        return self._manners[provider]

    def manners(self) -> dict[str, dict[str, Any]]:
        """Return how every provider's webhooks come."""
        return {provider: asdict(self._manners.get(provider, _NORMAL)) for provider in CHANNELS}

    def reset(self) -> None:
        """Let every provider's webhooks come as they should; what is on its way stays so."""
        self._manners.clear()
        self._early.clear()

    def as_json(self) -> dict[str, int]:
        """Return what became of the webhooks so far; ``pending`` counts messages, the others single posts."""
        return {**self.counts, "pending": len(self._tasks)}

    async def _tell(self, callbacks: Sequence[Callback], manner: Manner) -> None:
        if manner.mode == "late":
            await asyncio.sleep(manner.delay)
        for callback in callbacks:
            if manner.mode != "early":
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


def _as_told(manner: Manner, callbacks: Sequence[Callback]) -> Sequence[Callback]:
    if manner.mode == "reversed":
        return callbacks[::-1]
    if manner.mode == "twice":
        return [callback for callback in callbacks for _ in range(2)]
    return callbacks
