"""Starts all that the demo needs, telling what it starts: services, sandbox, people, web, one worker, a key."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from project import embedded

from . import people
from .closing import Place
from .stack import ROOT, Stack
from .terminal import Terminal

WEB_PORT, SANDBOX_PORT = 8000, 9400


@dataclass(frozen=True)
class Started:
    """What runs."""

    stack: Stack
    place: Place


def start(terminal: Terminal, folder: Path, environ: Mapping[str, str], running: ExitStack) -> Started:
    """Start everything; `running` stops it all when it is closed.

    Raises:
        RuntimeError: something did not start; the text says what, and holds its last words.
    """
    terminal.heading("Starting")
    urls = _services(terminal, environ, running)
    if environ.get("RESET") == "1":
        shutil.rmtree(folder, ignore_errors=True)  # not before the services agreed: they refuse while others use them
    own = {"CARILLON_ONLY_TO": "", "DJANGO_SETTINGS_MODULE": "project.settings"}
    stack = running.enter_context(
        Stack(folder, urls["DATABASE_URL"], urls["REDIS_URL"], WEB_PORT, SANDBOX_PORT, extra_env=own)
    )
    terminal.progress("sandbox", f"{stack.sandbox.base_url}/sandbox/   plays FCM, Twilio and Postmark")
    with ThreadPoolExecutor(1) as pool:
        web = pool.submit(stack.start_web)  # needs no tables to start
        seeded = json.loads(stack.run("-m", "project.demo.seed").splitlines()[-1])
        new = f", {seeded['new']:,} of them new" if seeded["new"] else ""
        terminal.progress("database", f"schema up to date, {seeded['people']:,} people{new}")
        place = Place(stack.url, stack.sandbox.base_url, seeded["key"])
        terminal.progress("API key", f"{place.key[:12]}…   carillon api-key create demo --expires 1d")
        stack.sandbox.client.people(people.whose())
        stack.start_worker()
        terminal.progress("worker", "manage.py rqworker push sms email   the only one")
        web.result()
        terminal.progress("web", f"{stack.url}/   gunicorn project.wsgi:application")
    _tell_of_other_ports(terminal, stack)
    terminal.line(f"           logs and the sandbox's file are in {shown(folder)}/")
    return Started(stack, place)


def shown(path: Path) -> str:
    """Return a path as somebody in the checkout would type it."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def _services(terminal: Terminal, environ: Mapping[str, str], running: ExitStack) -> dict[str, str]:
    """Start PostgreSQL and Valkey where the environment names none, and return the URLs of both."""
    urls = {name: environ.get(name, "") for name in ("DATABASE_URL", "REDIS_URL")}
    missing = [name for name, url in urls.items() if not url]
    if missing:
        services = running.enter_context(
            embedded.start(postgres="DATABASE_URL" in missing, valkey="REDIS_URL" in missing)
        )
        urls |= services.environ
    for name, own, theirs in (("DATABASE_URL", "PostgreSQL", "PostgreSQL"), ("REDIS_URL", "Valkey", "Redis")):
        if name in missing:
            terminal.progress(own, "this checkout's own, on a Unix socket")
        else:
            terminal.progress(theirs, f"yours, at {_without_secret(urls[name])}")
    return urls


def _tell_of_other_ports(terminal: Terminal, stack: Stack) -> None:
    for name, wanted, url in (("web", WEB_PORT, stack.url), ("sandbox", SANDBOX_PORT, stack.sandbox.base_url)):
        port = urlsplit(url).port
        if port != wanted:
            terminal.line(f"           port {wanted} is taken: {name} listens on {port}")


def _without_secret(url: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return unquote(f"{host}{parts.path}") if host else parts.path
