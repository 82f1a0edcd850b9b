"""The outbox of a test: what was sent to whom, what was not and why, with time and providers in the test's hands."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import ContextDecorator, ExitStack
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self, cast

from django.test.utils import override_settings
from redis import Redis

from .. import conf
from ..conf import did_you_mean
from ..enums import BroadcastStatus, Channel, State
from ..flows import gate, sweep
from ..flows.broadcast import plan_page
from ..flows.clear import CLEARINGS
from ..flows.digest import close_digests
from ..flows.drain import drain
from ..flows.outcomes import draw_with
from ..flows.reconcile import reconcile
from ..flows.replay import REPLAYS
from ..flows.tend_broadcasts import continue_broadcasts
from ..models import Broadcast, Delivery
from ..providers import registry
from ..wakeups import do_without_redis
from .clock import Clock
from .far_end import Failure, FarEnd, Sent, settings_for_tests
from .matching import Whom, is_held_back, named, stored
from .no_redis import NoRedis
from .telling import templates_of, what_there_is

_WORKER = "notifications.testing"
_MOST_ROUNDS = 1_000
#: What the sweeper does in a deployment, without what watches over one.
_REPAIRS: tuple[Callable[[], object], ...] = (
    sweep.settle_uncertain,
    sweep.expire_pending,
    sweep.consider_fallbacks,
    close_digests,
    continue_broadcasts,
    sweep.erase_secrets,
)


class Longest(random.Random):
    """Draws the longest wait: in production a retry may be due after next to nothing, in a test it is later."""

    def uniform(self, a: float, b: float) -> float:
        """Return the second."""
        return b


#: unittest leaves frames of such modules out of what it shows: the test's own line is what counts.
__unittest = True


class Outbox(ContextDecorator):
    """Runs Carillon inside a test: requests are accepted, planned, claimed, composed and recorded as ever.

    Only the wire is missing: providers are played in this process, Redis is not asked, and PostgreSQL's clock can be
    moved. Enter it once a test: `self.enterContext(outbox)` in `setUp`, `@outbox` on a function, or pytest's fixture
    `carillon_outbox`. It works inside a `TestCase`, whose transaction is rolled back, and in a `TransactionTestCase`.

    Every assertion first delivers what is due, and says what there is instead when it fails.
    """

    def __init__(self) -> None:
        self._far_end = FarEnd()
        self._clock = Clock()
        self._redis = NoRedis(lambda: self._clock.seconds)
        self._open: ExitStack | None = None

    def __enter__(self) -> Self:
        """Begin with an empty outbox, PostgreSQL's own time and providers that take everything."""
        if self._open is not None:
            raise RuntimeError("The outbox is open already: enter it once a test.")
        with ExitStack() as opened:
            opened.callback(self._forget)
            opened.enter_context(override_settings(NOTIFICATIONS=settings_for_tests()))
            opened.callback(registry.dress, None)
            registry.dress(self._far_end.dressed)
            opened.callback(do_without_redis, None)
            do_without_redis(cast("Redis", self._redis))
            opened.callback(draw_with, random.Random)
            draw_with(Longest)
            gate.forget()
            self._open = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give everything back."""
        opened, self._open = self._open, None
        if opened is not None:
            opened.close()

    def _forget(self) -> None:
        self._clock.restore()
        self._far_end.clear()
        self._redis.clear()
        gate.forget()

    # Acting

    @property
    def sent(self) -> list[Sent]:
        """What providers took so far, in order; delivers nothing."""
        self._needs_to_be_open()
        taken = self._far_end.taken
        rows = Delivery.objects.in_bulk([message.delivery_id for _, message in taken])
        templates = templates_of(rows.values())
        return [
            Sent(
                provider=alias,
                channel=message.channel,
                address=message.address,
                template=templates.get(rows[message.delivery_id].notification_id, ""),
                recipient=rows[message.delivery_id].recipient,
                content=message.content,
                headers=message.headers,
                tags=message.tags,
                delivery_id=message.delivery_id,
                attempt=message.attempt,
            )
            for alias, message in taken
            if message.delivery_id in rows  # else a savepoint of the test's was rolled back
        ]

    def deliver_all(self) -> list[Sent]:
        """Do what workers would do by now: plan broadcasts, deliver what is due, fall back, close digests.

        What is due later (quiet hours, retries, digests) stays: `travel` there first. Return what providers took.
        """
        self._needs_to_be_open()
        self._clock.hold()
        before = len(self.sent)
        for _ in range(_MOST_ROUNDS):
            for repair in _REPAIRS:
                repair()
            if not self._work():
                return self.sent[before:]
        raise AssertionError(f"After {_MOST_ROUNDS} rounds there is still something due: does anything never end?")

    def fail_next(self, provider: str, failure: Failure, *, times: int = 1) -> None:
        """Let a provider refuse its next message, or so many.

        `provider` is its alias in `PROVIDERS`; `failure` a code of the provider's own as docs/providers.md lists them
        ("UNREGISTERED" of FCM, "30002" of Twilio, "406" of Postmark, an HTTP status), "timeout" (nobody knows whether
        it went out), "unreachable" (it certainly did not), or a `ProviderError` of `notifications.exceptions`.

        Raises:
            ValueError: there is no such provider, or it has no such answer; the text names those that there are.
        """
        self._needs_to_be_open()
        known = tuple(conf.get().providers)
        if provider not in known:
            raise ValueError(f"there is no provider {provider!r}: {did_you_mean(provider, known)}")
        self._far_end.refuse(gate.adapter(provider), failure, times)

    def travel(self, by: timedelta) -> None:
        """Move PostgreSQL's clock for this test: what is due by then goes out with the next delivery or assertion.

        Python's own clock stays. `timedelta(hours=9)` ends a night of quiet hours.
        """
        self._needs_to_be_open()
        self._clock.move(by)
        gate.forget()

    def travel_to(self, moment: datetime) -> None:
        """Move PostgreSQL's clock to a moment, such as 23:00 before a message that quiet hours should hold back.

        Raises:
            ValueError: the moment has no time zone.
        """
        if moment.tzinfo is None:
            raise ValueError("travel_to() needs an aware datetime: datetime(2026, 12, 1, 23, tzinfo=ZoneInfo(...))")
        self._needs_to_be_open()
        self.travel(moment - self._clock.now())

    # Asserting

    def assert_sent_to(
        self, user: Whom, *, channel: str | None = None, template: str | None = None, times: int | None = None
    ) -> Sent:
        """Assert that a provider took a message to somebody, and return the latest; with `times`, exactly so many.

        `user` is a user, an `Address`, or a mailbox, number or token as text. Of what was sent, `channel` and
        `template` (a slug) narrow it down.
        """
        found = self._messages_to(user, channel, template)
        wanted = named("sent to", user, channel, template)
        if times is not None and len(found) != times:
            self._fail(f"Not {times} but {len(found)} messages were {wanted}.", user)
        if not found:
            self._fail(f"Nothing was {wanted}.", user)
        return found[-1]

    def assert_nothing_sent_to(
        self, user: Whom | None = None, *, channel: str | None = None, template: str | None = None
    ) -> None:
        """Assert that no provider took a message to somebody; without a user, to anybody."""
        found = self._messages_to(user, channel, template)
        if found:
            self._fail(f"{len(found)} message(s) were {named('sent to', user, channel, template)}.", user)

    def assert_suppressed(
        self,
        user: Whom | None = None,
        *,
        reason: str | None = None,
        channel: str | None = None,
        template: str | None = None,
    ) -> None:
        """Assert that something was not sent on purpose (skipped, expired, cancelled, digested), perhaps why.

        `reason` is one of docs/states.md, such as "preference", "suppression", "no_address", or a state's own name
        ("digested", "expired").
        """
        quiet = [row for row in self._seen(user, channel, template) if is_held_back(row)]
        reasons = {name for row in quiet for name in (row.reason, row.state)}
        self._needs(reason, reasons, named("was held back from", user, channel, template), user)

    def assert_waiting(
        self,
        user: Whom | None = None,
        *,
        reason: str | None = None,
        channel: str | None = None,
        template: str | None = None,
    ) -> None:
        """Assert that something waits to be sent later, perhaps why: "quiet_hours", "scheduled", "retry", ..."""
        reasons = {row.reason for row in self._seen(user, channel, template) if row.state == State.PENDING}
        self._needs(reason, reasons, named("waits for", user, channel, template), user)

    # Inside

    def _needs_to_be_open(self) -> None:
        if self._open is None:
            raise RuntimeError(
                "The outbox is not open: `self.enterContext(outbox)` in setUp(), or the fixture `carillon_outbox`."
            )

    def _work(self) -> int:
        waiting = (BroadcastStatus.SCHEDULED, BroadcastStatus.PLANNING)
        done = 0
        for made in Broadcast.objects.filter(status__in=waiting):
            done += plan_page(made.pk)
        for runs in (REPLAYS, CLEARINGS):
            done += sum(runs.work_on(entry.pk) for entry in runs.unfinished())
        done += sum(drain(channel, _WORKER, list(Channel)) for channel in Channel)
        return done + reconcile()

    def _seen(self, user: Whom | None, channel: str | None, template: str | None) -> list[Delivery]:
        self.deliver_all()
        return stored(user, channel, template)

    def _messages_to(self, user: Whom | None, channel: str | None, template: str | None) -> list[Sent]:
        keys = {row.pk for row in self._seen(user, channel, template)}
        return [item for item in self.sent if item.delivery_id in keys]

    def _needs(self, reason: str | None, reasons: set[str], wanted: str, user: Whom | None) -> None:
        """Fail unless something is there, or something for this reason if one is asked for."""
        __tracebackhide__ = True
        if not (reason in reasons if reason else reasons):
            why = f" because of {reason!r}" if reason else ""
            self._fail(f"Nothing {wanted}{why}.", user)

    def _fail(self, said: str, user: Whom | None) -> None:
        __tracebackhide__ = True  # pytest's way of the same
        theirs = stored(user, None, None) if user is not None else []
        mine = {row.pk for row in theirs}
        # Whoever the test is about comes first.
        rows = [*theirs, *(row for row in Delivery.objects.order_by("pk") if row.pk not in mine)]
        raise AssertionError(f"{said}\n{what_there_is(rows, templates_of(rows), self._far_end.left())}")


#: The one of this process, as `django.core.mail.outbox` is.
outbox = Outbox()
