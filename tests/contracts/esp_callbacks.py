"""Callbacks of every ESP as it would send them: the recorded payload with the proof that the ESP puts on it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from notifications.messages import WebhookRequest
from notifications.providers import sns, svix

PASSWORD = "hook:correct-horse-battery"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:receipts"
CERTIFICATE_URL = f"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-{'0a' * 16}.pem"
URL = "https://example.com/webhooks/email/"


@lru_cache(maxsize=4)
def rsa_key(whose: str) -> rsa.RSAPrivateKey:
    """Return a key pair; each name has one of its own."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


@lru_cache(maxsize=4)
def ec_key(whose: str) -> ec.EllipticCurvePrivateKey:
    """Return a key pair; each name has one of its own."""
    return ec.generate_private_key(ec.SECP256R1())


def _public(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return base64.b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


@lru_cache(maxsize=4)
def certificate(whose: str = "provider", valid_days: int = 30) -> bytes:
    """Return a certificate in PEM, valid from yesterday for so many days."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    start = datetime.now(UTC) - timedelta(days=1)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(rsa_key(whose).public_key())
        .serial_number(1)
        .not_valid_before(start - timedelta(days=60))
        .not_valid_after(start + timedelta(days=valid_days))
        .sign(rsa_key(whose), SHA256())
    )
    return built.public_bytes(Encoding.PEM)


@lru_cache(maxsize=1)
def options() -> Mapping[str, Mapping[str, str]]:
    """Return by ESP what the adapter is told of its callbacks."""
    secret = dict.fromkeys(("brevo", "mailjet", "postmark", "sparkpost", "sendinblue"), PASSWORD)
    secret |= {
        "mailersend": "mailersend-signing-secret",
        "mailgun": "mailgun-webhook-signing-key",
        "mailtrap": "mailtrap-tracking-secret",
        "mandrill": "mandrill-webhook-key",
        "unisender_go": "unisender-api-key",
        "resend": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "postal": _public(rsa_key("provider")),
        "sendgrid": _public(ec_key("provider")),
    }
    return {esp: {"webhook_secret": value} for esp, value in secret.items()} | {"amazon_ses": {"sns_topic_arn": TOPIC}}


def signed(
    esp: str, payload: Mapping[str, Any], url: str = URL, secret: str | None = None, age: int = 0
) -> WebhookRequest:
    """Return a recorded callback with its ESP's proof, made `age` seconds ago with the ESP's own secret or another."""
    if secret is None:
        secret = options()[esp].get("webhook_secret", "")
    form = payload.get("form")
    body = urlencode(form).encode() if form is not None else json.dumps(payload["json"]).encode()
    kind = "application/json" if form is None else "application/x-www-form-urlencoded"
    plain = WebhookRequest(url, "POST", {"Content-Type": kind}, body)
    return _PROVE.get(esp, _with_password)(plain, payload, secret, int(time.time()) - age)


_Prove = Callable[[WebhookRequest, Mapping[str, Any], str, int], WebhookRequest]


def _with(request: WebhookRequest, body: bytes | None = None, **headers: str) -> WebhookRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return replace(request, headers={**request.headers, **named}, body=request.body if body is None else body)


def _with_password(request: WebhookRequest, _: Mapping[str, Any], secret: str, __: int) -> WebhookRequest:
    return _with(request, Authorization="Basic " + base64.b64encode(secret.encode()).decode())


def _hmac(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _mailgun(request: WebhookRequest, payload: Mapping[str, Any], secret: str, stamp: int) -> WebhookRequest:
    form = payload.get("form")
    block = payload["json"]["signature"] if form is None else form
    own = {**block, "timestamp": str(stamp), "signature": _hmac(secret, f"{stamp}{block['token']}".encode())}
    if form is not None:
        return _with(request, urlencode(own).encode())
    return _with(request, json.dumps({**payload["json"], "signature": own}).encode())


def _mandrill(request: WebhookRequest, payload: Mapping[str, Any], secret: str, _: int) -> WebhookRequest:
    whole = request.url + "".join(name + value for name, value in sorted(payload["form"].items()))
    digest = hmac.new(secret.encode(), whole.encode(), hashlib.sha1).digest()
    return _with(request, X_Mandrill_Signature=base64.b64encode(digest).decode())


def _postal(request: WebhookRequest, _: Mapping[str, Any], secret: str, __: int) -> WebhookRequest:
    key = rsa_key("provider" if secret == options()["postal"]["webhook_secret"] else "stranger")
    return _with(
        request, X_Postal_Signature=base64.b64encode(key.sign(request.body, padding.PKCS1v15(), SHA1())).decode()
    )


def _sendgrid(request: WebhookRequest, _: Mapping[str, Any], secret: str, stamp: int) -> WebhookRequest:
    key = ec_key("provider" if secret == options()["sendgrid"]["webhook_secret"] else "stranger")
    signature = key.sign(str(stamp).encode() + request.body, ec.ECDSA(SHA256()))
    return _with(
        request,
        X_Twilio_Email_Event_Webhook_Signature=base64.b64encode(signature).decode(),
        X_Twilio_Email_Event_Webhook_Timestamp=str(stamp),
    )


def _resend(request: WebhookRequest, payload: Mapping[str, Any], secret: str, stamp: int) -> WebhookRequest:
    identity = f"msg_{hashlib.sha256(request.body).hexdigest()[:20]}"
    signature = svix.sign(request.body, identity, str(stamp), secret)
    return _with(request, Svix_Id=identity, Svix_Timestamp=str(stamp), Svix_Signature=f"v1,{signature}")


def _unisender_go(request: WebhookRequest, payload: Mapping[str, Any], secret: str, _: int) -> WebhookRequest:
    auth = payload["json"]["auth"].encode()
    keyed = request.body.replace(auth, secret.encode())
    return _with(request, request.body.replace(auth, hashlib.md5(keyed).hexdigest().encode()))


def _amazon_ses(request: WebhookRequest, payload: Mapping[str, Any], secret: str, stamp: int) -> WebhookRequest:
    moment = datetime.fromtimestamp(stamp, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    message = sns_message({**payload["json"], "Timestamp": moment}, "stranger" if secret else "provider")
    return _with(
        request,
        json.dumps(message).encode(),
        Content_Type="text/plain; charset=UTF-8",
        x_amz_sns_message_type=message["Type"],
        x_amz_sns_message_id=message["MessageId"],
        x_amz_sns_topic_arn=message["TopicArn"],
    )


def sns_message(fields: Mapping[str, Any], whose: str = "provider", version: str = "1") -> dict[str, Any]:
    """Return a message of SNS with its signature."""
    names = [name for name in sns.SIGNED[fields["Type"]] if name in fields]
    text = "".join(f"{name}\n{fields[name]}\n" for name in names).encode()
    hashed: HashAlgorithm = SHA1() if version == "1" else SHA256()
    signature = base64.b64encode(rsa_key(whose).sign(text, padding.PKCS1v15(), hashed)).decode()
    return {**fields, "SignatureVersion": version, "Signature": signature, "SigningCertURL": CERTIFICATE_URL}


def _body_signed(header: str) -> _Prove:
    def prove(request: WebhookRequest, _: Mapping[str, Any], secret: str, __: int) -> WebhookRequest:
        return _with(request, **{header: _hmac(secret, request.body)})

    return prove


_PROVE: Mapping[str, _Prove] = {
    "amazon_ses": _amazon_ses,
    "mailersend": _body_signed("Signature"),
    "mailgun": _mailgun,
    "mailtrap": _body_signed("Mailtrap_Signature"),
    "mandrill": _mandrill,
    "postal": _postal,
    "resend": _resend,
    "sendgrid": _sendgrid,
    "unisender_go": _unisender_go,
}
