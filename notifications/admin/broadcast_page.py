"""What the page of one broadcast shows; all of it changes while somebody looks, and is read in few statements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from ..enums import BroadcastStatus
from ..flows.broken import Broken, broken_of, guard_of
from ..flows.left_out import errors_of
from ..flows.newer_words import must_be_counted, sent_with
from ..flows.status import Counts, Progress
from ..models import Broadcast, Category, Notification
from ..models.console_queries import TooSlow, deadline
from .broadcast_act import ACTS
from .broadcast_shown import audience_text, broken_rows, count_rows, guard_text, progress_in_time, sentence, shown
from .changelist import MILLISECONDS
from .markup import facts, moment, sees_personal_data
from .replaying import may_replay

if TYPE_CHECKING:
    from .broadcast_act import BroadcastActs

_GOES_ON = (BroadcastStatus.SCHEDULED, BroadcastStatus.PLANNING, BroadcastStatus.SENDING)
#: How often the page looks again, in seconds; it also does where a person may still act, but more seldom.
_OFTEN, _SELDOM = 2, 15


def page_context(page: BroadcastActs, request: HttpRequest, made: Broadcast) -> dict[str, Any]:
    """Return all that the page and its live part show."""
    site = page.admin_site.name
    related = ("version", "version__template__current", "unsent_version")
    notification = Notification.objects.filter(pk=made.notification_id).select_related(*related).first()
    counted = progress_in_time([made])
    is_counted, progress = counted is not None, (counted or {}).get(made.pk, Progress(Counts()))
    told = shown(made, progress)
    broken = broken_of(made, progress) if is_counted else Broken(None)
    template = notification.template if notification else (made.outcome or {}).get("template", "")
    return {
        "title": _("Broadcast %(template)s") % {"template": template},
        "made": made,
        "template": template,
        "expected": f"{made.expected or 0:,}",
        "notification": notification,
        "told": told,
        "sentence": sentence(made, told),
        "is_counted": is_counted,
        "counts": count_rows(made, progress.counts, site),
        "guard": guard_text(guard_of(made, progress)),
        "broken": None if broken.groups is None else broken_rows(broken.groups, site),
        "broken_more": broken.more,
        "left_out": [(error, f"{count:,}") for error, count in errors_of(made).items()],
        "left_out_url": f"{reverse('admin:carillon_leftout_changelist', current_app=site)}?q={made.pk}",
        "audience": audience_text(made.audience),
        "exclude": audience_text(made.exclude) if made.exclude else "",
        "moments": [(label, moment(at)) for label, at in _moments(made) if at],
        "words": _words(made, notification),
        "versions": _versions(request, made, notification),
        "data": facts(notification.data) if notification and notification.data and sees_personal_data(request) else "",
        "actions": _actions(page, request, made, notification),
        "may_retry": bool(progress.counts.dead and may_replay(request)),
        "dead": f"{progress.counts.dead:,}",
        "reached": f"{progress.counts.sent:,}",
        "correct_url": _correct_url(page, request, made, progress.counts),
        "live_url": reverse("admin:carillon_broadcast_live", args=[made.pk], current_app=site),
        "every": _OFTEN if made.status in _GOES_ON else _SELDOM,
    }


def _actions(
    page: BroadcastActs, request: HttpRequest, made: Broadcast, notification: Notification | None
) -> list[dict[str, Any]]:
    """Return what this person may do to it as it stands, the usual first, the dangerous last."""
    site, found = page.admin_site.name, []
    if made.status in (BroadcastStatus.DRAFT, BroadcastStatus.SCHEDULED):
        url = reverse("admin:carillon_broadcast_preview", args=[made.pk], current_app=site)
        found.append({"url": url, "text": _("Preview: what is missing, and for whom"), "kind": ""})
    if not page.has_control_permission(request):
        return found
    for name, act in ACTS.items():
        if made.status not in act.statuses or made.outcome is not None or _is_moot(name, made, notification):
            continue
        url = reverse("admin:carillon_broadcast_do", args=[made.pk, name], current_app=site)
        kind = "danger" if act.dangerous else "main" if name in ("launch", "take_back", "resume") else ""
        found.append({"url": url, "text": f"{act.title}…", "kind": kind})
    return sorted(found, key=lambda item: ("main", "", "danger").index(str(item["kind"])))


def _is_moot(name: str, made: Broadcast, notification: Notification | None) -> bool:
    """Whether there would be nothing to do, though the status allows it."""
    if name == "plan_left_out":
        return not made.problems
    if name == "cancel" and made.status == BroadcastStatus.DONE and notification is not None:
        # What may follow one that is done, in numbers that matter, are its fallbacks.
        return not Category.objects.filter(slug=notification.category).exclude(fallback=[]).exists()
    return False


def _correct_url(page: BroadcastActs, request: HttpRequest, made: Broadcast, counts: Counts) -> str:
    """Return where a correction to exactly those reached is drafted; "" where nobody was, or they are forgotten."""
    if not counts.sent or made.outcome is not None or not page.has_add_permission(request):
        return ""
    url = reverse("admin:carillon_broadcast_add", current_app=page.admin_site.name)
    return f"{url}?{urlencode({'correct': str(made.pk)})}"


def _moments(made: Broadcast) -> list[tuple[str, Any]]:
    return [
        (_("drafted or launched"), made.created_at),
        (_("begins at"), None if made.started_at else made.send_at),
        (_("began"), made.started_at),
        (_("all planned"), made.planned_at),
        (_("over"), made.finished_at),
    ]


def _words(made: Broadcast, notification: Notification | None) -> dict[str, Any]:
    """Return which words go out, and whether newer ones were published since."""
    if notification is None:
        return {}
    own, template = notification.version, notification.version.template
    taken = notification.unsent_version or own
    newer = template.current if template.current_id != taken.pk and made.finished_at is None else None
    return {
        "template": template.pk,
        "began": own.number,
        "taken": taken.number,
        "taken_id": taken.pk,
        "newer": newer.number if newer else None,
    }


def _versions(request: HttpRequest, made: Broadcast, notification: Notification | None) -> dict[str, Any]:
    """Return how many went out with which words; they are counted only for who asks, since that reads every row."""
    is_counted = must_be_counted(made, notification)
    if not is_counted and not (made.outcome or {}).get("versions"):
        return {}
    if is_counted and "versions" not in request.GET:
        return {"asked": False}
    try:
        with deadline(Broadcast.objects.db, MILLISECONDS):
            parts = sent_with(made, notification)
    except TooSlow:
        return {"asked": True, "parts": None}
    return {"asked": True, "parts": [(f"{part.sent:,}", part.version) for part in parts]}
