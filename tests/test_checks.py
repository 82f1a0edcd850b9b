"""Every system check, triggered once: its id, what it says is wrong, and the line that cures it."""

from __future__ import annotations

import copy
import secrets
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.contrib import admin
from django.core.checks import CheckMessage, run_checks
from django.db import connections
from django.urls import clear_url_caches, include, path
from django_rq.admin import QueueAdmin
from django_rq.models import Dashboard

from notifications.checks import database, declared
from notifications.checks.missing_app import MissingApp
from notifications.checks.people import guess, leads_to_many
from notifications.declarations import CategoryDeclaration, TemplateDeclaration, registry
from notifications.enums import Channel
from notifications.flows.declare import Words
from notifications.flows.lookups import is_unique
from notifications.providers.registry import PACKAGES
from project.shop.models import Profile

SMS, EMAIL = Channel.SMS, Channel.EMAIL
TWILIO = {
    "BACKEND": "notifications.providers.twilio.TwilioAdapter",
    "OPTIONS": {"account_sid": "AC0", "auth_token": "0", "from_number": "+15005550006"},
}
POSTMARK = {
    "BACKEND": "notifications.providers.anymail.AnymailAdapter",
    "OPTIONS": {
        "esp": "postmark",
        "from_email": "shop@example.com",
        "esp_options": {"server_token": "0"},
        "webhook_secret": "user:a-long-random-password",
    },
}
NOTIFICATIONS: dict[str, Any] = {
    "PROVIDERS": {"twilio": TWILIO, "postmark": POSTMARK},
    "ROUTES": {"sms": ["twilio"], "email": ["postmark"]},
    "RECIPIENT": {"email": "email", "sms": "profile__phone"},
    "PUBLIC_URL": "https://shop.test/notify",
    "ONLY_TO": None,
    "ABUSE": {"sms_countries": None},
}
LOGIN = CategoryDeclaration("login", (SMS,), ttl=timedelta(minutes=10))
CODE = TemplateDeclaration("code", LOGIN, {"code": "str"}, frozenset({"code"}), {"code": "1"})
WORDS: dict[str, Words] = {"code": {(SMS, "en"): {"text": "Your code is {{ code }}"}}}

Change = Callable[["Host"], object]


