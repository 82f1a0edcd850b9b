"""The lines that cure: each hint is one that can be pasted as it stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from .. import conf
from ..enums import Channel
from ..providers.base import Adapter
from .missing_app import HINT

INSTALLED_APPS = HINT
RQ_QUEUES = 'RQ_QUEUES = {channel: {"URL": os.environ["REDIS_URL"]} for channel in ("push", "sms", "email")}'
RQ = 'RQ = {"WORKER_CLASS": "notifications.workers.ChannelWorker"}'
RQ_PAGES = "RQ_SHOW_ADMIN_LINK = False"
ONLY_TO = '"ONLY_TO": ["example.com", "+4915112345678"],'
ENCRYPTION_KEY = (
    'make one with `python -c "import secrets; print(secrets.token_urlsafe(32))"` and put it in front; '
    "keep the old one behind it if anything was ever stored with it"
)
SMS_COUNTRIES = '"ABUSE": {"sms_countries": ["49", "US"]},  # or None: anywhere'
BACKENDS: Mapping[str, str] = {
    "fcm": "notifications.providers.fcm.FCMAdapter",
    "twilio": "notifications.providers.twilio.TwilioAdapter",
    "postmark": "notifications.providers.anymail.AnymailAdapter",
}
_KNOWN_VALUES: Mapping[str, str] = {"esp": '"postmark"'}


def option(alias: str, name: str) -> str:
    """Return the line that sets a provider's option, from the environment where its value is one's own."""
    if name == "esp_options":
        return f'"esp_options": {{"server_token": os.environ["{_variable(alias, "server_token")}"]}},'
    return f'"{name}": {_KNOWN_VALUES.get(name) or environ(alias, name)},'


def environ(alias: str, name: str) -> str:
    """Return how settings read an option from the environment."""
    return f'os.environ["{_variable(alias, name)}"]'


def backend(alias: str) -> str:
    """Return the line that names a provider's adapter, guessed from its alias."""
    return f'"BACKEND": "{BACKENDS.get(alias) or BACKENDS["postmark" if "mail" in alias else "twilio"]}",'


def provider(alias: str) -> str:
    """Return the line that adds a provider."""
    return f'"{alias}": {{{backend(alias)} "OPTIONS": {{...}}}},'


def routes(adapters: Mapping[str, type[Adapter]]) -> str:
    """Return the line that routes every channel to the providers that serve it."""
    found: dict[Channel, list[str]] = {}
    for alias, adapter in adapters.items():
        found.setdefault(adapter.channel, []).append(alias)
    shown = ", ".join(f'"{channel}": {_listed(found[channel])}' for channel in Channel if channel in found)
    return f'"ROUTES": {{{shown}}},' if shown else '"ROUTES": {"sms": ["twilio"], "email": ["postmark"]},'


def recipient(paths: Mapping[str, str]) -> str:
    """Return the line that says where the user model keeps what is needed to reach somebody."""
    shown = ", ".join(f'"{name}": "{path}"' for name, path in paths.items())
    return f'"RECIPIENT": {{{shown}}},'


def public_url(prefix: str | None) -> str:
    """Return the line that says where the world reaches the app, with the prefix that it is mounted under."""
    now = urlsplit(str(conf.raw().get("PUBLIC_URL") or ""))
    base = f"{now.scheme}://{now.netloc}" if now.netloc else "https://example.com"
    path = f"/{prefix.strip('/')}" if prefix and prefix.strip("/") else ""
    return f'"PUBLIC_URL": "{base}{path}",'


def urls() -> str:
    """Return the line that mounts the app, under the path that `PUBLIC_URL` names."""
    path = urlsplit(str(conf.raw().get("PUBLIC_URL") or "")).path.strip("/")
    mounted = f"{path}/" if path else ""
    return f'urlpatterns += [path("{mounted}", include("notifications.urls"))]'


def _variable(alias: str, name: str) -> str:
    return f"{alias}_{name}".upper().replace("-", "_")


def _listed(items: Iterable[str]) -> str:
    return "[" + ", ".join(f'"{item}"' for item in items) + "]"
