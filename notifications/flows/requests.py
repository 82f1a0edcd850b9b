"""Requests: what callers ask for, and whether it can be."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from ..exceptions import InvalidData, Problem
from ..models import Template
from ..rules.data import pointer, problems_with
from ..rules.grants import EVERYTHING, Grant
from ..rules.link_hosts import foreign_in_value
from .link_hosts import link_hosts

PYTHON = "python"
LONGEST_LABEL = 64
MOST_TAGS = 20


@dataclass(frozen=True)
class Request:
    """One call of `notify()` or `POST notifications/`, as the caller wrote it; `owner` owns the idempotency key.

    `version_id` is a version other than the published one: for trying a draft. `grant` is what the caller may send.
    """

    recipient: object
    template: str
    data: Mapping[str, object] = field(default_factory=dict, repr=False)
    channels: tuple[str, ...] = ()
    idempotency_key: str | None = None
    send_at: datetime | None = None
    ttl: timedelta | None = None
    collapse_key: str = ""
    tags: tuple[str, ...] = ()
    owner: str = PYTHON
    request_id: str = ""
    resend_of: UUID | None = None
    version_id: int | None = None
    grant: Grant = EVERYTHING


@dataclass(frozen=True)
class Accepted:
    """What a request led to; a replay carries the first response."""

    notification_id: UUID
    response: object
    replayed: bool = False


def check_request(
    request: Request, template: Template, per_recipient: Collection[str] = ()
) -> tuple[dict[str, object], dict[str, object]]:
    """Return the request's variables, public and sensitive ones apart.

    Variables in `per_recipient` may be missing, since each recipient brings their own.

    Raises:
        InvalidData: a variable or an option is wrong; every problem is listed.
    """
    problems = problems_with(request.data, template.variables, per_recipient)
    problems += channel_problems(request, template) + link_problems(request.data)
    problems += _time_problems(request.send_at, request.ttl)
    key: object = request.idempotency_key
    if key is not None and not isinstance(key, str):
        problems.append(Problem("/idempotency_key", "wrong_type", "must be text"))
    if template.sensitive and not (request.ttl or template.category.ttl):
        problems.append(Problem("/ttl", "required", "the template has sensitive variables, so it needs a ttl"))
    problems += _label_problems(request)
    if problems:
        raise InvalidData("The notification cannot be accepted as it is.", *problems)
    sensitive = set(template.sensitive)
    public = {name: value for name, value in request.data.items() if name not in sensitive}
    return public, {name: value for name, value in request.data.items() if name in sensitive}


def channel_problems(request: Request, template: Template) -> list[Problem]:
    """Return what is wrong with the channels that a request asks for."""
    known = [*template.category.channels, *template.category.fallback]
    return [
        Problem("/channels", "unknown_channel", f"{channel} is not one of the category's: {', '.join(known)}")
        for channel in request.channels
        if channel not in known
    ]


def link_problems(data: Mapping[str, object]) -> list[Problem]:
    """Return which variables link to a host that is not allowed; the texts say which are, and never a value."""
    allowed = link_hosts()
    if allowed is None:
        return []
    told = f"may only link to {', '.join(sorted(allowed)) or 'nowhere'}"
    named = [(pointer(name), value) for name, value in data.items()]
    return [Problem(where, "foreign_link", told) for where, value in named if foreign_in_value(value, allowed)]


def _time_problems(send_at: object, ttl: object) -> list[Problem]:
    """Return what is wrong with the times; callers from Python may pass anything."""
    problems = []
    if send_at is not None and not isinstance(send_at, datetime):
        problems.append(Problem("/send_at", "wrong_type", "must be a datetime with a time zone"))
    elif send_at is not None and send_at.tzinfo is None:
        problems.append(Problem("/send_at", "naive_time", "must carry an offset or zone"))
    if ttl is not None and not isinstance(ttl, timedelta):
        problems.append(Problem("/ttl", "wrong_type", "must be a timedelta or whole seconds"))
    elif ttl is not None and ttl <= timedelta():
        problems.append(Problem("/ttl", "not_positive", "must be more than 0 seconds"))
    return problems


def _label_problems(request: Request) -> list[Problem]:
    """Return what is wrong with collapse key and tags: providers and the log take short, printable text only."""
    problems = []
    if len(request.collapse_key) > LONGEST_LABEL or not request.collapse_key.isprintable():
        problems.append(Problem("/collapse_key", "invalid", f"must be at most {LONGEST_LABEL} printable characters"))
    tags: tuple[object, ...] = request.tags  # callers from Python may pass anything
    for number, tag in enumerate(tags):
        if not isinstance(tag, str) or not tag or len(tag) > LONGEST_LABEL or not tag.isprintable():
            detail = f"must be 1 to {LONGEST_LABEL} printable characters"
            problems.append(Problem(f"/tags/{number}", "invalid", detail))
    if len(request.tags) > MOST_TAGS:
        problems.append(Problem("/tags", "too_many", f"at most {MOST_TAGS}"))
    return problems
