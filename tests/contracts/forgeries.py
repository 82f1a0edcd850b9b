"""Callbacks that no provider sent: every way of proving one, got wrong in every way that a stranger could try."""

from __future__ import annotations

import base64
import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlencode

from twilio.request_validator import RequestValidator

from notifications.messages import WebhookRequest
from notifications.providers.anymail_receipts import SES
from notifications.providers.anymail_webhooks import PROOFS
from notifications.providers.vonage_receipts import signature as vonage_signature

from .esp_callbacks import PASSWORD, options, signed
from .payloads import HOME, load

#: As the provider was told; the requests themselves come to another host, port and scheme.
PUBLIC_URL = "https://bells.example/notify"
STRANGER = "hook:another-accounts-secret"
ALIASES = ("twilio", "vonage", *sorted({*PROOFS, SES} - {"sendinblue"}))
#: Callbacks in which the body is signed, as a whole or field by field.
_BODY = frozenset(ALIASES) - {alias for alias in ALIASES if options().get(alias, {}).get("webhook_secret") == PASSWORD}
_AGED = {"mailgun": 36_000, "sendgrid": 90_000, SES: 7_200, "resend": 300, "vonage": 90_000}
_ANYMAIL = "notifications.providers.anymail.AnymailAdapter"
_OWN: Mapping[str, tuple[str, dict[str, object]]] = {
    "twilio": (
        "notifications.providers.twilio.TwilioAdapter",
        {"account_sid": "AC" + "0" * 32, "auth_token": "twilio-auth-token", "from_number": "+15005550006"},
    ),
    "vonage": (
        "notifications.providers.vonage.VonageAdapter",
        {"api_key": "k", "api_secret": "s", "from_number": "Shop", "signature_secret": "vonage-signature-secret"},
    ),
}


def providers() -> dict[str, dict[str, object]]:
    """Return `PROVIDERS` with an account at everybody who sends callbacks, each under its own name."""
    found: dict[str, dict[str, object]] = {}
    for alias in ALIASES:
        backend, own = _OWN.get(
            alias, (_ANYMAIL, {"esp": alias, "from_email": "a@example.com", **options().get(alias, {})})
        )
        found[alias] = {"BACKEND": backend, "OPTIONS": own}
    return found


@lru_cache(maxsize=32)
def _recorded(alias: str) -> tuple[dict[str, Any], ...]:
    return tuple(load(path) for path in sorted((HOME / alias).glob("webhook_*.json")))


def genuine(
    alias: str, draw: random.Random, secret: str | None = None, age: int = 0, base: str = PUBLIC_URL
) -> WebhookRequest:
    """Return one of a provider's recorded callbacks, with its proof for the address under `base`."""
    payload = draw.choice(_recorded(alias))
    query = payload["url"].partition("?")[2]
    url = f"{base}/webhooks/{alias}/" + (f"?{query}" if query else "")
    if alias == "twilio":
        return _twilio(url, payload["form"], secret or str(_OWN["twilio"][1]["auth_token"]))
    if alias == "vonage":
        return _vonage(url, payload["form"], secret or str(_OWN["vonage"][1]["signature_secret"]), age)
    return signed(alias, payload, url, secret, age)


def _twilio(url: str, form: Mapping[str, str], secret: str) -> WebhookRequest:
    signature = RequestValidator(secret).compute_signature(url, form)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature}
    return WebhookRequest(url, "POST", headers, urlencode(form).encode())


def _vonage(url: str, form: Mapping[str, str], secret: str, age: int) -> WebhookRequest:
    stamped = {**form, "timestamp": str(int(time.time()) - age), "nonce": "4e9c0d2a"}
    whole = {**stamped, "sig": vonage_signature(stamped, secret)}
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return WebhookRequest(url, "POST", headers, urlencode(whole).encode())


# Ways to forge: each takes a provider's name and returns what is none of its callbacks, or None where it is no forgery.

_Forge = Callable[[str, random.Random], WebhookRequest | None]


def _another_secret(alias: str, draw: random.Random) -> WebhookRequest:
    return genuine(alias, draw, "whsec_b3RoZXI=" if alias == "resend" else STRANGER)


def _stale(alias: str, draw: random.Random) -> WebhookRequest | None:
    return genuine(alias, draw, age=_AGED[alias] + draw.randint(60, 10**8)) if alias in _AGED else None


def _of_tomorrow(alias: str, draw: random.Random) -> WebhookRequest | None:
    return genuine(alias, draw, age=-draw.randint(400, 10**8)) if alias in _AGED else None


def _for_another_address(alias: str, draw: random.Random) -> WebhookRequest | None:
    """The right secret and a wrong port, scheme, host or prefix: what a proxy could make of the address."""
    if alias not in ("twilio", "mandrill"):
        return None
    bases = ("https://bells.example:8443/notify", "http://bells.example/notify", "https://evil.test/notify",
             "https://bells.example", "http://testserver", "https://bells.example/notify/x")  # fmt: skip
    return genuine(alias, draw, base=draw.choice(bases))


def _behind_a_lying_proxy(alias: str, draw: random.Random) -> WebhookRequest | None:
    """Signed for a host that the request then claims to have come to."""
    if alias not in ("twilio", "mandrill"):
        return None
    made = genuine(alias, draw, base="https://evil.test")
    claims = {"Host": "evil.test", "X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "https",
              "X-Forwarded-Port": "443", "Forwarded": "host=evil.test;proto=https", "X-Script-Name": ""}  # fmt: skip
    return replace(made, headers={**made.headers, **claims})


