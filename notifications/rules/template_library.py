"""The tags and filters that words may use: Django's, without those that reach files, settings, URLs or requests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial, wraps
from typing import Any

from django.template import Library
from django.template.defaultfilters import register as django_filters
from django.template.defaulttags import register as django_tags
from django.templatetags.i18n import register as i18n
from django.templatetags.l10n import register as l10n
from django.templatetags.tz import register as tz
from django.utils.dateparse import parse_date, parse_datetime, parse_time
from django.utils.timezone import is_naive, localtime

from .money import money

ALLOWED_TAGS = (
    "comment",
    "cycle",
    "filter",
    "firstof",
    "for",
    "if",
    "ifchanged",
    "now",
    "regroup",
    "resetcycle",
    "spaceless",
    "templatetag",
    "verbatim",
    "widthratio",
    "with",
)
ALLOWED_I18N = ("translate", "trans", "blocktranslate", "blocktrans", "language")
# `safe` and its kin would undo escaping; `pprint` prints the inside of values.
FORBIDDEN_FILTERS = ("safe", "safeseq", "pprint")
WIDEST = 1_000
MOST_DECIMALS = 100
LONGEST_JOIN = 256 * 1024
OF_MOMENTS = ("date", "time", "timesince", "timeuntil")
OF_MOMENTS_OR_NUMBERS = (*OF_MOMENTS, "floatformat", "localtime", "utc", "timezone")
OF_SOMETHING = ("add", "stringformat", "dictsort", "dictsortreversed")
OF_ONE_OF_MANY = ("first", "last")
OF_BOUNDED_WIDTH = ("center", "ljust", "rjust", "stringformat")


class Unusable(str):
    """The blank that a filter answers for a value it can make nothing of; nobody is sent it."""

    __slots__ = ("rule",)
    rule: str


register = Library()
register.tags.update({name: django_tags.tags[name] for name in ALLOWED_TAGS})
register.tags.update({name: i18n.tags[name] for name in ALLOWED_I18N})
register.tags.update(l10n.tags)
register.tags.update({name: tag for name, tag in tz.tags.items() if name in ("localtime", "timezone")})
for _library in (django_filters, l10n, tz, i18n):
    register.filters.update({name: rule for name, rule in _library.filters.items() if name not in FORBIDDEN_FILTERS})


def _of_moments(rule: Callable[..., Any]) -> Callable[..., Any]:
    """Let a filter of moments take a text in ISO 8601 too: plain values have no other way to carry one.

    A text that is none raises: Django's own filters would print a blank.
    """

    @wraps(rule)
    def apply(value: object, *given: object) -> object:
        if isinstance(value, str):
            value = parse_datetime(value) or parse_date(value) or parse_time(value)
            if value is None:
                raise ValueError("not a date or time in ISO 8601")
            if isinstance(value, datetime) and not is_naive(value):
                value = localtime(value)
        return rule(value, *given)

    return apply


def _of_bounded_width(rule: Callable[..., Any], most: int = WIDEST) -> Callable[..., Any]:
    """Keep a filter from padding one value to gigabytes, or from reckoning a thousand decimals."""

    @wraps(rule)
    def apply(value: object, *given: object) -> object:
        digits = "".join(letter if letter.isdigit() else " " for letter in "".join(map(str, given)))
        if any(int(number[:9]) > most for number in digits.split()):
            raise ValueError("too wide")
        return rule(value, *given)

    return apply


def _of_bounded_length(rule: Callable[..., Any]) -> Callable[..., Any]:
    """Keep `join` from multiplying a long list by a long separator, and from printing what is null."""

    @wraps(rule)
    def apply(value: Any, separator: Any, autoescape: bool = True) -> object:  # noqa: FBT001, FBT002 - Django's own
        if len(value) * len(str(separator)) > LONGEST_JOIN:
            raise ValueError("too long")
        if any(item is None for item in value):
            return _unusable(rule)
        return rule(value, separator, autoescape)

    return apply


def _of_moments_or_numbers(rule: Callable[..., Any]) -> Callable[..., Any]:
    """Tell a blank for what is no moment or number."""

    @wraps(rule)
    def apply(value: object, *given: object) -> object:
        made = rule(value, *given)
        return _unusable(rule) if made == "" else made

    return apply


def _of_something(rule: Callable[..., Any]) -> Callable[..., Any]:
    """Tell a blank that is made of more than an empty text."""

    @wraps(rule)
    def apply(value: object, *given: object) -> object:
        made = rule(value, *given)
        return _unusable(rule) if made == "" and value != "" else made

    return apply


def _of_one_of_many(rule: Callable[..., Any]) -> Callable[..., Any]:
    """Tell that there is none."""

    @wraps(rule)
    def apply(value: object) -> object:
        return rule(value) if value else _unusable(rule)

    return apply


def _unusable(rule: Callable[..., Any]) -> Unusable:
    blank = Unusable()
    blank.rule = str(getattr(rule, "_filter_name", rule.__name__))
    return blank


for _names, _bounded in (
    (OF_MOMENTS, _of_moments),
    (OF_BOUNDED_WIDTH, _of_bounded_width),
    (("floatformat",), partial(_of_bounded_width, most=MOST_DECIMALS)),
    (("join",), _of_bounded_length),
    (OF_MOMENTS_OR_NUMBERS, _of_moments_or_numbers),
    (OF_SOMETHING, _of_something),
    (OF_ONE_OF_MANY, _of_one_of_many),
):
    register.filters.update({name: _bounded(register.filters[name]) for name in _names})
register.filters["money"] = money
#: They have an answer to what is not there.
FORGIVING = frozenset(register.filters[name] for name in ("default", "default_if_none", "yesno"))
