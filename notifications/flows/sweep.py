"""Sweep: repair whatever is due, lost or stuck. One leader by a lease; two at once are harmless."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from .. import conf
from ..enums import OPEN_STATES, Channel, Lane, Reason, State, UncertainPolicy
from ..models import Category, Claim, Delivery, Lease, Notification, Receipt, RefusedRequest, ThrottleWindow
from ..models.delivery_queries import standing_of
from ..rules.fallback import has_failed
from ..rules.outcomes import exhausted
from ..rules.standing import Change, Standing
from ..rules.transitions import ended, lost, returned, unsettled
from ..wakeups import RECONCILE_JOB, waiting, wake
from . import gate
from .alerts import raise_alert
from .clear import continue_clearing
from .digest import close_digests
from .fallback import fall_back
from .guarded import guarded, tell
from .hash_key import watch_hash_key
from .outcomes import release_claim
from .record import record
from .replay import continue_replays
from .tallies import add_up
from .tend_broadcasts import continue_broadcasts
from .time_box import in_time, turns
from .watch import keep_watch
from .weeks import keep_partitions

logger = logging.getLogger("notifications.sweep")
_BATCH = 1_000
#: Whose a claim is that was taken over and could not be deleted; a worker is "host:pid:mark".
_NOBODY = "nobody:0:"
_TIDY_SECONDS = 60.0
_AGAIN = timedelta(minutes=1)
UNSERVED_SECONDS = 60
_tidied_at = float("-inf")
# The lease of before is the one that this statement's snapshot sees.
_LEAD = """
    WITH earlier AS (SELECT expires_at FROM carillon_lease WHERE name = 'sweeper')
    INSERT INTO carillon_lease (name, holder, expires_at)
    VALUES ('sweeper', %s, clock_timestamp() + make_interval(secs => %s))
    ON CONFLICT (name) DO UPDATE SET holder = EXCLUDED.holder, expires_at = EXCLUDED.expires_at
    WHERE carillon_lease.holder = EXCLUDED.holder OR carillon_lease.expires_at < clock_timestamp()
    RETURNING (SELECT extract(epoch FROM clock_timestamp() - expires_at)::float8 FROM earlier)
"""


def sweep(holder: str) -> bool:
    """Do one round of repairs if this process leads (or the leader's lease ran out); return whether it did.

    Raises:
        OperationalError, InterfaceError: PostgreSQL is away; the next round tries again.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LEAD, [holder, conf.SWEEPER_LEASE_SECONDS])
        led = cursor.fetchone()
    if led is None:
        return False
    _tell_if_stale(led[0] or 0.0)
    for repair in _REPAIRS:
        with guarded(repair.__name__):
            repair()
    return True


def resign(holder: str) -> None:
    """Give up the lead, if this process has it, so that another takes it at its next round and not a lease later."""
    Lease.objects.filter(name="sweeper", holder=holder).update(expires_at=Now())


def _tell_if_stale(seconds: float) -> None:
    """Raise an alert where nobody led for so long that somebody waited: retries, leases and lost wake-ups did too."""
    if seconds > UNSERVED_SECONDS and any(_due_since(channel, UNSERVED_SECONDS) for channel in Channel):
        told = f"nothing was repaired or woken for {seconds:.0f} s: did no worker run?"
        with guarded("the alert of a stale sweeper"):
            raise_alert("sweeper_stale", "sweeper", told)


def expire_leases() -> None:
    """Take the claims of workers that stopped renewing: unstarted rows go back, started ones are uncertain."""
    late = Claim.objects.filter(lease_expires_at__lt=Now())
    for claim_id in in_time(list(late.values_list("pk", flat=True)[:_BATCH])):
        with transaction.atomic():
            held = late.select_for_update(skip_locked=True).filter(pk=claim_id).first()
            if held is None:
                continue
            rows = Delivery.objects.lock_some(Q(claim_id=claim_id, state=State.SENDING), 10 * _BATCH)
            now = Delivery.objects.database_now()
            wait = timedelta(seconds=conf.UNCERTAIN_WAIT_SECONDS)
            key = gate.key(held.provider, held.created_at)
            changes = []
            for row in rows:
                before = standing_of(row)
                started = (row.position or 0) <= held.started_upto
                after = lost(before, now, wait, key) if started else returned(before, now)
                changes.append(Change(row.pk, before, after, keep=started, note="lease expired"))
            record(changes)
            release_claim(claim_id)
            # Where a row was locked, by its own worker in mid-commit say, the claim stays. It is nobody's from now on,
            # or that worker would go on with what others send already.
            Claim.objects.filter(pk=claim_id).update(worker=_NOBODY)
            logger.warning("took over claim %s of %s: %d rows", claim_id, held.worker, len(rows))


