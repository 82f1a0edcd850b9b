"""How each ESP proves that a callback is its own, and anymail's view that checks and reads it.

https://anymail.dev/en/stable/tips/securing_webhooks/
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib import import_module
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from anymail.exceptions import AnymailConfigurationError, AnymailDeprecationWarning, AnymailNotSupportedWarning
from anymail.webhooks.base import AnymailCoreWebhookView
from django.core.handlers.wsgi import WSGIRequest

from ..exceptions import WebhookRejected
from ..messages import WebhookRequest
from .base import as_mapping

#: What basic authentication needs beside a name: whoever guesses it reports what they like about anybody.
SHORTEST_PASSWORD = 16
#: How far a sender's clock may be ahead of ours, in seconds.
AHEAD_SECONDS = 300


@dataclass(frozen=True)
class Proof:
    """What tells an ESP's callback from a forgery.

    `key` is anymail's name of the key that checks its signature; without one, the callback carries a user and a
    password. `password_too`: an account that was given no key may use these instead.
    `oldest` is for how many seconds a signed time counts: as long as the ESP repeats what was not answered, since none
    of them says whether a repetition is signed anew. Whatever comes twice counts once in any case.
    """

    key: str = ""
    password_too: bool = False
    oldest: int | None = None


_PASSWORD = Proof(password_too=True)
#: Every ESP whose callbacks anymail 15.2 reads, but for Amazon SES, whose signatures `sns.py` checks.
PROOFS: Mapping[str, Proof] = {
    "brevo": _PASSWORD,
    "mailersend": Proof("signing_secret"),
    # It signs a time and a token, and nothing of the event. https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
    # Repeated for eight hours. https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhooks
    "mailgun": Proof("webhook_signing_key", oldest=36_000),
    "mailjet": _PASSWORD,
    "mailtrap": Proof("tracking_secret", password_too=True),
    "mandrill": Proof("webhook_key"),
    "postal": Proof("webhook_key"),
    "postmark": _PASSWORD,
    "resend": Proof("signing_secret", password_too=True),
    # Repeated for a day. https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook
    "sendgrid": Proof("tracking_webhook_verification_key", password_too=True, oldest=90_000),
    "sendinblue": _PASSWORD,
    "sparkpost": _PASSWORD,
    "unisender_go": Proof("api_key"),
}


def signs(esp: str, secret: str) -> bool:
    """Whether a secret is the key of the ESP's signature, and not the user and password of its callbacks."""
    proof = PROOFS.get(esp, _PASSWORD)
    return bool(proof.key) and not (proof.password_too and ":" in secret)


def view_of(esp: str, secret: str, url: str = "") -> AnymailCoreWebhookView:
    """Return anymail's view of an ESP's callbacks, which checks them with the secret.

    A view holds nothing of the request, so one serves all of them: making it costs more than what it does. Only
    Mandrill signs the URL.

    Raises:
        WebhookRejected: anymail reads no callbacks of this ESP, or cannot use the secret.
    """
    return _made_view(esp, secret, url if esp == "mandrill" else "")


@lru_cache(maxsize=64)
def _made_view(esp: str, secret: str, url: str) -> AnymailCoreWebhookView:
    try:
        module = import_module(f"anymail.webhooks.{esp}")
    except ImportError as error:
        raise WebhookRejected(f"anymail reads no callbacks of {esp!r}.") from error
    name = next(name for name in vars(module) if name.endswith("TrackingWebhookView"))
    options: dict[str, object] = {"webhook_secret": [secret]}
    # What Resend signs is checked without the package that anymail would ask for.
    if signs(esp, secret) and esp != "resend":
        options = {"webhook_secret": [], PROOFS[esp].key: secret}
    if esp == "mandrill":
        options["webhook_url"] = url
    try:
        with warnings.catch_warnings():
            # What anymail says of SendGrid and of Brevo's old name need not be said with every callback.
            warnings.simplefilter("ignore", AnymailNotSupportedWarning)
            warnings.simplefilter("ignore", AnymailDeprecationWarning)
            view: AnymailCoreWebhookView = getattr(module, name)(**options)
    except (AnymailConfigurationError, ValueError) as error:
        raise WebhookRejected("The webhook_secret cannot be used.") from error
    return view


def check_time(esp: str, request: WebhookRequest, now: datetime) -> None:
    """Return if the time that an ESP signed is not long ago.

    Raises:
        WebhookRejected: it is, or there is none.
    """
    oldest = PROOFS.get(esp, _PASSWORD).oldest
    if oldest is None:
        return
    stamp = _signed_time(esp, request)
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 12):
        raise WebhookRejected("The callback says not when it was signed.")
    if not -AHEAD_SECONDS <= now.timestamp() - int(stamp) <= oldest:
        raise WebhookRejected("The callback was signed too long ago.")


def _signed_time(esp: str, request: WebhookRequest) -> str:
    made = django_request(request)
    if esp == "sendgrid":
        return made.headers.get("X-Twilio-Email-Event-Webhook-Timestamp", "")
    if made.content_type == "application/json":
        return str(as_mapping(as_mapping(json.loads(request.body)).get("signature")).get("timestamp", ""))
    return str(made.POST.get("timestamp", ""))


def django_request(request: WebhookRequest) -> WSGIRequest:
    """Return the callback as the request that Django would have made of it, at the URL that the ESP was told.

    What a proxy says of itself is left out, so that no setting of the host's makes Django believe it.
    """
    url = urlsplit(request.url)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": url.path,
        "QUERY_STRING": url.query,
        "SERVER_NAME": url.hostname or "",
        "SERVER_PORT": str(url.port or (443 if url.scheme == "https" else 80)),
        "wsgi.url_scheme": url.scheme or "https",
        "wsgi.input": BytesIO(request.body),
        "CONTENT_LENGTH": str(len(request.body)),
    }
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_LENGTH", "HOST") and not key.startswith("X_FORWARDED"):
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    return WSGIRequest(environ)
