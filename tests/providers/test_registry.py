"""The registry: one adapter per provider, and errors that say what to do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from notifications.exceptions import ConfigurationError
from notifications.providers import adapter_class, adapter_for, registry, reset

TWILIO = "notifications.providers.twilio.TwilioAdapter"
OPTIONS = {"account_sid": "AC1", "auth_token": "x", "from_number": "+15005550006"}


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    reset()
    yield
    reset()


def test_one_adapter_per_provider() -> None:
    first = adapter_for("twilio", TWILIO, OPTIONS)
    assert adapter_for("twilio", TWILIO, OPTIONS) is first
    assert adapter_for("other", TWILIO, OPTIONS) is not first
    reset()
    assert adapter_for("twilio", TWILIO, OPTIONS) is not first


@pytest.mark.parametrize(
    "backend", ["nowhere.Adapter", "Adapter", "notifications.providers.twilio.Nothing", "datetime.datetime", ""]
)
def test_a_backend_that_is_none(backend: str) -> None:
    with pytest.raises(ConfigurationError, match="'x'"):
        adapter_class("x", backend)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> object:
        raise ModuleNotFoundError("No module named 'twilio'", name="twilio")

    monkeypatch.setattr(registry, "import_module", fail)
    with pytest.raises(ConfigurationError, match=r"pip install 'twilio>=9.6,<10'"):
        adapter_class("sms", TWILIO)


def test_no_sdk_is_imported_before_its_adapter_is() -> None:
    code = (
        "import sys, notifications.providers; "
        "print([name for name in ('twilio', 'pyfcm', 'anymail', 'aiohttp') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
