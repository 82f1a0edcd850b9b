"""Whether a provider accepts our credentials, asked in one request that sends nothing, against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from notifications.exceptions import ProviderMisconfigured, ProviderUnavailable
from notifications.providers.base import Adapter
from notifications.providers.registry import adapter_class
from notifications.sandbox import guide
from notifications.sandbox.credentials import write_service_account
from notifications.sandbox.process import SandboxProcess
from tests.contracts.server import closed_port
from tests.fixtures import running_sandbox as running_sandbox

WRONG: dict[str, dict[str, Any]] = {
    "fcm": {},
    "apns": {"key_id": "WRONGKEYID"},
    "twilio": {"auth_token": "wrong"},
    "vonage": {"api_secret": "wrong"},
    "postmark": {"esp_options": {"server_token": "wrong"}},
    "resend": {"esp_options": {"api_key": "wrong"}},
    "smtp": {},
}


@pytest.fixture
def accounts(running_sandbox: SandboxProcess, tmp_path: Path) -> Iterator[dict[str, Any]]:
    running_sandbox.client.reset()
    key_file = write_service_account(tmp_path / "key.json", running_sandbox.token_uri)
    yield guide._entries(running_sandbox.base_url, str(key_file), running_sandbox.info)
    running_sandbox.client.reset()


def made(accounts: dict[str, Any], alias: str, **options: object) -> Adapter:
    entry = accounts[alias]
    return adapter_class(alias, entry["BACKEND"])(alias, {**entry["OPTIONS"], **options})


@pytest.mark.parametrize("alias", WRONG)
def test_an_account_that_works_says_so_and_sends_nothing(
    accounts: dict[str, Any], running_sandbox: SandboxProcess, alias: str
) -> None:
    adapter = made(accounts, alias)
    before = len(running_sandbox.client.messages())

    assert adapter.check_credentials()

    adapter.close()
    assert len(running_sandbox.client.messages()) == before


@pytest.mark.parametrize("alias", WRONG)
def test_one_that_is_refused_is_misconfigured(accounts: dict[str, Any], alias: str, tmp_path: Path) -> None:
    wrong = dict(WRONG[alias])
    if alias == "smtp":
        wrong["url"] = accounts["smtp"]["OPTIONS"]["url"].replace("not-secret", "wrong")
    if alias == "fcm":
        text = Path(accounts["fcm"]["OPTIONS"]["service_account_file"]).read_text()
        (tmp_path / "other.json").write_text(text.replace("sandbox@carillon", "other@carillon"))
        wrong["service_account_file"] = str(tmp_path / "other.json")
    adapter = made(accounts, alias, **wrong)

    with pytest.raises(ProviderMisconfigured) as caught:
        adapter.check_credentials()

    adapter.close()
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize("alias", ["twilio", "vonage", "postmark", "resend"])
def test_nobody_there_is_not_taken_for_a_refusal(accounts: dict[str, Any], alias: str) -> None:
    adapter = made(accounts, alias, base_url=f"http://127.0.0.1:{closed_port()}")

    with pytest.raises(ProviderUnavailable):
        adapter.check_credentials()

    adapter.close()


def test_a_key_that_may_only_send_is_accepted(accounts: dict[str, Any], running_sandbox: SandboxProcess) -> None:
    running_sandbox.client.fault("resend", "unauthorized")  # that is how Resend answers such a key

    assert made(accounts, "resend").check_credentials()


def test_an_esp_that_we_know_no_question_for_is_not_asked(accounts: dict[str, Any]) -> None:
    assert made(accounts, "postmark", esp="sendgrid", esp_options={"api_key": "x"}).check_credentials() is None