def adopt_orphans() -> None:
    """Doubt what is `sending` under a claim that is gone: nobody else would ever look at it again."""
    held = Claim.objects.filter(pk=OuterRef("claim_id"))
    orphans = Delivery.objects.filter(~Exists(held), state=State.SENDING).values_list("pk", flat=True)[:_BATCH]
    keys = list(orphans)
    if not keys:
        return
    wait = timedelta(seconds=conf.UNCERTAIN_WAIT_SECONDS)
    _change_all(
        # Asked again under the lock: by now a new claim may hold it.
        Q(~Exists(held), pk__in=keys, state=State.SENDING),
        lambda _, before, __: lost(before, Delivery.objects.database_now(), wait),
    )


def settle_uncertain() -> None:
    """Decide about deliveries for which no receipt came in time: resend, hold, or give up."""

    def decide(row: Delivery, before: Standing, category: Category | None) -> Standing:
        now = row.due_at
        hold = category is not None and category.uncertain == UncertainPolicy.HOLD
        if exhausted(before):
            after = ended(before, State.DEAD, Reason.RETRIES_EXHAUSTED, now)
        else:
            after = unsettled(before, hold=hold, now=now)
        follows = category is not None and category.fallback and has_failed(after.state, after.reason)
        return after._replace(fallback_at=now) if follows else after

    _change_all(Q(state=State.UNCERTAIN, due_at__lte=Now()), decide)


def expire_pending() -> None:
    """Expire what waits beyond its time to live."""
    _change_all(
        Q(state=State.PENDING, expires_at__lte=Now()),
        lambda row, before, _: ended(before, State.EXPIRED, Reason.TTL, row.expires_at or row.due_at),
    )


def consider_fallbacks() -> None:
    """Judge every recipient whose next channel is due to be considered."""
    for key in in_time(_due_fallbacks()):
        try:
            fall_back(key)
        except Exception as error:  # noqa: BLE001
            tell(f"the fallback of {key}", error)
            _postpone(key)


def _due_fallbacks() -> Iterator[UUID]:
    """Yield what has been due longest, passing over what others hold; what was considered is not due any more."""
    due = Delivery.objects.filter(fallback_at__lte=Now()).exclude(state=State.SENDING).order_by("fallback_at")
    while True:
        with transaction.atomic():
            keys = list(due.select_for_update(skip_locked=True).values_list("pk", flat=True)[:_BATCH])
        if not keys:
            return
        yield from keys


def _postpone(key: UUID) -> None:
    """Look at a fallback that failed in a minute again: those that fail must not stand before all others for ever."""
    with transaction.atomic():
        rows = [row for row in Delivery.objects.lock_some(Q(pk=key), 1) if row.state != State.SENDING]
        later = Delivery.objects.database_now() + _AGAIN
        record(Change(row.pk, standing_of(row), standing_of(row)._replace(fallback_at=later)) for row in rows)


def wake_due() -> None:
    """Wake the workers of every channel that has something due for 2 s, whatever the wake-up's key says.

    A queue that has a wake-up waiting gets no second one; where nobody answers it for a minute, operators are told.
    """
    for channel in Channel:
        if gate.paused_until(channel) is not None:
            continue
        if Delivery.objects.due_lane(channel, tuple(Lane)) is None or waiting(channel):
            _tell_if_unserved(channel)
            continue
        wake(channel, force=_due_since(channel, conf.SWEEP_SECONDS))
    due = Receipt.objects.filter(due_at__lte=Now()).order_by()
    for provider in due.values_list("provider", flat=True).distinct():
        channel = gate.channel_of(provider) or Channel.PUSH
        if not waiting(channel):
            wake(channel, RECONCILE_JOB, force=True)


