"""A broadcast as people read it: a sentence, a bar, counts and what they mean, what broke, how near the guard is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..enums import BroadcastStatus, Family, State
from ..flows.broken import Guard
from ..flows.status import Counts, Progress, progress_of
from ..models import Broadcast
from ..models.broken_queries import BrokenGroup
from ..models.console_queries import TooSlow, deadline
from .changelist import MILLISECONDS
from .markup import EMPTY, family_icon, moment, reason_text

_FAMILIES: Mapping[str, Family] = {
    BroadcastStatus.DRAFT: Family.NOT_SENT,
    BroadcastStatus.SCHEDULED: Family.WAITING,
    BroadcastStatus.PLANNING: Family.ON_ITS_WAY,
    BroadcastStatus.SENDING: Family.ON_ITS_WAY,
    BroadcastStatus.PAUSED: Family.WAITING,
    BroadcastStatus.DONE: Family.REACHED,
    BroadcastStatus.CANCELLED: Family.NOT_SENT,
    BroadcastStatus.STOPPED: Family.FAILED,
}
#: Each count with the family it belongs to, and what it means and does not mean.
_COUNTS = (
    ("waiting", Family.WAITING, gettext_lazy("waiting"), gettext_lazy("planned, not handed to a provider yet")),
    ("uncertain", Family.WAITING, State.UNCERTAIN.label, gettext_lazy("handed over; nobody knows yet whether it went")),
    ("sent", Family.ON_ITS_WAY, gettext_lazy("sent"), gettext_lazy("a provider took it; not yet: it arrived")),
    ("delivered", Family.REACHED, gettext_lazy("delivered"), gettext_lazy("of those sent, reported as arrived")),
    ("skipped", Family.NOT_SENT, State.SKIPPED.label, gettext_lazy("not sent on purpose; that is no failure")),
    ("digested", Family.NOT_SENT, State.DIGESTED.label, gettext_lazy("went out in a digest instead")),
    ("cancelled", Family.NOT_SENT, State.CANCELLED.label, gettext_lazy("taken back before they went out")),
    ("expired", Family.NOT_SENT, State.EXPIRED.label, gettext_lazy("out of date before they could go out")),
    ("failed", Family.FAILED, gettext_lazy("failed"), gettext_lazy("a provider refused them for good")),
    ("dead", Family.FAILED, State.DEAD.label, gettext_lazy("wait for somebody to retry or discard them")),
)
_ALWAYS = ("waiting", "sent", "delivered", "skipped", "failed")
_WIDTH = 1000


@dataclass(frozen=True)
class Shown:
    """What a row of the list and the page of a broadcast have in common."""

    badge: SafeString
    bar: SafeString
    share: int
    done_text: str
    rate: str
    ends: SafeString | str
    people: str
    planned: str
    delivered: str
    broken: str
    skipped: str


def progress_in_time(made: Sequence[Broadcast]) -> Mapping[UUID, Progress] | None:
    """Return the progress of these by id; None where counting the rows of an old one would take too long."""
    if all(item.tallied or item.outcome is not None for item in made):
        return progress_of(made) if made else {}
    try:
        with deadline(Broadcast.objects.db, MILLISECONDS):
            return progress_of(made)
    except TooSlow:
        return None


def status_badge(status: str) -> SafeString:
    """Return a broadcast's status in the colour of its family."""
    family = _FAMILIES[status]
    return format_html(
        '<span class="carillon-badge carillon-{}"><span class="carillon-icon" aria-hidden="true">{}</span>{}</span>',
        family.value,
        family_icon(family),
        BroadcastStatus(status).label,
    )


