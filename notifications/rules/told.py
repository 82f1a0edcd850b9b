"""Told: what became of a message, in one sentence that support can read to the customer as it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..enums import Channel, Reason, State

_CODES = frozenset({"code", "otp", "pin"})
_TAKEN: Mapping[Channel, Promise] = {
    Channel.SMS: gettext_lazy("We sent %(what)s to %(where)s at %(sent)s; your operator has not confirmed it."),
    Channel.EMAIL: gettext_lazy("We sent %(what)s to %(where)s at %(sent)s; your mail provider has not confirmed it."),
    Channel.PUSH: gettext_lazy(
        "We sent %(what)s to %(where)s at %(sent)s; phones do not report whether they showed it."
    ),
}
_CONFIRMED: Mapping[Channel, Promise] = {
    Channel.SMS: gettext_lazy("We sent %(what)s to %(where)s at %(sent)s; your operator confirmed it at %(reached)s."),
    Channel.EMAIL: gettext_lazy(
        "We sent %(what)s to %(where)s at %(sent)s; your mail provider took it in at %(reached)s."
    ),
    Channel.PUSH: gettext_lazy("We sent %(what)s to %(where)s at %(sent)s; your device confirmed it at %(reached)s."),
}
_BY_STATE: Mapping[State, Promise] = {
    State.PENDING: gettext_lazy("We have not sent %(what)s to %(where)s yet; it is due at %(due)s."),
    State.SENDING: gettext_lazy("We are sending %(what)s to %(where)s at this moment."),
    State.OPENED: gettext_lazy("We sent %(what)s to %(where)s at %(sent)s; it arrived and was opened."),
    State.CLICKED: gettext_lazy(
        "We sent %(what)s to %(where)s at %(sent)s; it arrived, and a link in it was followed."
    ),
    State.COMPLAINED: gettext_lazy(
        "We sent %(what)s to %(where)s at %(sent)s; it arrived and was reported as unwanted."
    ),
    State.BOUNCED: gettext_lazy("We sent %(what)s to %(where)s, but it came back: that address takes no messages."),
    State.UNCERTAIN: gettext_lazy("We tried to send %(what)s to %(where)s; whether it went out is not known yet."),
    State.DIGESTED: gettext_lazy("We gathered %(what)s into a summary that goes to %(where)s."),
    State.EXPIRED: gettext_lazy("We did not send %(what)s to %(where)s: it would have come too late to be of use."),
    State.CANCELLED: gettext_lazy("We did not send %(what)s to %(where)s: it was cancelled before it went out."),
    State.FAILED: gettext_lazy("We could not send %(what)s to %(where)s: it was refused for good."),
    State.DEAD: gettext_lazy("We could not send %(what)s to %(where)s so far; we are looking into it."),
    State.SKIPPED: gettext_lazy("We did not send %(what)s to %(where)s."),
}
_BY_REASON: Mapping[Reason, Promise] = {
    Reason.QUIET_HOURS: gettext_lazy(
        "We have not sent %(what)s to %(where)s yet: your quiet hours hold it back until %(due)s."
    ),
    Reason.SCHEDULED: gettext_lazy("We have not sent %(what)s to %(where)s yet: it is planned for %(due)s."),
    Reason.THROTTLED: gettext_lazy(
        "We have not sent %(what)s to %(where)s yet: you had enough messages of this kind, it follows at %(due)s."
    ),
    Reason.PAUSED: gettext_lazy("We have not sent %(what)s to %(where)s yet: sending is paused on our side."),
    Reason.BREAKER_OPEN: gettext_lazy(
        "We have not sent %(what)s to %(where)s yet: our provider is not working; we go on trying."
    ),
    Reason.RETRY: gettext_lazy("We tried to send %(what)s to %(where)s and could not; we try again at %(due)s."),
    Reason.PREFERENCE: gettext_lazy("We did not send %(what)s to %(where)s: you switched such messages off."),
    Reason.SUPPRESSION: gettext_lazy(
        "We did not send %(what)s to %(where)s: that address is blocked after a bounce, a complaint or an opt-out."
    ),
    Reason.NO_ADDRESS: gettext_lazy("We did not send %(what)s: we have no address of yours for this channel."),
    Reason.DEVICE_GONE: gettext_lazy("We did not send %(what)s: the device it was meant for is no longer registered."),
    Reason.REPLACED: gettext_lazy("We did not send %(what)s to %(where)s: a newer one took its place."),
    Reason.LIMIT: gettext_lazy("We did not send %(what)s to %(where)s: you had enough messages of this kind."),
    Reason.GUEST_LIST: gettext_lazy("We did not send %(what)s to %(where)s: this is a test system."),
    Reason.INVALID_RECIPIENT: gettext_lazy("We could not send %(what)s to %(where)s: that address does not exist."),
    Reason.FALLBACK: gettext_lazy("We did not send %(what)s to %(where)s: another way of reaching you took over."),
}
#: Which of several deliveries of one message the sentence is about: the one that came furthest.
_FURTHEST = (
    *(State.CLICKED, State.OPENED, State.COMPLAINED, State.DELIVERED, State.SENT, State.UNCERTAIN, State.SENDING),
    *(State.PENDING, State.DIGESTED, State.BOUNCED, State.DEAD, State.FAILED, State.EXPIRED, State.SKIPPED),
    State.CANCELLED,
)


@dataclass(frozen=True)
class Fate:
    """What became of one delivery: `sent_at`, `delivered_at` and `due_at` are aware; `zone` is the recipient's."""

    template: str
    channel: Channel
    address: str
    state: State
    reason: Reason
    due_at: datetime
    sent_at: datetime | None = None
    delivered_at: datetime | None = None
    zone: ZoneInfo | None = None


