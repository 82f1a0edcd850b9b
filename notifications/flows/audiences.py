"""Audiences: which users a stored audience means, as a queryset, and in which form it is stored."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib.auth import get_user_model
from django.core.exceptions import EmptyResultSet, ValidationError
from django.db import router
from django.db.models import Exists, Model, OuterRef, QuerySet, TextField, Value
from django.db.models.functions import Cast, Concat
from django.db.models.query import ModelIterable

from .. import conf
from ..conf import did_you_mean
from ..declarations import AudienceDeclaration, Misfit, registry
from ..enums import TAKEN_STATES, State
from ..exceptions import InvalidData, Problem
from ..models import Broadcast, Delivery, Topic, TopicSubscription
from ..models.weeks import weeks_around
from ..rules.identity import USER_PREFIX
from .lookups import as_listed

MOST_LISTED = 100_000
_FORMS = (
    '{"name": ..., "params": {...}}, {"topic": ...}, {"users": [...]}, {"all": true} or '
    '{"broadcast": ..., "state": "sent"}'
)
_NOT_UNDERSTOOD = "The audience is not understood."


def members(audience: Mapping[str, object], pointer: str = "/audience", *, stored: bool = False) -> QuerySet[Model]:
    """Return the users that an audience means now; a join may repeat some of them.

    Of one that is stored, everybody listed may have been erased since; one that is asked for must name somebody.
    Whoever goes through all of them takes `audience_pages`, whose pages cost the same however many there are.

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
    raise InvalidData(_NOT_UNDERSTOOD, Problem(pointer, "unknown_audience", f"use {_FORMS}"))


def as_stored(audience: Mapping[str, object], pointer: str = "/audience") -> dict[str, object]:
    """Return an audience that `members` took as the ledger keeps it: parameters as JSON, a list in planning's order.

    Raises:
        InvalidData: its parameters do not fit.
    """
    if "users" in audience:
        return {"users": as_listed(audience["users"])}
    if "name" in audience:
        declaration, params = _declaration(audience, pointer)
        return {"name": declaration.name, "params": params}
    return {name: value if value is True else str(value) for name, value in audience.items()}


def excluding(queryset: QuerySet[Model], exclude: Mapping[str, object] | None) -> QuerySet[Model]:
    """Return the users of a queryset that an exclusion does not mean: by an anti-join, which no NULL can empty."""
    if exclude is None:
        return queryset
    return queryset.filter(~Exists(members(exclude, "/exclude", stored=True).filter(pk=OuterRef("pk"))))


def own_variables(queryset: QuerySet[Model]) -> list[str]:
    """Return the annotations that a queryset selects: what each recipient brings along."""
    return list(queryset.query.annotation_select)


def earlier_broadcast(audience: Mapping[str, object], pointer: str = "/audience") -> Broadcast:
    """Return the broadcast whose recipients an audience means.

    Raises:
        InvalidData: there is none, or nobody knows any more whom it reached.
    """
    if audience.get("state", State.SENT) != State.SENT:
        detail = 'only "sent" can be asked for: taken by the provider, or later'
        raise InvalidData(_NOT_UNDERSTOOD, Problem(f"{pointer}/state", "unknown_state", detail))
    try:
        earlier = Broadcast.objects.get(pk=str(audience["broadcast"]))
    except (Broadcast.DoesNotExist, ValidationError) as error:
        problem = Problem(f"{pointer}/broadcast", "unknown_broadcast", "there is no such broadcast")
        raise InvalidData(_NOT_UNDERSTOOD, problem) from error
    if earlier.outcome is not None:
        problem = Problem(f"{pointer}/broadcast", "past_retention", "its deliveries are past their retention")
        raise InvalidData("Nobody knows any more whom that broadcast reached.", problem)
    return earlier


def reached_by(earlier: Broadcast) -> QuerySet[Delivery]:
    """Return the deliveries of a broadcast that a provider took."""
    first, beyond = weeks_around([earlier.notification_id])  # so that only its own partition is read
    mine = Delivery.objects.filter(notification_id=earlier.notification_id, pk__gte=first, pk__lt=beyond)
    return mine.filter(state__in=TAKEN_STATES)