def _due_since(channel: Channel, seconds: int) -> bool:
    late = Now() - timedelta(seconds=seconds)
    return Delivery.objects.filter(channel=channel, state=State.PENDING, due_at__lte=late).exists()


def _tell_if_unserved(channel: Channel) -> None:
    """Raise an alert where wake-ups wait, something has been due for a minute, and nothing is being sent."""
    busy = Claim.objects.filter(channel=channel, lease_expires_at__gt=Now()).exists()
    if waiting(channel) and not busy and _due_since(channel, UNSERVED_SECONDS):
        raise_alert("channel_unserved", channel, f"nothing was sent for {UNSERVED_SECONDS} s: does a worker serve it?")


def erase_secrets() -> None:
    """Erase sensitive variables once nothing of their notification can be sent any more, or at expiry.

    `dead` and `uncertain` deliveries keep them until expiry, and so does a fallback that may still follow. What was
    only taken by a provider that reports delivery may come back as undelivered, and be sent again or fall back.
    """
    unconfirmed = Q(state=State.SENT, provider__in=gate.reporting())
    needed = Delivery.objects.filter(
        Q(state__in=(*OPEN_STATES, State.DEAD)) | Q(fallback_at__isnull=False) | unconfirmed,
        notification_id=OuterRef("pk"),
    )
    used = Notification.objects.filter(Q(expires_at__lte=Now()) | ~Exists(needed), secrets__isnull=False).order_by()
    for _ in turns():
        with transaction.atomic():
            keys = list(used.select_for_update(skip_locked=True).values_list("pk", flat=True)[:_BATCH])
            Notification.objects.filter(pk__in=keys).update(secrets=None)
        if len(keys) < _BATCH:
            return


def keep_tidy() -> None:
    """Make partitions ahead of time and delete refused requests that are past their keep."""
    global _tidied_at  # noqa: PLW0603 - the process's own memory of a chore that is due once a minute
    if time.monotonic() - _tidied_at < _TIDY_SECONDS:
        return
    _tidied_at = time.monotonic()
    watch_hash_key()
    keep_partitions()
    ThrottleWindow.objects.filter(
        pk__in=list(ThrottleWindow.objects.filter(ends_at__lt=Now()).values_list("pk", flat=True)[: 10 * _BATCH])
    ).delete()
    old = RefusedRequest.objects.filter(created_at__lt=Now() - timedelta(days=conf.REFUSED_KEPT_DAYS))
    RefusedRequest.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:_BATCH])).delete()


def _change_all(condition: Q, decide: Callable[[Delivery, Standing, Category | None], Standing]) -> None:
    for _ in turns():
        with transaction.atomic():
            rows = Delivery.objects.lock_some(condition, _BATCH)
            if not rows:
                return
            categories = _categories(rows)
            changes = []
            for row in rows:
                before = standing_of(row)
                changes.append(Change(row.pk, before, decide(row, before, categories.get(row.pk)), keep=True))
            record(changes)


def _categories(rows: list[Delivery]) -> dict[object, Category]:
    slugs = dict(
        Notification.objects.filter(pk__in={row.notification_id for row in rows}).values_list("pk", "category")
    )
    by_slug = {item.slug: item for item in Category.objects.filter(slug__in=set(slugs.values()))}
    found = {row.pk: by_slug.get(slugs.get(row.notification_id, "")) for row in rows}
    return {key: item for key, item in found.items() if item is not None}


_REPAIRS: tuple[Callable[[], object], ...] = (
    expire_leases,
    adopt_orphans,
    settle_uncertain,
    expire_pending,
    consider_fallbacks,
    close_digests,
    wake_due,
    continue_broadcasts,
    continue_replays,
    continue_clearing,
    erase_secrets,
    add_up,
    keep_tidy,
    keep_watch,
)
