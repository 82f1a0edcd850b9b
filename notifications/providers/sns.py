"""Amazon SNS, through which SES reports: its signature, whose certificate and topic, and its subscription.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

import requests
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import load_pem_x509_certificate

from ..exceptions import WebhookRejected, WebhookUnverified
from ..messages import WebhookRequest
from .base import as_mapping

NOTIFICATION, SUBSCRIPTION, END = "Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"
#: The fields that are signed, each as its name and its value, a line each. A Notification's Subject may be missing.
SIGNED: Mapping[str, tuple[str, ...]] = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    SUBSCRIPTION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    END: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
#: The time is that of publication, and SNS repeats for an hour at most.
#: https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
OLDEST_SECONDS, AHEAD_SECONDS = 7_200, 300
_ARN = re.compile(r"arn:(aws|aws-cn|aws-us-gov):sns:([a-z]{2}(?:-[a-z]+)+-\d):\d{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?")
_CERTIFICATE = re.compile(r"/SimpleNotificationService-[0-9a-f]{32}\.pem")
_TIMEOUT_SECONDS, _LARGEST = 5.0, 65_536
#: A certificate is read anew once a day; all the looking is bounded, since whoever knows the topic can ask for it.
_KEPT_SECONDS, _MOST_KEPT = 86_400.0, 16
_MOST_READS, _READS_WITHIN = 10, 60.0


class Topic:
    """One SNS topic: only what Amazon signed for it is genuine."""

    def __init__(self, arn: str) -> None:
        found = _ARN.fullmatch(arn)
        self.is_usable = found is not None
        self._arn = arn
        partition, region = found.groups() if found else ("aws", "none")
        self.host = f"sns.{region}.amazonaws.com{'.cn' if partition == 'aws-cn' else ''}"

    def verify(self, request: WebhookRequest, now: datetime) -> Mapping[str, object]:
        """Return the message in a callback if Amazon signed it for this topic, and not long ago.

        What costs nothing is looked at first; the certificate comes from the topic's own region at Amazon, or not at
        all.

        Raises:
            WebhookRejected: it is no such message.
            WebhookUnverified: Amazon's certificate could not be read now.
        """
        message = read(request)
        fields = _signed_fields(message)
        if not self.is_usable or message.get("TopicArn") != self._arn:
            raise WebhookRejected("The callback is of another topic.")
        _check_time(str(message.get("Timestamp")), now)
        url = str(message.get("SigningCertURL") or message.get("SigningCertUrl") or "")
        # To the letter, and not taken apart first: it may be no URL at all.
        origin = f"https://{self.host}"
        if not url.startswith(origin) or not _CERTIFICATE.fullmatch(url.removeprefix(origin)):
            raise WebhookRejected("The callback's certificate is not Amazon's.")
        hashed = {"1": SHA1, "2": SHA256}.get(str(message.get("SignatureVersion")))
        if hashed is None:
            raise WebhookRejected("The callback's kind of signature is not known.")
        try:
            signature = base64.b64decode(str(message.get("Signature")), validate=True)
            # Amazon's first version signs with SHA-1, and is what a topic has unless it was told otherwise.
            _certificates.key(url, now).verify(signature, fields, padding.PKCS1v15(), hashed())
        except (InvalidSignature, binascii.Error, ValueError) as error:
            raise WebhookRejected("The callback's signature is wrong.") from error
        return message

    def confirm(self, token: str) -> None:
        """Confirm the subscription for which a verified callback brought a token, at Amazon's own address.

        The address in the callback is not used.

        Raises:
            WebhookUnverified: Amazon could not be reached, and brings the token again.
        """
        asked = {"Action": "ConfirmSubscription", "TopicArn": self._arn, "Token": token}
        try:
            status, _ = fetch(f"https://{self.host}/?{urlencode(asked)}")
        except requests.RequestException as error:
            raise WebhookUnverified("SNS could not be reached to confirm the subscription.") from error
        if status != 200:
            raise WebhookUnverified(f"SNS did not confirm the subscription: {status}.")


def read(request: WebhookRequest) -> Mapping[str, object]:
    """Return the message in a callback, verified or not.

    Raises:
        WebhookRejected: there is none.
    """
    if request.method != "POST":
        raise WebhookRejected("A callback is a POST.")
    try:
        return as_mapping(json.loads(request.body))
    except (ValueError, RecursionError) as error:
        raise WebhookRejected("The callback cannot be read.") from error


def _signed_fields(message: Mapping[str, object]) -> bytes:
    lines = []
    for name in SIGNED.get(str(message.get("Type")), ()):
        value = message.get(name)
        if isinstance(value, str):
            lines.append(f"{name}\n{value}\n")
        elif name != "Subject" or value is not None:
            raise WebhookRejected("The callback lacks a field that SNS signs.")
    if not lines:
        raise WebhookRejected("The callback is no message of SNS.")
    return "".join(lines).encode("utf-8", "replace")


def _check_time(stamp: str, now: datetime) -> None:
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError as error:
        raise WebhookRejected("The callback says not when it was signed.") from error
    age = (now - (moment if moment.tzinfo else moment.replace(tzinfo=UTC))).total_seconds()
    if not -AHEAD_SECONDS <= age <= OLDEST_SECONDS:
        raise WebhookRejected("The callback was signed too long ago.")


def fetch(url: str) -> tuple[int, bytes]:
    """Return status and beginning of what is at an address, without following it elsewhere.

    Raises:
        requests.RequestException: nothing came.
    """
    with requests.get(url, timeout=_TIMEOUT_SECONDS, allow_redirects=False, stream=True) as response:
        return response.status_code, next(response.iter_content(_LARGEST), b"")


class _Certificates:
    """Amazon's certificates, as this process read them: few, and not often."""

    def __init__(self) -> None:
        self._keys: dict[str, tuple[float, rsa.RSAPublicKey]] = {}
        self._reads: list[float] = []
        self._lock = threading.Lock()

    def key(self, url: str, now: datetime) -> rsa.RSAPublicKey:
        """Return the public key of the certificate at an address of Amazon's."""
        kept = self._keys.get(url)
        if kept is not None and time.monotonic() - kept[0] < _KEPT_SECONDS:
            return kept[1]
        self._may_read()
        try:
            status, body = fetch(url)
        except requests.RequestException as error:
            raise WebhookUnverified("Amazon's certificate cannot be read now.") from error
        if status >= 500:
            raise WebhookUnverified("Amazon's certificate cannot be read now.")
        if status != 200:
            raise WebhookRejected("Amazon has no such certificate.")
        key = _public_key(body, now)
        with self._lock:
            while len(self._keys) >= _MOST_KEPT:
                self._keys.pop(next(iter(self._keys)))
            self._keys[url] = (time.monotonic(), key)
        return key

    def forget(self) -> None:
        """Forget all that was read."""
        self._keys.clear()
        self._reads.clear()

    def _may_read(self) -> None:
        with self._lock:
            since = time.monotonic() - _READS_WITHIN
            self._reads = [moment for moment in self._reads if moment > since]
            if len(self._reads) >= _MOST_READS:
                raise WebhookUnverified("Too many certificates were asked for; none is read for a while.")
            self._reads.append(time.monotonic())


def _public_key(body: bytes, now: datetime) -> rsa.RSAPublicKey:
    certificate = load_pem_x509_certificate(body)
    key = certificate.public_key()
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise WebhookRejected("Amazon's certificate is out of date.")
    if not isinstance(key, rsa.RSAPublicKey):
        raise WebhookRejected("Amazon's certificate is of a kind that is not known.")
    return key


_certificates = _Certificates()


def forget_certificates() -> None:
    """Forget Amazon's certificates, as a new process would."""
    _certificates.forget()
