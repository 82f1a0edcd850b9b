"""Users over HTTP: their devices and preferences (their own too, signed in, as `me`), export and erasure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.http import Http404
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request as HttpCall
from rest_framework.response import Response

from ..enums import Channel, Scope
from ..exceptions import InvalidData, Problem
from ..flows.devices import Registration, register, remove
from ..flows.erase import erase
from ..flows.export import export
from ..flows.preferences import change_preferences, read_preferences
from ..models import Device
from ..rules.identity import UserKey, user_recipient
from ..rules.locales import usable_locale
from .authentication import ME, ApiKeyAuthentication, IsSelfOrHasScope, authenticators_of_me
from .base import ApiView
from .fields import NO_LOCALE, Locale, StrictSerializer, Text, checked
from .finding import find_person, find_user
from .paging import PAGE_FIELDS, page
from .presentation import present_device


class DeviceFields(StrictSerializer):
    """The body of `POST users/{user}/devices/`."""

    channel = Text(max_length=8, default="push")
    platform = Text(max_length=8, required=False, allow_null=True, allow_blank=True)
    token_type = Text(max_length=8, required=False, allow_null=True, allow_blank=True)
    address = Text(max_length=4_096)
    locale = Locale(required=False, allow_null=True, allow_blank=True)
    time_zone = Text(max_length=64, required=False, allow_null=True, allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse what only a phone or browser has."""
        if attrs["channel"] in (Channel.EMAIL, Channel.SMS):
            wrong = [ErrorDetail("only push devices have one", "push_only")]
            if errors := {name: wrong for name in ("platform", "token_type") if attrs.get(name)}:
                raise ValidationError(errors)
        return attrs


class UserView(ApiView):
    """An address of one user's: `me` by whoever is signed in, anybody by a key with the scope."""

    permission_classes: Any = (IsSelfOrHasScope,)

    def get_authenticators(self) -> list[BaseAuthentication]:
        """Return a key first; what else there is, is for `me`."""
        return [ApiKeyAuthentication(), *authenticators_of_me()]

    def find_key(self, user: str) -> UserKey:
        """Return the primary key of the user that the address names."""
        return self.request.user.pk if user == ME else find_user(user)


class Devices(UserView):
    """`POST` and `GET users/{user}/devices/`."""

    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.DEVICES, "POST": Scope.DEVICES}
    query_fields = PAGE_FIELDS

    def post(self, request: HttpCall, user: str) -> Response:
        """Register a device: 201, or 200 if it was this user's already."""
        values = checked(DeviceFields, request.data)
        wanted = Registration(**{name: value or "" for name, value in values.items()})
        if user == ME and wanted.channel != Channel.PUSH:
            # A token is a secret of its phone; anybody could type somebody else's number or mailbox.
            detail = "a signed-in user may register push devices; numbers and mailboxes need an API key"
            raise InvalidData("The device cannot be registered.", Problem("/channel", "push_only", detail))
        device, is_new = register(self.find_key(user), wanted)
        return Response(present_device(device), status=201 if is_new else 200)

    def get(self, request: HttpCall, user: str) -> Response:
        """List a user's devices, the deactivated ones too."""
        rows, links = page(request, Device.objects.filter(user=self.find_key(user)), newest_first=False)
        return Response({**links, "results": [present_device(row) for row in rows]})


class OneDevice(UserView):
    """`DELETE users/{user}/devices/{id}/`."""

    scopes: ClassVar[Mapping[str, Scope]] = {"DELETE": Scope.DEVICES}

    def delete(self, request: HttpCall, user: str, device: UUID) -> Response:
        """Deactivate a device; doing it again is no error."""
        found = Device.objects.filter(pk=device, user=self.find_key(user)).first()
        if found is None:
            raise Http404
        remove(found)
        return Response(status=204)


class Preferences(UserView):
    """`GET` and `PATCH users/{user}/preferences/`."""

    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.PREFERENCES, "PATCH": Scope.PREFERENCES}
    value_limit = 2_000

    def get(self, request: HttpCall, user: str) -> Response:
        """Show a user's preferences."""
        return Response(read_preferences(user_recipient(self.find_key(user))))

    def patch(self, request: HttpCall, user: str) -> Response:
        """Merge changes into a user's preferences and show all of them."""
        if not isinstance(request.data, dict):
            raise ValidationError([ErrorDetail("must be an object", "wrong_type")])
        key, locale = self.find_key(user), request.data.get("locale")
        if isinstance(locale, str) and locale and not usable_locale(locale):
            raise InvalidData("The preferences cannot be changed.", Problem("/locale", "invalid", NO_LOCALE))
        return Response(change_preferences(user_recipient(key), request.data))


class Export(ApiView):
    """`GET users/{user}/export/`."""

    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.ERASE}

    def get(self, request: HttpCall, user: str) -> Response:
        """Hand out everything that is kept about a user."""
        return Response(export(find_person(user)))


class OneUser(ApiView):
    """`DELETE users/{user}/`."""

    scopes: ClassVar[Mapping[str, Scope]] = {"DELETE": Scope.ERASE}

    def delete(self, request: HttpCall, user: str) -> Response:
        """Erase a user and say how much that was."""
        return Response({"erased": erase(find_person(user), actor=self.actor)})