def shown(made: Broadcast, progress: Progress, now: datetime | None = None) -> Shown:
    """Return a broadcast with its progress, ready to be shown."""
    counts = progress.counts
    beyond = unplanned(made, counts)
    parts = list(_parts(counts, beyond))
    whole = sum(count for _family, _label, count in parts)
    settled = whole - parts[-1][2]
    share = int(100 * settled / whole) if whole else 0
    told = {"sent": f"{counts.sent:,}", "whole": f"{whole:,}"}
    if not whole:
        text = _("nothing yet")
    elif beyond:
        text = _("%(sent)s of about %(whole)s sent") % told
    elif made.planned_at is None and made.status in (BroadcastStatus.PLANNING, BroadcastStatus.PAUSED):
        text = _("%(sent)s of %(whole)s planned so far sent") % told
    else:
        text = _("%(sent)s of %(whole)s sent") % told
    rate = _("%(rate)s a second") % {"rate": f"{progress.per_second:,.4g}"} if progress.per_second else EMPTY
    ends = _ends(made, progress, beyond, now or timezone.now())
    return Shown(
        status_badge(made.status), _bar(parts, whole, share), share, text, rate, ends,
        people=f"{counts.members:,}", planned=f"{counts.planned:,}", delivered=f"{counts.delivered:,}",
        broken=f"{counts.failed + counts.dead:,}", skipped=f"{counts.skipped:,}",
    )  # fmt: skip


def unplanned(made: Broadcast, counts: Counts) -> int:
    """Return about how many deliveries are still to be planned, if it was counted how many people it is for."""
    if made.planned_at is not None or made.expected is None or made.status == BroadcastStatus.CANCELLED:
        return 0
    people = max(0, made.expected - counts.members)
    return round(people * counts.planned / counts.members) if counts.members else people


def sentence(made: Broadcast, told: Shown) -> str:
    """Return where a broadcast stands, in one sentence."""
    match made.status:
        case BroadcastStatus.DRAFT:
            return _("A draft: nothing goes out before somebody launches it.")
        case BroadcastStatus.SCHEDULED:
            return _("It is launched, and nothing has gone out yet: until it begins it can be taken back.")
        case BroadcastStatus.PAUSED:
            return _("Paused: nothing more goes out until somebody resumes it. %(sent)s.") % {"sent": told.done_text}
        case BroadcastStatus.STOPPED:
            return _("It stopped by itself: %(why)s. Mend the cause, then resume or cancel it.") % {
                "why": made.stopped_for
            }
        case BroadcastStatus.DONE:
            return _("It is over: %(sent)s.") % {"sent": told.done_text}
        case BroadcastStatus.CANCELLED:
            return _("It was cancelled: %(sent)s, the rest was not.") % {"sent": told.done_text}
    return _("It goes out: %(sent)s.") % {"sent": told.done_text}


def count_rows(made: Broadcast, counts: Counts, site: str) -> list[dict[str, Any]]:
    """Return the counts as rows: family, label, number, what it means, and where the deliveries are listed."""
    listed = reverse("admin:carillon_delivery_changelist", current_app=site)
    rows = []
    for name, family, label, meaning in _COUNTS:
        number = getattr(counts, name)
        if not number and name not in _ALWAYS:
            continue
        asked: dict[str, Any] = {"q": made.notification_id, "family": family.value}
        if name in State.values and name not in ("sent", "delivered", "failed"):
            asked = {"q": made.notification_id, "state__exact": name}
        url = f"{listed}?{urlencode(asked)}" if number and made.outcome is None else ""
        rows.append(
            {
                "family": family.value,
                "icon": family_icon(family),
                "label": label,
                "number": f"{number:,}",
                "meaning": meaning,
            }
            | {"url": url}
        )
    return rows


def guard_text(guard: Guard) -> str:
    """Return how near a broadcast is to being stopped by itself."""
    judged = guard.judged
    if guard.most_failed is None and guard.most_complaints is None:
        return _("No limit is set: it goes on however much fails. See BROADCASTS in the settings.")
    parts = []
    if guard.most_failed is not None:
        text = _("%(count)s of %(tried)s failed (%(share)s; it stops above %(limit)s)")
        parts.append(text % _shares(judged.failed, judged.tried, guard.failed, guard.most_failed))
    if guard.most_complaints is not None:
        text = _("%(count)s were complaints (%(share)s; it stops above %(limit)s)")
        parts.append(text % _shares(judged.complaints, judged.tried, guard.complained, guard.most_complaints))
    told = ", ".join(parts)
    if not guard.is_judged:
        told = _("%(told)s; judged from %(from)s tried on") % {"told": told, "from": f"{guard.judged_from:,}"}
    return f"{told}."


