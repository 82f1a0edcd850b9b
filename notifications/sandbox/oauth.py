"""Plays Google's OAuth 2 token endpoint: a signed assertion in, a bearer token out.

Facts: https://developers.google.com/identity/protocols/oauth2/service-account#httprest
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
import time
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from .credentials import FCM_CLIENT_EMAIL, FCM_SCOPE, private_key_pem, public_key
from .door import Desk, garbage, hang_up, json_answer

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LIFETIME = 3599
"""Seconds an access token lives, as Google's do."""

_MAX_ASSERTION_AGE = 3600
_CLOCK_SKEW = 300
_GOOGLE_AUDIENCE = "oauth2.googleapis.com/token"
_CACHE_SIZE = 1_000


class AccessTokens:
    """Issues bearer tokens and knows them again, also after a restart: they carry their expiry, signed."""

    def __init__(self) -> None:
        """Derive the signing key from the sandbox's own (published) key."""
        self._key = hashlib.sha256(private_key_pem().encode("ascii")).digest()
        self._known: dict[str, float] = {}

    def issue(self, lifetime: float = LIFETIME) -> str:
        """Return a new token."""
        claim = f"{time.time() + lifetime:.0f}.{secrets.token_hex(8)}"
        return f"ya29.sandbox.{claim}.{self._sign(claim)}"

    def verdict(self, authorization: str | None) -> str | None:
        """Return None if the header carries a good token, else Google's reason why not."""
        if not authorization:
            return "CREDENTIALS_MISSING"
        scheme, _, token = authorization.partition(" ")
        expiry = self._known.get(token)
        if expiry is None:
            expiry = self._read(token) if scheme.lower() == "bearer" else None
            if expiry is None:
                return "ACCESS_TOKEN_TYPE_UNSUPPORTED"
            if len(self._known) >= _CACHE_SIZE:
                self._known.clear()
            self._known[token] = expiry
        return None if time.time() < expiry else "ACCESS_TOKEN_EXPIRED"

    def _read(self, token: str) -> float | None:
        claim, _, signature = token.removeprefix("ya29.sandbox.").rpartition(".")
        if not token.startswith("ya29.sandbox.") or not hmac.compare_digest(
            signature.encode(), self._sign(claim).encode()
        ):
            return None
        return float(claim.partition(".")[0])

    def _sign(self, claim: str) -> str:
        return hmac.new(self._key, claim.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


class TokenEndpoint:
    """``POST /fcm/token``: checks the assertion's signature, issuer, audience, age and scope."""

    def __init__(self, desk: Desk, tokens: AccessTokens) -> None:
        """Issue ``tokens``, unless the mode of ``fcm-token`` has it otherwise."""
        self._desk = desk
        self._tokens = tokens

    def add_routes(self, app: web.Application) -> None:
        """Add the route."""
        app.router.add_post("/fcm/token", self.token)

    async def token(self, request: web.Request) -> web.StreamResponse:
        """Answer an access token, or the OAuth error that Google would."""
        form = await request.post()
        mode = self._desk.modes.strike("fcm-token")
        if mode is not None and mode.name not in ("slow", "drip"):
            return _spoiled(request, mode.name, mode.retry_after_value())
        if mode is not None:
            await asyncio.sleep(mode.delay)
        fields = {key: value for key, value in form.items() if isinstance(value, str)}
        problem = _problem(fields, request.host)
        if problem is not None:
            error, description = problem
            return json_answer({"error": error, "error_description": description}, 400)
        return json_answer({"access_token": self._tokens.issue(), "expires_in": LIFETIME, "token_type": "Bearer"})


def _spoiled(request: web.Request, mode: str, retry_after: str) -> web.StreamResponse:
    if mode == "garbage":
        return garbage()
    if mode in ("reset", "reset_after_accept"):
        return hang_up(request)
    if mode == "unauthorized":
        return json_answer({"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, 400)
    if mode == "rate_limited":
        return json_answer({"error": "rate_limit_exceeded"}, 429, {"Retry-After": retry_after})
    return json_answer({"error": "internal_failure", "error_description": "Backend Error"}, 503)


def _problem(form: Mapping[str, str], host: str) -> tuple[str, str] | None:
    """Return Google's error and its description if this request gets no token."""
    if form.get("grant_type") != GRANT_TYPE:
        return "unsupported_grant_type", "Invalid grant_type: " + form.get("grant_type", "")
    claims = _verified_claims(form.get("assertion", ""))
    if claims is None:
        return "invalid_grant", "Invalid JWT Signature."
    # google-auth names Google's endpoint as the audience wherever it sends the assertion; the scheme of our own may
    # differ behind a TLS proxy.
    audience = str(claims.get("aud")).partition("://")[2]
    checks = (
        (claims.get("iss") != FCM_CLIENT_EMAIL, "invalid_grant", "Invalid grant: account not found"),
        (
            not _in_time(claims.get("iat"), claims.get("exp")),
            "invalid_grant",
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.",
        ),
        (
            audience not in (_GOOGLE_AUDIENCE, f"{host}/fcm/token"),
            "invalid_grant",
            "Invalid JWT: Failed audience check.",
        ),
        (FCM_SCOPE not in str(claims.get("scope", "")).split(), "invalid_scope", "Invalid OAuth scope."),
    )
    return next(((error, text) for wrong, error, text in checks if wrong), None)


def _in_time(issued: object, expires: object) -> bool:
    """Say whether an assertion is valid now and for an hour at most."""
    if not isinstance(issued, int) or not isinstance(expires, int):
        return False
    return issued - _CLOCK_SKEW <= time.time() < expires <= issued + _MAX_ASSERTION_AGE


def _verified_claims(assertion: str) -> dict[str, Any] | None:
    """Return the claims of a JWT that the sandbox's key signed by RS256, else None."""
    signed, _, signature = assertion.rpartition(".")
    try:
        header, claims = (json.loads(_unpadded(part)) for part in signed.split("."))
        if header["alg"] != "RS256" or not isinstance(claims, dict):
            return None
        public_key().verify(_unpadded(signature), signed.encode(), PKCS1v15(), SHA256())
    except (ValueError, KeyError, TypeError, InvalidSignature):
        return None
    return claims


def _unpadded(part: str) -> bytes:
    """Decode base64url without its padding, as JWTs have it."""
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))
