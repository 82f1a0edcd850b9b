"""Fields: strict JSON types. Nothing is coerced, every mistake is named, and unknown fields get a suggestion."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.settings import api_settings

from ..conf import did_you_mean

_FIRST_YEAR, _LAST_YEAR = 2000, 2200
_OFFSET = re.compile(r"(Z|[+-]\d\d:?\d\d)$")
LONGEST_LOOKUP = 254


class Text(serializers.CharField):
    """A JSON string, kept as it is."""

    default_error_messages = {"wrong_type": "must be a string"}

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"trim_whitespace": False, **options})

    def to_internal_value(self, data: object) -> str:
        """Return the string."""
        if not isinstance(data, str):
            self.fail("wrong_type")
        return super().to_internal_value(data)


class UserText(Text):
    """The string of `RECIPIENT.lookup`; a whole number is read as its digits."""

    default_error_messages = {"wrong_type": "must be a string"}

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=LONGEST_LOOKUP, **options)

    def to_internal_value(self, data: object) -> str:
        """Return the look-up value as text."""
        whole = isinstance(data, int) and not isinstance(data, bool) and abs(data) < 10**18
        return super().to_internal_value(str(data) if whole else data)


class Whole(serializers.IntegerField):
    """A JSON number without a fraction."""

    default_error_messages = {"wrong_type": "must be a whole number"}

    def to_internal_value(self, data: object) -> int:
        """Return the number."""
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("wrong_type")
        # Django's own reading goes through text, which very long numbers refuse.
        if abs(data) > 2**63:
            self.fail("max_value", max_value=self.max_value)
        return data


class Flag(serializers.BooleanField):
    """true or false."""

    default_error_messages = {"wrong_type": "must be true or false"}

    def to_internal_value(self, data: object) -> bool:
        """Return it."""
        if not isinstance(data, bool):
            self.fail("wrong_type")
        return data


class Moment(serializers.Field[Any, Any, Any, Any]):
    """A time with an offset, as ISO 8601 has it."""

    default_error_messages = {
        "wrong_type": 'must be a string such as "2027-01-31T09:00:00+01:00"',
        "naive_time": 'must carry an offset, such as "+01:00" or "Z"',
        "out_of_range": f"must lie between {_FIRST_YEAR} and {_LAST_YEAR}",
    }

    def to_internal_value(self, data: object) -> datetime:
        """Return the moment."""
        if not isinstance(data, str) or len(data) > 40:
            self.fail("wrong_type")
        try:
            found = datetime.fromisoformat(data)
        except ValueError:
            self.fail("wrong_type")
        if found.tzinfo is None or not _OFFSET.search(data):
            self.fail("naive_time")
        if not _FIRST_YEAR <= found.year < _LAST_YEAR:
            self.fail("out_of_range")
        return found

    def to_representation(self, value: datetime) -> str:
        """Return it as text."""
        return value.isoformat()


class Object(serializers.Field[Any, Any, Any, Any]):
    """A JSON object of any content."""

    default_error_messages = {"wrong_type": "must be an object"}

    def to_internal_value(self, data: object) -> dict[str, object]:
        """Return it."""
        if not isinstance(data, dict):
            self.fail("wrong_type")
        return data

    def to_representation(self, value: dict[str, object]) -> dict[str, object]:
        """Return it as it is."""
        return value


class Texts(serializers.ListField):
    """A JSON array of strings."""

    default_error_messages = {"not_a_list": "must be a list of strings"}
    child = Text(max_length=64)


class StrictSerializer(serializers.Serializer[Any]):
    """A JSON object with these fields and no others."""

    default_error_messages = {"invalid": "must be an object"}

    def to_internal_value(self, data: object) -> dict[str, Any]:
        """Return the checked values.

        Raises:
            ValidationError: every field that is wrong, missing or unknown, at once.
        """
        if not isinstance(data, Mapping):
            wrong = ErrorDetail("must be an object", "wrong_type")
            raise ValidationError({api_settings.NON_FIELD_ERRORS_KEY: [wrong]})
        errors: dict[str, Any] = {}
        values: dict[str, Any] = {}
        try:
            values = super().to_internal_value(data)
        except ValidationError as error:
            errors = dict(error.detail) if isinstance(error.detail, dict) else {"": error.detail}
        known = tuple(self.fields)
        for name in data:
            if name not in self.fields:
                errors[str(name)[:63]] = [ErrorDetail(did_you_mean(str(name)[:63], known), "unknown_field")]
        if errors:
            raise ValidationError(errors)
        return values


def checked(serializer: type[StrictSerializer], data: object) -> dict[str, Any]:
    """Return the values of a body.

    Raises:
        ValidationError: it is not what the serializer describes.
    """
    reader = serializer(data=data)
    reader.is_valid(raise_exception=True)
    values: dict[str, Any] = reader.validated_data
    return values
