"""Apple Push Notification service: token authentication, and one HTTP/2 connection that carries many sends at once.

https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns
"""

from __future__ import annotations

import hashlib
import json
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit
from uuid import UUID, uuid5

from cryptography.exceptions import UnsupportedAlgorithm
from hpack import HeaderTuple, NeverIndexedHeaderTuple

from ..enums import Channel, Platform, TokenType
from ..exceptions import (
    InvalidRecipient,
    PermanentFailure,
    ProviderError,
    ProviderMisconfigured,
    ProviderUnavailable,
    RateLimited,
    TemporaryFailure,
    UnknownOutcome,
)
from ..messages import Content, OutboundMessage, SendResult
from .answers import Answer, by_status, retry_after_seconds
from .apns_token import ProviderToken, load_key
from .background import Background, BackgroundAdapter
from .base import GRACE_SECONDS, Option, OptionProblem, PushAdapter, json_object
from .exchange import NoAnswer, NotSent, Response
from .http2 import Http2Pool
from .window import unforeseen

APNS_URL = "https://api.push.apple.com"
_PAGE = "https://developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns"
_TOKENS = "https://developer.apple.com/documentation/usernotifications/establishing-a-token-based-connection-to-apns"
#: What Apple asks for before the next attempt after a fault of its own; a shorter Retry-After may be of a proxy.
_QUARTER = 900.0

#: By the `reason` of an answer; "<5xx>" for a fault of APNs without one that is listed.
ANSWERS: Mapping[str, Answer] = {
    "BadCollapseId": Answer(PermanentFailure, "APNs finds the collapse id too long.", _PAGE),
    "BadDeviceToken": Answer(
        InvalidRecipient, "Not a token, or one of the other environment (sandbox, production).", _PAGE, quarantine=True
    ),
    "BadExpirationDate": Answer(PermanentFailure, "APNs does not understand the expiry.", _PAGE),
    "BadMessageId": Answer(PermanentFailure, "APNs does not understand the message's id.", _PAGE),
    "BadPriority": Answer(PermanentFailure, "APNs does not understand the priority.", _PAGE),
    "BadTopic": Answer(ProviderMisconfigured, "The topic is not valid: it is the app's bundle id.", _PAGE),
    "DeviceTokenNotForTopic": Answer(PermanentFailure, "The token is of another app than the topic.", _PAGE),
    "DuplicateHeaders": Answer(PermanentFailure, "APNs finds a header twice.", _PAGE),
    "IdleTimeout": Answer(TemporaryFailure, "APNs gave up waiting for the request.", _PAGE, maybe_sent=True),
    "InvalidPushType": Answer(PermanentFailure, "APNs does not know this kind of push.", _PAGE),
    "MissingDeviceToken": Answer(PermanentFailure, "The device has no token.", _PAGE),
    "MissingTopic": Answer(ProviderMisconfigured, "APNs misses the topic: it is the app's bundle id.", _PAGE),
    "PayloadEmpty": Answer(PermanentFailure, "APNs finds the message empty.", _PAGE),
    "TopicDisallowed": Answer(ProviderMisconfigured, "The team may not push to this topic.", _PAGE),
    "BadCertificate": Answer(ProviderMisconfigured, "APNs does not accept the certificate.", _PAGE),
    "BadCertificateEnvironment": Answer(
        ProviderMisconfigured, "The certificate is of the other environment (sandbox, production).", _PAGE
    ),
    "BadEnvironmentKeyIdInToken": Answer(
        ProviderMisconfigured, "The key is not for this environment (sandbox, production).", _PAGE
    ),
    "ExpiredProviderToken": Answer(
        TemporaryFailure, "The provider token was too old and has been renewed.", _TOKENS, retry_after=0.0, neutral=True
    ),
    "ExpiredProviderToken<new>": Answer(
        ProviderMisconfigured, "APNs finds even a new provider token too old: is this machine's clock right?", _TOKENS
    ),
    "Forbidden": Answer(PermanentFailure, "APNs does not allow this.", _PAGE),
    "InvalidProviderToken": Answer(
        ProviderMisconfigured, "APNs does not accept the provider token: key, key id and team id must match.", _TOKENS
    ),
    "MissingProviderToken": Answer(ProviderMisconfigured, "APNs misses the provider token.", _TOKENS),
    "UnrelatedKeyIdInToken": Answer(ProviderMisconfigured, "The key is not for this topic.", _PAGE),
    "BadPath": Answer(PermanentFailure, "APNs does not understand the device token as part of a path.", _PAGE),
    "MethodNotAllowed": Answer(ProviderMisconfigured, "APNs wants another method: is base_url right?", _PAGE),
    "ExpiredToken": Answer(InvalidRecipient, "The token has expired.", _PAGE),
    "Unregistered": Answer(InvalidRecipient, "The app was removed, or the token is no longer its own.", _PAGE),
    "PayloadTooLarge": Answer(PermanentFailure, "The message is larger than the 4,096 bytes that APNs takes.", _PAGE),
    "TooManyProviderTokenUpdates": Answer(
        ProviderMisconfigured, "The provider token was renewed too often: who else uses this key?", _TOKENS
    ),
    "TooManyRequests": Answer(RateLimited, "Too many messages in a row to this device.", _PAGE, 60.0, one_device=True),
    "InternalServerError": Answer(
        TemporaryFailure, "APNs has a fault of its own.", _PAGE, _QUARTER, maybe_sent=True, at_least=True
    ),
    "ServiceUnavailable": Answer(
        TemporaryFailure, "APNs is not available.", _PAGE, _QUARTER, maybe_sent=True, at_least=True
    ),
    "Shutdown": Answer(
        TemporaryFailure, "The APNs server is shutting down.", _PAGE, _QUARTER, maybe_sent=True, at_least=True
    ),
    "<5xx>": Answer(TemporaryFailure, "APNs has a fault of its own.", _PAGE, _QUARTER, maybe_sent=True, at_least=True),
}

