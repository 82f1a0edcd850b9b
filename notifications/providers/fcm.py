"""Firebase Cloud Messaging over HTTP v1: pyfcm's credentials, headers and payload over a pooled transport of our own.

https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from pyfcm.errors import FCMError

from ..enums import Platform, TokenType
from ..exceptions import (
    InvalidRecipient,
    PermanentFailure,
    ProviderError,
    ProviderMisconfigured,
    RateLimited,
    TemporaryFailure,
    UnknownOutcome,
)
from ..messages import OutboundMessage
from .answers import Answer, by_status, retry_after_seconds
from .base import Option, OptionProblem, PushAdapter, as_mapping
from .google_oauth import AccessToken, ServiceAccount
from .pooled import PooledAdapter, Post

FCM_URL = "https://fcm.googleapis.com"
_CODES = "https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode"
_SCALING = "https://firebase.google.com/docs/cloud-messaging/scale-fcm#errors"
_JUDGED = "https://cloud.google.com/apis/design/errors#handling_errors"

#: By `error.details[].errorCode`; by `error.status` (in angle brackets) where the answer has no such code.
ANSWERS: Mapping[str, Answer] = {
    "UNREGISTERED": Answer(InvalidRecipient, "The app was removed or the token has expired.", _CODES),
    "INVALID_ARGUMENT": Answer(PermanentFailure, "FCM finds the message malformed or too large.", _CODES),
    "INVALID_ARGUMENT<token>": Answer(InvalidRecipient, "FCM says that this is not a token.", _CODES),
    "SENDER_ID_MISMATCH": Answer(
        InvalidRecipient, "The token belongs to another Firebase project.", _CODES, quarantine=True
    ),
    "QUOTA_EXCEEDED": Answer(RateLimited, "A quota of the project or device is used up.", _SCALING, retry_after=60.0),
    "QUOTA_EXCEEDED<device>": Answer(
        RateLimited, "One device gets more messages than FCM allows.", _SCALING, retry_after=60.0, one_device=True
    ),
    "UNAVAILABLE": Answer(TemporaryFailure, "FCM is overloaded.", _SCALING, maybe_sent=True),
    "INTERNAL": Answer(TemporaryFailure, "FCM has a fault of its own.", _SCALING, maybe_sent=True),
    "UNSPECIFIED_ERROR": Answer(TemporaryFailure, "FCM gives no reason.", _CODES, maybe_sent=True),
    "THIRD_PARTY_AUTH_ERROR": Answer(
        ProviderMisconfigured, "The project's APNs or web push credentials are missing or wrong.", _CODES
    ),
    "<400>": Answer(PermanentFailure, "FCM finds the message malformed.", _JUDGED),
    "<401>": Answer(ProviderMisconfigured, "FCM does not accept the service account's access token.", _JUDGED),
    "<401 expired>": Answer(
        TemporaryFailure, "The access token has just expired.", _JUDGED, retry_after=1.0, neutral=True
    ),
    "<403>": Answer(ProviderMisconfigured, "The service account may not send for this project.", _JUDGED),
    "<404>": Answer(ProviderMisconfigured, "The Firebase project or its API does not exist.", _JUDGED),
    "<429>": Answer(RateLimited, "A quota of the project is used up.", _SCALING, retry_after=60.0),
}

#: What FCM answers where it was not let in by Apple's or a browser's push service, to whose devices it only passes on.
THIRD_PARTY = "THIRD_PARTY_AUTH_ERROR"
THIRD_PLATFORMS: tuple[str, ...] = (Platform.IOS, Platform.WEB)

#: FCM keeps a message at most this long. https://firebase.google.com/docs/cloud-messaging/customize-messages/setting-message-lifespan
MAX_TTL_SECONDS = 2_419_200
#: https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns
MAX_COLLAPSE_BYTES = 64
NOT_A_TOKEN = "The registration token is not a valid FCM registration token"


class FCMAdapter(PooledAdapter, PushAdapter):
    """Sends push through FCM; the device's own token names Android, iOS or web. FCM reports no delivery."""

    service = "FCM"
    known_answers = ANSWERS
    OPTIONS = (Option("service_account_file", required=True, help="path of the service account's JSON key file"),)

    def __init__(self, alias: str, options: Mapping[str, object]) -> None:
        super().__init__(alias, options, FCM_URL)
        key_file = self.text("service_account_file") or "missing"
        self._fcm = ServiceAccount(alias, key_file, self.base_url or FCM_URL, self.timeout)
        self._token = AccessToken(alias, self._fcm)

    def can_serve(self, platform: str, token_type: str) -> bool:
        """Whether the device registered with an FCM token, on whatever platform."""
        return token_type in ("", TokenType.FCM)

    def check(self) -> list[OptionProblem]:
        """Return what is wrong with the configuration, the key file included."""
        problems = super().check()
        path = self.text("service_account_file")
        if path and not problems:
            try:
                kind = as_mapping(json.loads(Path(path).read_text(encoding="utf-8"))).get("type")
            except (OSError, ValueError):
                kind = None
            if kind != "service_account":
                hint = "download a key at https://console.firebase.google.com/project/_/settings/serviceaccounts"
                problems.append(OptionProblem("service_account_file is not a service account's key file", hint))
        return problems

    def check_credentials(self) -> str:
        """Fetch an access token for the service account.

        https://developers.google.com/identity/protocols/oauth2/service-account#authorizingrequests
        """
        self._token.fetch()
        return "Google gives the service account access tokens"

    def post_for(self, message: OutboundMessage) -> Post | Awaitable[Post]:
        """Return the request for one message, at once if there is a token.

        Raises:
            ProviderMisconfigured: the key file is of no use.
        """
        headers = self._token.known()
        return self._post_later(message) if headers is None else self._post(message, headers)

    async def _post_later(self, message: OutboundMessage) -> Post:
        return self._post(message, await self._token.headers())

    def _post(self, message: OutboundMessage, headers: Mapping[str, str]) -> Post:
        try:
            return Post(self._fcm.fcm_end_point, self.payload(message), headers)
        except FCMError:
            raise ProviderMisconfigured(self.alias, "pyfcm", "The key file names no project.") from None

    def refused(self, message: OutboundMessage, error: ProviderError) -> ProviderError:
        """Return a refusal with the platforms that it is about, where it is not about all of them."""
        if isinstance(error, ProviderMisconfigured) and error.code == THIRD_PARTY:
            # The project's own credentials work, and so do its Android devices.
            error.platforms = (message.platform,) if message.platform in THIRD_PLATFORMS else THIRD_PLATFORMS
        return error

    def payload(self, message: OutboundMessage) -> bytes:
        """Return the request's body for one message."""
        content = message.content
        data = {str(key): str(value) for key, value in content.data.items()}
        if content.url:
            data.setdefault("url", content.url)
        data["carillon_id"] = message.carillon_id
        if message.receipt_token:
            data["carillon_receipt"] = message.receipt_token
        android: dict[str, object] = {"priority": "high" if message.high_priority else "normal"}
        apns: dict[str, str] = {"apns-priority": "10"} if message.high_priority else {}
        if message.collapse_key:
            android["collapse_key"] = message.collapse_key
            apns["apns-collapse-id"] = message.collapse_key.encode()[:MAX_COLLAPSE_BYTES].decode(errors="ignore")
        if message.expires_at is not None:
            left = int((message.expires_at - datetime.now(UTC)).total_seconds())
            android["ttl"] = f"{min(max(left, 0), MAX_TTL_SECONDS)}s"
            apns["apns-expiration"] = str(int(message.expires_at.timestamp()))
        payload = self._fcm.parse_payload(
            fcm_token=message.address,
            notification_title=content.title,
            notification_body=content.body,
            notification_image=content.image,
            data_payload=data,
            android_config=android,
            apns_config={"headers": apns} if apns else None,
        )
        return cast("bytes", payload)

    def accepted(self, status: int, retry_after: str | None, body: bytes) -> str:
        """Return FCM's name for a message that it took.

        Raises:
            ProviderError: it did not take it, or its answer cannot be trusted.
        """
        try:
            answer = as_mapping(json.loads(body))
        except ValueError:
            answer = {}
        name = answer.get("name")
        if status == 200 and isinstance(name, str) and name:
            return name
        error = as_mapping(answer.get("error"))
        code = _code(status, error)
        row = ANSWERS.get(code) or ANSWERS.get(f"<{status}>") or by_status(status)
        if row is None:
            raise UnknownOutcome(self.alias, str(status), "FCM answered with something that is not its answer.")
        if status == 401 and code.startswith("<"):
            self._token.forget()
        shown = code.split("<")[0] or str(error.get("status") or status)
        raise row.to_error(self.alias, shown, retry_after_seconds(retry_after))


