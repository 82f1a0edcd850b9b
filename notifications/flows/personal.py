"""Personal: variables that an audience's annotations bring for each recipient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.core.exceptions import FieldError
from django.db import models
from django.db.models import Model, QuerySet

from ..exceptions import Problem
from ..models import Notification, Template
from ..rules.data import own_value
from ..rules.identity import user_recipient
from .audiences import own_variables
from .templates import find_template

#: Which kinds of variables a column can fill; the first that fits counts, and one that is not here may fill any.
_FILLS: Sequence[tuple[type[models.Field[object, object]], frozenset[str]]] = (
    (models.BooleanField, frozenset({"bool"})),
    (models.IntegerField, frozenset({"int", "float"})),
    (models.FloatField, frozenset({"float"})),
    (models.DecimalField, frozenset({"int", "float", "str"})),
    (models.CharField, frozenset({"str"})),
    (models.TextField, frozenset({"str"})),
    (models.UUIDField, frozenset({"str"})),
    (models.DateField, frozenset({"str"})),  # and moments, which are dates to Django
    (models.TimeField, frozenset({"str"})),
    (models.DurationField, frozenset()),
    (models.BinaryField, frozenset()),
)


def annotation_problems(queryset: QuerySet[Model], template: Template, data: Mapping[str, object]) -> list[Problem]:
    """Return which annotations can never be the variables that the template declares under their names."""
    problems = []
    for name in own_variables(queryset):
        kind = template.variables.get(name)
        fills = _fills(queryset, name)
        if kind is not None and name not in data and fills is not None and kind not in fills:
            detail = f"the audience's annotation is no {kind}"
            problems.append(Problem(f"/data/{name}", "wrong_type", detail))
    return problems


def personal_variables(
    rows: Sequence[Mapping[str, object]], notification: Notification
) -> tuple[dict[str, dict[str, object]], set[str]]:
    """Return the annotations that fill declared variables, by recipient, and the recipients who lack one.

    NULL, or a value of another type, is missing: that recipient would get a blank, and the others are none the worse.
    """
    template = find_template(notification.template)
    kinds = {
        name: kind
        for name, kind in template.variables.items()
        if name not in notification.data and rows and name in rows[0]
    }
    if not kinds:
        return {}, set()
    found, lacking = {}, set()
    for row in rows:
        values = {name: own_value(row[name], kind) for name, kind in kinds.items()}
        if None in values.values():
            lacking.add(user_recipient(row["pk"]))
        else:
            found[user_recipient(row["pk"])] = values
    return found, lacking


def _fills(queryset: QuerySet[Model], name: str) -> frozenset[str] | None:
    try:
        field = queryset.query.annotations[name].output_field
    except (FieldError, AttributeError):
        return None
    return next((kinds for kind, kinds in _FILLS if isinstance(field, kind)), None)
