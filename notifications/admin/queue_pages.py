"""Queues and workers: what waits and why, who works on it, a channel's pause, and clearing away what is of no use."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .. import conf
from ..enums import Channel, Lane, Priority, Reason, State
from ..flows.clear import CLEARINGS
from ..flows.operate import By
from ..flows.overview import MOST_DUE
from ..flows.pausing import LONGEST, pause_channel, resume_channel
from ..flows.queues import MOST_READ, Queues, WorkerRow, at, look
from ..models.figures import Waiting
from ..rules.explanations import explain
from ..rules.overview import duration
from .base import actor_of
from .clearing import ClearPages
from .confirm import ReasonForm
from .frame import pill
from .markup import EMPTY, id_moment, moment, reason_text, redacted, sees_personal_data

PAUSE, RESUME = "carillon.add_channelpause", "carillon.delete_channelpause"
_EVERY_SECONDS = 10
#: A worker tells every ten seconds that it is there.
_SILENT_SECONDS = 35


class PauseForm(ReasonForm):
    """For how long a channel is paused, and why."""

    minutes = forms.IntegerField(
        label=gettext_lazy("Minutes"), min_value=1, max_value=int(LONGEST.total_seconds() // 60), initial=30,
        help_text=gettext_lazy("A pause always ends by itself; pause again to prolong it."),
    )  # fmt: skip
    field_order = ("minutes", "reason")


class QueueAdmin(ClearPages):
    """What waits, by channel, lane and reason, and the workers."""

    looks: ClassVar[str] = "carillon.view_claim"

    def more_urls(self) -> list[URLPattern]:
        """Return the addresses of pausing and resuming, and those of clearing."""
        wrap = self.admin_site.admin_view
        return [
            *super().more_urls(),
            path("<str:channel>/pause/", wrap(self.pause_view), name="carillon_queue_pause"),
            path("<str:channel>/resume/", wrap(self.resume_view), name="carillon_queue_resume"),
        ]

    def shown(self, request: HttpRequest) -> HttpResponse:
        """Show what waits and who works."""
        seen, full = look(), sees_personal_data(request)
        may = request.user.has_perm
        context = {
            **self.frame(request, _("Queues and workers")),
            "lanes": [Priority[lane.name].label for lane in Lane],
            "channels": [_channel(channel, seen, full=full) for channel in Channel],
            "reasons": [self._reason(item, seen) for item in seen.reasons],
            "most_read": f"{MOST_READ:,}",
            "workers": [_worker(row, seen) for row in seen.workers],
            "stuck": [_stuck(claim, seen) for claim in seen.stuck],
            "sweeper": _sweeper(seen),
            "redis_is_away": seen.redis_is_away,
            "runs": [self.run_line(entry) for entry in CLEARINGS.unfinished()]
            if may("carillon.view_auditentry")
            else [],
            "may_pause": may(PAUSE),
            "may_resume": may(RESUME),
            "may_clear": self.may_clear(request),
            "clear_url": self.url("queue_clear"),
            "every": _EVERY_SECONDS,
        }
        return TemplateResponse(request, "carillon/console/queues.html", context)

    def pause_view(self, request: HttpRequest, channel: str) -> HttpResponse:
        """Ask for how long and why, then pause."""
        self._known(request, PAUSE, channel)
        form = PauseForm(request.POST if request.method == "POST" else None)
        name = Channel(channel).label
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            pause_channel(Channel(channel), timedelta(minutes=given["minutes"]), By(actor_of(request), given["reason"]))
            self.message_user(request, _("%(channel)s is paused.") % {"channel": name}, messages.SUCCESS)
            return HttpResponseRedirect(self.home())
        effect = _(
            "Nothing more goes out on this channel within a second or so, login codes included; what is due waits and"
            " is kept, and what runs out of time expires. What is being sent at this moment goes out. To let another"
            " provider take over instead, hold the provider."
        )
        title = _("Pause %(channel)s") % {"channel": name}
        return self._ask(request, form, title=title, effect=effect, button=_("Pause"), dangerous=True)

    def resume_view(self, request: HttpRequest, channel: str) -> HttpResponse:
        """Ask why, then let the channel go on."""
        self._known(request, RESUME, channel)
        form = ReasonForm(request.POST if request.method == "POST" else None)
        name = Channel(channel).label
        if request.method == "POST" and form.is_valid():
            went_on = resume_channel(Channel(channel), By(actor_of(request), form.cleaned_data["reason"]))
            told = _("%(channel)s goes on.") if went_on else _("%(channel)s was not paused any more.")
            self.message_user(request, told % {"channel": name}, messages.SUCCESS)
            return HttpResponseRedirect(self.home())
        effect = _("What is due goes out at once, the most urgent first, at the pace of each provider's account.")
        return self._ask(
            request, form, title=_("Resume %(channel)s") % {"channel": name}, effect=effect, button=_("Resume")
        )

    def _known(self, request: HttpRequest, permission: str, channel: str) -> None:
        if not (request.user.has_perm(permission) and self.has_view_permission(request)):
            raise PermissionDenied
        if channel not in Channel.values:
            raise Http404

    def _ask(self, request: HttpRequest, form: forms.Form, **context: Any) -> HttpResponse:
        title = context.pop("title")
        whole = {**self.frame(request, title), "form": form, "back": self.home(), **context}
        return TemplateResponse(request, "carillon/console/ask.html", whole)

    def _reason(self, item: Waiting, seen: Queues) -> dict[str, Any]:
        late = (seen.now - item.first_due).total_seconds()
        first = _("due for %(time)s") % {"time": duration(late)} if late > 0 else moment(item.first_due)
        resumed = item.reason == Reason.PAUSED  # it is due when somebody says so, whatever its row has
        query = urlencode({"channel": item.channel, "waits_for": item.reason})
        return {
            "channel": Channel(item.channel).label,
            "reason": reason_text(item.reason) or EMPTY,
            "meaning": _meaning(item, seen),
            "count": f"{item.count:,}{'+' if item.count >= MOST_READ else ''}",
            "first": _("when it is resumed") if resumed else first,
            "last": "" if resumed else moment(item.last_due),
            "oldest": id_moment(item.oldest),
            "url": f"{self.url('queue_clear')}?{query}",
        }


def _meaning(item: Waiting, seen: Queues) -> str:
    if item.channel in seen.pauses:
        return _("Its channel is paused; it goes out when that ends.")
    return explain(State.PENDING, Reason(item.reason) if item.reason in Reason.values else Reason.NONE)


def _channel(channel: Channel, seen: Queues, *, full: bool) -> dict[str, Any]:
    pause = seen.pauses.get(channel)
    depths = {item.lane: item for item in seen.depths if item.channel == channel}
    oldest = min((item.oldest for item in depths.values()), default=None)
    wake_ups = seen.wake_ups.get(channel)
    return {
        "key": channel.value,
        "name": channel.label,
        "lanes": [_depth(depths[lane].count) if lane in depths else "0" for lane in Lane],
        "oldest": duration(seen.now.timestamp() - oldest) if oldest is not None else EMPTY,
        "paused": pause is not None,
        "until": moment(at(pause.until)) if pause else "",
        "by": pause.by if pause else "",
        "why": (pause.reason if full else redacted(pause.reason)) if pause else "",
        "wake_ups": EMPTY if wake_ups is None else f"{wake_ups:,}",
        "routed": bool(conf.get().routes.get(channel)),
    }


def _depth(count: int) -> str:
    return f"{MOST_DUE:,}+" if count > MOST_DUE else f"{count:,}"


def _worker(row: WorkerRow, seen: Queues) -> dict[str, Any]:
    silent = (seen.now - row.seen_at).total_seconds() if row.seen_at else None
    if row.stuck:
        state = pill("failed", _("silent"), _("It does not renew its claims: the sweeper takes them over."))
    elif silent is None:
        state = pill("waiting", _("unknown to Redis"), _("It holds claims, and Redis does not list it."))
    elif silent > _SILENT_SECONDS:
        state = pill("waiting", _("not heard of"), _("It gave Redis no sign of life for long."))
    else:
        state = pill("on_its_way" if row.claims else "reached", _("sending") if row.claims else _("waits for work"))
    return {
        "name": row.name,
        "serves": ", ".join(str(Channel(name).label) for name in row.serves if name in Channel.values),
        "state": state,
        "claims": row.claims,
        "seen": moment(row.seen_at) if row.seen_at else EMPTY,
    }


def _stuck(claim: Any, seen: Queues) -> dict[str, Any]:
    return {
        "worker": claim.worker,
        "channel": claim.channel,
        "provider": claim.provider,
        "late": duration((seen.now - claim.lease_expires_at).total_seconds()),
        "started": claim.started_upto,
    }


def _sweeper(seen: Queues) -> dict[str, Any]:
    if seen.swept is None:
        text = _("No sweeper was ever seen: start a worker (manage.py rqworker push sms email).")
        return {"state": pill("failed", _("none")), "text": text}
    late = seen.swept > 3 * conf.SWEEPER_LEASE_SECONDS
    text = _("%(name)s renewed its lease %(time)s ago.") % {"name": seen.sweeper, "time": duration(seen.swept)}
    return {"state": pill("failed" if late else "reached", _("late") if late else _("sweeping")), "text": text}