def _without_proof(alias: str, draw: random.Random) -> WebhookRequest | None:
    made = genuine(alias, draw)
    if alias == SES:
        message = json.loads(made.body)
        message.pop(draw.choice(["Signature", "SigningCertURL", "SignatureVersion", "TopicArn", "Timestamp"]))
        return replace(made, body=json.dumps(message).encode())
    if alias == "vonage":
        return replace(
            made, body=urlencode([pair for pair in parse_qsl(made.body.decode()) if pair[0] != "sig"]).encode()
        )
    return replace(made, headers={"Content-Type": made.headers["Content-Type"]}) if len(made.headers) > 1 else None


def _with_a_broken_proof(alias: str, draw: random.Random) -> WebhookRequest | None:
    made = genuine(alias, draw)
    names = [name for name in made.headers if "Signature" in name or name == "Authorization"]
    if not names:
        return None
    value = made.headers[names[0]]
    at = draw.randrange(len(value) // 2)
    other = draw.choice(["", "é", "x", value[:at], value[:-4], value[::-1], "A" + value, "Basic Og==", "v1,"])
    return replace(made, headers={**made.headers, names[0]: other})


def _with_another_body(alias: str, draw: random.Random) -> WebhookRequest | None:
    """A genuine proof on what the provider did not say. Mailgun signs a token alone; its tokens count once instead."""
    if alias not in _BODY - {"mailgun"}:
        return None
    made = genuine(alias, draw)
    changes = [
        made.body + b"&x=1",
        b"x" + made.body,
        b"",
        b"{}",
        b"a=1",
        made.body[: len(made.body) // 2],
    ]
    return replace(made, body=draw.choice(changes))


def _as_json(alias: str, draw: random.Random) -> WebhookRequest | None:
    """A form as JSON, or any JSON with the proof of something else."""
    made = genuine(alias, draw)
    if alias not in _BODY or alias == "mailgun" or "form" not in made.headers["Content-Type"]:
        return None
    fields = {**dict(parse_qsl(made.body.decode())), "x": str(draw.random())}
    headers = {**made.headers, "Content-Type": "application/json"}
    return replace(made, headers=headers, body=json.dumps(fields).encode())


def _in_another_order(alias: str, draw: random.Random) -> WebhookRequest | None:
    """The right secret over fields that were not put in order first, or in an order of the stranger's own."""
    if alias != "twilio":
        return None
    made = genuine(alias, draw)
    pairs = sorted(parse_qsl(made.body.decode()), reverse=True)
    whole = made.url + "".join(name + value for name, value in pairs)
    token = str(_OWN["twilio"][1]["auth_token"])
    digest = RequestValidator(token).compute_signature(whole, {})
    return replace(made, headers={**made.headers, "X-Twilio-Signature": digest}, body=urlencode(pairs).encode())


def _of_another_provider(alias: str, draw: random.Random) -> WebhookRequest | None:
    others = [other for other in ALIASES if other != alias and not {alias, other} <= set(ALIASES) - _BODY]
    made = genuine(draw.choice(others), draw)
    return replace(made, url=f"{PUBLIC_URL}/webhooks/{alias}/")


def _with_guessed_credentials(alias: str, draw: random.Random) -> WebhookRequest:
    made = genuine(alias, draw)
    plain = {"Content-Type": made.headers["Content-Type"]}
    guess = draw.choice(
        ["", ":", "hook:", "hook", "admin:admin", PASSWORD + " ", PASSWORD.upper(), "None:None", "hook:\x00"]
    )
    if alias in (SES, "vonage", "mailgun", "unisender_go"):
        made = _another_secret(alias, draw)  # whose proof is in the body
    return replace(made, headers={**plain, "Authorization": "Basic " + base64.b64encode(guess.encode()).decode()})


def _with_half_a_surrogate_pair(alias: str, draw: random.Random) -> WebhookRequest:
    """Text that JSON can hold and UTF-8 cannot, as the proof in the body or among what is signed."""
    made = _another_secret(alias, draw)
    told = {"sig": "x", draw.choice(["sig", "timestamp", "\udfff"]): "\ud800"}
    return replace(made, headers={**made.headers, "Content-Type": "application/json"}, body=json.dumps(told).encode())


WAYS: tuple[_Forge, ...] = (
    _another_secret,
    _stale,
    _of_tomorrow,
    _for_another_address,
    _behind_a_lying_proxy,
    _without_proof,
    _with_a_broken_proof,
    _with_another_body,
    _as_json,
    _in_another_order,
    _of_another_provider,
    _with_guessed_credentials,
    _with_half_a_surrogate_pair,
)


def forgeries(count: int, seed: int = 6) -> Iterator[tuple[str, str, WebhookRequest]]:
    """Yield so many forgeries as (provider, way, request): every way of every provider in turn."""
    draw = random.Random(seed)
    made = 0
    while True:
        for alias in ALIASES:
            for way in WAYS:
                request = way(alias, draw)
                if request is not None:
                    yield alias, way.__name__, request
                    made += 1
                if made >= count:
                    return
