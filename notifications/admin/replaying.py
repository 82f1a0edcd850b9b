"""Acting on dead letters: a dry run first, a written reason, the count typed where it is large; then a run to watch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..enums import Reason, Refusal, State
from ..flows.dead_letters import MOST_SELECTED, NAMES, Choice, filter_from
from ..flows.filters import MOST_AT_ONCE, BadFilter
from ..flows.gate import held_until
from ..flows.operate import By
from ..flows.replay import MOST_LOOKED_AT, MOST_RATE, REPLAY, REPLAYS, USUAL_RATE, Replayed, Wanted, begin, look
from ..models import AuditEntry, Delivery
from ..models.console_queries import TooSlow, deadline
from ..rules.explanations import explain
from .base import ConsoleAdmin, actor_of, as_uuid
from .confirm import CountedForm, DryRun, selected, to_be_typed
from .inputs import looked_at, number_in

#: What the field `whole` says where it is not one cause or filter that is meant, but all there is.
EVERYTHING = "all"
_LOOK_MILLISECONDS = 10_000
#: How long a press works itself before it leaves the rest to workers.
_WORK_SECONDS = 2.0
_WORDS = {
    "replay": (
        gettext_lazy("Replay dead letters"),
        gettext_lazy("Replay"),
        gettext_lazy("Preference, suppression, expiry and quiet hours are looked at again for each of them."),
    ),
    "discard": (
        gettext_lazy("Discard dead letters"),
        gettext_lazy("Discard"),
        gettext_lazy("They end as cancelled. This cannot be undone."),
    ),
}


class ActForm(CountedForm):
    """Why somebody acts, and how many letters it is about where they are many."""

    typed = forms.IntegerField(label=gettext_lazy("How many letters were chosen? Type the number"), min_value=0)
    field_order: tuple[str, ...] = ("reason", "typed")


class ReplayForm(ActForm):
    """How a replay is paced, and whether those count whom another channel reached."""

    rate = forms.IntegerField(
        label=gettext_lazy("At most so many in a second"),
        min_value=1,
        max_value=MOST_RATE,
        required=False,
        initial=USUAL_RATE,
        help_text=gettext_lazy("They come due one after the other; whatever is more urgent goes first."),
    )
    also_reached = forms.BooleanField(
        label=gettext_lazy("Also to those whom another channel reached, or is trying to reach"),
        label_suffix="",
        required=False,
    )
    field_order = ("rate", "also_reached", "typed", "reason")


def may_replay(request: HttpRequest) -> bool:
    """Whether this user may replay and discard."""
    return bool(request.user.has_perm("carillon.replay"))


def act_on_letters(page: ConsoleAdmin, request: HttpRequest, action: str, back: str) -> HttpResponse:
    """Show what would happen to the chosen letters; once it is confirmed with a reason, begin it."""
    confirmed = request.POST.get("confirm") == "yes"
    try:
        choice, wrong = _choice_in(request), ""
    except BadFilter as error:
        if confirmed:
            page.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(back)
        choice, wrong = Choice(Delivery.objects.database_now()), str(error)
    counted = to_be_typed(number_in(request.POST.get("counted", "")), len(choice.ids) or choice.count())
    again = "look" in request.POST
    kind = ReplayForm if action == REPLAY else ActForm
    form = kind(request.POST if confirmed else None, counted=counted)
    if confirmed and form.is_valid() and not again:
        wanted = _wanted(action, choice, form.cleaned_data)
        entry = begin(wanted, By(actor_of(request), form.cleaned_data["reason"]))
        return _told(page, request, REPLAYS.work_for(entry.pk, _WORK_SECONDS), back)
    wanted = _wanted(action, choice, getattr(form, "cleaned_data", {}))
    if again:
        form = kind(initial={name: request.POST.get(name, "") for name in form.fields}, counted=counted)
    title, button, effect = _WORDS[action]
    context = {
        **page.admin_site.each_context(request),
        "title": title,
        "button": button,
        "effect": effect,
        "opts": page.opts,
        "media": page.media,
        "dangerous": action != REPLAY,
        "wrong": wrong,
        "dry_run": _dry_run(wanted, counted),
        "counted": counted,
        "capped": counted >= MOST_AT_ONCE,
        "most": MOST_AT_ONCE,
        "keys": [str(key) for key in choice.ids],
        "values": choice.filter.values(),
        "whole": EVERYTHING if choice.everything else "yes" if choice.filter else "",
        "until": choice.until.isoformat(),
        "url": reverse(f"admin:carillon_deadletter_{action}", current_app=page.admin_site.name),
        "form": form,
        "back": back,
    }
    return TemplateResponse(request, "carillon/console/dead_letters_act.html", context)


def refusal_lines(refused: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return why letters were not sent again, in sentences, with how many each is about."""
    return [(_refusal_text(why), count) for why, count in sorted(refused.items())]