class Host:
    """A host project that has nothing wrong, until a test changes it."""

    def __init__(self, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings = settings
        self.urls = ModuleType("urls_of_the_checks")
        monkeypatch.setitem(sys.modules, self.urls.__name__, self.urls)
        self.notifications = copy.deepcopy(NOTIFICATIONS)
        self.rq: dict[str, Any] = {"WORKER_CLASS": "notifications.workers.ChannelWorker"}
        self.queues: dict[str, Any] = {channel: {"URL": "redis://127.0.0.1:9/0"} for channel in Channel.values}
        self.urls.urlpatterns = [path("notify/", include("notifications.urls"))]  # type: ignore[attr-defined]
        self.categories: Mapping[str, CategoryDeclaration] = {"login": LOGIN}
        self.templates: Mapping[str, TemplateDeclaration] = {"code": CODE}
        self.words = copy.deepcopy(WORDS)
        self.monkeypatch = monkeypatch

    def options(self, alias: str) -> dict[str, Any]:
        """The options of a provider, to be changed."""
        found: dict[str, Any] = self.notifications["PROVIDERS"][alias]["OPTIONS"]
        return found

    def declare(self, category: CategoryDeclaration, **template: Any) -> None:
        """Declare another category, and change the template."""
        self.categories = {category.slug: category}
        self.templates = {"code": replace(CODE, category=category, **template)}

    def check(self) -> list[CheckMessage]:
        """What `manage.py check --deploy` says of Carillon."""
        self.settings.NOTIFICATIONS = self.notifications
        self.settings.RQ, self.settings.RQ_QUEUES = self.rq, self.queues
        self.settings.ROOT_URLCONF = self.urls.__name__
        self.monkeypatch.setattr(registry, "categories", self.categories)
        self.monkeypatch.setattr(registry, "templates", self.templates)
        self.monkeypatch.setattr(declared, "find_words", lambda refused: self.words)
        clear_url_caches()
        return run_checks(tags=["carillon"], include_deployment_checks=True)


@pytest.fixture
def host(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    yield Host(settings, monkeypatch)
    clear_url_caches()


def put(name: str, value: object) -> Change:
    """Set a key of NOTIFICATIONS."""
    return lambda host: host.notifications.__setitem__(name, value)


def drop(name: str) -> Change:
    """Remove a key of NOTIFICATIONS."""
    return lambda host: host.notifications.pop(name)


def option(alias: str, name: str, value: object) -> Change:
    """Set an option of a provider."""
    return lambda host: host.options(alias).__setitem__(name, value)


def provider(alias: str, **entry: object) -> Change:
    """Change a provider's entry."""
    return lambda host: host.notifications["PROVIDERS"].__setitem__(
        alias, {**host.notifications["PROVIDERS"].get(alias, {}), **entry}
    )


def text(words: str) -> Change:
    """Set the words of the template's SMS."""
    return lambda host: host.words["code"].__setitem__((SMS, "en"), {"text": words})


def urlpatterns(*patterns: Any) -> Change:
    """Set the host's URLs."""
    return lambda host: setattr(host.urls, "urlpatterns", list(patterns))


MOUNTED = path("notify/", include("notifications.urls"))
TABLE: list[tuple[str, str, str, Change]] = [
    # id, part of what is wrong, part of the hint, the mistake
    ("E002", "['PROVIDER'] is not a known key", "did you mean 'PROVIDERS'?", put("PROVIDER", {})),
    ("E002", "has no BACKEND", "notifications.providers.twilio.TwilioAdapter", provider("twilio", BACKEND=None)),
    ("E002", "['OPTION'] is not a known key", "did you mean 'OPTIONS'?", provider("twilio", OPTION={})),
    ("E002", "names provider 'twillio'", "did you mean 'twilio'?", put("ROUTES", {"sms": ["twillio"]})),
    (
        "E002",
        "names provider 'fcm'",
        '"fcm": {"BACKEND": "notifications.providers.fcm.',
        put("ROUTES", {"push": ["fcm"]}),
    ),
    ("E002", "['smss'] is not a known key", "did you mean 'sms'?", put("ROUTES", {"smss": ["twilio"]})),
    ("E002", '["sms"] is not a list'.replace('"', "'"), '["twilio"]', put("ROUTES", {"sms": "twilio"})),
    ("E002", "['phone'] is not a known key", "known: lookup", put("RECIPIENT", {"phone": "phone"})),
    ("E002", "is not a dict", '"email"', put("RECIPIENT", "email")),
    ("E002", "is not an absolute URL", '"PUBLIC_URL": "https://', put("PUBLIC_URL", "shop.test")),
    ("E002", "is not an absolute URL", '"https://shop.test/notify"', put("PUBLIC_URL", "shop.test/notify")),
    ("E002", "['email'] is not a list", '["postmark"]', put("ROUTES", {"email": "postmark"})),
    ("E002", '["ONLY_TO"] is not a list', "or None", put("ONLY_TO", "shop.test")),
    ("E002", '["ONLY_TO"] is not a list of texts', '"ONLY_TO": ["example.com"]', put("ONLY_TO", [49])),
    ("E002", "has '015112345', which is neither", '"ONLY_TO": ["example.com"', put("ONLY_TO", ["a.b", "015112345"])),
    ("E002", "has 'you@', which is neither", '"ONLY_TO": ["example.com"', put("ONLY_TO", ["you@"])),
    ("E002", "has 'a@b@c.de', which is neither", '"ONLY_TO": ["example.com"', put("ONLY_TO", ["a@b@c.de"])),
    ("E002", "has '10.0.0.1', which is neither", '"ONLY_TO": ["example.com"', put("ONLY_TO", ["10.0.0.1"])),
    ("E002", "is not a list of texts", '"ENCRYPTION_KEYS": [', put("ENCRYPTION_KEYS", "one-key")),
    ("E003", "is too easily guessed", "secrets.token_urlsafe(32)", put("ENCRYPTION_KEYS", ["abc"])),
    ("E003", "it has 40, 2 of them different", "keep the old one behind it", put("ENCRYPTION_KEYS", ["ab" * 20])),
    ("E002", "has the alias 'My SMS'", "lower-case letters", provider("My SMS", **TWILIO)),
    ("E002", "is not a field path", '"sms": "profile__sms"', put("RECIPIENT", {"sms": None})),
    (
        "E002",
        "has the unknown platform 'iso'",
        "did you mean 'ios'?",
        put("ROUTES", {"sms": [{"provider": "twilio", "platforms": ["iso"]}]}),
    ),
    (
        "E002",
        "is no country calling code",
        '"countries": ["49"]',
        put("ROUTES", {"sms": [{"provider": "twilio", "countries": ["DE"]}]}),
    ),
    ("E002", "['log'] is not a known key", "known: stale_devices_days", put("RETENTION", {"log": 90})),
    ("E002", "is not a whole number of days", '"stale_devices_days": 270', put("RETENTION", {"stale_devices_days": 7})),
    (
        "E002",
        "['most_faild'] is not a known key",
        "did you mean 'most_failed'?",
        put("BROADCASTS", {"most_faild": 0.1}),
    ),
    ("E002", "['most_failed'] is not a share", '"most_failed": 0.2', put("BROADCASTS", {"most_failed": 20})),
    ("E002", "['most_complaints'] is not a share", "0.003", put("BROADCASTS", {"most_complaints": "1%"})),
    ("E002", "['judged_from'] is not a whole number", '"judged_from": 500', put("BROADCASTS", {"judged_from": True})),
    ("E002", '["BROADCASTS"] is not a dict', '{"most_failed": 0.2}', put("BROADCASTS", 0.2)),
    ("E002", '["ABUSE"] is not a dict', '{"sms_countries":', put("ABUSE", ["49"])),
    (
        "E002",
        "['sms_countrys'] is not a known key",
        "did you mean 'sms_countries'?",
        put("ABUSE", {"sms_countrys": []}),
    ),
    ("E002", "has 'de', which is neither", '"sms_countries": ["49", "US"]', put("ABUSE", {"sms_countries": ["de"]})),
    ("E002", "['sms_countries'] is not a list", '"sms_countries"', put("ABUSE", {"sms_countries": "49"})),
    ("E002", "has 'https://a.b', which is no name", '["example.com"]', put("ABUSE", {"link_hosts": ["https://a.b"]})),
    ("E002", "must be a number from 1 to 9999 per", '"30/hour"', put("ABUSE", {"sms_per_prefix": 30})),
    ("E002", "must be a number from 1 to 9999 per", '"10/hour"', put("ABUSE", {"codes_per_recipient": ""})),
    ("E002", '["ALERTS"] is not a dict', '{"dead_per_hour": 100}', put("ALERTS", 7)),
    ("E002", "['bulk_second'] is not a known key", "did you mean 'bulk_seconds'?", put("ALERTS", {"bulk_second": 7})),
    ("E002", "['bulk_seconds'] is not a whole", '"bulk_seconds": 3600', put("ALERTS", {"bulk_seconds": True})),
    ("E002", '["METRICS_TOKEN"] is not a text', '"METRICS_TOKEN"', put("METRICS_TOKEN", 7)),
    ("E002", '["WORKER_NICE"] is not a whole number from 0 to 19', '"WORKER_NICE": 10', put("WORKER_NICE", -5)),
    ("E002", '["WORKER_NICE"] is not a whole number from 0 to 19', '"WORKER_NICE": 10', put("WORKER_NICE", True)),
    ("E002", '["WORKER_NICE"] is not a whole number from 0 to 19', '"WORKER_NICE": 10', put("WORKER_NICE", "10")),
    ("E002", "names provider 'twillio'", "did you mean 'twilio'?", put("SANDBOX", ["twillio"])),
    ("E002", '["SANDBOX"] is not a list', '["twilio-sandbox"]', put("SANDBOX", True)),
    ("E002", '["API"] is not a dict', '{"rate": "600/minute"}', put("API", "600/minute")),
    ("E002", "['rates'] is not a known key", "did you mean 'rate'?", put("API", {"rates": "600/minute"})),
    ("E002", "['rate'] is not a number of requests", '"600/minute" or None', put("API", {"rate": "600 per minute"})),
    ("E002", "['me'] is not a list", "SessionAuthentication", put("API", {"me": "an.Authentication"})),
    ("E014", "cannot be imported", "SessionAuthentication", put("API", {"me": ["no.such.Authentication"]})),
    ("E014", "is no authentication class", "SessionAuthentication", put("API", {"me": ["pathlib.Path"]})),
    ("W004", "names no provider", '"ROUTES": {"sms": ["twilio"], "email": ["postmark"]},', drop("ROUTES")),
    ("E006", "which sends sms, not email", '"email": ["postmark"]', put("ROUTES", {"email": ["twilio"]})),
    ("E007", "cannot be imported", '"BACKEND": "notifications.', provider("twilio", BACKEND="no.such.Adapter")),
    ("E007", "is not an adapter", '"BACKEND": "notifications.', provider("twilio", BACKEND="pathlib.Path")),
    ("E008", "'acount_sid' is not known", "did you mean 'account_sid'?", option("twilio", "acount_sid", "AC0")),
    ("E008", "'account_sid' is missing", 'os.environ["TWILIO_ACCOUNT_SID"],', option("twilio", "account_sid", "")),
    ("E008", "'timeout' has the wrong type", "seconds", option("twilio", "timeout", "ten")),
    ("E008", "set one of from_number", '"from_number": os.environ[', option("twilio", "from_number", None)),
    ("E008", "'esp' is missing", '"esp": "postmark",', option("postmark", "esp", "")),
    (
        "E008",
        "cannot use esp 'postmark'",
        '["POSTMARK_SERVER_TOKEN"]}',
        option("postmark", "esp_options", None),
    ),
    (
        "E008",
        "cannot use esp 'postmark' (AnymailConfigurationError): esp_options lacks 'server_token'",
        "did you mean 'server_token', where esp_options has 'servertoken'?",
        option("postmark", "esp_options", {"servertoken": "0"}),
    ),
    ("E008", "cannot use esp 'postmrak'", "did you mean 'postmark'?", option("postmark", "esp", "postmrak")),
    ("E008", "webhook_secret has no colon", "user:password", option("postmark", "webhook_secret", "secret")),
    ("E008", "webhook_secret is too weak", "16 characters", option("postmark", "webhook_secret", "user:password")),
    ("W009", "webhook_secret is not set", '"webhook_secret": os.environ[', option("postmark", "webhook_secret", None)),
    ("E010", "has no field path 'emial'", "did you mean 'email'?", put("RECIPIENT", {"email": "emial"})),
    ("E010", "has no field path 'gsm'", '"sms": "profile__phone",', put("RECIPIENT", {"email": "email", "sms": "gsm"})),
    (
        "E011",
        "more than one row",
        '"sms": "profile__phone",',
        put("RECIPIENT", {"email": "email", "sms": "groups__name"}),
    ),
    (
        "W012",
        "'email' is not unique",
        '"lookup": "pk",',
        put("RECIPIENT", {**NOTIFICATIONS["RECIPIENT"], "lookup": "email"}),
    ),
    ("W013", "sms is routed, but", '"RECIPIENT": {"email": "email", "sms": "profile__phone"},', drop("RECIPIENT")),
    ("E021", "RQ_QUEUES is not set", "RQ_QUEUES = {channel:", lambda host: host.queues.clear()),
    (
        "E021",
        "is no URL of a Redis",
        "redis://localhost:6379/0",
        lambda host: host.queues.update(sms={"URL": "localhost:6379"}),
    ),
    ("E021", 'no queue "sms"', 'RQ_QUEUES["sms"] = {"URL":', lambda host: host.queues.pop("sms")),
    ("E022", "is not set", "notifications.workers.ChannelWorker", lambda host: host.rq.clear()),
    (
        "E022",
        "'rq.Worker'",
        "notifications.workers.ChannelWorker",
        lambda host: host.rq.update(WORKER_CLASS="rq.Worker"),
    ),
    (
        "E023",
        "is not JSON",
        '"SERIALIZER": "rq.serializers.JSONSerializer",',
        lambda host: host.queues["sms"].update(SERIALIZER="rq.serializers.DefaultSerializer"),
    ),
    ("E024", '["ASYNC"] is False', '"ASYNC": True,', lambda host: host.queues["sms"].update(ASYNC=False)),
    (
        "W025",
        "never sent",
        '"COMMIT_MODE": "on_db_commit",',
        lambda host: host.rq.update(COMMIT_MODE="request_finished"),
    ),
    ("E030", 'does not include "notifications.urls"', 'urlpatterns += [path("notify/", include(', urlpatterns()),
    ("E031", "twilio cannot report", '"PUBLIC_URL": "https://example.com/notify",', drop("PUBLIC_URL")),
    (
        "W032",
        'mounted at "/notify/"',
        '"PUBLIC_URL": "https://shop.test/notify",',
        put("PUBLIC_URL", "https://shop.test"),
    ),
    ("W033", "can empty the queues", "remove include", urlpatterns(MOUNTED, path("rq/", include("django_rq.urls")))),
    (
        "W040",
        "names push, for which",
        '"ROUTES": {"push"',
        lambda host: host.declare(replace(LOGIN, fallback=(Channel.PUSH,))),
    ),
    ("E041", "has no ttl", "ttl=timedelta(minutes=10)", lambda host: host.declare(replace(LOGIN, ttl=None))),
    ("E042", "is digested", 'remove digest="hourly"', lambda host: host.declare(replace(LOGIN, digest="hourly"))),
    ("E043", "has no words", "notification_templates/code/en/sms.txt", lambda host: host.words.clear()),
    ("E044", "code/en/sms.txt cannot be compiled", "correct the file", text("{% if code %}")),
    ("E044", "code/en/sms.txt cannot be compiled", "and load itself", text("{% load static %}")),
    ("E045", "code/en/sms.txt uses cod, which", "did you mean 'code'?", text("{{ cod }}")),
    ("E045", "uses name, which template('code') does not", 'variables={"name": str, ...}', text("{{ name }}")),
    ("E045", "rendering failed with", "correct the words", text("{% for a, b in code %}{% endfor %}")),
    ("W046", "the sample does not fit", 'sample={"code": ...}', lambda host: host.declare(LOGIN, sample={})),
    (
        "W046",
        "code/en/sms.txt uses code.number",
        "give code.number a value",
        text("{{ code.number }}"),
    ),
    (
        "W048",
        "has no words for email",
        "email is skipped",
        lambda host: host.declare(replace(LOGIN, fallback=(EMAIL,))),
    ),
    ("W049", "codes/ belongs to no declared", "did you mean 'code'?", lambda host: host.words.update(codes={})),
    (
        "W064",
        "code/en/sms.txt links to evil.test, which",
        'add them to "link_hosts"',
        lambda host: (
            host.words["code"].__setitem__((SMS, "en"), {"text": "{{ code }} https://evil.test/"}),
            host.notifications.__setitem__("ABUSE", {"sms_countries": None, "link_hosts": ["shop.test"]}),
        ),
    ),
    ("E052", "USE_TZ is off", "USE_TZ = True", lambda host: setattr(host.settings, "USE_TZ", False)),
    ("W060", '["ONLY_TO"] is not set', '"ONLY_TO": [', drop("ONLY_TO")),
    ("W061", "which is a sandbox", 'remove "base_url"', option("twilio", "base_url", "http://127.0.0.1:9400/twilio")),
    ("W061", "which is a sandbox", 'remove "base_url"', option("twilio", "base_url", "http://sandbox:9400/twilio")),
    ("W062", "need https", '"PUBLIC_URL": "https://', put("PUBLIC_URL", "http://shop.test/notify")),
    ("W063", "does not say to which countries", '"ABUSE": {"sms_countries"', drop("ABUSE")),
    ("W063", "does not say to which countries", '"ABUSE": {"sms_countries"', put("ABUSE", {"link_hosts": None})),
]


def test_a_clean_project_has_nothing_to_mend(host: Host) -> None:
    assert host.check() == []


@pytest.mark.parametrize(("number", "what", "hint", "mistake"), TABLE, ids=[f"{row[0]} {row[1]}" for row in TABLE])
def test_each_mistake_is_named_and_cured(host: Host, number: str, what: str, hint: str, mistake: Change) -> None:
    mistake(host)

    found = [item for item in host.check() if item.id == f"carillon.{number}"]

    assert any(what in item.msg and hint in (item.hint or "") for item in found), found
    assert all(item.is_serious() is number.startswith("E") for item in found)


def test_the_urls_say_that_the_app_is_not_installed() -> None:
    (found,) = MissingApp().check()

    assert found.id == "carillon.E001"
    assert found.hint == 'INSTALLED_APPS += ["django.contrib.postgres", "django_rq", "notifications"]'


def test_unset_settings_are_reported_and_do_not_crash(settings: Any) -> None:
    del settings.NOTIFICATIONS, settings.RQ_QUEUES, settings.RQ

    found = {item.id for item in run_checks(tags=["carillon"])}

    assert {"carillon.E002", "carillon.E021", "carillon.E022"} <= found


def test_django_rq_is_missed(host: Host, settings: Any) -> None:
    settings.INSTALLED_APPS = [name for name in settings.INSTALLED_APPS if name != "django_rq"]

    (found,) = [item for item in host.check() if item.id == "carillon.E020"]

    assert found.hint == 'INSTALLED_APPS += ["django.contrib.postgres", "django_rq", "notifications"]'


@pytest.mark.parametrize(
    ("words", "what", "hint"),
    [
        (
            ["pushh", "sms", "--burst"],
            "RQ_QUEUES has no queue 'pushh'.",
            "did you mean 'push'? manage.py rqworker push",
        ),
        ([], "without a queue", "manage.py rqworker push sms email"),
        (["--name", "pushh", "push"], "", ""),
    ],
)
def test_a_worker_of_a_queue_that_is_not_there_is_told(
    host: Host, monkeypatch: pytest.MonkeyPatch, words: list[str], what: str, hint: str
) -> None:
    monkeypatch.setattr("sys.argv", ["manage.py", "rqworker", *words])

    found = [item for item in host.check() if item.id == "carillon.E026"]

    assert [what in item.msg and hint in str(item.hint) for item in found] == [True] * bool(what)


def test_django_rqs_pages_in_the_admin_are_seen(host: Host) -> None:
    site = admin.AdminSite(name="office")
    site.register(Dashboard, QueueAdmin)
    urlpatterns(MOUNTED, path("office/", site.urls))(host)

    (found,) = [item for item in host.check() if item.id == "carillon.W033"]

    assert found.hint == "RQ_SHOW_ADMIN_LINK = False"


def test_a_missing_extra_is_named(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "notifications.providers.twilio", raising=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == "twilio"]:
        monkeypatch.setitem(sys.modules, name, None)

    found = [item for item in host.check() if item.id == "carillon.E007"]

    assert [item.hint for item in found] == ["pip install 'twilio>=9.6,<10'"]


def test_a_missing_esp_option_of_any_esp_is_named(host: Host) -> None:
    option("postmark", "esp", "mailgun")(host)

    (found,) = [item for item in host.check() if item.id == "carillon.E008"]

    assert "esp_options lacks 'api_key'" in found.msg
    assert "'0'" not in found.msg


def test_the_packages_named_are_those_of_the_extras() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]

    assert {name: tuple(project["optional-dependencies"][name]) for name in PACKAGES} == PACKAGES


def test_guests_of_every_kind_are_accepted(host: Host) -> None:
    guests = ["example.com", "@example.com", "Ada.L+x@shop.example.com", "münchen.de", "+4915112345678", "t:" * 70]
    put("ONLY_TO", guests)(host)

    assert host.check() == []


def test_an_old_key_may_be_short_for_it_must_stay(host: Host) -> None:
    put("ENCRYPTION_KEYS", [secrets.token_urlsafe(32), secrets.token_hex(16), "abc"])(host)

    assert host.check() == []


def test_another_database_is_refused(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(connections["default"]), "vendor", "sqlite")

    (found,) = [item for item in host.check() if item.id == "carillon.E050"]

    assert "is sqlite" in found.msg
    assert found.hint == '"ENGINE": "django.db.backends.postgresql",'


@pytest.mark.django_db
def test_an_old_postgresql_is_refused_only_where_the_database_may_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert database.check_version(databases=["default"]) == []

    monkeypatch.setattr(database, "OLDEST", 990_000)

    assert database.check_version(databases=None) == []
    (found,) = database.check_version(databases=["default"])
    assert found.id == "carillon.E051"
    assert "15 is the oldest" in found.msg


def test_checks_open_no_connection(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a check opened a connection")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr(type(connections["default"]), "connect", refuse)

    assert host.check() == []


def test_unreadable_words_are_named(host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "notification_templates" / "code" / "en"
    folder.mkdir(parents=True)
    (folder / "smss.txt").write_text("Your code")
    (folder.parent / "fr").mkdir()
    (folder.parent / "fr" / "sms.txt").write_bytes("Voilà".encode("latin-1"))
    real = declared.find_words
    monkeypatch.setattr("notifications.flows.declare.apps.get_app_configs", lambda: [ModulePath(tmp_path)])
    monkeypatch.setattr(Host, "check", lambda _: declared.check_words())
    monkeypatch.setattr(declared, "find_words", real)

    found = host.check()

    assert [item.id for item in found] == ["carillon.E044"] * 2
    assert "smss.txt; did you mean 'sms.txt'?" in found[0].msg
    assert "sms.txt is not UTF-8" in found[1].msg


class ModulePath:
    """An app config, as far as its folder goes."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder)


def test_field_paths_of_the_user_model(django_user_model: Any) -> None:
    assert guess(django_user_model, "time_zone") == "profile__time_zone"
    assert is_unique(django_user_model, "username")
    assert not is_unique(django_user_model, "profile__phone")
    assert leads_to_many(django_user_model, "groups__name")
    assert not leads_to_many(Profile, "user__email")
