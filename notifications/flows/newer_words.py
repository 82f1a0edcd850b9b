"""Newer words: what is unsent of a broadcast may go on with another version of its template.

The notification keeps the version that it began with, and names the one to go on with. A delivery takes that one when
it is claimed, in the claim's transaction, unless it may have gone out already: what is sent again is sent as it was.
So nobody rewrites what waits, however much that is, and each row tells which words it went out with.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, Q

from ..enums import TAKEN_STATES
from ..exceptions import InvalidData, Problem
from ..models import Broadcast, Delivery, Notification, Template, TemplateVersion
from ..models.delivery_queries import standing_of
from ..rules.data import problems_with
from ..rules.doubt import is_doubted
from .audiences import members
from .compose import channels_with_words
from .recheck import Facts
from .status import deliveries_of

NEWEST = "newest"


@dataclass(frozen=True)
class SentWith:
    """How many deliveries of a broadcast went out with a version of its template."""

    version: int
    sent: int


def take_version(made: Broadcast, wanted: int | str) -> None:
    """Let what is unsent of a broadcast, whose row is locked, have another version's words.

    Raises:
        InvalidData: there is no such version, or it cannot take the place of the one before.
    """
    notification = Notification.objects.select_for_update().get(pk=made.notification_id)
    template = Template.objects.select_related("current").filter(slug=notification.template).first()
    if template is None:
        raise _refused("unknown_version", "the template is gone")
    version = _find(template, wanted)
    before = notification.words_id
    lost = channels_with_words(before) - channels_with_words(version.pk)
    if lost:
        raise _refused("no_words", f"version {version.number} has no words for {', '.join(sorted(lost))}")
    if template.sensitive:
        raise _refused("sensitive", "the template has sensitive variables by now, and such a one cannot be broadcast")
    names = list(members(made.audience, stored=True).query.annotations)
    if problems_with(notification.data, template.variables, names):
        raise _refused("other_variables", "the template declares other variables by now: send a new broadcast")
    notification.unsent_version_id = version.pk
    notification.save(update_fields=["unsent_version"])


def give_newer_words(rows: Sequence[Delivery], facts: Facts) -> None:
    """Let deliveries that are being claimed take the version that their broadcast goes on with; the plain path is free.

    Call it before their standing changes, in the claim's transaction.
    """
    if not any(item.unsent_version_id for item in facts.notifications.values()):
        return
    given: dict[int, list[UUID]] = defaultdict(list)
    for row in rows:
        version = facts.notifications[row.notification_id].unsent_version_id
        # A dead letter that was replayed with mended words keeps those.
        mended = row.generation > 0 and row.version_id is not None
        if version is not None and version != row.version_id and not mended and not is_doubted(standing_of(row)):
            given[version].append(row.pk)
            row.version_id = version
    for version, ids in given.items():
        Delivery.objects.use_version(ids, version)


def must_be_counted(made: Broadcast, notification: Notification | None) -> bool:
    """Whether `sent_with` has to read every delivery of a broadcast, since it is neither plain nor kept."""
    return made.outcome is None and notification is not None and notification.unsent_version_id is not None


def sent_with(made: Broadcast, notification: Notification | None) -> list[SentWith]:
    """Return how many went out with which version, if a resume ever asked for another; else nothing.

    `notification` is the broadcast's, or None once that is past its retention. Where `must_be_counted`, a million rows
    may be read: for who asks, and under a deadline.
    """
    if made.outcome is not None or notification is None or notification.unsent_version_id is None:
        kept = (made.outcome or {}).get("versions", [])
        return [SentWith(**item) for item in kept]
    went_out = Q(state__in=TAKEN_STATES) | Q(sent_at__isnull=False)
    counted = deliveries_of(notification.pk).filter(went_out).order_by().values_list("version_id")
    by_version: dict[int, int] = defaultdict(int)
    by_version[notification.version_id] = by_version[notification.unsent_version_id] = 0
    for key, count in counted.annotate(count=Count("pk")):
        by_version[key or notification.version_id] += count
    numbers = dict(TemplateVersion.objects.filter(pk__in=by_version).values_list("pk", "number"))
    return sorted(
        (SentWith(numbers.get(key, 0), count) for key, count in by_version.items()), key=lambda item: item.version
    )


def _find(template: Template, wanted: int | str) -> TemplateVersion:
    if wanted == NEWEST and template.current is not None:
        return template.current
    if isinstance(wanted, bool) or not isinstance(wanted, int):
        raise _refused("wrong_type", f'must be the number of a version, or "{NEWEST}"')
    found = template.versions.filter(number=wanted, draft=False).first() if 0 < wanted < 2**31 else None
    if found is None:
        newest = template.current.number if template.current is not None else "none"
        raise _refused("unknown_version", f"{template.slug} has no such published version; the newest is {newest}")
    return found


def _refused(code: str, detail: str) -> InvalidData:
    return InvalidData("The broadcast cannot go on with this version.", Problem("/version", code, detail))
