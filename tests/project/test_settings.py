"""The settings read the environment, are safe where it says nothing, and start nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from notifications.sandbox.credentials import write_apns_key, write_service_account

CHECKOUT = Path(__file__).resolve().parents[2]
KEPT = ("PATH", "HOME", "LANG", "VIRTUAL_ENV", "PYTHONPATH")
PRODUCTION = {
    "DATABASE_URL": "postgresql://carillon:s%40fe@db.example.com:5433/carillon?sslmode=require",
    "REDIS_URL": "redis://cache.example.com:6380/2",
    "DJANGO_SECRET_KEY": "x9!" * 20 + "abcdefghijklmnop",
    "CARILLON_PUBLIC_URL": "https://notify.example.com",
}


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the checkout with nothing but this environment."""
    env = {name: os.environ[name] for name in KEPT if name in os.environ}
    env |= {"CARILLON_ENV_FILE": os.devnull, "DJANGO_SETTINGS_MODULE": "project.settings", **environment}
    return subprocess.run(
        [sys.executable, *arguments], cwd=CHECKOUT, env=env, capture_output=True, text=True, check=False
    )


def read(*names: str, **environment: str) -> list[object]:
    """Return these settings as a process with this environment sees them."""
    code = f"import json, project.settings as s; print(json.dumps([getattr(s, n) for n in {names!r}], default=str))"
    result = run("-c", code, **environment)
    assert result.returncode == 0, result.stderr
    answer: list[object] = json.loads(result.stdout)
    return answer


def test_a_bare_checkout_uses_its_own_services_and_starts_none(tmp_path: Path) -> None:
    services = tmp_path / "services"
    debug, databases, redis_url = read("DEBUG", "DATABASES", "REDIS_URL", CARILLON_SERVICES_DIR=str(services))
    assert debug is True
    assert isinstance(databases, dict)
    assert databases["default"]["HOST"].startswith("/")
    assert str(redis_url).startswith("unix:///")
    assert not services.exists()


def test_production_is_read_from_the_environment() -> None:
    debug, databases, queues, hosts = read("DEBUG", "DATABASES", "RQ_QUEUES", "ALLOWED_HOSTS", **PRODUCTION)
    assert debug is False
    assert isinstance(databases, dict)
    database = databases["default"]
    assert (database["HOST"], database["PORT"], database["PASSWORD"]) == ("db.example.com", 5433, "s@fe")
    assert database["OPTIONS"]["sslmode"] == "require"
    assert database["OPTIONS"]["connect_timeout"] == 5
    assert isinstance(queues, dict)
    assert {queue["URL"] for queue in queues.values()} == {PRODUCTION["REDIS_URL"]}
    assert set(queues) == {"push", "sms", "email"}
    assert isinstance(hosts, list)
    assert "notify.example.com" in hosts


def test_a_channel_may_have_a_redis_of_its_own() -> None:
    (queues,) = read("RQ_QUEUES", **PRODUCTION, SMS_REDIS_URL="redis://sms.example.com/0")
    assert isinstance(queues, dict)
    assert queues["sms"]["URL"] == "redis://sms.example.com/0"
    assert queues["push"]["URL"] == PRODUCTION["REDIS_URL"]


def test_a_server_without_a_secret_key_does_not_start() -> None:
    incomplete = {name: value for name, value in PRODUCTION.items() if name != "DJANGO_SECRET_KEY"}
    result = run("-c", "import project.settings", **incomplete)
    assert result.returncode
    assert "DJANGO_SECRET_KEY" in result.stderr


def test_a_provider_without_credentials_is_left_out_with_its_route() -> None:
    (bare,) = read("NOTIFICATIONS", **PRODUCTION)
    (configured,) = read(
        "NOTIFICATIONS", **PRODUCTION, TWILIO_ACCOUNT_SID="AC1", TWILIO_AUTH_TOKEN="t", CARILLON_ONLY_TO="a@b.c,d.e"
    )
    assert isinstance(bare, dict)
    assert isinstance(configured, dict)
    assert (bare["PROVIDERS"], bare["ROUTES"], bare["ONLY_TO"]) == ({}, {}, None)
    assert configured["ROUTES"] == {"sms": ["twilio"]}
    assert configured["PROVIDERS"]["twilio"]["OPTIONS"]["account_sid"] == "AC1"
    assert "base_url" not in configured["PROVIDERS"]["twilio"]["OPTIONS"]
    assert configured["ONLY_TO"] == ["a@b.c", "d.e"]


def test_a_complete_environment_passes_the_deployment_checks(tmp_path: Path) -> None:
    key_file = write_service_account(tmp_path / "firebase.json", "https://oauth2.example.com/token")
    accounts = {
        "FCM_SERVICE_ACCOUNT_FILE": str(key_file),
        "APNS_KEY_FILE": str(write_apns_key(tmp_path / "key.p8")),
        "APNS_KEY_ID": "ABC123DEFG",
        "APNS_TEAM_ID": "DEF123GHIJ",
        "APNS_TOPIC": "com.example.app",
        "TWILIO_ACCOUNT_SID": "AC1",
        "TWILIO_AUTH_TOKEN": "t",
        "TWILIO_FROM_NUMBER": "+15005550006",
        "POSTMARK_SERVER_TOKEN": "t",
        "POSTMARK_WEBHOOK_SECRET": "user:a-long-random-password",
        "SMTP_URL": "smtp://ada:p%40ss@mail.example.com",
    }
    result = run("manage.py", "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION, **accounts)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("door", ["wsgi", "asgi"])
@pytest.mark.parametrize("missing", ["DATABASE_URL", "REDIS_URL"])
def test_a_web_server_says_what_it_misses(door: str, missing: str) -> None:
    result = run("-c", f"import project.{door}", **(PRODUCTION | {missing: ""}))
    assert result.returncode
    assert f"{missing} must be set for a web server: see .env.example" in result.stderr


def test_a_file_fills_in_what_the_environment_leaves_open(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("DJANGO_DEBUG=false\nDJANGO_SECRET_KEY=from-file\nCARILLON_PUBLIC_URL=https://file.example.com\n")
    key, url = read(
        "SECRET_KEY", "PUBLIC_URL", CARILLON_ENV_FILE=str(file), CARILLON_PUBLIC_URL="https://real.example.com"
    )
    assert (key, url) == ("from-file", "https://real.example.com")


def test_every_variable_is_in_the_example() -> None:
    names = set()
    for path in (CHECKOUT / "project").glob("*.py"):
        text = path.read_text()
        names |= set(re.findall(r"env\.\w+\(\s*\"([A-Z_]+)\"", text))
        names |= set(re.findall(r"environ(?:\.get)?[\[(]\"([A-Z_]+)\"", text))
    described = set(re.findall(r"^#?([A-Z_]+)=", (CHECKOUT / ".env.example").read_text(), re.MULTILINE))
    names -= {"CARILLON_ENV_FILE", "RESET", "DJANGO_SETTINGS_MODULE"}
    assert len(names) > 20
    assert names <= described
    assert described - names == {"PUSH_REDIS_URL", "SMS_REDIS_URL", "EMAIL_REDIS_URL"}
