"""What every outcome has: a name, what is expected, how to bring it about, and how to judge what was seen."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from notifications.sandbox.client import SandboxClient
from notifications.sandbox.records import Accepted

from ..client import Answer, Api
from ..console import Operator
from ..finding import Finding
from ..ledger import Ledger
from ..waiting import PATIENCE_SECONDS, wait_until

UNDECIDED = frozenset({"pending", "sending", "uncertain"})
"""States in which Carillon may still act by itself."""


@dataclass(frozen=True)
class World:
    """What an outcome works with: the API as a client, the console as an operator, and the far end's own record."""

    api: Api
    operator: Operator
    ledger: Ledger
    sandbox: SandboxClient
    run: str
    """Unique to this run: in every name that must be fresh."""
    say: Callable[[str, str], None]
    """Takes an outcome's name and how far it has come."""
    push_works: threading.Event = field(default_factory=threading.Event)
    """Set when the outage is over."""
    broken: str = ""
    """The outcome that is broken on purpose, so that a test sees the demo notice."""
    log: str = ""
    """Where to look when something does not happen."""

    def settled(
        self, sent: Answer, *, beyond: Iterable[str] = (), what: str = "", seconds: float = PATIENCE_SECONDS
    ) -> list[dict[str, Any]]:
        """Return a notification's deliveries once none is undecided, nor in the states `beyond` which it should come.

        Raises:
            WaitedInVainError: one still is after so many seconds.
        """
        waiting = UNDECIDED | set(beyond)

        def done(deliveries: list[dict[str, Any]]) -> bool:
            return bool(deliveries) and all(item["state"] not in waiting for item in deliveries)

        return self.until(sent, done, what or "its deliveries to settle", seconds=seconds)

    def until(
        self,
        sent: Answer,
        done: Callable[[list[dict[str, Any]]], bool],
        what: str,
        *,
        seconds: float = PATIENCE_SECONDS,
    ) -> list[dict[str, Any]]:
        """Return a notification's deliveries once they are `done`.

        Raises:
            WaitedInVainError: they are not after so many seconds; the text says how they stand.
        """
        return wait_until(
            lambda: self.api.get(f"notifications/{sent.id}/").deliveries, done, what, seconds=seconds, log=self.log
        )


@dataclass(frozen=True)
class Seen:
    """One notification as the API and the sandbox's file tell of it."""

    deliveries: list[Mapping[str, Any]]
    messages: list[Accepted] = field(default_factory=list)

    @property
    def states(self) -> list[str]:
        """The deliveries' states."""
        return [str(item["state"]) for item in self.deliveries]

    @property
    def described(self) -> str:
        """The deliveries' states with their reasons, for people."""
        return ", ".join(describe(item) for item in self.deliveries) or "no delivery"

    @property
    def arrived(self) -> str:
        """How many messages arrived, for people."""
        return f"{len(self.messages)} message{'' if len(self.messages) == 1 else 's'} in the sandbox"


class Outcome(ABC):
    """One outcome; what it sees is judged by a pure function of its module."""

    name: ClassVar[str]
    expected: ClassVar[str]
    after_outage: ClassVar[bool] = False
    """Whether its pushes must not meet the outage; a broadcast's good sends would also keep the breaker closed."""

    @abstractmethod
    def show(self, world: World) -> Finding:
        """Bring the outcome about over HTTP and return what was seen of it."""


def describe(delivery: Mapping[str, Any]) -> str:
    """Return a delivery's channel, state and reason."""
    reason = f" ({delivery['reason']})" if delivery.get("reason") else ""
    return f"{delivery['channel']} {delivery['state']}{reason}"


def seen(world: World, deliveries: list[dict[str, Any]]) -> Seen:
    """Return these deliveries with what arrived of them."""
    return Seen(list(deliveries), world.ledger.of(*(item["id"] for item in deliveries)))
