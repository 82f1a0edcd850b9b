"""Outcomes: gather what became of sends and record it in groups, with what follows for devices and providers."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, connection, transaction

from .. import conf
from ..enums import BreakerEffect, DeactivatedReason, Reason, State, SuppressionCause
from ..exceptions import InvalidRecipient, ProviderMisconfigured
from ..messages import SendResult
from ..models import Claim, Delivery
from ..models.delivery_queries import standing_of
from ..rules.fallback import has_failed
from ..rules.outcomes import after_send
from ..rules.standing import Change, Standing
from ..rules.transitions import ended, returned
from . import gate
from .claim import Batch
from .devices import deactivate
from .fallback import fall_back
from .record import record
from .suppress import suppress

logger = logging.getLogger("notifications.deliver")
_GROUP = 64
_OLD_SECONDS = 0.2
_RETRY_SECONDS = 0.5
_KEEP_SECONDS = 600.0


class Outcomes:
    """The outcomes of one batch on their way to PostgreSQL; if that is away they are kept until it is back."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self._rows = {row.pk: row for row in batch.deliveries}
        self._results: list[SendResult] = []
        self._changes: list[Change] = []
        self._oldest = 0.0
        self._reported = False
        self._effects = {BreakerEffect.SUCCESS: 0, BreakerEffect.FAILURE: 0, BreakerEffect.NEUTRAL: 0}
        self._clock = batch.facts.now
        self._clock_read = time.monotonic()
        # Jitter must differ between workers, not be unpredictable to an attacker.
        self._draw = random.Random()  # noqa: S311

    def now(self) -> datetime:
        """Return the database's clock: read when the batch was claimed, plus what has passed since."""
        return self._clock + timedelta(seconds=time.monotonic() - self._clock_read)

    def add(self, result: SendResult) -> None:
        """Take one result; a full group is recorded."""
        row = self._rows[result.message.delivery_id]
        before = standing_of(row)
        after = self._follow(row, self._after(before, result))
        self._results.append(result)
        self._effects[result.error.breaker if result.error else BreakerEffect.SUCCESS] += 1
        self._append(Change(row.pk, before, after, keep=result.error is not None))
        if len(self._changes) >= _GROUP:
            self.flush()

    def settle(self, row: Delivery, after: Standing) -> None:
        """Take a delivery that is not sent after all."""
        self._append(Change(row.pk, standing_of(row), after))

    def dead(self, row: Delivery, detail: str) -> None:
        """Take a delivery whose words could not be rendered."""
        before = standing_of(row)
        after = replace(ended(before, State.DEAD, Reason.RENDER_ERROR, self.now()), error_detail=detail)
        self._append(Change(row.pk, before, self._follow(row, after), keep=True))

    def flush_if_old(self) -> None:
        """Record what has waited for 200 ms."""
        if self._changes and time.monotonic() - self._oldest > _OLD_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Record all that was gathered; afterwards tell the breaker and the fallback."""
        changes, results = self._changes, self._results
        self._changes, self._results = [], []
        if changes:
            self._until_recorded(lambda: self._write(changes, results))
        successes, failures = self._effects[BreakerEffect.SUCCESS], self._effects[BreakerEffect.FAILURE]
        if results:
            self._report(successes, failures)
            self._effects = dict.fromkeys(self._effects, 0)

    def finish(self) -> None:
        """Record the rest, return what was never started, and give the claim up."""
        self.flush()
        if self.batch.permit.probe and not self._reported:
            # Nothing was sent after all: without a word the probe's lease would keep the breaker open.
            self._report(0, 0)
        self._until_recorded(self._give_up)

    def _report(self, successes: int, failures: int) -> None:
        gate.breaker(self.batch.adapter.alias).report(self.batch.permit, successes, failures)
        self._reported = True

    def _append(self, change: Change) -> None:
        if not self._changes:
            self._oldest = time.monotonic()
        self._changes.append(change)
        self._rows.pop(change.delivery_id)

    def _after(self, before: Standing, result: SendResult) -> Standing:
        wait = timedelta(seconds=conf.UNCERTAIN_WAIT_SECONDS)
        return after_send(before, result, self.now(), self._draw, wait)

    def _follow(self, row: Delivery, after: Standing) -> Standing:
        """Set the time at which the next channel is considered, if the category has one."""
        category = self.batch.facts.category_of(row)
        if not category.fallback:
            return after
        if has_failed(after.state, after.reason):
            return replace(after, fallback_at=self.now())
        if after.state == State.SENT and category.fallback_after and self.batch.adapter.reports_delivery:
            return replace(after, fallback_at=self.now() + category.fallback_after)
        return replace(after, fallback_at=None) if after.state == State.SENT else after

    def _write(self, changes: list[Change], results: list[SendResult]) -> None:
        with transaction.atomic():
            written = record(changes)
            late = [change for change in changes if change.delivery_id not in written]
            if late:
                self._settle_late(late, results)
            self._act_on(results)
        for change in changes:
            if change.after.fallback_at is not None and change.after.fallback_at <= self.now():
                fall_back(change.delivery_id)

    def _settle_late(self, late: list[Change], results: list[SendResult]) -> None:
        """Let a result whose fence is stale settle an uncertain delivery that no newer claim holds."""
        by_id = {result.message.delivery_id: result for result in results}
        settled = []
        for row in Delivery.objects.lock_ids([change.delivery_id for change in late]):
            result = by_id.get(row.pk)
            if result is not None and row.state == State.UNCERTAIN and row.claim_id == self.batch.claim_id:
                before = standing_of(row)
                settled.append(Change(row.pk, before, self._after(before, result), keep=True, note="late result"))
        record(settled)

    def _act_on(self, results: list[SendResult]) -> None:
        gone: list[tuple[str, str]] = []
        quarantined: list[tuple[str, str]] = []
        for result in results:
            error = result.error
            if isinstance(error, ProviderMisconfigured):
                gate.hold(self.batch.adapter.alias, f"{error.code} {error.detail}".strip())
            if not isinstance(error, InvalidRecipient):
                continue
            if error.suppress:
                suppress(result.message.channel, result.message.address, SuppressionCause.STOP, error.alias)
            (quarantined if error.quarantine else gone).append((result.message.channel, result.message.address))
        deactivate(gone, DeactivatedReason.UNREGISTERED)
        deactivate(quarantined, DeactivatedReason.QUARANTINED)

    def _give_up(self) -> None:
        with transaction.atomic():
            unstarted = [
                Change(row.pk, standing_of(row), returned(standing_of(row), self.now())) for row in self._rows.values()
            ]
            record(unstarted)
            Claim.objects.filter(pk=self.batch.claim_id).delete()

    def _until_recorded(self, write: Callable[[], None]) -> None:
        """Write, and if PostgreSQL is away keep trying: what is in hand here is known nowhere else."""
        deadline = time.monotonic() + _KEEP_SECONDS
        while True:
            try:
                write()
            except (OperationalError, InterfaceError) as error:
                if time.monotonic() > deadline:
                    raise
                logger.warning("claim %s: results kept, database away: %s", self.batch.claim_id, type(error).__name__)
                connection.close()
                time.sleep(_RETRY_SECONDS)
            else:
                return