def broken_rows(groups: list[BrokenGroup], site: str) -> list[dict[str, object]]:
    """Return what broke as rows, each with the delivery that did so last."""
    return [
        {
            "count": f"{group.count:,}",
            "what": reason_text(group.reason) or str(State(group.state).label),
            "code": group.code,
            "state": State(group.state).label,
            "channel": group.channel,
            "provider": group.provider,
            "is_dead": group.state == State.DEAD,
            "url": reverse("admin:carillon_delivery_change", args=[group.sample], current_app=site),
        }
        for group in groups
    ]


def audience_text(audience: Any) -> str:
    """Return who an audience means; of a list of users only how many."""
    given = audience if isinstance(audience, dict) else {}
    if "users" in given:
        count = len(given["users"])
        return ngettext("%(count)d user by name", "%(count)d users by name", count) % {"count": count}
    if name := given.get("name"):
        params = ", ".join(f"{key}={value}" for key, value in (given.get("params") or {}).items())
        return f"{name}({params})"
    if given.get("all"):
        return _("everybody")
    if topic := given.get("topic"):
        return _("topic %(topic)s") % {"topic": topic}
    if key := given.get("broadcast"):
        return _("those whom broadcast …%(key)s reached") % {"key": str(key)[-8:]}
    return EMPTY


def _parts(counts: Counts, beyond: int) -> Iterator[tuple[Family, str, int]]:
    """Yield what the bar is made of; what still waits comes last."""
    on_purpose = counts.skipped + counts.cancelled + counts.expired + counts.digested
    broken = counts.failed + counts.dead
    waiting = counts.waiting + counts.uncertain
    taken = max(0, counts.planned - on_purpose - broken - waiting)
    arrived = min(counts.delivered, taken)
    yield Family.REACHED, _("delivered"), arrived
    yield Family.ON_ITS_WAY, _("sent"), taken - arrived
    yield Family.NOT_SENT, _("not sent on purpose"), on_purpose
    yield Family.FAILED, _("failed"), broken
    yield Family.WAITING, _("waiting"), waiting + beyond


def _bar(parts: list[tuple[Family, str, int]], whole: int, share: int) -> SafeString:
    told = ", ".join(f"{label}: {count:,}" for _family, label, count in parts if count)
    rects, x = [], 0.0
    for family, _label, count in parts:
        width = _WIDTH * count / whole if whole else 0.0
        if count and family != Family.WAITING:
            rects.append((family.value, f"{x:.1f}", f"{max(width, 4):.1f}"))
        x += width
    return format_html(
        '<svg class="carillon-bar" viewBox="0 0 1000 8" preserveAspectRatio="none" role="img" aria-label="{}">'
        "<title>{}</title>{}</svg>",
        _("%(share)d%% done. %(parts)s") % {"share": share, "parts": told},
        told or _("nothing yet"),
        format_html_join("", '<rect class="carillon-bar-{}" x="{}" y="0" width="{}" height="8"/>', rects),
    )


def _ends(made: Broadcast, progress: Progress, beyond: int, now: datetime) -> SafeString | str:
    """Return when it should be over; nothing where nobody can tell."""
    if made.finished_at is not None:
        return moment(made.finished_at)
    if made.status not in (BroadcastStatus.PLANNING, BroadcastStatus.SENDING):
        return EMPTY
    ends, left = progress.eta, progress.counts.waiting + beyond
    if ends is None and beyond and progress.per_second and progress.counts.sent:
        ends = now + timedelta(seconds=left / progress.per_second)
    if ends is None:
        return EMPTY
    return format_html("{} ({})", _left(ends - now), moment(ends))


def _left(span: timedelta) -> str:
    seconds = max(0, int(span.total_seconds()))
    if seconds < 90:
        return _("about %(count)d s") % {"count": max(5, -(-seconds // 5) * 5)}
    if seconds < 90 * 60:
        return _("about %(count)d min") % {"count": -(-seconds // 60)}
    return _("about %(count)d h") % {"count": -(-seconds // 3600)}


def _shares(count: int, tried: int, share: float, limit: float) -> dict[str, str]:
    return {"count": f"{count:,}", "tried": f"{tried:,}", "share": f"{share:.1%}", "limit": f"{limit:.1%}"}
