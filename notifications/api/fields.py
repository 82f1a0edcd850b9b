"""Fields: strict JSON types. Nothing is coerced, every mistake is named, and unknown fields get a suggestion."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.settings import api_settings

from ..conf import did_you_mean
from ..rules.locales import LONGEST, usable_locale
from .problems import MOST_LISTED

_FIRST_YEAR, _LAST_YEAR = 2000, 2200
_NO_TIME, _FARTHEST = timedelta(0), timedelta(hours=16)
_OFFSET = re.compile(r"(Z|[+-]\d\d:?\d\d)$")
LONGEST_LOOKUP = 254
NO_LOCALE = 'must be a language tag such as "de" or "pt-BR"'


class Hints:
    """Near names of unknown fields, as many in one request as are worth the looking."""

    def __init__(self) -> None:
        self._left = MOST_LISTED

    def of(self, name: str, known: tuple[str, ...]) -> str:
        """Return what was probably meant."""
        self._left -= 1
        return did_you_mean(name, known) if self._left >= 0 and known else "is not a known field"


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


class Locale(Text):
    """A language tag."""

    default_error_messages = {"invalid": NO_LOCALE}

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=LONGEST, **options)

    def to_internal_value(self, data: object) -> str:
        """Return the tag."""
        text = super().to_internal_value(data)
        if not usable_locale(text):
            self.fail("invalid")
        return text


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


class Version(serializers.Field[Any, Any, Any, Any]):
    """A version of a template: its number, or "newest"."""

    default_error_messages = {"wrong_type": 'must be the number of a version, or "newest"'}

    def to_internal_value(self, data: object) -> int | str:
        """Return it."""
        if isinstance(data, bool) or not (isinstance(data, int) or data == "newest"):
            self.fail("wrong_type")
        return data

    def to_representation(self, value: object) -> object:
        """Return it as it is."""
        return value


class Ramp(serializers.Field[Any, Any, Any, Any]):
    """How long a broadcast starts slowly: minutes, or true for as many as are usual."""

    default_error_messages = {"wrong_type": "must be true, false or a whole number of minutes"}

    def to_internal_value(self, data: object) -> int | bool:
        """Return it."""
        if not isinstance(data, int):
            self.fail("wrong_type")
        return data

    def to_representation(self, value: object) -> object:
        """Return it as it is."""
        return value


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
        # PostgreSQL knows no offset of 16 hours or more, and nobody is so far away.
        return found if abs(found.utcoffset() or _NO_TIME) < _FARTHEST else found.astimezone(UTC)

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


class Listed(serializers.ListField):
    """A JSON array; one that is too long is not looked into, and of many mistakes the first are named."""

    def run_child_validation(self, data: Any) -> list[Any]:
        """Return the checked items."""
        if self.max_length is not None and len(data) > self.max_length:
            detail = str(self.error_messages["max_length"]).format(max_length=self.max_length)
            raise ValidationError([ErrorDetail(detail, "max_length")])
        values: list[Any] = []
        errors: dict[Any, Any] = {}
        for index, item in enumerate(data):
            try:
                values.append(self.child.run_validation(item))
            except ValidationError as error:
                errors[index] = error.detail
                if len(errors) > MOST_LISTED:
                    break
        if errors:
            raise ValidationError(errors)
        return values


class Texts(Listed):
    """A JSON array of strings."""

    default_error_messages = {"not_a_list": "must be a list of strings"}
    child = Text(max_length=64)


class StrictSerializer(serializers.Serializer[Any]):
    """A JSON object with these fields and no others."""

    default_error_messages = {"invalid": "must be an object"}

    def to_internal_value(self, data: object) -> dict[str, Any]:
        """Return the checked values.

        Raises:
            ValidationError: every field that is wrong or missing, and unknown ones as far as they are listed, at once.
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
        for name in islice(self._unknown(data), MOST_LISTED + 1):
            errors[name] = [ErrorDetail(self.context["hints"].of(name, tuple(self.fields)), "unknown_field")]
        if errors:
            raise ValidationError(errors)
        return values

    def _unknown(self, data: Mapping[Any, object]) -> Iterator[str]:
        return (str(name)[:63] for name in data if name not in self.fields)


def checked(serializer: type[StrictSerializer], data: object, hints: Hints | None = None) -> dict[str, Any]:
    """Return the values of a body; `hints` are shared by bodies that came in one request.

    Raises:
        ValidationError: it is not what the serializer describes.
    """
    if data is None:  # which DRF words otherwise than its fields do
        serializer(data=data).is_valid(raise_exception=True)
    reader, context = _readers.of(serializer)
    context["hints"] = hints or Hints()
    values: dict[str, Any] = reader.run_validation(data)
    return values


class _Readers(threading.local):
    """One serializer of each kind for each thread: they keep nothing of what they read, and making one takes longer."""

    def __init__(self) -> None:
        self._made: dict[type[StrictSerializer], tuple[StrictSerializer, dict[str, Hints]]] = {}

    def of(self, serializer: type[StrictSerializer]) -> tuple[StrictSerializer, dict[str, Hints]]:
        """Return the thread's own, and its context."""
        if serializer not in self._made:
            context: dict[str, Hints] = {}
            self._made[serializer] = serializer(context=context), context
        return self._made[serializer]


_readers = _Readers()
