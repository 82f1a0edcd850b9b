"""The only reader of `settings.NOTIFICATIONS`: turns it into typed, frozen values or says what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, cast

from django.conf import settings as django_settings
from django.core.signals import setting_changed

from .conf_api import ApiOptions, api_options, api_problems, sandbox_problems
from .conf_parts import SettingProblem, did_you_mean, unknown_keys
from .enums import Channel
from .exceptions import ConfigurationError
from .safeguards import (
    AbuseLimits,
    AlertLimits,
    BroadcastLimits,
    abuse_problems,
    alert_problems,
    broadcast_problems,
)

__all__ = ["SettingProblem", "did_you_mean"]

KEYS = (
    "PROVIDERS",
    "ROUTES",
    "RECIPIENT",
    "PUBLIC_URL",
    "ONLY_TO",
    "RETENTION",
    "ALERTS",
    "SANDBOX",
    "ENCRYPTION_KEYS",
    "BROADCASTS",
    "ABUSE",
    "METRICS_TOKEN",
    "API",
    "WORKER_NICE",
)
RECIPIENT_KEYS = ("lookup", "email", "sms", "locale", "time_zone")
#: What `RETENTION` may hold, with the fewest days that make sense; see `Settings` for what they mean.
RETENTION_KEYS = {"stale_devices_days": 30, "log_days": 7, "idempotency_keys_days": 1, "unmatched_receipts_days": 1}
#: As POSIX has it: 0 gives way to nobody, 19 to everybody. At 10 another process gets nine times a worker's share.
NICE_VALUES, WORKER_NICE = range(20), 10
ROUTE_KEYS = ("provider", "countries", "platforms")

CLAIM_SIZE = 1_000
START_GROUP, LARGE_START_GROUP = 64, 250
LEASE_SECONDS = 30
UNCERTAIN_WAIT_SECONDS = 15
SWEEP_SECONDS = 2
REPAIR_SECONDS = 2.0
SWEEPER_LEASE_SECONDS = 10
DRAIN_SECONDS = 1.0
WAKE_KEY_SECONDS = 5
KEY_LOCK_WAIT_SECONDS = 0.25
LOCK_WAIT_SECONDS = 10
STATEMENT_SECONDS = 300
PAGE_SIZE, PACED_PAGE_SIZE = 2_000, 1_000
BACKLOG_LIMIT = 20_000
REFUSED_KEPT_DAYS = 30


@dataclass(frozen=True)
class Provider:
    """A configured account at a provider."""

    alias: str
    backend: str
    options: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True)
class RouteEntry:
    """One provider in a channel's order, perhaps only for some countries or platforms."""

    provider: str
    countries: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecipientPaths:
    """Field paths on the user model, read when planning."""

    lookup: str = "pk"
    email: str | None = None
    sms: str | None = None
    locale: str | None = None
    time_zone: str | None = None

    @property
    def fields(self) -> dict[str, str]:
        """The configured paths by name, without `lookup`."""
        named = {name: getattr(self, name) for name in RECIPIENT_KEYS[1:]}
        return {name: path for name, path in named.items() if path}


@dataclass(frozen=True)
class Settings:
    """`settings.NOTIFICATIONS`, checked and typed."""

    providers: Mapping[str, Provider]
    routes: Mapping[Channel, tuple[RouteEntry, ...]]
    recipient: RecipientPaths
    public_url: str
    only_to: frozenset[str] | None
    only_to_declared: bool
    encryption_keys: tuple[str, ...] = field(repr=False)
    stale_devices_days: int | None = None
    #: How long messages are kept whose category does not say it.
    log_days: int | None = None
    #: How long a repeated request gets the first answer.
    idempotency_keys_days: int | None = 30
    #: How long receipts are kept that belong to no delivery, or to one that is gone.
    unmatched_receipts_days: int | None = 30
    broadcasts: BroadcastLimits = field(default_factory=BroadcastLimits)
    abuse: AbuseLimits = field(default_factory=AbuseLimits)
    alerts: AlertLimits = field(default_factory=AlertLimits)
    #: Who may read the metrics over HTTP; nobody, without one.
    metrics_token: str = field(default="", repr=False)
    #: Aliases of the providers that are sandboxes: what a test key sends goes to nobody else.
    sandbox: frozenset[str] = frozenset()
    api: ApiOptions = field(default_factory=ApiOptions)
    #: How far workers give way to others on their machine, as `nice` counts it.
    worker_nice: int = WORKER_NICE

    def allows(self, address: str) -> bool:
        """Whether `ONLY_TO` lets a message go to this address (an address, an email domain or a number)."""
        if self.only_to is None:
            return True
        lowered = address.lower()
        return lowered in self.only_to or lowered.rpartition("@")[2] in self.only_to


