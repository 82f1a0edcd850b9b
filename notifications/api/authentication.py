"""Authentication: an API key with scopes, or for one's own devices and preferences the host's way of signing in."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.utils.module_loading import import_string
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from .. import conf
from ..flows.keys import find_key
from ..models import ApiKey

if TYPE_CHECKING:
    from .base import ApiView

SCHEME = "Api-Key"
ME = "me"
SEND_ONE = f"Nobody is known by this request. Send the header `Authorization: {SCHEME} <key>`; no other scheme is read."
MAKE_ONE = (
    "`manage.py carillon api-key create NAME --scope send` makes one, and `api-key list` tells of those there are."
)


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Api-Key <key>`; the key is then `request.auth`."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, ApiKey] | None:
        """Return the key's holder, or None where no key was sent.

        Raises:
            AuthenticationFailed: it is unknown, expired or revoked; which of these is not told.
        """
        scheme, _, plain = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != SCHEME.lower():
            return None
        if not plain.strip():
            raise AuthenticationFailed(f"There is no API key behind {SCHEME}. {MAKE_ONE}")
        key = find_key(plain.strip())
        if key is None:
            raise AuthenticationFailed(f"The API key is unknown, expired or revoked. {MAKE_ONE}")
        return AnonymousUser(), key

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return f'{SCHEME} realm="carillon"'


class HasScope(BasePermission):
    """Whoever holds a key with the scope that the view names for the method."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return whether the key may do it; a method that the view does not have is left to become a 405."""
        assert_scope(request, view)
        return isinstance(request.auth, ApiKey)


class IsSelfOrHasScope(BasePermission):
    """Somebody signed in, for `me` and nobody else; or whoever holds a key with the scope, for any user but `me`."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return whether the address is the caller's to ask for."""
        is_me = view.kwargs.get("user") == ME
        if isinstance(request.auth, ApiKey):
            if is_me:
                raise PermissionDenied(f'"{ME}" is who is signed in; with an API key, name the user.')
            assert_scope(request, view)
            return True
        return is_me and is_signed_in(request)


def is_signed_in(request: Request) -> bool:
    """Whether the caller is a user of the host's who may sign in; nobody else is `me`, whatever a class says."""
    user: object = request.user
    return isinstance(user, get_user_model()) and user.is_active and user.pk is not None


def authenticators_of_me() -> list[BaseAuthentication]:
    """Return what tells who is signed in, as `API["me"]` names it; a session unless it is set."""
    return [found() for found in _loaded(conf.get().api.me)]


@lru_cache(maxsize=4)
def _loaded(paths: tuple[str, ...]) -> tuple[type[BaseAuthentication], ...]:
    return tuple(import_string(path) for path in paths)


def assert_scope(request: Request, view: APIView) -> None:
    """Return if the caller's key has the scope for this method.

    Raises:
        PermissionDenied: it has not; the text names the scope.
    """
    wanted: ApiView = view  # type: ignore[assignment]
    method = "GET" if request.method == "HEAD" else str(request.method)
    if not isinstance(request.auth, ApiKey) or method not in view.allowed_methods or method == "OPTIONS":
        return
    scope = wanted.scopes[method]
    if scope not in request.auth.scopes:
        raise PermissionDenied(f"This needs an API key with the scope {scope}.")