def told(fates: list[Fate], now: datetime) -> str:
    """Return the sentence about the delivery that came furthest; addresses in it are shortened.

    Raises:
        ValueError: there is nothing to tell of.
    """
    fate = min(fates, key=lambda item: _FURTHEST.index(item.state))
    sent = fate.sent_at or fate.due_at
    return str(_sentence(fate)) % {
        "what": named(fate.template),
        "where": _where(fate.channel, fate.address),
        "sent": clock(sent, fate.zone, now),
        "reached": clock(fate.delivered_at or sent, fate.zone, now),
        "due": clock(fate.due_at, fate.zone, now),
    }


def told_refused(template: str, at: datetime, zone: ZoneInfo | None, now: datetime) -> str:
    """Return the sentence about a request that was refused."""
    text = _("At %(at)s somebody asked us to send %(what)s; the request was not in order, so nothing was sent.")
    return text % {"what": named(template), "at": clock(at, zone, now)}


def named(template: str) -> str:
    """Return what a customer calls a message, from its template's slug."""
    words = [word for word in template.replace("_", "-").split("-") if word]
    if _CODES.intersection(words):
        return _("your code")
    return _("your message “%(name)s”") % {"name": " ".join(words)} if words else _("your message")


def clock(at: datetime, zone: ZoneInfo | None, now: datetime) -> str:
    """Return a time as the recipient's clock shows it, with its day unless that is today; UTC where none is known."""
    theirs = at.astimezone(zone or UTC)
    time = f"{theirs:%H:%M:%S}" if zone else f"{theirs:%H:%M:%S} UTC"
    if theirs.date() == now.astimezone(zone or UTC).date():
        return time
    return _("%(time)s on %(day)s") % {"time": time, "day": date_format(theirs, "DATE_FORMAT")}


def _sentence(fate: Fate) -> Promise:
    if fate.state == State.SENT:
        return _TAKEN[fate.channel]
    if fate.state == State.DELIVERED:
        return _CONFIRMED[fate.channel]
    if fate.state in (State.PENDING, State.SKIPPED, State.FAILED, State.CANCELLED) and fate.reason in _BY_REASON:
        return _BY_REASON[fate.reason]
    return _BY_STATE[fate.state]


def _where(channel: Channel, address: str) -> str:
    if channel == Channel.SMS:
        return _("the number ending %(end)s") % {"end": address[-2:]} if address else _("your phone")
    if channel == Channel.EMAIL:
        local, _at, domain = address.rpartition("@")
        return _("the mailbox %(mailbox)s") % {"mailbox": f"{local[:1]}…@{domain}"} if local else _("your mailbox")
    return _("your device")
