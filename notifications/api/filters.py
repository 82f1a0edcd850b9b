"""Filters: what lists of deliveries can be narrowed to."""

from __future__ import annotations

from collections.abc import Mapping

from rest_framework.exceptions import ErrorDetail, ValidationError

from ..conf import did_you_mean
from ..enums import State
from ..models.delivery_queries import DeliveryQuerySet

_FLAGS = {"true": True, "false": False}
#: What asks for more than is told by itself, or does not.
YES_OR_NO = {"1": True, "true": True, "0": False, "false": False}


def state_filter(value: str) -> State:
    """Return the state of that name.

    Raises:
        ValidationError: there is none; a near one is suggested.
    """
    if value not in State.values:
        hint = did_you_mean(value[:63], tuple(State.values))
        raise ValidationError({"state": [ErrorDetail(hint, "unknown_state")]})
    return State(value)


def deliveries_filtered(queryset: DeliveryQuerySet, given: Mapping[str, str]) -> DeliveryQuerySet:
    """Return the deliveries that `?state=` and `?possible_duplicate=` ask for.

    Raises:
        ValidationError: one of them cannot be.
    """
    if "state" in given:
        queryset = queryset.filter(state=state_filter(given["state"]))
    if "possible_duplicate" in given:
        if given["possible_duplicate"] not in _FLAGS:
            raise ValidationError({"possible_duplicate": [ErrorDetail("must be true or false", "wrong_type")]})
        queryset = queryset.filter(possible_duplicate=_FLAGS[given["possible_duplicate"]])
    return queryset


def is_asked_for(name: str, given: Mapping[str, str]) -> bool:
    """Return whether a query asks for something that is told to nobody else: `1` or `true`.

    Raises:
        ValidationError: it is neither that nor `0` or `false`.
    """
    wanted = given.get(name, "false")
    if wanted not in YES_OR_NO:
        raise ValidationError({name: [ErrorDetail("must be 1 or true, 0 or false", "wrong_type")]})
    return YES_OR_NO[wanted]
