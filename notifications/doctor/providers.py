"""The providers: whether each accepts our credentials, and what to paste into its dashboard."""

from __future__ import annotations

from collections.abc import Iterator

from ..checks.base import usable
from ..checks.configuration import loadable
from ..checks.mounting import reports
from ..conf import Settings
from ..exceptions import ConfigurationError, ProviderError, ProviderMisconfigured
from ..flows import gate
from ..providers.base import Adapter
from .findings import Finding, error, fine, note, warning


def examine_providers() -> Iterator[Finding]:
    """Ask every provider that can be loaded one harmless question; the checks tell of the others."""
    settings = usable()
    for alias in loadable(settings) if settings is not None else ():
        try:
            yield _asked(gate.adapter(alias))
        except ConfigurationError:
            continue  # a check says what is wrong


def examine_webhooks() -> Iterator[Finding]:
    """Say what each provider that reports back has to be told."""
    settings = usable()
    if settings is None or not settings.public_url:
        return
    for alias, adapter in loadable(settings).items():
        if reports(adapter):
            yield note("webhook", f"{alias}: {_url(settings, alias)}")


def _asked(adapter: Adapter) -> Finding:
    what, alias = adapter.describe(), adapter.alias
    options = f'NOTIFICATIONS["PROVIDERS"]["{alias}"]["OPTIONS"]'
    try:
        said = adapter.check_credentials()
    except ProviderMisconfigured as found:
        cure = f"correct {options}, restart web and workers, then `manage.py carillon trial` with --release"
        return error(140, "provider", f"{what}: refused, {found.code} {found.detail}", cure)
    except ProviderError as found:
        cure = "is the network open, the provider up and base_url right? Look at its status page, then ask again"
        return warning(141, "provider", f"{what}: no answer that tells, {found.code} {found.detail}", cure)
    except Exception as found:  # noqa: BLE001 - an adapter of a host's own may raise anything; its text may hold secrets
        return warning(141, "provider", f"{what}: {type(found).__name__} while asking", f"look at {options}")
    if said is None:
        return note("provider", f"{what}: credentials not tried, no harmless question is known; use carillon trial")
    return fine("provider", f"{what}: {said}")


def _url(settings: Settings, alias: str) -> str:
    """Return a provider's webhook address; a secret that travels in it is named, not shown."""
    secret = str(settings.providers[alias].options.get("webhook_secret") or "")
    scheme, _, rest = settings.public_url.partition("://")
    before = "<webhook_secret>@" if ":" in secret else ""
    return f"{scheme}://{before}{rest}/webhooks/{alias}/"
