"""Runs: what people ask for once and workers do in the background, page by page; safe to press twice.

A run is a line in the audit that says who, why and what; how far it has come is kept there too, and each page commits
together with it. As long as it is unfinished there is a mark, which the sweeper sees; whoever works on a run holds the
mark's row, so no page is worked on twice. Replaying dead letters and clearing what waits are runs of two kinds.
"""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction

from ..models import AuditEntry, Delivery, Mark
from ..rules.masking import unquoted
from ..wakeups import wake, wake_on_commit
from .alerts import raise_alert
from .filters import MOST_AT_ONCE
from .operate import By, audit

PAGE = 500
PAUSED = "paused"
_MOST_FAILURES = 5
#: Of so many of the newest lines of the audit one may be the same wish.
_LOOKED_BACK = 2_000
_LONGEST_NAME = 40
#: What tells a row's place in the order of a run; its id comes last.
Key = tuple[Any, ...]


class Runs(ABC):
    """One kind of run: what its pages are and what is done with one; the rest is the same for all."""

    name: ClassVar[str]
    """Of its marks and its log."""
    noun: ClassVar[str]
    """In the audit (`stop_<noun>`) and as an alert (`<noun>_stopped`)."""
    job: ClassVar[str]
    """The wake-up that asks a worker to go on."""
    rest: ClassVar[str]
    """What a person should know of what a failed run has not come to."""

    @abstractmethod
    def channel(self, entry: AuditEntry) -> str:
        """Return the channel whose workers are asked."""

    @abstractmethod
    def page(self, entry: AuditEntry, cursor: Sequence[Any] | None, most: int) -> list[Key]:
        """Return the keys of the next rows, at most so many; `cursor` is the last page's last key as JSON keeps it."""

    @abstractmethod
    def act(self, entry: AuditEntry, keys: Sequence[UUID]) -> int:
        """Lock these rows, look at each once more, act, and return on how many; `entry.detail` may be changed."""

    def can_wait(self, entry: AuditEntry) -> bool:
        """Whether the next page is not due yet; the sweeper asks again."""
        return False

    def finish(self, entry: AuditEntry) -> None:
        """Add what is known only at the end to `entry.detail`: when that was."""
        entry.detail["finished_at"] = Delivery.objects.database_now().isoformat()

    # The same for all

    def begin(
        self, action: str, by: By, asked: Mapping[str, str], planned: int, detail: Mapping[str, Any]
    ) -> AuditEntry:
        """Write down who wants what and why, and ask a worker to do it once this is committed."""
        with transaction.atomic():
            entry = AuditEntry.objects.create(
                actor=by.actor[:150],
                action=action,
                reason=by.reason[:300],
                subject=subject_of(asked),
                planned=planned,
                done=0,
                detail={**detail, "seen": 0},
            )
            Mark.objects.create(name=self._mark(entry.pk), value="0")
            wake_on_commit([self.channel(entry)], self.job, str(entry.pk))
        return entry

    def begin_once(
        self,
        action: str,
        by: By,
        asked: Mapping[str, str],
        wish: Mapping[str, Any],
        plan: Callable[[], tuple[int, Mapping[str, Any]]],
    ) -> AuditEntry:
        """Begin a run as `begin` does; the same wish of the same moment is one run, however often it is pressed.

        A wish is what the audit keeps of it; its `until` tells one moment from another. `plan` is asked for a new run
        alone, and returns how many it is about and what else the audit keeps.
        """
        until = str(wish["until"])
        with transaction.atomic():
            name = f"{self.name}:once:{action}:{until}"[:_LONGEST_NAME]
            # Two presses at once: the second waits here for the first, and finds its run.
            Mark.objects.get_or_create(name=name, defaults={"value": "asked"})
            Mark.objects.select_for_update().get(name=name)
            newest = AuditEntry.objects.order_by("-pk").values("pk")[:_LOOKED_BACK]
            same = AuditEntry.objects.filter(pk__in=newest, action=action, subject=subject_of(asked))
            earlier = same.filter(detail__until=until).order_by("pk")
            found = next((one for one in earlier if wish.items() <= one.detail.items()), None)
            if found is None:
                planned, more = plan()
                found = self.begin(action, by, asked, planned, {**wish, **more})
            Mark.objects.filter(name=name).delete()
        return found

    def work_on(self, entry_id: int) -> bool:
        """Act on the next page of a run; return whether another one should follow at once.

        A page that fails again and again ends the run with an alert; what is left of it stays as it is.
        """
        try:
            return self._work_on(entry_id)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            logger = logging.getLogger(f"notifications.{self.name}")
            logger.exception("%s %s: a page failed", self.name, entry_id, exc_info=unquoted(error))
            self._note_failure(entry_id, type(error).__name__)
            return False

    def work_for(self, entry_id: int, seconds: float) -> AuditEntry:
        """Work on a run for a moment and return how far it is; workers do the rest."""
        deadline = time.monotonic() + seconds
        while self.work_on(entry_id) and time.monotonic() < deadline:
            pass
        return AuditEntry.objects.get(pk=entry_id)

    def unfinished(self) -> list[AuditEntry]:
        """Return the runs that are under way, paused ones among them."""
        names = Mark.objects.filter(name__startswith=f"{self.name}:").values_list("name", flat=True)
        keys = [int(key) for name in names if (key := name.removeprefix(f"{self.name}:")).isdecimal()]
        return list(AuditEntry.objects.filter(pk__in=keys).order_by("pk")) if keys else []

    def is_under_way(self, entry_id: int) -> bool:
        """Whether a run is unfinished, paused or not."""
        return Mark.objects.filter(name=self._mark(entry_id)).exists()

    def is_paused(self, entry_id: int) -> bool:
        """Whether somebody paused a run that is under way."""
        return Mark.objects.filter(name=self._mark(entry_id), value=PAUSED).exists()

    def continue_all(self) -> None:
        """Ask workers to go on with every run that is under way and not paused."""
        for entry in self.unfinished():
            if not self.is_paused(entry.pk):
                wake(self.channel(entry), self.job, str(entry.pk))

    def pause(self, entry_id: int, by: By) -> bool:
        """Pause a run after the page that is under way; return whether it went on."""
        with transaction.atomic():
            going_on = Mark.objects.filter(name=self._mark(entry_id)).exclude(value=PAUSED)
            paused = bool(going_on.update(value=PAUSED))
            if paused:
                audit(by, f"pause_{self.noun}", subject=str(entry_id))
        return paused

    def resume(self, entry_id: int, by: By) -> bool:
        """Let a paused run go on where it stands; return whether it was paused."""
        with transaction.atomic():
            resumed = bool(Mark.objects.filter(name=self._mark(entry_id), value=PAUSED).update(value="0"))
            if resumed:
                audit(by, f"resume_{self.noun}", subject=str(entry_id))
                wake_on_commit([self.channel(AuditEntry.objects.get(pk=entry_id))], self.job, str(entry_id))
        return resumed

    def stop(self, entry_id: int, by: By) -> bool:
        """Stop a run after the page that is under way; return whether it was. What it has not come to stays."""
        with transaction.atomic():
            stopped = bool(Mark.objects.filter(name=self._mark(entry_id)).delete()[0])
            if stopped:
                audit(by, f"stop_{self.noun}", subject=str(entry_id))
        return stopped

    def _mark(self, entry_id: int) -> str:
        return f"{self.name}:{entry_id}"

    def _work_on(self, entry_id: int) -> bool:
        with transaction.atomic():
            mark = Mark.objects.select_for_update(skip_locked=True).filter(name=self._mark(entry_id)).first()
            if mark is None or mark.value == PAUSED:
                return False
            entry = AuditEntry.objects.get(pk=entry_id)
            kept = entry.detail
            if self.can_wait(entry):
                return False
            page = self.page(entry, kept.get("cursor"), min(PAGE, MOST_AT_ONCE - kept["seen"]))
            entry.done = (entry.done or 0) + self.act(entry, [key[-1] for key in page])
            if page:
                kept["cursor"] = [_as_json(part) for part in page[-1]]
            kept["seen"] += len(page)
            more = len(page) == PAGE and kept["seen"] < MOST_AT_ONCE
            if not more:
                mark.delete()
                self.finish(entry)
            entry.save(update_fields=["done", "detail"])
        return more

    def _note_failure(self, entry_id: int, error: str) -> None:
        with transaction.atomic():
            mark = Mark.objects.select_for_update().filter(name=self._mark(entry_id)).first()
            if mark is None or mark.value == PAUSED:
                return
            mark.value = str(int(mark.value) + 1)
            mark.save(update_fields=["value"])
            if int(mark.value) >= _MOST_FAILURES:
                mark.delete()
                told = f"a page failed {_MOST_FAILURES} times with {error}: {self.rest}"
                raise_alert(f"{self.noun}_stopped", str(entry_id), told)


def subject_of(asked: Mapping[str, str]) -> str:
    """Return a filter as the audit shows it."""
    return ", ".join(f"{name}: {text}" for name, text in asked.items())[:200]


def _as_json(part: object) -> object:
    if isinstance(part, datetime):
        return part.isoformat()
    return str(part) if isinstance(part, UUID) else part
