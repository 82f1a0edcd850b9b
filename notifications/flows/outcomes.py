"""Outcomes: gather what became of sends and record it in groups; kept while PostgreSQL is away."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Exists, OuterRef

from .. import conf
from ..enums import Reason, State
from ..messages import SendResult
from ..models import Claim, Delivery
from ..models.deadlines import is_away, is_late
from ..models.delivery_queries import standing_of
from ..rules.fallback import has_failed, is_in_trouble, patience
from ..rules.masking import unquoted
from ..rules.outcomes import after_send
from ..rules.standing import Change, Standing
from ..rules.transitions import ended, lost, returned
from . import gate
from .attempt_log import tell_attempt
from .claim import Batch
from .consequences import act_on
from .degraded import count_sent
from .fallback import fall_back
from .prune import Answers
from .record import record
from .turns import heed, largest_group, report

logger = logging.getLogger("notifications.deliver")
_OLD_SECONDS = 0.2
_FALLBACK_SECONDS = 0.25
_RETRY_SECONDS = 0.5
_KEEP_SECONDS = 600.0
_UNCERTAIN_WAIT = timedelta(seconds=conf.UNCERTAIN_WAIT_SECONDS)
_makers: list[Callable[[], random.Random]] = [random.Random]


def draw_with(maker: Callable[[], random.Random]) -> None:
    """Draw the waits of retries with what this makes: the test kit's draws nothing by chance."""
    _makers[:] = [maker]