def _dry_run(wanted: Wanted, counted: int) -> DryRun:
    """Return what would happen; a question that takes too long is answered with the count alone."""
    try:
        with deadline(Delivery.objects.db, _LOOK_MILLISECONDS):
            if wanted.action != REPLAY:
                dead = wanted.choice.count()
                lines = [(_("will be taken off the list, never to be sent"), dead)]
                return DryRun(dead, [*lines, (str(Refusal.GONE.label), max(0, counted - dead))])
            return _lines_of(look(wanted), wanted, counted)
    except TooSlow:
        return DryRun(
            counted, [(_("were found; looking at each took too long, so it is done as they are sent"), counted)]
        )


def _lines_of(found: Replayed, wanted: Wanted, counted: int) -> DryRun:
    lines = [(_("will be sent again"), found.will_send)]
    if found.may_arrive_twice:
        lines.append((_("of them may arrive twice: an earlier attempt may have gone out"), found.may_arrive_twice))
    for alias, count in sorted(found.held.items()):
        lines.append((_held_text(alias), count))
    if found.unmended:
        text = _("of them died of words that nobody has published anew since: they may die again")
        lines.append((text, found.unmended))
    refused = dict(found.refused)
    beyond = counted - found.looked_at
    if beyond > 0 and found.looked_at >= MOST_LOOKED_AT:
        lines += refusal_lines(refused)
        lines.append((_("more are looked at when their turn comes"), beyond))
        return DryRun(found.will_send, lines)
    if beyond > 0:
        refused[Refusal.GONE.value] = refused.get(Refusal.GONE.value, 0) + beyond
    if wanted.rate and found.will_send > wanted.rate:
        seconds = found.will_send // wanted.rate
        lines.insert(1, (_("seconds or so, until the last of them is due"), seconds))
    return DryRun(found.will_send, [*lines, *refusal_lines(refused)])


def _held_text(alias: str) -> str:
    until = held_until(alias)
    if until is None:
        return _("of them wait: their provider %(alias)s is held for such devices") % {"alias": alias}
    return _("of them wait: their provider %(alias)s is still held until %(until)s UTC") % {
        "alias": alias,
        "until": f"{until:%Y-%m-%d %H:%M}",
    }


def _refusal_text(why: str) -> str:
    if why in Refusal.values:
        return str(Refusal(why).label)
    state, _colon, reason = why.partition(": ")
    if state not in State.values:
        return why
    sentence = explain(State(state), Reason(reason) if reason in Reason.values else Reason.NONE)
    return f"{_('will not be sent')}: {State(state).label}. {sentence}"


def _told(page: ConsoleAdmin, request: HttpRequest, entry: AuditEntry, back: str) -> HttpResponse:
    done = entry.done or 0
    if "finished_at" not in entry.detail:
        text = _("That is under way: %(done)d of %(planned)d so far; workers do the rest.")
        page.message_user(request, text % {"done": done, "planned": entry.planned or 0}, messages.SUCCESS)
        run = reverse("admin:carillon_deadletter_run", args=[entry.pk], current_app=page.admin_site.name)
        return HttpResponseRedirect(run)
    if not done and entry.action == REPLAY:
        text = _("Nothing was left to replay.")
    elif entry.action == REPLAY:
        text = ngettext("%(count)d dead letter goes out again.", "%(count)d dead letters go out again.", done)
    else:
        text = ngettext("%(count)d dead letter was discarded.", "%(count)d dead letters were discarded.", done)
    page.message_user(request, text % {"count": done}, messages.SUCCESS)
    return HttpResponseRedirect(back)


def _wanted(action: str, choice: Choice, given: Mapping[str, Any]) -> Wanted:
    rate = cast("int | None", given.get("rate")) or USUAL_RATE
    return Wanted(action, choice, rate, bool(given.get("also_reached")))


def _choice_in(request: HttpRequest) -> Choice:
    """Return what to act on: the whole of a filter, or the ids in the form and the ticked ones.

    Raises:
        BadFilter: it can be meant by nobody, or asks for everything there is.
    """
    until = looked_at(request.POST.get("until", ""))
    if request.POST.get("whole") == EVERYTHING:
        return Choice(until, everything=True)
    if request.POST.get("whole"):
        wanted = filter_from({name: request.POST.get(name, "") for name in NAMES})
        if not wanted:
            raise BadFilter({"filter": _("is empty; say at least one thing that the letters have in common")})
        return Choice(until, wanted)
    texts = [*request.POST.get("ids", "").replace(",", " ").split(), *selected(request)]
    found: dict[UUID, None] = dict.fromkeys(key for text in texts if (key := as_uuid(text)) is not None)
    return Choice(until, ids=tuple(found)[:MOST_SELECTED])
