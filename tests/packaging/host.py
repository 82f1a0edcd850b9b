"""Another project: UUID users with a phone, its own admin site, a URL prefix, no django-rq until README's lines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg2
from django.db import connections

from notifications.sandbox import credentials

from .readme import BLOCKS, ROOT

SETTINGS = """
import json, os
SECRET_KEY = "not-secret-another-project"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "office.urls"
AUTH_USER_MODEL = "people.Person"
DATABASES = {"default": json.loads(os.environ["HOST_DATABASE"])}
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
    "django.contrib.sessions", "django.contrib.messages", "people",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware", "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {
    "context_processors": [
        "django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages",
    ]}}]
"""
TO_THE_SANDBOX = """
for _alias, _provider in globals().get("NOTIFICATIONS", {}).get("PROVIDERS", {}).items():
    _provider.get("OPTIONS", {})["base_url"] = os.environ["SANDBOX_URL"] + "/" + _alias
"""
URLS = """
from django.contrib.admin import AdminSite, site as usual
from django.urls import include, path
site = AdminSite(name="office")
urlpatterns = [path("office/", site.urls), path("admin/", usual.urls)]
"""
MODELS = """
import uuid
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models

class Person(AbstractBaseUser, PermissionsMixin):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    email = models.EmailField(unique=True)
    phone = models.CharField(max_length=20, blank=True)
    is_staff = models.BooleanField(default=False)
    USERNAME_FIELD = "email"
    objects = BaseUserManager()
"""


class Host:
    """The project in a folder of its own; the wheel's packages in another, or in the environment of `interpreter`."""

    def __init__(
        self, folder: Path, packages: Path | None, environment: Mapping[str, str], interpreter: str = sys.executable
    ) -> None:
        self.folder = folder
        self.interpreter = interpreter
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
        self.environment = {
            **kept,
            **environment,
            "PYTHONPATH": os.pathsep.join(map(str, filter(None, (folder, packages)))),
            "DJANGO_SETTINGS_MODULE": "office.settings",
            "TWILIO_ACCOUNT_SID": credentials.TWILIO_ACCOUNT_SID,
            "TWILIO_AUTH_TOKEN": credentials.TWILIO_AUTH_TOKEN,
            "TWILIO_FROM_NUMBER": credentials.TWILIO_FROM_NUMBER,
            "POSTMARK_FROM_EMAIL": "Office <office@example.com>",
            "POSTMARK_SERVER_TOKEN": credentials.POSTMARK_SERVER_TOKEN,
            "POSTMARK_WEBHOOK_SECRET": credentials.WEBHOOK_SECRET,
        }

    def write(self, blocks: Mapping[str, str], models: str = MODELS) -> None:
        """Write the project with these of README's blocks pasted in."""
        self.put("office/__init__.py", "")
        self.put("office/settings.py", SETTINGS + blocks["settings"] + TO_THE_SANDBOX)
        self.put("office/urls.py", URLS + blocks["urls"])
        self.put("people/__init__.py", "")
        self.put("people/models.py", models)
        self.put("people/migrations/__init__.py", "")
        self.put("people/notifications.py", blocks["declarations"])
        for name, text in blocks.items():
            if name.startswith("notification_templates/"):
                self.put(f"people/{name}", text)

    def put(self, name: str, text: str) -> None:
        """Write one file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def manage(self, *arguments: str, also: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a management command with what was installed, never with the checkout."""
        return self.python("-m", "django", *arguments, also=also)

    def python(self, *arguments: str, also: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run Python in the project's folder."""
        return run([self.interpreter, *arguments], self.folder, {**self.environment, **(also or {})})


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False
    )


def install_wheel(folder: Path) -> Path:
    """Build the wheel from the checkout and unpack it as pip does; return the folder to import it from."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=300)
    (wheel,) = folder.glob("*.whl")
    packages = folder / "packages"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target"]
    subprocess.run([*install, str(packages), str(wheel)], check=True, capture_output=True, timeout=300)
    return packages


def pasted(**changed: str) -> dict[str, str]:
    """Return README's blocks, some of them changed."""
    return {**BLOCKS, **changed}


def database_setting(parameters: Mapping[str, object], name: str) -> str:
    """Return a DATABASES entry as JSON, for the same server and another database."""
    parts = {"USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    found = {key: str(parameters[part]) for key, part in parts.items() if parameters.get(part)}
    return json.dumps({"ENGINE": "django.db.backends.postgresql", "NAME": name, **found})


@contextmanager
def own_database(name: str, server: Mapping[str, object] | None = None) -> Iterator[str]:
    """Make a database beside the suite's, or on another server, and yield it as a DATABASES entry.

    It is dropped afterwards, and so is what tests made of it.
    """
    parameters = server or dict(connections["default"].get_connection_params())
    for statement in (f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}"):
        _on_server(parameters, statement)
    yield database_setting(parameters, name)
    for made in (name, f"test_{name}"):
        _on_server(parameters, f"DROP DATABASE IF EXISTS {made} WITH (FORCE)")


def _on_server(parameters: Mapping[str, object], statement: str) -> None:
    reached = {name: parameters[name] for name in ("user", "password", "host", "port") if parameters.get(name)}
    connection = psycopg2.connect(dbname="postgres", **reached)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()
