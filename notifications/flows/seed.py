"""Seed: fill the log with deliveries for load tests, from users down, and take them away again.

Nothing that is made here is ever sent: every delivery has ended, in the past. Users are made through the host's own
model; all else of the log is SQL in `models/seeding.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import router, transaction

from .. import conf
from ..enums import Channel, Priority
from ..models import (
    Broadcast,
    BroadcastTally,
    Category,
    Delivery,
    Mark,
    Notification,
    Template,
    TemplateVersion,
    Translation,
)
from ..models.partitions import make_partitions
from ..models.seeding import Kind, Roll, Slice, begin, fill, remove_some
from ..models.weeks import week_of
from ..rules.identity import first_id_at
from .hash_key import watch_hash_key
from .seed_people import PAGE, PREFIX, id_of, make_people, remove_people

MARK = "seed-load"
SLICE = 100_000
_STEP = 20_000
_KINDS = (("orders", Priority.HIGH), ("social", Priority.NORMAL), ("news", Priority.BULK))
# Of a thousand messages of a channel: how many end so, why, after how many attempts, with which code.
_ENDS: dict[str, tuple[tuple[int, str, str, int, str], ...]] = {
    "push": (
        (830, "sent", "", 1, ""), (35, "sent", "", 2, ""), (20, "opened", "", 1, ""),
        (70, "skipped", "preference", 0, ""), (25, "failed", "invalid_recipient", 1, "UNREGISTERED"),
        (10, "expired", "ttl", 0, ""), (9, "cancelled", "", 0, ""), (1, "dead", "retries_exhausted", 5, "503"),
    ),
    "email": (
        (620, "delivered", "", 1, ""), (150, "opened", "", 1, ""), (40, "clicked", "", 1, ""), (20, "sent", "", 2, ""),
        (60, "skipped", "preference", 0, ""), (70, "skipped", "suppression", 0, ""),
        (28, "bounced", "", 1, "HardBounce"), (1, "complained", "", 1, ""), (10, "failed", "refused", 1, "406"),
        (1, "dead", "retries_exhausted", 5, "500"),
    ),
    "sms": (
        (860, "delivered", "", 1, ""), (40, "sent", "", 1, ""), (30, "sent", "", 2, ""),
        (40, "failed", "invalid_recipient", 1, "21211"), (29, "skipped", "preference", 0, ""),
        (1, "dead", "retries_exhausted", 5, "30008"),
    ),
    "none": ((1000, "skipped", "no_address", 0, ""),),
}  # fmt: skip


class CannotSeed(Exception):
    """What stands in the way; the text says what to do."""


@dataclass(frozen=True)
class Load:
    """What is asked for: how many deliveries to how many users over how many weeks, from which seed."""

    deliveries: int
    users: int
    weeks: int
    seed: int

    @property
    def key(self) -> str:
        """What tells one load from another."""
        return f"{self.deliveries}/{self.users}/{self.weeks}/{self.seed}"

    @property
    def size(self) -> int:
        """How many deliveries one transaction makes."""
        return max(1, min(SLICE, self.users, self.deliveries))


def seed(load: Load) -> Iterator[int]:
    """Fill the log, and yield again and again how many deliveries of the load there are.

    What an earlier call with the same values has made stays, and the rest follows.

    Raises:
        CannotSeed: another load is there.
    """
    using = router.db_for_write(Delivery)
    until, done = _standing(load)
    yield done
    if done >= load.deliveries:
        return
    people = make_people(load.users, load.seed)
    kinds = _kinds()
    routes = {str(channel): route[0].provider for channel, route in conf.get().routes.items() if route}
    pages = (people[start : start + PAGE] for start in range(0, len(people), PAGE))
    begin(using, pages, [*_rolls()], kinds, routes)
    while done < load.deliveries:
        part = _slice(load, done, until)
        # Just before they are filled: a sweeper drops old weeks in which there is nothing.
        make_partitions(using, [week_of(part.begins), week_of(part.ends)])
        with transaction.atomic(using=using):
            fill(using, part, seed=load.seed, users=load.users, channel=_channel_of(load, part))
            done += part.deliveries
            Mark.objects.filter(name=MARK).update(value=_value(load, until, done))
        yield done


def remove() -> Iterator[int]:
    """Take away all that was seeded, and yield again and again how many deliveries have gone."""
    using = router.db_for_write(Delivery)
    mark = Mark.objects.filter(name=MARK).first()
    oldest = _oldest()
    gone, now = 0, Delivery.objects.database_now()
    after = UUID(int=max(0, (oldest.int >> 80 << 80) - 1)) if oldest else None
    beyond, latest = first_id_at(now), first_id_at(now + timedelta(days=1))
    while after is not None:
        read, deleted, last = remove_some(using, after, beyond, latest, _STEP)
        gone, after = gone + deleted, last if read == _STEP else None
        yield gone
    slugs = [f"{PREFIX}{name}" for name, _ in _KINDS]
    for slug in slugs:
        while ids := list(
            Notification.objects.filter(category=slug).order_by("pk").values_list("pk", flat=True)[:_STEP]
        ):
            Broadcast.objects.filter(notification_id__in=ids).delete()
            BroadcastTally.objects.filter(notification_id__in=ids).delete()
            Notification.objects.filter(pk__in=ids, pk__gte=ids[0], pk__lte=ids[-1]).delete()
    Template.objects.filter(slug__in=slugs).delete()
    Category.objects.filter(slug__in=slugs).delete()
    remove_people()
    if mark is not None:
        mark.delete()
    yield gone


def _oldest() -> UUID | None:
    """Return the oldest notification that was made."""
    first = (
        Notification.objects.filter(category=f"{PREFIX}{name}").order_by("pk").values_list("pk", flat=True).first()
        for name, _ in _KINDS
    )
    return min((key for key in first if key is not None), default=None)


def _standing(load: Load) -> tuple[datetime, int]:
    """Return until when the load's time reaches and how many deliveries there are, beginning it if need be."""
    watch_hash_key()
    # A minute ago at most: what is made ends in the past, the last of a broadcast too.
    until = Delivery.objects.database_now().replace(microsecond=0) - timedelta(minutes=10)
    mark, _ = Mark.objects.get_or_create(name=MARK, defaults={"value": _value(load, until, 0)})
    key, moment, done = mark.value.split(" ")
    if key != load.key:
        raise CannotSeed(f"another load is there ({key} deliveries/users/weeks/seed): take it away with --remove first")
    return datetime.fromtimestamp(int(moment), UTC), int(done)


