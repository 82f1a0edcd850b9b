"""How a provider signs its callbacks, in one line: an HMAC over the exact body, in a header, with a shared secret."""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from typing import Literal

from ..exceptions import WebhookRejected
from ..messages import WebhookRequest


@dataclass(frozen=True)
class Signature:
    """An HMAC of the body, as `header` carries it: in hexadecimal digits or base64, perhaps behind a prefix.

    `option` names the adapter's option that holds the secret, and `algorithm` the hash, as `hashlib` calls it.
    """

    header: str
    option: str = "callback_secret"
    algorithm: str = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""

    def of(self, secret: str, body: bytes) -> str:
        """Return the header's value for a body."""
        made = hmac.new(secret.encode(), body, self.algorithm)
        return self.prefix + (made.hexdigest() if self.encoding == "hex" else base64.b64encode(made.digest()).decode())

    def verify(self, secret: str, request: WebhookRequest) -> None:
        """Return if a callback carries the signature of its body.

        Raises:
            WebhookRejected: it does not, or there is no secret to tell by.
        """
        given = request.header(self.header).encode(errors="replace")
        if not secret or not hmac.compare_digest(given, self.of(secret, request.body).encode()):
            raise WebhookRejected("The callback does not carry the signature of its body.")