MAX_COLLAPSE_BYTES = 64
#: What Apple calls a BadDeviceToken, as the sandbox does.
NOBODYS = "invalid-token-of-carillon-doctor"


class APNsAdapter(BackgroundAdapter, PushAdapter):
    """Sends push to the devices of one app (the topic) straight through Apple. APNs reports no delivery."""

    known_answers = ANSWERS
    OPTIONS = (
        Option("key_file", required=True, help="path of the team's .p8 key file"),
        Option("key_id", required=True, help="the key's id, ten characters, as Apple's page of keys shows it"),
        Option("team_id", required=True, help="the developer team's id, ten characters"),
        Option("topic", required=True, help="the app's bundle id"),
        Option("ca_file", help="certificates to trust instead of the system's: for a proxy or a sandbox of your own"),
    )

    def __init__(self, alias: str, options: Mapping[str, object]) -> None:
        super().__init__(alias, options)
        url = self.base_url or APNS_URL
        parts = urlsplit(url)
        self._path = f"{parts.path}/3/device/"
        same = {":method": "POST", ":scheme": "https", ":authority": parts.netloc}
        self._same = [HeaderTuple(name, value) for name, value in same.items()]
        topic = {"apns-topic": self.text("topic"), "apns-push-type": "alert"}
        self._topic = [HeaderTuple(name, value) for name, value in topic.items()]
        self._token = ProviderToken(alias, self.text("key_file"), self.text("key_id"), self.text("team_id"))
        ca_file = self.text("ca_file")
        self._http = Background(f"carillon-{alias}", lambda: Http2Pool(url, self.timeout, ca_file), self._send)

    def can_serve(self, platform: str, token_type: str) -> bool:
        """Whether the device runs iOS and registered with a token of Apple's own."""
        return platform == Platform.IOS and token_type == TokenType.APNS

    def check(self) -> list[OptionProblem]:
        """Return what is wrong with the configuration, the files included."""
        problems = super().check()
        if problems:
            return problems
        if self.base_url and not self.base_url.startswith("https://"):
            problems.append(OptionProblem("base_url is not https", "APNs speaks HTTP/2 over TLS only"))
        try:
            load_key(self.text("key_file"))
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
            hint = "download a key at https://developer.apple.com/account/resources/authkeys/list"
            problems.append(OptionProblem("key_file is not a team's .p8 key file", hint))
        if ca_file := self.text("ca_file"):
            try:
                ssl.create_default_context(cafile=ca_file)
            except OSError:
                problems.append(OptionProblem("ca_file holds no certificates", "a PEM file, or leave the option out"))
        return problems

    def check_credentials(self) -> str:
        """Push to a token that can be no device's: Apple answers that it is a bad one, or that we are not let in.

        https://developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns
        """
        nobody = OutboundMessage(UUID(int=0), 1, 0, Channel.PUSH, NOBODYS, Content(title="carillon doctor"))
        error = self.start(nobody).result(self.timeout + GRACE_SECONDS).error
        if error is not None and not isinstance(error, InvalidRecipient):
            raise error
        return "Apple knows key, team and topic"

    async def _send(self, pool: Http2Pool, message: OutboundMessage) -> SendResult:
        error: ProviderError
        try:
            bearer = self._token.bearer()
            response = await pool.request(self.headers(message, bearer), payload(message), self.timeout)
            return SendResult(message, provider_message_id=self._accepted(response, bearer))
        except ProviderError as refusal:
            error = refusal
        except NotSent as cause:
            error = ProviderUnavailable(self.alias, cause.code, "APNs could not be reached.")
        except NoAnswer as cause:
            error = UnknownOutcome(self.alias, cause.code, "APNs gave no whole answer.")
        except Exception as cause:  # noqa: BLE001 - an answer that nobody foresaw never breaks the batch
            error = unforeseen(self.alias, cause)
        return SendResult(message, error=error)

    def headers(self, message: OutboundMessage, bearer: str) -> list[HeaderTuple]:
        """Return the request's headers.

        What differs between requests is kept out of the peer's header table, which is small.
        """
        own = {
            ":path": self._path + quote(message.address, safe=""),
            # Only names the message: APNs knows no idempotency key. The same attempt has the same id.
            "apns-id": str(uuid5(message.delivery_id, message.carillon_id)),
        }
        if message.expires_at is not None:
            own["apns-expiration"] = str(int(message.expires_at.timestamp()))
        if message.collapse_key:
            own["apns-collapse-id"] = collapse_id(message.collapse_key)
        path, *rest = (NeverIndexedHeaderTuple(name, value) for name, value in own.items())
        priority = HeaderTuple("apns-priority", "10" if message.high_priority else "5")
        return [*self._same, path, HeaderTuple("authorization", bearer), *self._topic, priority, *rest]

    def _accepted(self, response: Response, bearer: str) -> str:
        """Return the id of a message that APNs took.

        Raises:
            ProviderError: it did not take it, or its answer cannot be trusted.
        """
        status, identity = response.status, response.headers.get("apns-id", "")
        if status == 200 and identity:
            return identity
        answer = json_object(response.body)
        reason = str(answer.get("reason", ""))
        row = ANSWERS.get(reason) or (ANSWERS["<5xx>"] if status >= 500 else by_status(status))
        if row is None or status < 300:
            raise UnknownOutcome(self.alias, str(status), "APNs answered with something that is not its answer.")
        if reason == "ExpiredProviderToken" and not self._token.renew(bearer):
            row = ANSWERS["ExpiredProviderToken<new>"]
        code = reason if reason in ANSWERS else str(status)
        error = row.to_error(self.alias, code, retry_after_seconds(response.headers.get("retry-after")))
        if isinstance(error, InvalidRecipient):
            error.since = _moment(answer.get("timestamp"))
        raise error


def payload(message: OutboundMessage) -> bytes:
    """Return the request's body: what iOS shows, and beside it what the app reads.

    https://developer.apple.com/documentation/usernotifications/generating-a-remote-notification
    """
    content = message.content
    aps: dict[str, object] = {"alert": {"title": content.title, "body": content.body}}
    if message.high_priority:
        aps["sound"] = "default"
    beside = {str(key): str(value) for key, value in content.data.items()}
    if content.url:
        beside.setdefault("url", content.url)
    if content.image:
        aps["mutable-content"] = 1  # the app's notification service extension may fetch it
        beside.setdefault("image", content.image)
    whole = {**beside, "aps": aps, "carillon_id": message.carillon_id}
    if message.receipt_token:
        whole["carillon_receipt"] = message.receipt_token
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def collapse_id(key: str) -> str:
    """Return a collapse key as APNs takes it: itself, or a hash where it is too long or not plain text."""
    if len(key) <= MAX_COLLAPSE_BYTES and key.isascii() and key.isprintable():
        return key
    return hashlib.sha256(key.encode()).hexdigest()


def _moment(milliseconds: object) -> datetime | None:
    """Return since when APNs knows that a token is dead."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int):
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None
