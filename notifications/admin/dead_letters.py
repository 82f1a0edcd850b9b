"""Dead letters by cause: look, see in a dry run what would go out, replay or discard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..enums import Reason, State
from ..flows.dead_letters import (
    MOST_AT_ONCE,
    MOST_COUNTED,
    Cause,
    cause_of,
    groups,
    ids_of_cause,
    of_cause,
)
from ..flows.operate import By
from ..flows.replay import discard, replay
from ..models import Delivery, Notification
from ..models.console_queries import TooSlow, deadline
from ..rules.explanations import explain
from .base import NUL, ReadOnlyAdmin, as_uuid, without_nul
from .changelist import MILLISECONDS
from .confirm import DryRun, Operation, ask_or_do, selected
from .markup import address, explanation, id_moment, moment, person_link, reason_text, redacted, sees_personal_data

_SHOWN = 50
_CAUSE = ("channel", "provider", "code", "template", "why")


class DeadLetterAdmin(ReadOnlyAdmin):
    """Dead letters grouped by cause, with replay and discard for a selection or a whole group."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Shown to those who may look at deliveries."""
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        """Looking needs the permission to look at deliveries."""
        return bool(request.user.has_perm("carillon.view_delivery"))

    def get_urls(self) -> list[URLPattern]:
        """Only the pages that there are: the list, and the two acts."""
        wrap = self.admin_site.admin_view
        return [
            path("", wrap(self.changelist_view), name="carillon_deadletter_changelist"),
            path("replay/", wrap(self.replay_view), name="carillon_deadletter_replay"),
            path("discard/", wrap(self.discard_view), name="carillon_deadletter_discard"),
        ]

    @without_nul
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the causes, or the newest letters of one."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        cause = _cause_in(request.GET)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Dead letters"),
            "opts": self.opts,
            "media": self.media,
            "may_replay": may_replay(request),
        }
        try:
            with deadline(Delivery.objects.db, MILLISECONDS):
                context |= self._one_cause(request, cause) if cause else self._causes()
        except TooSlow:
            context["timed_out"] = True
        return TemplateResponse(request, "carillon/console/dead_letters.html", context)

    def replay_view(self, request: HttpRequest) -> HttpResponse:
        """Dry run, then replay."""
        return self._act(request, REPLAY)

    def discard_view(self, request: HttpRequest) -> HttpResponse:
        """Dry run, then discard."""
        return self._act(request, DISCARD)

    def _act(self, request: HttpRequest, operation: Operation) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not may_replay(request):
            raise PermissionDenied
        back = reverse("admin:carillon_deadletter_changelist", current_app=self.admin_site.name)
        return ask_or_do(self, request, operation, _keys_in(request), back)

    def _causes(self) -> dict[str, Any]:
        found, more = groups()
        back = reverse("admin:carillon_deadletter_changelist", current_app=self.admin_site.name)
        rows = [
            {
                "group": group,
                "cause": cause_of(group).values(),
                "url": f"{back}?{urlencode(cause_of(group).values())}",
                "why": reason_text(group.reason),
                "sentence": explain(State.DEAD, Reason(group.reason)),
                "hint": _hint(group.reason),
                "first": moment(group.first_at),
                "last": moment(group.last_at),
            }
            for group in found
        ]
        total = sum(group.count for group in found)
        return {"causes": rows, "total": f"{MOST_COUNTED:,}+" if more else f"{total:,}"}

    def _one_cause(self, request: HttpRequest, cause: Cause) -> dict[str, Any]:
        plain = Notification.objects.only("pk", "template")
        found = list(of_cause(cause).prefetch_related(Prefetch("notification", plain))[: _SHOWN + 1])
        letters = [
            {
                "row": row,
                "asked": id_moment(row.pk, row.time_zone),
                "died": moment(row.updated_at, row.time_zone),
                "who": person_link(row.recipient, self.admin_site.name),
                "address": address(row.channel, row.address, full=sees_personal_data(request)),
                "explanation": explanation(row),
                "detail": row.error_detail if sees_personal_data(request) else redacted(row.error_detail),
            }
            for row in found[:_SHOWN]
        ]
        return {
            "cause": cause.values(),
            "why": reason_text(cause.why),
            "hint": _hint(cause.why),
            "sentence": explain(State.DEAD, Reason(cause.why)) if cause.why in Reason.values else "",
            "letters": letters,
            "more": len(found) > _SHOWN,
            "most": MOST_AT_ONCE,
        }


