"""Audiences: which users a stored audience means, as a queryset that can be paged by key."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib.auth import get_user_model
from django.core.exceptions import EmptyResultSet, ValidationError
from django.db import router
from django.db.models import Model, QuerySet

from .. import conf
from ..conf import did_you_mean
from ..declarations import registry
from ..enums import TAKEN_STATES, State
from ..exceptions import InvalidData, Problem
from ..models import Broadcast, Delivery, Topic, TopicSubscription
from ..rules.identity import USER_PREFIX

MOST_LISTED = 100_000
_FORMS = (
    '{"name": ..., "params": {...}}, {"topic": ...}, {"users": [...]}, {"all": true} or '
    '{"broadcast": ..., "state": "sent"}'
)


def members(audience: Mapping[str, object], pointer: str = "/audience", *, stored: bool = False) -> QuerySet[Model]:
    """Return the users that an audience means now, each once.

    Of one that is stored, everybody listed may have been erased since; one that is asked for must name somebody.

    Raises:
        InvalidData: the audience has no known form, or cannot be paged by key.
    """
    users = get_user_model()._default_manager.all()
    keys = set(audience)
    if keys == {"all"} and audience["all"] is True:
        return users
    if keys == {"topic"}:
        return _subscribed(users, audience["topic"], pointer)
    if stored and keys == {"users"} and not audience["users"]:
        return users.none()
    if keys == {"users"}:
        return _listed(users, audience["users"], pointer)
    if keys in ({"broadcast"}, {"broadcast", "state"}):
        return _reached(users, audience, pointer)
    if keys in ({"name"}, {"name", "params"}):
        return _declared(audience, pointer)
    raise InvalidData("The audience is not understood.", Problem(pointer, "unknown_audience", f"use {_FORMS}"))


def _declared(audience: Mapping[str, object], pointer: str) -> QuerySet[Model]:
    name, params = str(audience["name"]), audience.get("params", {})
    declaration = registry.audiences.get(name)
    if declaration is None:
        hint = did_you_mean(name, tuple(registry.audiences)) if registry.audiences else "none is declared"
        raise InvalidData(f"There is no audience {name[:63]!r}.", Problem(f"{pointer}/name", "unknown_audience", hint))
    if not isinstance(params, Mapping):
        raise InvalidData(
            "The audience is not understood.", Problem(f"{pointer}/params", "wrong_type", "must be an object")
        )
    try:
        declaration.check(params)
    except (TypeError, ValueError) as error:
        problem = Problem(f"{pointer}/params", "wrong_params", f"{name}{declaration.signature}: {error}")
        raise InvalidData("The audience's parameters do not fit.", problem) from error
    try:
        queryset: object = declaration.queryset(params)  # a host's function may return anything, and raise anything
    except Exception as error:
        problem = Problem(f"{pointer}/params", "audience_failed", f"{name} raised {type(error).__name__}")
        raise InvalidData("The audience could not be made.", problem) from error
    if not isinstance(queryset, QuerySet) or queryset.model is not get_user_model()._default_manager.model:
        raise InvalidData("The audience must be a queryset of users.", Problem(pointer, "not_users", name))
    query = queryset.query
    if (
        query.is_sliced
        or query.combinator
        or query.distinct_fields
        or queryset.db != router.db_for_read(queryset.model)
    ):
        detail = "return a queryset of the users' own database without slices, union() and the like, or distinct(field)"
        raise InvalidData("The audience cannot be paged by key.", Problem(pointer, "not_pageable", detail))
    return queryset


def _subscribed(users: QuerySet[Model], slug: object, pointer: str) -> QuerySet[Model]:
    if not isinstance(slug, str) or not Topic.objects.filter(slug=slug.replace("\x00", "")).exists():
        problem = Problem(f"{pointer}/topic", "unknown_topic", "no user ever subscribed to a topic of this name")
        raise InvalidData("There is no such topic.", problem)
    return users.filter(pk__in=TopicSubscription.objects.filter(topic__slug=slug).values("user"))


def _listed(users: QuerySet[Model], values: object, pointer: str) -> QuerySet[Model]:
    if not isinstance(values, list) or not values or len(values) > MOST_LISTED:
        detail = f"must be a list of 1 to {MOST_LISTED} users"
        raise InvalidData("The audience is not understood.", Problem(f"{pointer}/users", "wrong_type", detail))
    if not all(isinstance(value, str | int) and not isinstance(value, bool) for value in values):
        detail = "each must be a user's look-up value: text or a whole number"
        raise InvalidData("The audience is not understood.", Problem(f"{pointer}/users", "wrong_type", detail))
    try:
        found = users.filter(**{f"{conf.get().recipient.lookup}__in": values})
        str(found.query)
    except EmptyResultSet:
        return users.none()
    except (ValueError, TypeError, OverflowError, ValidationError) as error:
        problem = Problem(f"{pointer}/users", "unknown_user", "one of the users cannot be one")
        raise InvalidData("The audience is not understood.", problem) from error
    return found


def _reached(users: QuerySet[Model], audience: Mapping[str, object], pointer: str) -> QuerySet[Model]:
    if audience.get("state", State.SENT) != State.SENT:
        detail = 'only "sent" can be asked for: taken by the provider, or later'
        raise InvalidData("The audience is not understood.", Problem(f"{pointer}/state", "unknown_state", detail))
    try:
        earlier = Broadcast.objects.get(pk=str(audience["broadcast"]))
    except (Broadcast.DoesNotExist, ValidationError) as error:
        problem = Problem(f"{pointer}/broadcast", "unknown_broadcast", "there is no such broadcast")
        raise InvalidData("The audience is not understood.", problem) from error
    if earlier.outcome is not None:
        problem = Problem(f"{pointer}/broadcast", "past_retention", "its deliveries are past their retention")
        raise InvalidData("Nobody knows any more whom that broadcast reached.", problem)
    rows = Delivery.objects.filter(notification_id=earlier.notification_id, state__in=TAKEN_STATES)
    keys = [item.removeprefix(USER_PREFIX) for item in rows.values_list("recipient", flat=True).distinct()]
    return users.filter(pk__in=keys)