def raw() -> Mapping[str, object]:
    """Return the setting as written; an absent one is empty."""
    value = getattr(django_settings, "NOTIFICATIONS", {})
    return value if isinstance(value, Mapping) else {}


@lru_cache(maxsize=1)
def get() -> Settings:
    """Return the typed settings.

    Raises:
        ConfigurationError: the setting is unusable; the text lists every problem with its cure.
    """
    problems = find_problems()
    if problems:
        raise ConfigurationError("; ".join(f"{p.where}: {p.what} ({p.hint})" for p in problems))
    value = raw()
    providers = cast("Mapping[str, Mapping[str, object]]", value.get("PROVIDERS", {}))
    routes = cast("Mapping[str, list[object]]", value.get("ROUTES", {}))
    only_to = cast("list[str] | None", value.get("ONLY_TO"))
    return Settings(
        providers={
            alias: Provider(alias, str(entry["BACKEND"]), cast("Mapping[str, object]", entry.get("OPTIONS", {})))
            for alias, entry in providers.items()
        },
        routes={Channel(channel): tuple(_route(entry) for entry in entries) for channel, entries in routes.items()},
        recipient=RecipientPaths(**cast("dict[str, str]", value.get("RECIPIENT", {"email": "email"}))),
        public_url=str(value.get("PUBLIC_URL", "")).rstrip("/"),
        only_to=None if only_to is None else frozenset(item.lower().lstrip("@") for item in only_to),
        only_to_declared="ONLY_TO" in value,
        encryption_keys=tuple(cast("list[str]", value.get("ENCRYPTION_KEYS", ()))),
        **cast("dict[str, int | None]", value.get("RETENTION") or {}),
        broadcasts=BroadcastLimits(**cast("dict[str, Any]", value.get("BROADCASTS") or {})),
        abuse=AbuseLimits.read(cast("dict[str, Any]", value.get("ABUSE") or {})),
        alerts=AlertLimits(**cast("dict[str, Any]", value.get("ALERTS") or {})),
        metrics_token=str(value.get("METRICS_TOKEN") or ""),
        sandbox=frozenset(cast("list[str]", value.get("SANDBOX") or ())),
        api=api_options(value.get("API")),
        worker_nice=cast("int", value.get("WORKER_NICE", WORKER_NICE)),
    )


def find_problems() -> list[SettingProblem]:
    """Return everything wrong with `settings.NOTIFICATIONS`, each with its cure; empty if it can work."""
    value = getattr(django_settings, "NOTIFICATIONS", None)
    if value is None:
        return [
            SettingProblem("NOTIFICATIONS", "is not set", 'add NOTIFICATIONS = {"PROVIDERS": {...}, "ROUTES": {...}}')
        ]
    if not isinstance(value, Mapping):
        return [SettingProblem("NOTIFICATIONS", "is not a dict", "write it as a dict")]
    problems = unknown_keys("NOTIFICATIONS", value, KEYS)
    problems += _provider_problems(value.get("PROVIDERS", {}))
    problems += _route_problems(value.get("ROUTES", {}), value.get("PROVIDERS", {}))
    problems += _retention_problems(value.get("RETENTION"))
    problems += broadcast_problems(value.get("BROADCASTS"))
    problems += abuse_problems(value.get("ABUSE")) + alert_problems(value.get("ALERTS"))
    token = value.get("METRICS_TOKEN")
    if token is not None and not isinstance(token, str):
        problems.append(SettingProblem('NOTIFICATIONS["METRICS_TOKEN"]', "is not a text", '"METRICS_TOKEN": "..."'))
    problems += api_problems(value.get("API"))
    nice = value.get("WORKER_NICE", WORKER_NICE)
    if isinstance(nice, bool) or not isinstance(nice, int) or nice not in NICE_VALUES:
        problems.append(
            SettingProblem(
                'NOTIFICATIONS["WORKER_NICE"]', "is not a whole number from 0 to 19", f'"WORKER_NICE": {WORKER_NICE}'
            )
        )
    problems += sandbox_problems(value.get("SANDBOX"), value.get("PROVIDERS", {}))
    recipient = value.get("RECIPIENT", {})
    if isinstance(recipient, Mapping):
        problems += unknown_keys('NOTIFICATIONS["RECIPIENT"]', recipient, RECIPIENT_KEYS)
    else:
        hint = '{"lookup": "pk", "email": "email"}'
        problems.append(SettingProblem('NOTIFICATIONS["RECIPIENT"]', "is not a dict", hint))
    public_url = value.get("PUBLIC_URL", "")
    if not isinstance(public_url, str) or (public_url and not public_url.startswith(("http://", "https://"))):
        hint = f'"PUBLIC_URL": "https://{_without_scheme(public_url)}"'
        problems.append(SettingProblem('NOTIFICATIONS["PUBLIC_URL"]', "is not an absolute URL", hint))
    only_to = value.get("ONLY_TO")
    if only_to is not None and not isinstance(only_to, list | tuple | set | frozenset):
        hint = '["you@example.com", "example.com"] or None'
        problems.append(SettingProblem('NOTIFICATIONS["ONLY_TO"]', "is not a list", hint))
    return problems


