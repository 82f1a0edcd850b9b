"""`NOTIFICATIONS["API"]` and `["SANDBOX"]`: who `me` is, how often a caller may call, what test keys reach."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

from .conf_parts import SettingProblem, did_you_mean, unknown_keys

_RATE = re.compile(r"^([1-9][0-9]{0,8})/(second|minute|hour|day)$")
_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
_WHERE = 'NOTIFICATIONS["API"]'


@dataclass(frozen=True)
class Quota:
    """So many requests in a window of so many seconds."""

    requests: int
    seconds: int


@dataclass(frozen=True)
class ApiOptions:
    """`me` are dotted paths of DRF's authentication classes; `rate` is how often one caller may call (None: always)."""

    me: tuple[str, ...] = ("rest_framework.authentication.SessionAuthentication",)
    rate: Quota | None = None


def api_options(value: object) -> ApiOptions:
    """Return the options of a value that has no problems."""
    given = value if isinstance(value, Mapping) else {}
    return ApiOptions(tuple(given.get("me", ApiOptions.me)), quota_of(given.get("rate")))


def api_problems(value: object) -> list[SettingProblem]:
    """Return what is wrong with the value; whether the classes can be loaded is looked at elsewhere."""
    if value is None:
        return []
    if not isinstance(value, Mapping):
        return [SettingProblem(_WHERE, "is not a dict", '{"rate": "600/minute"}')]
    problems = unknown_keys(_WHERE, value, tuple(item.name for item in fields(ApiOptions)))
    me, rate = value.get("me", ()), value.get("rate")
    if not isinstance(me, list | tuple) or not all(isinstance(path, str) and path for path in me):
        problems.append(
            SettingProblem(f"{_WHERE}['me']", "is not a list of classes' dotted paths", f"{[*ApiOptions.me]}")
        )
    if rate is not None and quota_of(rate) is None:
        hint = '"600/minute" or None; second, minute, hour and day are known'
        problems.append(SettingProblem(f"{_WHERE}['rate']", "is not a number of requests in a time", hint))
    return problems


def quota_of(text: object) -> Quota | None:
    """Return the quota that a text such as `600/minute` stands for, or None if it stands for none."""
    found = _RATE.match(text) if isinstance(text, str) else None
    return Quota(int(found[1]), _SECONDS[found[2]]) if found else None


def sandbox_problems(sandbox: object, providers: object) -> list[SettingProblem]:
    """Return what is wrong with the list of providers that are sandboxes."""
    where, aliases = 'NOTIFICATIONS["SANDBOX"]', tuple(providers) if isinstance(providers, Mapping) else ()
    if sandbox is None:
        return []
    if not isinstance(sandbox, list | tuple | set | frozenset):
        return [SettingProblem(where, "is not a list of providers", '["twilio-sandbox"]')]
    hint = "add it to PROVIDERS"
    return [
        SettingProblem(
            where,
            f"names provider {alias!r}, which PROVIDERS does not have",
            did_you_mean(str(alias), aliases) if aliases else hint,
        )
        for alias in sandbox
        if alias not in aliases
    ]
