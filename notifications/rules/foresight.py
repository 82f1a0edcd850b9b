"""How a foreseen outcome came about: which rule spoke, which were passed before it, and which were not asked."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ..enums import Reason, State
from .explanations import explain


class Rule(TextChoices):
    """The rules that a message meets, in the order in which they are asked."""

    WORDS = "words", _("Words")
    PREFERENCE = "preference", _("Preference")
    ADDRESS = "address", _("Address")
    DEVICE = "device", _("Switch of the device")
    GUEST_LIST = "guest_list", _("Guest list")
    COUNTRY = "country", _("Country")
    SUPPRESSION = "suppression", _("Suppression")
    SCHEDULE = "schedule", _("Schedule")
    QUIET_HOURS = "quiet_hours", _("Quiet hours")
    COLLAPSE = "collapse", _("Replacement by a newer message")
    THROTTLE = "throttle", _("Throttle and digest")
    LIMIT = "limit", _("Limit against abuse")
    EXPIRY = "expiry", _("Time to live")
    ROUTE = "route", _("Provider")


class Verdict(TextChoices):
    """What a rule said."""

    PASSES = "passes", _("lets it pass")
    WAITS = "waits", _("makes it wait")
    STOPS = "stops", _("stops it")
    NOT_ASKED = "not_asked", _("not asked any more")


_SPEAKS: dict[Reason, Rule] = {
    Reason.NO_TEMPLATE: Rule.WORDS,
    Reason.NO_VARIABLE: Rule.WORDS,
    Reason.PREFERENCE: Rule.PREFERENCE,
    Reason.NO_ADDRESS: Rule.ADDRESS,
    Reason.DEVICE_GONE: Rule.ADDRESS,
    Reason.GUEST_LIST: Rule.GUEST_LIST,
    Reason.LIMIT: Rule.LIMIT,
    Reason.SUPPRESSION: Rule.SUPPRESSION,
    Reason.SCHEDULED: Rule.SCHEDULE,
    Reason.QUIET_HOURS: Rule.QUIET_HOURS,
    Reason.REPLACED: Rule.COLLAPSE,
    Reason.THROTTLED: Rule.THROTTLE,
    Reason.TTL: Rule.EXPIRY,
    Reason.BREAKER_OPEN: Rule.ROUTE,
    Reason.NO_ROUTE: Rule.ROUTE,
    Reason.MISCONFIGURED: Rule.ROUTE,
}
_CURES: dict[Rule, Promise] = {
    Rule.WORDS: _("Add words for this channel to the template."),
    Rule.PREFERENCE: _("Only the recipient should change it, on their preference page."),
    Rule.ADDRESS: _("The user's own data, or a device that registers."),
    Rule.DEVICE: _("Only the recipient should change it, on their preference page."),
    Rule.GUEST_LIST: _('NOTIFICATIONS["ONLY_TO"]'),
    Rule.COUNTRY: _('NOTIFICATIONS["ABUSE"]["sms_countries"]'),
    Rule.SUPPRESSION: _("Lift it, with a reason, if the person agrees."),
    Rule.SCHEDULE: _("The time that the caller asked for."),
    Rule.QUIET_HOURS: _("The recipient's quiet hours and time zone."),
    Rule.COLLAPSE: _("The caller's collapse key."),
    Rule.THROTTLE: _("The category's throttle and digest."),
    Rule.LIMIT: _('NOTIFICATIONS["ABUSE"]'),
    Rule.EXPIRY: _("The category's or the caller's time to live."),
    Rule.ROUTE: _('NOTIFICATIONS["ROUTES"], the provider\'s hold or breaker.'),
}


def cure(rule: Rule) -> str:
    """Return what to change if this rule should decide otherwise, in the active language."""
    return str(_CURES[rule])


def foretold(state: State, reason: Reason) -> str:
    """Return what a foreseen state and reason mean, in the active language."""
    if state == State.SENDING:
        return str(_("It would go to the provider; what that answers, nobody can foresee."))
    return explain(state, reason)


def spoke(state: State, reason: Reason, *, has_target: bool) -> Rule | None:
    """Return the rule that decided, or None if the message was handed to a provider."""
    if state == State.DIGESTED:
        return Rule.THROTTLE
    rule = _SPEAKS.get(reason)
    return Rule.DEVICE if rule is Rule.PREFERENCE and has_target else rule


def verdicts(state: State, reason: Reason, *, has_target: bool, planned: State) -> list[tuple[Rule, Verdict]]:
    """Return what each rule said, in order; `planned` is the state that planning gave, before anything was claimed."""
    order = list(Rule)
    if planned == State.EXPIRED:
        # Planning itself saw that it would be too late: what is asked at the claim never was.
        order.insert(order.index(Rule.COLLAPSE), order.pop(order.index(Rule.EXPIRY)))
    speaker = spoke(state, reason, has_target=has_target)
    if speaker is Rule.LIMIT and planned == State.SKIPPED:
        speaker = Rule.COUNTRY  # the only one of the limits that planning knows
    if speaker is None:
        return [(rule, Verdict.PASSES) for rule in order]
    at = order.index(speaker)
    verdict = Verdict.WAITS if state == State.PENDING else Verdict.STOPS
    return [
        (rule, Verdict.PASSES if number < at else verdict if number == at else Verdict.NOT_ASKED)
        for number, rule in enumerate(order)
    ]
