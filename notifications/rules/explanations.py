"""What each state and reason means, in a sentence that support can read to a customer."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ..enums import Reason, State

BY_REASON: dict[tuple[State, Reason], Promise] = {
    (State.PENDING, Reason.NEW): _("Accepted and stored; a worker will send it next."),
    (State.PENDING, Reason.RETRY): _(
        "The provider did not take it, or could not deliver it; it will be tried again when due."
    ),
    (State.PENDING, Reason.QUIET_HOURS): _("It is quiet for the recipient; it goes out when the quiet hours end."),
    (State.PENDING, Reason.SCHEDULED): _("It was asked to go out later; it waits for that time."),
    (State.PENDING, Reason.THROTTLED): _(
        "The recipient had enough messages of this kind; it waits for the next window."
    ),
    (State.PENDING, Reason.BREAKER_OPEN): _(
        "The provider is not working at the moment; it waits without using up a try."
    ),
    (State.PENDING, Reason.PACED): _("Only so many are sent in a second; it waits its turn."),
    (State.PENDING, Reason.PAUSED): _("An operator paused it; it waits to be resumed."),
    (State.DEAD, Reason.RETRIES_EXHAUSTED): _("Every retry failed; somebody must look at the provider's answer."),
    (State.DEAD, Reason.WORKER_DIED): _("Three workers died while sending it; somebody must look why."),
    (State.DEAD, Reason.HELD): _("Nobody knows whether it went out, and its category says not to send it twice."),
    (State.DEAD, Reason.MISCONFIGURED): _("Its category is not declared any more; declare it again, then replay."),
    (State.DEAD, Reason.RENDER_ERROR): _("The template could not be rendered; publish a mended version, then replay."),
    (State.DEAD, Reason.NO_ROUTE): _("No provider is configured that can carry it; add one to ROUTES, then replay."),
    (State.SKIPPED, Reason.PREFERENCE): _("The recipient opted out of this kind of message on this channel."),
    (State.SKIPPED, Reason.SUPPRESSION): _("The address is suppressed after a bounce, a complaint or an opt-out."),
    (State.SKIPPED, Reason.NO_ADDRESS): _("The recipient has no usable address on this channel."),
    (State.SKIPPED, Reason.DEVICE_GONE): _("The device was deactivated, or belongs to somebody else by now."),
    (State.SKIPPED, Reason.NO_TEMPLATE): _("The template has no words for this channel."),
    (State.SKIPPED, Reason.NO_VARIABLE): _("A variable of this recipient is missing, so it would have had a blank."),
    (State.SKIPPED, Reason.GUEST_LIST): _("This installation only writes to the addresses in ONLY_TO."),
    (State.SKIPPED, Reason.REPLACED): _("A newer message with the same collapse key replaced it."),
    (State.SKIPPED, Reason.LIMIT): _(
        "A limit against abuse: its country, or too many messages to such numbers or to this recipient."
    ),
    (State.FAILED, Reason.INVALID_RECIPIENT): _("The provider says that this address does not exist any more."),
    (State.FAILED, Reason.REFUSED): _("The provider refused it for good."),
    (State.UNCERTAIN, Reason.LEASE_EXPIRED): _("The worker did not report back: it may or may not have gone out."),
    (State.UNCERTAIN, Reason.NO_ANSWER): _("The provider gave no clear answer: it may or may not have gone out."),
    (State.CANCELLED, Reason.FALLBACK): _("Another channel took over, since this one could not be used in time."),
}
_BY_STATE: dict[State, Promise] = {
    State.PENDING: _("It waits to be sent."),
    State.SENDING: _("A worker is handing it to the provider."),
    State.SENT: _("The provider took it; that it reached the device is not confirmed."),
    State.DELIVERED: _("The provider confirms that it reached the device or mailbox."),
    State.OPENED: _("The recipient opened it."),
    State.CLICKED: _("The recipient followed a link in it."),
    State.BOUNCED: _("It came back: the address does not take mail."),
    State.COMPLAINED: _("The recipient reported it as unwanted."),
    State.FAILED: _("It could not be sent, and nobody need act."),
    State.DEAD: _("It could not be sent; somebody must act."),
    State.UNCERTAIN: _("It may or may not have gone out."),
    State.DIGESTED: _("It became part of a digest."),
    State.SKIPPED: _("It was not sent, on purpose."),
    State.EXPIRED: _("It was not sent in time, and later it would have been of no use."),
    State.CANCELLED: _("It was cancelled before it was sent."),
}


_MAYBE = _("An earlier attempt may have gone out all the same.")
_UNSENT = frozenset({State.EXPIRED, State.CANCELLED, State.SKIPPED})


def explain(state: State, reason: Reason, *, maybe_sent: bool = False) -> str:
    """Return what a delivery's state and reason mean, in the active language.

    `maybe_sent` says that an earlier attempt was written and not definitively refused.
    """
    if maybe_sent and state in _UNSENT:
        return f"{explain(state, reason)} {_MAYBE}"
    return str(BY_REASON.get((state, reason), _BY_STATE[state]))