class Outcomes:
    """The outcomes of one batch on their way to PostgreSQL."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self._group = largest_group(batch.deliveries[0].lane)
        self._rows = {row.id: row for row in batch.deliveries}
        self._answers = Answers(batch.adapter.alias, batch.facts.now)
        self._results: dict[UUID, SendResult] = {}
        self._handed: dict[UUID, float] = {}
        self._took: list[float] = []
        self._changes: list[Change] = []
        self._oldest = 0.0
        self._reported = False
        self._clock = batch.facts.now
        self._clock_read = time.monotonic()
        # Jitter must differ between workers, not be unpredictable to an attacker.
        self._draw = _makers[0]()
        # What is sent under this claim is sent after it was made: no key of it was seen earlier.
        self._key = gate.key(batch.adapter.alias, batch.facts.now)

    def now(self) -> datetime:
        """Return the database's clock: read when the batch was claimed, plus what has passed since."""
        return self._clock + timedelta(seconds=time.monotonic() - self._clock_read)

    def handed(self, row: Delivery) -> None:
        """Note that a message is handed to its adapter at this moment."""
        self._handed[row.id] = time.monotonic()

    def add(self, result: SendResult) -> None:
        """Take one result; a full or old group is recorded."""
        began = self._handed.get(result.message.delivery_id)
        if began is not None:
            self._took.append(time.monotonic() - began)
        heed(self.batch.adapter.alias, result.error)
        row = self._rows[result.message.delivery_id]
        before = standing_of(row)
        after = self._follow(row, self._after(before, result))
        notification = self.batch.facts.notifications[row.notification_id]
        tell_attempt(row, notification, self.batch.adapter.alias, result, after)
        self._results[row.id] = result
        self._answers.count(result)
        self._append(Change(row.id, before, after, keep=result.error is not None))
        if len(self._changes) >= self._group:
            self.flush()
        self.flush_if_old()

    def settle(self, row: Delivery, after: Standing) -> None:
        """Take a delivery that is not sent after all."""
        self._append(Change(row.id, standing_of(row), after))

    def dead(self, row: Delivery, detail: str) -> None:
        """Take a delivery whose words could not be rendered."""
        before = standing_of(row)
        after = ended(before, State.DEAD, Reason.RENDER_ERROR, self.now())._replace(error_detail=detail)
        self._append(Change(row.id, before, self._follow(row, after), keep=True))

    def flush_if_old(self) -> None:
        """Record what has waited for 200 ms."""
        if self._changes and time.monotonic() - self._oldest > _OLD_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Record all that was gathered; afterwards tell the breaker and the fallback."""
        changes, results = self._changes, self._results
        self._changes, self._results = [], {}
        if not changes:
            return
        _until_back(lambda: self._write_apart(changes, results))
        if results:
            count_sent(self.batch.adapter, [change.after for change in changes])
            self._report(list(results.values()))
        self._fall_back(changes)

    def finish(self) -> None:
        """Record the rest, return what was never started, doubt what was and has no result, and give the claim up."""
        self.flush()
        if self.batch.permit.probe and not self._reported:
            # Nothing was sent after all: without a word the probe's lease would keep the breaker open.
            self._report([])
        self._answers.close()
        _until_back(self._give_up)

    def _append(self, change: Change) -> None:
        if not self._changes:
            self._oldest = time.monotonic()
        self._changes.append(change)
        self._rows.pop(change.delivery_id)

    def _report(self, results: Sequence[SendResult]) -> None:
        took, self._took = self._took, []
        report(self.batch.adapter.alias, self.batch.permit, results, took)
        self._reported = True

    def _after(self, before: Standing, result: SendResult) -> Standing:
        return after_send(before, result, self.now(), self._draw, _UNCERTAIN_WAIT, self._key)

    def _lost(self, before: Standing) -> Standing:
        return lost(before, self.now(), _UNCERTAIN_WAIT, self._key)

    def _follow(self, row: Delivery, after: Standing) -> Standing:
        """Set the time at which the next channel is considered, if the category has one."""
        category = self.batch.facts.category_of(row)
        if not category.fallback:
            return after
        if has_failed(after.state, after.reason):
            return after._replace(fallback_at=self.now())
        if after.state == State.SENT:
            wait = category.fallback_after if self.batch.adapter.reports_delivery else None
            return after._replace(fallback_at=self.now() + wait if wait else None)
        if after.fallback_at is None and is_in_trouble(after):
            left = row.expires_at - self.now() if row.expires_at else None
            return after._replace(fallback_at=self.now() + patience(category.patience, left))
        return after

    def _write_apart(self, changes: Sequence[Change], results: dict[UUID, SendResult]) -> None:
        """Write a group; where one of it cannot be written, write each by itself and doubt that one."""
        try:
            self._write(changes, results)
        except Exception as error:
            if is_away(error):
                raise
            if is_late(error):
                self._write_free(changes, results)
                return
            logger.exception("claim %s: a group could not be recorded", self.batch.claim_id, exc_info=unquoted(error))
            for change in changes:
                self._write_alone(change, results)

    def _write_free(self, changes: Sequence[Change], results: dict[UUID, SendResult]) -> None:
        """Write those of a group that nobody else holds; what somebody does is doubted once the lease is over.

        To wait for it would hold up what has been answered meanwhile, and whatever is more urgent.
        """
        with transaction.atomic():
            free = Delivery.objects.lock_free([change.delivery_id for change in changes])
            # Where it is something else that is held, a device say, this is late as well, and tried again as a whole.
            self._write([change for change in changes if change.delivery_id in free], results)
        left = len(changes) - len(free)
        logger.warning("claim %s: %d results could not be recorded, others hold the rows", self.batch.claim_id, left)

    def _write_alone(self, change: Change, results: dict[UUID, SendResult]) -> None:
        try:
            self._write([change], results)
        except Exception as error:
            if is_away(error):
                raise
            told = "delivery %s: its result could not be recorded"
            logger.exception(told, change.delivery_id, exc_info=unquoted(error))
            record([change._replace(after=self._lost(change.before), keep=True)])

    def _write(self, changes: Sequence[Change], results: dict[UUID, SendResult]) -> None:
        with transaction.atomic():
            written = record(changes)
            late = [change.delivery_id for change in changes if change.delivery_id not in written]
            if late:
                self._settle_late(late, results)
            act_on(self._answers, [results[c.delivery_id] for c in changes if c.delivery_id in results])

    def _settle_late(self, late: Sequence[UUID], results: dict[UUID, SendResult]) -> None:
        """Let a result whose fence is stale settle an uncertain delivery that no newer claim holds."""
        settled = []
        for row in Delivery.objects.lock_ids(late):
            result = results.get(row.id)
            if result is not None and row.state == State.UNCERTAIN and row.claim_id == self.batch.claim_id:
                before = standing_of(row)
                after = self._follow(row, self._after(before, result))
                settled.append(Change(row.id, before, after, keep=True, note="late result"))
        record(settled)

    def _fall_back(self, changes: Sequence[Change]) -> None:
        """Plan the next channels of those that failed; where there are many, the sweeper plans the rest.

        Each takes some 10 ms, in which nothing more urgent is looked for and no answer recorded.
        """
        due = [c.delivery_id for c in changes if c.after.fallback_at is not None and c.after.fallback_at <= self.now()]
        began = time.monotonic()
        for delivery_id in due:
            if time.monotonic() - began > _FALLBACK_SECONDS:
                return
            try:
                fall_back(delivery_id)
            except Exception as error:  # noqa: BLE001 - whatever it is, answers of others are still in flight here
                told = "delivery %s: the sweeper will consider its fallback: %s"
                logger.warning(told, delivery_id, type(error).__name__)
                return

    def _give_up(self) -> None:
        with transaction.atomic():
            # The claim first, as whoever takes it over does, so that the two never wait for each other in a circle.
            Claim.objects.select_for_update().filter(pk=self.batch.claim_id).first()
            rest = []
            for row in self._rows.values():
                before = standing_of(row)
                # Of what was declared started, only what was handed over can have gone out.
                started = row.id in self._handed
                after = self._lost(before) if started else returned(before, self.now())
                rest.append(Change(row.id, before, after, keep=started, note="no result" if started else ""))
            record(rest)
            release_claim(self.batch.claim_id)


def release_claim(claim_id: int) -> None:
    """Delete a claim that nothing is sent under any more; otherwise its lease lets somebody look at the rest."""
    open_rows = Delivery.objects.filter(claim_id=OuterRef("pk"), state=State.SENDING)
    Claim.objects.filter(~Exists(open_rows), pk=claim_id).delete()


def _until_back(write: Callable[[], None]) -> None:
    """Write, and if PostgreSQL is away keep trying: what is in hand here is known nowhere else."""
    deadline = time.monotonic() + _KEEP_SECONDS
    while True:
        try:
            write()
        except (OperationalError, InterfaceError) as error:
            if time.monotonic() > deadline:
                raise
            logger.warning("results kept, the database is away: %s", type(error).__name__)
            connection.close()
            time.sleep(_RETRY_SECONDS)
        else:
            return