def _value(load: Load, until: datetime, done: int) -> str:
    return f"{load.key} {int(until.timestamp())} {done}"


def _slice(load: Load, done: int, until: datetime) -> Slice:
    """Return the next slice: three of five are a broadcast, the others singles."""
    begins_at = until - timedelta(weeks=load.weeks)
    step = timedelta(weeks=load.weeks) / load.deliveries
    number, count = done // load.size, min(load.size, load.deliveries - done)
    begins = begins_at + done * step
    begins = begins.replace(microsecond=begins.microsecond // 1000 * 1000)
    made: tuple[UUID | None, UUID | None] = (None, None)
    if number % 5 in (1, 3, 4):
        made = (id_of(begins, load.seed, number, 0), id_of(begins, load.seed, number, 1))
    return Slice(done, count, begins, begins_at + (done + count) * step, *made)


def _channel_of(load: Load, part: Slice) -> str:
    return str(Channel.EMAIL if part.first // load.size % 10 == 1 else Channel.PUSH)


def _rolls() -> Iterator[Roll]:
    for channel, ends in _ENDS.items():
        rows = [end for count, *end in ends for _ in range(count)]
        for number, (state, reason, attempts, code) in enumerate(rows):
            yield Roll(channel, number, str(state), str(reason), int(str(attempts)), str(code))


def _kinds() -> list[Kind]:
    """Have the categories and templates of the load; return what slices need of them."""
    found: list[Kind] = []
    for number, (name, priority) in enumerate(_KINDS):
        slug = f"{PREFIX}{name}"
        category, _ = Category.objects.get_or_create(
            slug=slug, defaults={"priority": priority, "channels": [str(item) for item in Channel]}
        )
        template, is_new = Template.objects.get_or_create(
            slug=slug, defaults={"category": category, "variables": {"title": "str"}, "sample": {"title": "Seeded"}}
        )
        if is_new or template.current is None:
            version = TemplateVersion.objects.create(template=template, number=1, checksum=slug)
            words = {"push": {"title": "{{ title }}", "body": name}, "sms": {"text": "{{ title }}"}}
            words["email"] = {"subject": "{{ title }}", "html": "<p>{{ title }}</p>", "text": "{{ title }}"}
            for channel, parts in words.items():
                Translation.objects.create(version=version, channel=channel, locale="en", parts=parts)
            template.current = version
            template.save(update_fields=["current"])
        found.append(Kind(number, slug, slug, template.current.pk, int(priority.lane)))
    return found
