"""How to get here: entries for a project's settings, printed at start, and an answer to whoever took a wrong path."""

from __future__ import annotations

import json
from pathlib import Path

from aiohttp import web

from . import credentials

_ADAPTERS = "notifications.providers"


def options_to_paste(base_url: str, file: Path) -> str:
    """Return what leads a project's providers here; writes the key file that FCM's needs beside ``file``."""
    key_file = credentials.write_service_account(
        file.with_suffix(".service-account.json").absolute(), f"{base_url}/fcm/token"
    )
    entries = "".join(
        f"{json.dumps(alias)}: {json.dumps(entry, indent=4)},\n"
        for alias, entry in _entries(base_url, str(key_file)).items()
    )
    return (
        f"inbox: {base_url}/sandbox/\n\n"
        'For NOTIFICATIONS["PROVIDERS"]; the credentials are published, and good for nothing but the sandbox:\n\n'
        f"{entries}\n"
    )


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
            f"The sandbox has no {request.method} {request.path}. Set base_url to {base}/fcm, {base}/twilio or "
            f"{base}/postmark. What arrived is at {base}/sandbox/.\n"
        )
        return web.Response(status=404, text=text)


def _entries(base_url: str, key_file: str) -> dict[str, dict[str, object]]:
    return {
        "fcm": {
            "BACKEND": f"{_ADAPTERS}.fcm.FCMAdapter",
            "OPTIONS": {"base_url": f"{base_url}/fcm", "service_account_file": key_file},
        },
        "twilio": {
            "BACKEND": f"{_ADAPTERS}.twilio.TwilioAdapter",
            "OPTIONS": {
                "base_url": f"{base_url}/twilio",
                "account_sid": credentials.TWILIO_ACCOUNT_SID,
                "auth_token": credentials.TWILIO_AUTH_TOKEN,
                "from_number": credentials.TWILIO_FROM_NUMBER,
            },
        },
        "postmark": {
            "BACKEND": f"{_ADAPTERS}.anymail.AnymailAdapter",
            "OPTIONS": {
                "base_url": f"{base_url}/postmark",
                "esp": "postmark",
                "from_email": "shop@example.com",
                "esp_options": {"server_token": credentials.POSTMARK_SERVER_TOKEN},
                "webhook_secret": credentials.WEBHOOK_SECRET,
            },
        },
    }
