"""How a provider's card is shown: its state in a word and a sentence, its figures, and what it went through."""

from __future__ import annotations

from typing import Any

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..enums import Family, ProviderState
from ..flows.degraded import HELD_BY
from ..flows.provider_cards import Card, Transition
from ..flows.queues import at
from ..models.figures import Held
from ..rules.overview import duration
from .frame import pill
from .markup import EMPTY, moment, redacted

_FAMILIES = {
    ProviderState.WORKING: Family.REACHED,
    ProviderState.PARTLY: Family.WAITING,
    ProviderState.PAUSED: Family.WAITING,
    ProviderState.PROBING: Family.ON_ITS_WAY,
    ProviderState.OPEN: Family.FAILED,
    ProviderState.HELD: Family.NOT_SENT,
    ProviderState.UNKNOWN: Family.WAITING,
    ProviderState.BROKEN: Family.FAILED,
}
_MEANINGS = {
    ProviderState.WORKING: gettext_lazy("Workers use it. That it takes messages does not say that they arrive."),
    ProviderState.PARTLY: gettext_lazy(
        "Workers use it for all but some devices, which wait or take the next provider."
    ),
    ProviderState.PAUSED: gettext_lazy(
        "It asked to be left alone for a while; what is due waits or takes the next one."
    ),
    ProviderState.PROBING: gettext_lazy("One message at a time is tried; a success lets all others follow."),
    ProviderState.OPEN: gettext_lazy(
        "It failed too often, so nobody sends through it. It is tried again by itself; nothing uses up a try meanwhile."
    ),
    ProviderState.HELD: gettext_lazy("Nobody sends through it until the hold ends; the next provider takes over."),
    ProviderState.UNKNOWN: gettext_lazy("Breaker and pace are in Redis, which does not answer. Workers use it."),
    ProviderState.BROKEN: gettext_lazy("Its adapter or its OPTIONS are at fault: mend the settings, then restart."),
}
_ACTS = {
    "open": gettext_lazy("breaker opened"),
    "half-open": gettext_lazy("tried again"),
    "closed": gettext_lazy("breaker closed"),
    "hold_provider": gettext_lazy("held"),
    "release_provider": gettext_lazy("released"),
}


def state_pill(card: Card) -> SafeString:
    """Return a provider's state in its colour; what it means is its title."""
    return pill(_FAMILIES[card.state], card.state.label, _MEANINGS[card.state])


def shown(card: Card, *, full: bool) -> dict[str, Any]:
    """Return a card as the template shows it; what a person wrote is masked unless asked in full."""
    figures, breaker, turn = card.figures, card.breaker, card.turn
    share = figures.error_share
    window = ""
    if breaker is not None and breaker.failures + breaker.successes:
        text = _("%(failures)s of %(all)s failed in the last 30 s")
        window = text % {"failures": f"{breaker.failures:,}", "all": f"{breaker.failures + breaker.successes:,}"}
    return {
        "alias": card.alias,
        "channel": card.channel.label if card.channel else EMPTY,
        "adapter": card.adapter,
        "place": _place(card),
        "state": state_pill(card),
        "meaning": _MEANINGS[card.state],
        "why": _masked(card.why, full=full),
        "by": _holder(card.by) if card.state == ProviderState.HELD else "",
        "since": moment(card.since) if card.since else "",
        "until": moment(card.until) if card.until else "",
        "until_label": _("next probe") if card.state in (ProviderState.OPEN, ProviderState.PROBING) else _("ends"),
        "share": f"{share:.1%}" if share is not None else EMPTY,
        "window": window,
        "sent": f"{figures.sent:,}",
        "failed": f"{figures.failed + figures.tried_again:,}",
        "delivered": f"{figures.delivered:,}" if card.reports_delivery else _("does not report it"),
        "p95": duration(figures.p95 / 1000) if figures.p95 is not None else EMPTY,
        "pace": _pace(card),
        "queue": f"{turn.queue:,}" if turn is not None and turn.queue else "",
        "receipt": moment(card.last_receipt) if card.last_receipt else _("none of late"),
        # That of the whole provider is told by its state.
        "holds": [_hold(hold, full=full) for hold in card.holds if hold.platform],
        "may_end": bool(card.holds) or card.state == ProviderState.PAUSED,
        "transitions": [_transition(item, full=full) for item in card.transitions],
        "loads": card.state != ProviderState.BROKEN,
    }


def _place(card: Card) -> str:
    if card.place is None:
        return _("in no route")
    return _("first of its route") if card.place == 1 else _("number %(place)d of its route") % {"place": card.place}


def _pace(card: Card) -> str:
    limit = f"{card.limit:g}" if card.limit else ""
    if card.turn is None or card.turn.rate is None or card.turn.rate == card.limit:
        return _("at most %(limit)s a second") % {"limit": limit} if limit else _("no limit")
    text = _("%(rate)s a second, growing") + (_(" to %(limit)s") % {"limit": limit} if limit else "")
    return text % {"rate": f"{card.turn.rate:.1f}"}


def _hold(hold: Held, *, full: bool) -> dict[str, Any]:
    return {
        "platform": hold.platform or _("all it carries"),
        "until": moment(at(hold.until)),
        "reason": _masked(hold.reason, full=full),
        "by": _holder(hold.by),
    }


def _holder(name: str) -> str:
    if name == HELD_BY:
        return _("itself: degraded")
    return name or _("itself: misconfigured")


def _transition(item: Transition, *, full: bool) -> dict[str, Any]:
    return {
        "at": moment(item.at),
        "what": _ACTS.get(item.what, item.what),
        "who": item.who,
        "why": _masked(item.why, full=full),
    }


def _masked(text: str, *, full: bool) -> str:
    return text if full else redacted(text)
