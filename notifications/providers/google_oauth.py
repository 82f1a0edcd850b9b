"""An OAuth access token of a Google service account: cached, renewed ahead of its end, by one refresh at a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic
from typing import Any, cast

import requests
from google.auth import exceptions as google_exceptions
from google.auth import transport
from google.oauth2 import service_account
from pyfcm import FCMNotification
from pyfcm.errors import FCMError

from ..exceptions import ProviderError, ProviderMisconfigured, ProviderUnavailable
from .base import as_mapping
from .transport import one_request_session

AHEAD_SECONDS = 300.0
SPARE_SECONDS = 20.0
#: A failed refresh is not repeated for this long: everybody who asks meanwhile gets the same error.
FAILED_SECONDS = 1.0


class ServiceAccount(FCMNotification):  # type: ignore[misc]
    """pyfcm's credentials, headers and payload, with the token fetched in one request that has a deadline."""

    credentials: service_account.Credentials | None

    def __init__(self, alias: str, key_file: str, base_url: str, deadline: float) -> None:
        super().__init__(service_account_file=key_file)
        self.FCM_END_POINT_BASE = f"{base_url}/v1/projects"
        self._endpoint = _TokenEndpoint(alias, deadline)

    def _get_access_token(self) -> str:
        self._initialize_credentials()
        if self.credentials is None:
            raise ValueError("no credentials")
        self.credentials.refresh(self._endpoint)  # type: ignore[no-untyped-call]
        return cast("str", self.credentials.token)

    @property
    def token_seconds(self) -> float:
        """How long the token is good for, from now."""
        expiry = cast("datetime | None", self.credentials.expiry) if self.credentials else None
        return (expiry.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds() if expiry else 3600.0


class AccessToken:
    """The headers that authorise a send; used inside one event loop."""

    def __init__(self, alias: str, account: ServiceAccount) -> None:
        self._alias = alias
        self._account = account
        self._headers: Mapping[str, str] = {}
        self._expires = 0.0
        self._ahead = 0.0
        self._failure: ProviderError | None = None
        self._failed_until = 0.0
        self._refresh: asyncio.Task[None] | None = None

    def known(self) -> Mapping[str, str] | None:
        """Return the headers to send with if a token is at hand; one that ends soon is renewed meanwhile."""
        now = monotonic()
        if not self._headers or now >= self._expires - SPARE_SECONDS:
            return None
        if now > self._ahead and now > self._failed_until:
            self._begin()
        return self._headers

    async def headers(self) -> Mapping[str, str]:
        """Return the headers to send with.

        Raises:
            ProviderUnavailable: the token endpoint gave no token, and nothing was sent.
            ProviderMisconfigured: it refused the service account.
        """
        known = self.known()
        if known is not None:
            return known
        if self._failure is None or monotonic() > self._failed_until:
            await asyncio.shield(self._begin())
        if self._failure is not None:
            raise self._failure
        return self._headers

    def forget(self) -> None:
        """Drop the token: the provider does not accept it."""
        self._headers = {}

    def _begin(self) -> asyncio.Task[None]:
        if self._refresh is None or self._refresh.done() or self._refresh.get_loop() is not asyncio.get_running_loop():
            self._refresh = asyncio.ensure_future(self._renew())
        return self._refresh

    async def _renew(self) -> None:
        try:
            headers, lifetime = await asyncio.get_running_loop().run_in_executor(None, self.fetch)
        except ProviderError as error:
            self._failure, self._failed_until = error, monotonic() + FAILED_SECONDS
            return
        self._failure = None
        self._headers = headers
        self._expires = monotonic() + lifetime
        self._ahead = self._expires - min(AHEAD_SECONDS, lifetime / 2)

    def fetch(self) -> tuple[Mapping[str, str], float]:
        """Return new headers and their lifetime in seconds; called in a thread, because google-auth blocks.

        Raises:
            ProviderUnavailable: the token endpoint gave no token.
            ProviderMisconfigured: it refused the service account, or the key file is of no use.
        """
        try:
            return cast("Mapping[str, str]", self._account.request_headers()), self._account.token_seconds
        except ProviderError:
            raise
        except google_exceptions.MalformedError as error:
            raise ProviderMisconfigured(self._alias, "service_account", "The key file cannot be used.") from error
        except google_exceptions.GoogleAuthError as error:
            raise ProviderUnavailable(self._alias, "oauth", "The token endpoint's answer has no token.") from error
        except (FCMError, OSError, ValueError) as error:
            raise ProviderMisconfigured(self._alias, "service_account", "The key file cannot be read.") from error
        except Exception as error:
            raise ProviderUnavailable(self._alias, type(error).__name__, "No access token could be had.") from error


class _Answer(transport.Response):
    """An answer of the token endpoint, as google-auth wants it."""

    def __init__(self, response: requests.Response) -> None:
        self._response = response

    @property
    def status(self) -> int:
        return self._response.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        return self._response.headers

    @property
    def data(self) -> bytes:
        return self._response.content


class _TokenEndpoint(transport.Request):
    """google-auth's way to the token endpoint, in one request: every refusal ends its loop of retries and sleeps."""

    def __init__(self, alias: str, deadline: float) -> None:
        self._alias = alias
        self._session = one_request_session(deadline, 1)

    def __call__(
        self, url: str, method: str = "GET", body: Any = None, headers: Any = None, *_: Any, **__: Any
    ) -> _Answer:
        try:
            response = self._session.request(method, url, data=body, headers=headers)
        except requests.RequestException as error:
            kind = type(error).__name__
            raise ProviderUnavailable(self._alias, kind, "The token endpoint gave no answer.") from error
        if response.status_code == 200:
            return _Answer(response)
        if response.status_code in (408, 429) or response.status_code >= 500:
            code = f"oauth_{response.status_code}"
            raise ProviderUnavailable(self._alias, code, "The token endpoint gives no tokens at present.")
        answer: Mapping[str, object] = {}
        with suppress(ValueError):
            answer = as_mapping(json.loads(response.content))
        code = str(answer.get("error", f"oauth_{response.status_code}"))[:60]
        raise ProviderMisconfigured(self._alias, code, "The token endpoint refuses the service account.")
