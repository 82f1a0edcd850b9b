"""How to get here: entries for a project's settings, printed at start, and an answer to whoever took a wrong path."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from aiohttp import web

from . import credentials

_ADAPTERS = "notifications.providers"
_SENDER = "shop@example.com"


def options_to_paste(base_url: str, file: Path, ports: Mapping[str, Mapping[str, str]]) -> str:
    """Return what leads a project's providers here; writes the key file that FCM's needs beside ``file``."""
    key_file = credentials.write_service_account(
        file.with_suffix(".service-account.json").absolute(), f"{base_url}/fcm/token"
    )
    entries = "".join(
        f"{json.dumps(alias)}: {json.dumps(entry, indent=4)},\n"
        for alias, entry in _entries(base_url, str(key_file), ports).items()
    )
    return (
        f"inbox: {base_url}/sandbox/\n\n"
        'For NOTIFICATIONS["PROVIDERS"]; the credentials are published, and good for nothing but the sandbox:\n\n'
        f"{entries}\n"
    )


def smtp_url(port: str | int) -> str:
    """Return the URL of the mail server, by the name that its certificate has."""
    return f"smtp://{credentials.SMTP_USER}:{credentials.SMTP_PASSWORD}@localhost:{port}"


class Guide:
    """Answers what no provider's path matches: a ``base_url`` without ``/fcm``, say."""

    def add_routes(self, app: web.Application) -> None:
        """Add the routes; they must be the last, for they match everything."""
        app.router.add_get("/", self.home)
        app.router.add_route("*", "/{path:.*}", self.nothing_here)

    async def home(self, _request: web.Request) -> web.StreamResponse:
        """Lead to the inbox."""
        raise web.HTTPFound("/sandbox/")

    async def nothing_here(self, request: web.Request) -> web.Response:
        """Say which base URLs there are."""
        base = f"{request.scheme}://{request.host}"
        text = (
            f"The sandbox has no {request.method} {request.path}. Set base_url to {base}/fcm, {base}/twilio, "
            f"{base}/vonage, {base}/postmark or {base}/resend; APNs and SMTP have ports of their own: "
            f"{base}/sandbox/info. What arrived is at {base}/sandbox/.\n"
        )
        return web.Response(status=404, text=text)


def _entries(base_url: str, key_file: str, ports: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, object]]:
    return {**_push(base_url, key_file, ports["apns"]), **_sms(base_url), **_email(base_url, ports["smtp"])}


def _push(base_url: str, key_file: str, apns: Mapping[str, str]) -> dict[str, dict[str, object]]:
    return {
        "fcm": {
            "BACKEND": f"{_ADAPTERS}.fcm.FCMAdapter",
            "OPTIONS": {"base_url": f"{base_url}/fcm", "service_account_file": key_file},
        },
        "apns": {
            "BACKEND": f"{_ADAPTERS}.apns.APNsAdapter",
            "OPTIONS": {
                **apns,
                "key_id": credentials.APNS_KEY_ID,
                "team_id": credentials.APNS_TEAM_ID,
                "topic": credentials.APNS_TOPIC,
            },
        },
    }


def _sms(base_url: str) -> dict[str, dict[str, object]]:
    return {
        "twilio": {
            "BACKEND": f"{_ADAPTERS}.twilio.TwilioAdapter",
            "OPTIONS": {
                "base_url": f"{base_url}/twilio",
                "account_sid": credentials.TWILIO_ACCOUNT_SID,
                "auth_token": credentials.TWILIO_AUTH_TOKEN,
                "from_number": credentials.TWILIO_FROM_NUMBER,
            },
        },
        "vonage": {
            "BACKEND": f"{_ADAPTERS}.vonage.VonageAdapter",
            "OPTIONS": {
                "base_url": f"{base_url}/vonage",
                "api_key": credentials.VONAGE_API_KEY,
                "api_secret": credentials.VONAGE_API_SECRET,
                "from_number": credentials.VONAGE_FROM,
                "signature_secret": credentials.VONAGE_SIGNATURE_SECRET,
            },
        },
    }


def _email(base_url: str, smtp: Mapping[str, str]) -> dict[str, dict[str, object]]:
    anymail = f"{_ADAPTERS}.anymail.AnymailAdapter"
    return {
        "postmark": {
            "BACKEND": anymail,
            "OPTIONS": {
                "base_url": f"{base_url}/postmark",
                "esp": "postmark",
                "from_email": _SENDER,
                "esp_options": {"server_token": credentials.POSTMARK_SERVER_TOKEN},
                "webhook_secret": credentials.WEBHOOK_SECRET,
            },
        },
        "resend": {
            "BACKEND": anymail,
            "OPTIONS": {
                "base_url": f"{base_url}/resend",
                "esp": "resend",
                "from_email": _SENDER,
                "esp_options": {"api_key": credentials.RESEND_API_KEY},
                "webhook_secret": credentials.RESEND_SIGNING_SECRET,
            },
        },
        "smtp": {
            "BACKEND": f"{_ADAPTERS}.smtp.SMTPAdapter",
            "OPTIONS": {"url": smtp_url(smtp["port"]), "ca_file": smtp["ca_file"], "from_email": _SENDER},
        },
    }