def _declaration(audience: Mapping[str, object], pointer: str) -> tuple[AudienceDeclaration, dict[str, object]]:
    name, params = str(audience["name"]), audience.get("params", {})
    declaration = registry.audiences.get(name)
    if declaration is None:
        hint = did_you_mean(name, tuple(registry.audiences)) if registry.audiences else "none is declared"
        raise InvalidData(f"There is no audience {name[:63]!r}.", Problem(f"{pointer}/name", "unknown_audience", hint))
    where = f"{pointer}/params"
    if not isinstance(params, Mapping):
        raise InvalidData(_NOT_UNDERSTOOD, Problem(where, "wrong_type", "must be an object"))
    try:
        return declaration, declaration.stored(params)
    except Misfit as error:
        path = "".join(f"/{step[:63].replace('~', '~0').replace('/', '~1')}" for step in error.path)
        problem = Problem(f"{where}{path}", "wrong_params", f"{name}{declaration.signature}: {error}")
        raise InvalidData("The audience's parameters do not fit.", problem) from error
    except (TypeError, ValueError) as error:
        problem = Problem(where, "wrong_params", f"{name}{declaration.signature}: {error}")
        raise InvalidData("The audience's parameters do not fit.", problem) from error


def _declared(audience: Mapping[str, object], pointer: str) -> QuerySet[Model]:
    declaration, params = _declaration(audience, pointer)
    try:
        queryset: object = declaration.queryset(params)  # a host's function may return anything, and raise anything
    except Exception as error:
        detail = f"{declaration.name} raised {type(error).__name__}"
        problem = Problem(f"{pointer}/params", "audience_failed", detail)
        raise InvalidData("The audience could not be made.", problem) from error
    user = get_user_model()._default_manager.model
    if not isinstance(queryset, QuerySet) or queryset.model._meta.concrete_model is not user:
        raise InvalidData("The audience must be a queryset of users.", Problem(pointer, "not_users", declaration.name))
    detail = _unpageable(queryset)
    if detail:
        raise InvalidData("The audience cannot be paged by key.", Problem(pointer, "not_pageable", detail))
    return queryset.order_by().prefetch_related(None)


def _unpageable(queryset: QuerySet[Model]) -> str:
    """Return why a queryset cannot be gone through page by page, or "" if it can."""
    query = queryset.query
    usable = "return a queryset of the users' own database without slices, union() and the like, or distinct(field)"
    if query.is_sliced or query.combinator or query.distinct_fields:
        return usable
    if queryset.db != router.db_for_read(queryset.model):
        return usable
    if queryset._iterable_class is not ModelIterable:  # noqa: SLF001 - nothing public tells values() apart
        return "return users, without values(), values_list() or dates()"
    if query.select_for_update:
        return "return a queryset without select_for_update()"
    if any(item.contains_over_clause for item in query.annotations.values()):
        return "window functions would be computed page by page; use a subquery"
    try:
        str(queryset.order_by("pk").values("pk", *own_variables(queryset)).query)
    except EmptyResultSet:
        return ""
    except Exception as error:  # noqa: BLE001 - what a host's function built may fail in any way
        return f"its statement cannot be made ({type(error).__name__})"
    return ""


def _subscribed(users: QuerySet[Model], slug: object, pointer: str) -> QuerySet[Model]:
    if not isinstance(slug, str) or not Topic.objects.filter(slug=slug.replace("\x00", "")).exists():
        problem = Problem(f"{pointer}/topic", "unknown_topic", "no user ever subscribed to a topic of this name")
        raise InvalidData("There is no such topic.", problem)
    return users.filter(Exists(TopicSubscription.objects.filter(topic__slug=slug, user=OuterRef("pk"))))


def _listed(users: QuerySet[Model], values: object, pointer: str) -> QuerySet[Model]:
    if not isinstance(values, list) or not values or len(values) > MOST_LISTED:
        detail = f"must be a list of 1 to {MOST_LISTED} users"
        raise InvalidData(_NOT_UNDERSTOOD, Problem(f"{pointer}/users", "wrong_type", detail))
    if not all(isinstance(value, str | int) and not isinstance(value, bool) for value in values):
        detail = "each must be a user's look-up value: text or a whole number"
        raise InvalidData(_NOT_UNDERSTOOD, Problem(f"{pointer}/users", "wrong_type", detail))
    try:
        found = users.filter(**{f"{conf.get().recipient.lookup}__in": values})
        str(found.query)
    except EmptyResultSet:
        return users.none()
    except (ValueError, TypeError, OverflowError, ValidationError) as error:
        problem = Problem(f"{pointer}/users", "unknown_user", "one of the users cannot be one")
        raise InvalidData(_NOT_UNDERSTOOD, problem) from error
    return found


def _reached(users: QuerySet[Model], audience: Mapping[str, object], pointer: str) -> QuerySet[Model]:
    # As text, since a column of text cannot be compared with every type of key.
    recipient = Concat(Value(USER_PREFIX), Cast(OuterRef("pk"), TextField()), output_field=TextField())
    rows = reached_by(earlier_broadcast(audience, pointer))
    return users.filter(Exists(rows.filter(recipient=recipient)))
