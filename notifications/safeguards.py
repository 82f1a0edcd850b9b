"""What `NOTIFICATIONS` says in its groups of limits, and what is wrong with a group; `conf.py` reads them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .conf_parts import SettingProblem, unknown_keys
from .declarations.limits import Throttle, parse_throttle

_COUNTRY = re.compile(r"[1-9][0-9]{0,2}|[A-Z]{2}")
_HOST = re.compile(r"([^\W_]([\w-]*[^\W_])?\.)*[^\W_]([\w-]*[^\W_])?")


@dataclass(frozen=True)
class BroadcastLimits:
    """What share of a broadcast may fail, or be complained of, before it stops; judged from so many tried ones on.

    And what share of a channel's workers campaigns may take.
    """

    most_failed: float | None = 0.2
    most_complaints: float | None = 0.003
    judged_from: int = 500
    #: How many of a channel's workers may be at campaigns at once, rounded up; None is all of them.
    worker_share: float | None = 0.75


@dataclass(frozen=True)
class AbuseLimits:
    """What is refused so that nobody abuses this installation: None is no limit.

    `sms_countries` are calling codes ("49") and regions ("DE"); `sms_per_prefix` counts messages, broadcasts aside,
    to numbers that differ in their last four digits only; `codes_per_recipient` those of critical categories to one
    address.
    """

    sms_countries: frozenset[str] | None = None
    sms_per_prefix: Throttle | None = None
    codes_per_recipient: Throttle | None = None
    link_hosts: frozenset[str] | None = None
    declared: frozenset[str] = frozenset()

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> AbuseLimits:
        """Return the limits of a setting that has no problems."""
        countries, hosts = value.get("sms_countries"), value.get("link_hosts")
        return cls(
            sms_countries=None if countries is None else frozenset(countries),
            sms_per_prefix=parse_throttle(value.get("sms_per_prefix") or ""),
            codes_per_recipient=parse_throttle(value.get("codes_per_recipient") or ""),
            link_hosts=None if hosts is None else frozenset(str(host).lower() for host in hosts),
            declared=frozenset(value),
        )


@dataclass(frozen=True)
class AlertLimits:
    """When the sweeper raises an alert: how many seconds something may be due, by lane; deaths within an hour."""

    critical_seconds: int | None = 60
    high_seconds: int | None = 300
    normal_seconds: int | None = 900
    bulk_seconds: int | None = 3_600
    dead_per_hour: int | None = 100


def broadcast_problems(limits: object) -> list[SettingProblem]:
    """Return what is wrong with `BROADCASTS`."""
    where = 'NOTIFICATIONS["BROADCASTS"]'
    if limits is None:
        return []
    if not isinstance(limits, Mapping):
        return [SettingProblem(where, "is not a dict", '{"most_failed": 0.2}')]
    problems = unknown_keys(where, limits, tuple(asdict(BroadcastLimits())))
    for name, default in asdict(BroadcastLimits()).items():
        given = limits.get(name, default)
        if name == "judged_from":
            fits, what = isinstance(given, int) and given >= 1, "is not a whole number from 1"
        else:
            fits = given is None or (isinstance(given, int | float) and 0 < given <= 1)
            what = "is not a share above 0 and up to 1, nor None"
        if not fits or isinstance(given, bool):
            problems.append(SettingProblem(f"{where}['{name}']", what, f'"{name}": {default}'))
    return problems


_LISTS = {
    "sms_countries": (_COUNTRY, '"sms_countries": ["49", "US"]', "which is neither a calling code nor a region"),
    "link_hosts": (_HOST, '"link_hosts": ["example.com"]', "which is no name of a host"),
}
_RATES = {"sms_per_prefix": '"sms_per_prefix": "30/hour"', "codes_per_recipient": '"codes_per_recipient": "10/hour"'}


def abuse_problems(limits: object) -> list[SettingProblem]:
    """Return what is wrong with `ABUSE`."""
    where = 'NOTIFICATIONS["ABUSE"]'
    if limits is None:
        return []
    if not isinstance(limits, Mapping):
        return [SettingProblem(where, "is not a dict", '{"sms_countries": ["49", "US"]}')]
    problems = unknown_keys(where, limits, (*_LISTS, *_RATES))
    for name, (shape, hint, what) in _LISTS.items():
        given = limits.get(name)
        if given is None:
            continue
        if isinstance(given, str) or not isinstance(given, Collection):
            problems.append(SettingProblem(f"{where}['{name}']", "is not a list, nor None", hint))
            continue
        strange = [item for item in given if not isinstance(item, str) or not shape.fullmatch(item)]
        problems += [SettingProblem(f"{where}['{name}']", f"has {item!r}, {what}", hint) for item in strange]
    for name, hint in _RATES.items():
        try:
            given = limits.get(name)
            # An empty text is no limit for a category, and a mistake here.
            parse_throttle("" if given is None else str(given) or "?")
        except ValueError as error:
            problems.append(SettingProblem(f"{where}['{name}']", f"{error}, or None", hint))
    return problems


def alert_problems(limits: object) -> list[SettingProblem]:
    """Return what is wrong with `ALERTS`."""
    where = 'NOTIFICATIONS["ALERTS"]'
    if limits is None:
        return []
    if not isinstance(limits, Mapping):
        return [SettingProblem(where, "is not a dict", '{"dead_per_hour": 100}')]
    problems = unknown_keys(where, limits, tuple(asdict(AlertLimits())))
    for name, default in asdict(AlertLimits()).items():
        given = limits.get(name, default)
        if given is not None and (isinstance(given, bool) or not isinstance(given, int) or given < 1):
            problems.append(
                SettingProblem(f"{where}['{name}']", "is not a whole number from 1, nor None", f'"{name}": {default}')
            )
    return problems
