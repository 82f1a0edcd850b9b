"""The parts that tests of flows share: the sandbox as the network's far end, settings that point at it, and work."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings as django_settings

from notifications.enums import Channel
from notifications.flows.drain import drain
from notifications.flows.reconcile import reconcile
from notifications.sandbox import credentials
from notifications.sandbox.process import SandboxProcess

PATIENCE_SECONDS = 60.0


def notifications_settings(sandbox: SandboxProcess, key_file: Path) -> dict[str, Any]:
    """Return `NOTIFICATIONS` of the project with every provider in the sandbox."""
    if not key_file.exists():
        credentials.write_service_account(key_file, sandbox.token_uri)
    base = sandbox.base_url
    user_password = credentials.WEBHOOK_SECRET
    options = {
        "fcm": {"service_account_file": str(key_file), "base_url": f"{base}/fcm"},
        "twilio": {
            "account_sid": credentials.TWILIO_ACCOUNT_SID,
            "auth_token": credentials.TWILIO_AUTH_TOKEN,
            "from_number": credentials.TWILIO_FROM_NUMBER,
            "base_url": f"{base}/twilio",
        },
        "email": {
            "esp": "postmark",
            "from_email": "Bell Shop <shop@example.com>",
            "esp_options": {"server_token": credentials.POSTMARK_SERVER_TOKEN},
            "webhook_secret": user_password,
            "base_url": f"{base}/postmark",
        },
    }
    configured = django_settings.NOTIFICATIONS
    providers = {
        alias: {"BACKEND": entry["BACKEND"], "OPTIONS": options[alias]}
        for alias, entry in configured["PROVIDERS"].items()
    }
    return {**configured, "PROVIDERS": providers}


def work(*channels: Channel) -> int:
    """Do in this process what a worker would: deliver what is due and reconcile receipts; return how much there was."""
    done = sum(drain(channel, "test", channels or list(Channel)) for channel in channels or Channel)
    while taken := reconcile():
        done += taken
    return done


def wait_for(condition: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """Return the condition's value once it is true; fail with a sentence after a generous limit."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s in vain for: {what}")
        time.sleep(0.05)
