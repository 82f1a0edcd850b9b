"""Whether a column is one of many values, sent as one array: `IN` costs Django a placeholder and a check for each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from django.db.models import BooleanField, F, Func, Value


class _Any(Func):
    template = "%(expressions)s)"
    arg_joiner = " = ANY("
    output_field: ClassVar = BooleanField()


def any_of(column: str, values: Iterable[object]) -> Func:
    """Return the condition that a column is one of these values, which are as the database takes them."""
    return _Any(F(column), Value(list(values)))
