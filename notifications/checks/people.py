"""Checks of `RECIPIENT` and of who `me` is: the user model has the fields, a look-up names one user, classes load."""

from __future__ import annotations

from collections.abc import Iterator

from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage
from django.core.exceptions import FieldDoesNotExist, FieldError
from django.db import models
from django.utils.module_loading import import_string
from rest_framework.authentication import BaseAuthentication

from .. import conf
from ..conf_api import ApiOptions
from ..enums import Channel
from ..flows.lookups import is_unique
from . import lines
from .base import error, usable, warning

_USUAL_NAMES = {
    "email": ("email", "mail"),
    "sms": ("phone", "mobile", "cell"),
    "locale": ("locale", "language"),
    "time_zone": ("time_zone", "timezone", "tz"),
}


def check_recipient(**_: object) -> list[CheckMessage]:
    """E010, E011, W012, W013: paths that lead nowhere or to many, an ambiguous look-up, a channel without a field."""
    settings = usable()
    if settings is None:
        return []
    user = get_user_model()
    messages = []
    for name, path in {"lookup": settings.recipient.lookup, **settings.recipient.fields}.items():
        where = f'NOTIFICATIONS["RECIPIENT"]["{name}"]'
        if not is_path(user, path):
            what = f"{where}: {user._meta.label} has no field path {path!r}."
            messages.append(error(10, what, _nearest(user, name, path)))
        elif leads_to_many(user, path):
            what = f"{where}: {path!r} leads to more than one row for a user."
            messages.append(error(11, what, f'"{name}": "{guess(user, name) or "pk"}",'))
        elif name == "lookup" and not is_unique(user, path):
            what = f"{where}: {path!r} is not unique, so a look-up may find the wrong user."
            messages.append(warning(12, what, '"lookup": "pk",'))
    for channel in (Channel.EMAIL, Channel.SMS):
        guessed = guess(user, channel.value)
        if settings.routes.get(channel) and channel.value not in settings.recipient.fields and guessed:
            paths = {**settings.recipient.fields, channel.value: guessed}
            if settings.recipient.lookup != "pk":
                paths = {"lookup": settings.recipient.lookup, **paths}
            what = (
                f'{channel} is routed, but NOTIFICATIONS["RECIPIENT"] names no field for it: '
                "only explicitly registered devices are reached."
            )
            messages.append(warning(13, what, lines.recipient(paths)))
    return messages


def check_me(**_: object) -> list[CheckMessage]:
    """E014: a class of `API["me"]` that cannot be loaded, or does not authenticate."""
    settings = usable()
    messages = []
    for path in settings.api.me if settings else ():
        try:
            found: object = import_string(path)
        except ImportError as problem:
            what = f"cannot be imported: {problem}"
        else:
            what = "is no authentication class of Django REST framework"
            if isinstance(found, type) and issubclass(found, BaseAuthentication):
                continue
        messages.append(error(14, f'NOTIFICATIONS["API"]["me"]: {path!r} {what}.', f'"me": ["{ApiOptions.me[0]}"],'))
    return messages


def is_path(model: type[models.Model], path: str) -> bool:
    """Whether a field path can be read on a model; annotations of its default manager count."""
    try:
        model._default_manager.values(path)
    except (FieldError, FieldDoesNotExist):
        return False
    return True


def leads_to_many(model: type[models.Model], path: str) -> bool:
    """Whether a field path crosses a relation to more than one row."""
    current: type[models.Model] | None = model
    for part in path.split("__"):
        try:
            field = current._meta.get_field(part) if current is not None else None
        except FieldDoesNotExist:
            return False  # "pk", an annotation or a transform: a value of its own
        if field is None or not field.is_relation:
            return False
        if field.many_to_many or field.one_to_many:
            return True
        related = field.related_model
        current = related if isinstance(related, type) else None
    return False


def guess(user: type[models.Model], name: str) -> str:
    """Return the field path that most looks like what is wanted, or "" if none does."""
    known = list(paths_of(user))
    for word in _USUAL_NAMES.get(name, ()):
        for path in known:
            if word in path.rpartition("__")[2]:
                return path
    return ""


def paths_of(user: type[models.Model]) -> Iterator[str]:
    """Yield the text fields of the user model, then those one step away."""
    yield from _texts(user)
    for relation in user._meta.get_fields():
        related = relation.related_model
        if (relation.one_to_one or relation.many_to_one) and isinstance(related, type) and related is not user:
            yield from (f"{relation.name}__{field}" for field in _texts(related))


def _texts(model: type[models.Model]) -> list[str]:
    return [item.name for item in model._meta.concrete_fields if isinstance(item, models.CharField)]


def _nearest(user: type[models.Model], name: str, path: str) -> str:
    guessed = "pk" if name == "lookup" else guess(user, name)
    close = conf.did_you_mean(path, tuple(paths_of(user)))
    return f'"{name}": "{guessed}",' if guessed and not close.startswith("did") else close
