"""The sandbox's fixed credentials: published with the package, NOT SECRET, and valid for the sandbox only.

They are constants so that development settings can default to them and a checkout works without any account.
Whoever configures them against a real provider is refused by it.
"""

from __future__ import annotations

import json
from base64 import b64encode
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

TWILIO_ACCOUNT_SID = "AC5a4d0b0c5a4d0b0c5a4d0b0c5a4d0b0c"
TWILIO_AUTH_TOKEN = "not-secret-twilio-sandbox-token"
TWILIO_FROM_NUMBER = "+15005550006"
"""Twilio's own magic sender that passes all validation (https://www.twilio.com/docs/iam/test-credentials)."""
TWILIO_MESSAGING_SERVICE_SID = "MG5a4d0b0c5a4d0b0c5a4d0b0c5a4d0b0c"

VONAGE_API_KEY = "5a4d0b0c"
VONAGE_API_SECRET = "not-secret-vonage-sandbox"
VONAGE_SIGNATURE_SECRET = "not-secret-vonage-sandbox-signatures"
VONAGE_FROM = "Carillon"

RESEND_API_KEY = "re_not_secret_sandbox"
RESEND_SIGNING_SECRET = "whsec_" + b64encode(b"not-secret-resend-sandbox").decode("ascii")

SMTP_USER = "sandbox"
SMTP_PASSWORD = "not-secret-smtp-sandbox"

POSTMARK_SERVER_TOKEN = "5a4d0b0c-0000-4000-8000-not0secret00"

WEBHOOK_SECRET = "sandbox:not-a-secret-at-all"
"""``user:password`` for the basic auth of ESP webhooks; put it in the webhook URL as ``http://user:password@...``."""

FCM_PROJECT_ID = "carillon-sandbox"
FCM_CLIENT_EMAIL = "sandbox@carillon-sandbox.iam.gserviceaccount.com"
FCM_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"

APNS_KEY_ID = "SANDBOXKEY"
APNS_TEAM_ID = "SANDBOXTEA"
"""Ten characters each, as Apple's are."""
APNS_TOPIC = "com.example.carillon"

_APNS_KEY_FILE = Path(__file__).with_name("not_secret_apns_key.p8")
_KEY_FILE = Path(__file__).with_name("not_secret_key.pem")
_BEGIN = "-----BEGIN"


def write_service_account(path: str | Path, token_uri: str, project_id: str = FCM_PROJECT_ID) -> Path:
    """Write a Google service account file whose token endpoint is the sandbox's, and return its path.

    ``token_uri`` is the sandbox's ``http://host:port/fcm/token``. The shape is that of a key file downloaded from
    Google: https://cloud.google.com/iam/docs/keys-create-delete#creating
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    account = {
        "type": "service_account",
        "project_id": project_id,
        "private_key_id": "not-secret-sandbox-key",
        "private_key": private_key_pem(),
        "client_email": FCM_CLIENT_EMAIL,
        "client_id": "100000000000000000000",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": token_uri,
        "universe_domain": "googleapis.com",
    }
    target.write_text(json.dumps(account, indent=2) + "\n", encoding="utf-8")
    return target


def write_apns_key(path: str | Path) -> Path:
    """Write the key that signs for APNs as a ``.p8`` file, as Apple's developer site hands it out; return its path."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(apns_private_key_pem(), encoding="ascii")
    return target


@cache
def private_key_pem() -> str:
    """Return the sandbox's RSA private key as PEM, without the note that stands before it in the file."""
    return _without_note(_KEY_FILE)


@cache
def apns_private_key_pem() -> str:
    """Return the sandbox's elliptic curve key for APNs as PEM, without its note."""
    return _without_note(_APNS_KEY_FILE)


@cache
def public_key() -> RSAPublicKey:
    """Return the key that verifies what the sandbox's service account signed."""
    key = load_pem_private_key(private_key_pem().encode("ascii"), password=None)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError(f"{_KEY_FILE.name} must hold an RSA key")
    return key.public_key()


@cache
def apns_public_key() -> EllipticCurvePublicKey:
    """Return the key that verifies what a provider of APNs signed."""
    key = load_pem_private_key(apns_private_key_pem().encode("ascii"), password=None)
    if not isinstance(key, EllipticCurvePrivateKey):
        raise TypeError(f"{_APNS_KEY_FILE.name} must hold an elliptic curve key")
    return key.public_key()


def _without_note(path: Path) -> str:
    text = path.read_text(encoding="ascii")
    return text[text.index(_BEGIN) :]
