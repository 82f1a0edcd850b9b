"""The token that authorises a send to APNs: signed with the team's key, anew every half-hour, the same in all workers.

https://developer.apple.com/documentation/usernotifications/establishing-a-token-based-connection-to-apns
"""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ..exceptions import ProviderMisconfigured

#: APNs refuses a token that is older than an hour, and a new one within 20 minutes of the last on a connection. A token
#: of the half-hour that is kept for 20 minutes at least is never older than 50 minutes.
LIFE_SECONDS = 1_800
LEAST_SECONDS = 1_200


class ProviderToken:
    """The current token of one team and key.

    Apple counts new tokens by the connection and wants one for the whole team. So the time of issue is rounded down to
    what all workers agree on, and the signature is the deterministic one: restarting twenty workers makes no new token.
    """

    def __init__(self, alias: str, key_file: str, key_id: str, team_id: str) -> None:
        self._alias = alias
        self._key_file = key_file
        self._key_id = key_id
        self._team_id = team_id
        self._issued = 0
        self._since = 0
        self._bearer = ""

    def bearer(self) -> str:
        """Return the value of the `authorization` header.

        Raises:
            ProviderMisconfigured: the key file cannot be used.
        """
        now = int(time.time())
        current = now - now % LIFE_SECONDS
        # One that was first used late in its half-hour goes on into the next.
        is_new = 0 <= now - self._since < LEAST_SECONDS
        if not self._bearer or (current != self._issued and not is_new):
            self._issue(current, now)
        return self._bearer

    def renew(self, refused: str) -> bool:
        """Replace a token that APNs finds too old; False if it is of this half-hour, so that the clock must be wrong.

        Raises:
            ProviderMisconfigured: the key file cannot be used.
        """
        if refused != self._bearer:
            return True  # another send has seen to it
        now = int(time.time())
        current = now - now % LIFE_SECONDS
        if current <= self._issued:
            return False
        self._issue(current, now)
        return True

    def _issue(self, moment: int, now: int) -> None:
        try:
            key = load_key(self._key_file)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ProviderMisconfigured(self._alias, "key_file", "The key file cannot be used.") from error
        self._bearer = f"bearer {signed(key, self._key_id, self._team_id, moment)}"
        self._issued = moment
        self._since = now


def load_key(path: str) -> EllipticCurvePrivateKey:
    """Return the private key in a .p8 file.

    Raises:
        OSError, ValueError, TypeError, UnsupportedAlgorithm: there is no such key in it.
    """
    key = load_pem_private_key(Path(path).read_bytes(), password=None)
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError("not a P-256 key")  # noqa: TRY004 - of the file, not of an argument
    return key


def signed(key: EllipticCurvePrivateKey, key_id: str, team_id: str, moment: int) -> str:
    """Return the JSON Web Token, signed by ES256. https://www.rfc-editor.org/rfc/rfc7518#section-3.4"""
    head = {"alg": "ES256", "kid": key_id}
    claims = {"iss": team_id, "iat": moment}
    text = ".".join(_base64(json.dumps(part, separators=(",", ":")).encode()) for part in (head, claims))
    try:
        signature = key.sign(text.encode(), ECDSA(SHA256(), deterministic_signing=True))
    except UnsupportedAlgorithm:  # OpenSSL before 3.2: then each worker has a token of its own
        signature = key.sign(text.encode(), ECDSA(SHA256()))
    r, s = decode_dss_signature(signature)
    return f"{text}.{_base64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _base64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