def _code(status: int, error: Mapping[str, object]) -> str:
    """Return the key of `ANSWERS` that an error belongs to."""
    details = error.get("details")
    rows = [as_mapping(detail) for detail in details] if isinstance(details, list) else []
    code = next((str(row["errorCode"]) for row in rows if row.get("errorCode")), "")
    if code == "INVALID_ARGUMENT" and _names_token(error, rows):
        return "INVALID_ARGUMENT<token>"
    if code == "QUOTA_EXCEEDED" and _names_one_device(rows):
        return "QUOTA_EXCEEDED<device>"
    if not code and status == 401 and any(row.get("reason") == "ACCESS_TOKEN_EXPIRED" for row in rows):
        return "<401 expired>"
    return code or f"<{status}>"


def _names_token(error: Mapping[str, object], rows: list[Mapping[str, object]]) -> bool:
    """Whether an INVALID_ARGUMENT is about the token: one about the payload must never cost a device."""
    violations = [violation for row in rows for violation in _as_list(row.get("fieldViolations"))]
    if violations:
        return all(as_mapping(violation).get("field") == "message.token" for violation in violations)
    return str(error.get("message", "")).startswith(NOT_A_TOKEN)


def _names_one_device(rows: list[Mapping[str, object]]) -> bool:
    """Whether every quota that was exceeded is one device's own: it must not slow down the others."""
    violations = [as_mapping(violation) for row in rows for violation in _as_list(row.get("violations"))]
    said = [f"{item.get('subject')} {item.get('description')}".lower() for item in violations]
    return bool(said) and all("device" in text for text in said)


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
