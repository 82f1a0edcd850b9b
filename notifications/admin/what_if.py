"""What if: the dry run of a message to the person on the page, as a table of rules; it writes nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from ..enums import Channel, State
from ..exceptions import RequestRejected
from ..flows.explain import Explanation, Outcome, explain, somebody
from ..flows.explain_inputs import Line, Setting
from ..flows.requests import Request
from ..models import Template
from ..rules.foresight import Verdict
from .markup import address, badge, moment, sees_personal_data

#: What a message could be asked for in earnest; far beyond, no ttl can be added.
_LAST_YEAR = 9_000


def what_if(request: HttpRequest, recipient: str, term: str, site: str) -> dict[str, Any]:
    """Return the form's context and, if a template was asked for, what would happen."""
    templates = dict(Template.objects.exclude(current=None).order_by("slug").values_list("slug", "pk"))
    asked = request.GET.get("template", "")
    channel, at = request.GET.get("channel", ""), request.GET.get("at", "")
    context: dict[str, Any] = {
        "templates": list(templates),
        "channels": Channel.choices,
        "asked": bool(asked),
        "template": asked,
        "channel": channel,
        "at": at,
        "outcomes": None,
    }
    if not asked:
        return context
    person = somebody(recipient, term)
    if person is None:
        return context | {"problem": _("Search for the address itself: without an account only that can be tried.")}
    try:
        when = datetime.fromisoformat(at) if at else None
    except ValueError:
        return context | {"problem": _("This is no date and time.")}
    if when is not None and when.year > _LAST_YEAR:
        return context | {"problem": _("This is no date and time.")}
    wanted = Request(person, asked, channels=(channel,) if channel else ())
    try:
        told = explain(wanted, when)
    except RequestRejected as error:
        details = [item.detail for item in error.problems]
        return context | {"problem": " ".join([error.detail, "; ".join(details)])}
    return context | _shown(request, told, templates, site)


def _shown(request: HttpRequest, told: Explanation, templates: dict[str, int], site: str) -> dict[str, Any]:
    full = sees_personal_data(request)

    def url(setting: Setting | None) -> str:
        if setting is None or not request.user.has_perm(f"carillon.view_{setting.kind}"):
            return ""
        key = templates.get(setting.key, setting.key) if setting.kind == "template" else setting.key
        return reverse(f"admin:carillon_{setting.kind}_change", args=[key], current_app=site)

    def line(item: Line) -> dict[str, Any]:
        return {
            "rule": item.rule.label,
            "input": item.input,
            "verdict": item.verdict.label,
            "cure": item.cure,
            "url": url(item.setting),
            "decided": item.verdict in (Verdict.STOPS, Verdict.WAITS),
            "asked": item.verdict is not Verdict.NOT_ASKED,
        }

    def outcome(item: Outcome) -> dict[str, Any]:
        return {
            "badge": badge(item.state),
            "channel": item.channel.label,
            "is_fallback": item.step > 0,
            "address": address(item.channel, item.address, full=full) if item.address else "",
            "provider": item.provider,
            "explanation": item.explanation,
            "due": moment(item.due_at, told.zone.key) if item.state == State.PENDING else "",
            "fallback": moment(item.fallback_at, told.zone.key) if item.fallback_at else "",
            "lines": [line(rule) for rule in item.lines],
        }

    return {"moment": moment(told.at, told.zone.key), "outcomes": [outcome(item) for item in told.outcomes]}
