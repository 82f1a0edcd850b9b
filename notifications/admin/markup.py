"""Small pieces of HTML that lists, change pages and timelines share: badges, moments, masked addresses, links."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ..channels import SPECS
from ..enums import Channel, Family, Reason, State
from ..models import Delivery
from ..models.console_queries import Line
from ..rules.explanations import explain
from ..rules.identity import time_of
from ..rules.masking import redacted as redacted
from ..rules.quiet_hours import zone

PII = "carillon.view_pii"
EMPTY = "–"
_ICONS = {
    Family.WAITING: "◷",
    Family.ON_ITS_WAY: "→",
    Family.REACHED: "✓",
    Family.NOT_SENT: "⊘",
    Family.FAILED: "✕",
}


def family_icon(family: Family) -> str:
    """Return the sign of a family of states."""
    return _ICONS[family]


def sees_personal_data(request: HttpRequest) -> bool:
    """Whether this user may see addresses, names and variables."""
    return bool(request.user.has_perm(PII))


def badge(state: str, *, duplicate: bool = False) -> SafeString:
    """Return a state as its family's icon and colour with the state's own word; the family's word is its title."""
    known = State(state)
    mark = ""
    if duplicate:
        title = _("A send before this one may have gone out too.")
        mark = format_html(
            ' <span class="carillon-badge carillon-duplicate" title="{}">{}</span>', title, _("possible duplicate")
        )
    return format_html(
        '<span class="carillon-badge carillon-{}" title="{}"><span class="carillon-icon" aria-hidden="true">{}</span>'
        '<span class="visually-hidden">{}: </span>{}</span>{}',
        known.family.value,
        known.family.label,
        _ICONS[known.family],
        known.family.label,
        known.label,
        mark,
    )


def reason_text(reason: str) -> str:
    """Return a reason in words; one we do not know stays as it is."""
    return str(Reason(reason).label) if reason in Reason.values else reason


def explanation(row: Delivery) -> str:
    """Return what a delivery's state and reason mean."""
    return explain(State(row.state), Reason(row.reason), maybe_sent=row.maybe_sent)


def moment(at: datetime | None, zone_name: str = "") -> str:
    """Return a time in UTC; hovering tells the reader's and the recipient's."""
    if at is None:
        return EMPTY
    utc = at.astimezone(timezone.get_fixed_timezone(0))
    told = [f"{date_format(timezone.localtime(at), 'DATETIME_FORMAT')} ({timezone.get_current_timezone_name()})"]
    theirs = zone(zone_name)
    if theirs is not None:
        told.append(f"{date_format(at.astimezone(theirs), 'DATETIME_FORMAT')} ({theirs.key})")
    return format_html(
        '<time class="carillon-time" datetime="{}" title="{}">{} <span class="carillon-quiet">UTC</span></time>',
        utc.isoformat(timespec="milliseconds"),
        " · ".join(told),
        f"{utc:%Y-%m-%d %H:%M:%S}",
    )


def history_table(lines: Sequence[Line], zone_name: str = "", *, full: bool) -> str:
    """Return what happened to a delivery as a table; what a provider wrote may quote an address."""
    if not lines:
        return EMPTY
    rows = (
        (
            moment(line.at, zone_name),
            badge(line.state) if line.kind == "event" else _("receipt: %(kind)s") % {"kind": line.state},
            reason_text(line.reason),
            " ".join(filter(None, (line.provider, line.code, line.detail if full else redacted(line.detail)))),
            line.actor,
        )
        for line in lines
    )
    return format_html(
        '<table class="carillon-history">{}</table>',
        format_html_join("", "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>", rows),
    )


def id_moment(identifier: UUID, zone_name: str = "") -> str:
    """Return the time that an id begins with."""
    return moment(time_of(identifier), zone_name)


def address(channel: str, value: str, *, full: bool) -> str:
    """Return an address, masked unless asked in full; a token is of use to nobody, so only its end is ever shown."""
    if not value:
        return EMPTY
    shown = value if full and channel != Channel.PUSH else SPECS[Channel(channel)].mask(value)
    return format_html('<bdi class="carillon-address">{}</bdi>', shown)


def person_url(term: object, site: str) -> str:
    """Return the link to somebody's timeline, or to the one on which a message is."""
    return f"{reverse('admin:carillon_person_changelist', current_app=site)}?{urlencode({'q': str(term)})}"


def person_link(recipient: str, site: str) -> str:
    """Return a link to a recipient's timeline."""
    if not recipient:
        return EMPTY
    shown = recipient if len(recipient) <= 14 else f"{recipient[:12]}…"
    return format_html('<a href="{}" title="{}">{}</a>', person_url(recipient, site), _("Timeline"), shown)


def short_id(identifier: object) -> str:
    """Return the end of an id, the whole as its title: ids begin with the time and so look alike."""
    text = str(identifier)
    return format_html('<span class="carillon-id" title="{}">…{}</span>', text, text[-8:])


def facts(values: Mapping[str, object] | None) -> str:
    """Return plain values as a list of terms."""
    rows = (
        (key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for key, value in (values or {}).items()
    )
    listed = format_html_join("", "<dt>{}</dt><dd>{}</dd>", rows)
    return format_html('<dl class="carillon-facts">{}</dl>', listed) if listed else EMPTY