def _without_scheme(url: object) -> str:
    """Return what may follow https:// of a value that is no URL."""
    rest = url.rpartition("//")[2].strip("/") if isinstance(url, str) else ""
    return rest or "example.com"


def _retention_problems(retention: object) -> list[SettingProblem]:
    where = 'NOTIFICATIONS["RETENTION"]'
    if retention is None:
        return []
    if not isinstance(retention, Mapping):
        return [SettingProblem(where, "is not a dict", '{"stale_devices_days": 270}')]
    problems = unknown_keys(where, retention, tuple(RETENTION_KEYS))
    for key, least in RETENTION_KEYS.items():
        days = retention.get(key)
        if days is not None and (isinstance(days, bool) or not isinstance(days, int) or days < least):
            what = f"is not a whole number of days from {least}, nor None"
            problems.append(SettingProblem(f"{where}['{key}']", what, f'{{"{key}": 270}} or None'))
    return problems


def _provider_problems(providers: object) -> list[SettingProblem]:
    where = 'NOTIFICATIONS["PROVIDERS"]'
    example = '{"twilio": {"BACKEND": "notifications.providers.twilio.TwilioAdapter", "OPTIONS": {...}}}'
    if not isinstance(providers, Mapping):
        return [SettingProblem(where, "is not a dict", example)]
    problems = []
    for alias, entry in providers.items():
        if not isinstance(entry, Mapping) or not isinstance(entry.get("BACKEND"), str):
            problems.append(SettingProblem(f"{where}[{alias!r}]", "has no BACKEND", example))
            continue
        problems += unknown_keys(f"{where}[{alias!r}]", entry, ("BACKEND", "OPTIONS"))
        if not isinstance(entry.get("OPTIONS", {}), Mapping):
            problems.append(SettingProblem(f"{where}[{alias!r}]['OPTIONS']", "is not a dict", example))
    return problems


def _route_problems(routes: object, providers: object) -> list[SettingProblem]:
    where = 'NOTIFICATIONS["ROUTES"]'
    if not isinstance(routes, Mapping):
        return [SettingProblem(where, "is not a dict", '{"sms": ["twilio"]}')]
    channels = tuple(Channel.values)
    problems = unknown_keys(where, routes, channels)
    aliases = tuple(providers) if isinstance(providers, Mapping) else ()
    for channel, entries in routes.items():
        if not isinstance(entries, list | tuple):
            example = entries if isinstance(entries, str) and entries else "twilio"
            problems.append(SettingProblem(f"{where}[{channel!r}]", "is not a list", f'["{example}"]'))
            continue
        for entry in entries:
            alias = entry.get("provider") if isinstance(entry, Mapping) else entry
            if isinstance(entry, Mapping):
                problems += unknown_keys(f"{where}[{channel!r}]", entry, ROUTE_KEYS)
            if alias not in aliases:
                what = f"names provider {alias!r}, which PROVIDERS does not have"
                hint = did_you_mean(str(alias), aliases) if aliases else "add it to PROVIDERS"
                problems.append(SettingProblem(f"{where}[{channel!r}]", what, hint))
    return problems


def _route(entry: object) -> RouteEntry:
    if isinstance(entry, Mapping):
        return RouteEntry(str(entry["provider"]), tuple(entry.get("countries", ())), tuple(entry.get("platforms", ())))
    return RouteEntry(str(entry))


def _forget(*, setting: str, **_: object) -> None:
    if setting == "NOTIFICATIONS":
        get.cache_clear()


setting_changed.connect(_forget, dispatch_uid="carillon.conf")