def may_replay(request: HttpRequest) -> bool:
    """Whether this user may replay and discard."""
    return bool(request.user.has_perm("carillon.replay"))


def dry_run_of_replay(keys: Sequence[UUID]) -> DryRun:
    """Return what a replay would do now, without doing it."""
    found = replay(list(keys), actor="", reason="", dry_run=True)
    lines = [(_("will be sent again"), found.will_send)]
    lines += [(_refusal_text(why), count) for why, count in sorted(found.refused.items())]
    return DryRun(found.will_send, lines)


def run_replay(keys: Sequence[UUID], by: By) -> str:
    """Replay and tell what was done."""
    done = replay(list(keys), actor=by.actor, reason=by.reason).will_send
    if not done:
        return _("Nothing was left to replay.")
    return ngettext("%(count)d dead letter goes out again.", "%(count)d dead letters go out again.", done) % {
        "count": done
    }


def run_discard(keys: Sequence[UUID], by: By) -> str:
    """Discard and tell what was done."""
    done = discard(list(keys), actor=by.actor, reason=by.reason)
    return ngettext("%(count)d dead letter was discarded.", "%(count)d dead letters were discarded.", done) % {
        "count": done
    }


def _dry_run_of_discard(keys: Sequence[UUID]) -> DryRun:
    dead = Delivery.objects.filter(pk__in=keys, state=State.DEAD).count()
    lines = [(_("will be taken off the list, never to be sent"), dead)]
    if len(keys) > dead:
        lines.append((_("already replayed or not dead"), len(keys) - dead))
    return DryRun(dead, lines)


def _refusal_text(why: str) -> str:
    state, _colon, reason = why.partition(": ")
    if state not in State.values:
        return _("already replayed or not dead")
    sentence = explain(State(state), Reason(reason) if reason in Reason.values else Reason.NONE)
    return f"{_('will not be sent')}: {State(state).label}. {sentence}"


def _hint(reason: str) -> str:
    """Return what to do, where the sentence that explains the reason does not say it already."""
    if reason == Reason.HELD:
        return _("Ask the provider whether it went out; replay sends it again.")
    return _("Replay once the provider works again.") if reason == Reason.RETRIES_EXHAUSTED else ""


def _cause_in(values: Any) -> Cause | None:
    if not any(name in values for name in _CAUSE):
        return None
    return Cause(**{name: values.get(name, "").replace(NUL, "") for name in _CAUSE})


def _keys_in(request: HttpRequest) -> list[UUID]:
    """Return what to act on: the ids in the form, the ticked ones, or the whole group."""
    cause = _cause_in(request.POST)
    if request.POST.get("whole") and cause is not None:
        return ids_of_cause(cause)
    texts = [*request.POST.get("ids", "").replace(",", " ").split(), *selected(request)]
    found = dict.fromkeys(key for text in texts if (key := as_uuid(text)) is not None)
    return list(found)[:MOST_AT_ONCE]


REPLAY = Operation(
    name="replay",
    title=gettext_lazy("Replay dead letters"),
    button=gettext_lazy("Replay"),
    effect=gettext_lazy("Preference, suppression, expiry and quiet hours are looked at again for each of them."),
    look=dry_run_of_replay,
    run=run_replay,
)
DISCARD = Operation(
    name="discard",
    title=gettext_lazy("Discard dead letters"),
    button=gettext_lazy("Discard"),
    effect=gettext_lazy("They end as cancelled. This cannot be undone."),
    look=_dry_run_of_discard,
    run=run_discard,
    dangerous=True,
)
