"""Starts PostgreSQL and Valkey for a checkout whose environment names none, and stops them with their last user.

    with embedded.start() as services:
        ...services.database_url, services.redis_url...

Everything lives under `.services/` of the checkout and listens on Unix sockets there, so that two checkouts never
meet. Processes of a checkout share the servers: a list of users, kept under a lock, says when the last one leaves.
Users that were killed are struck off by the next start. Importing this module starts nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import NoReturn, Self

import psutil

from .embedded_home import Account, Home, make_private
from .embedded_postgres import Postgres
from .embedded_valkey import Valkey, stop_lost

# manage.py commands that never look into the database, or must work where it is away.
COMMANDS_WITHOUT_SERVICES = {
    "check", "collectstatic", "compilemessages", "diffsettings", "findstatic", "help", "makemessages",
    "makemigrations", "sendtestemail", "startapp", "startproject", "version",
}  # fmt: skip

SAME_BIRTH_SECONDS = 5


class ServicesInUse(RuntimeError):
    """A reset was asked for while other processes use the services; the text names them."""


@dataclass
class Services:
    """A hold on the running services. They stop when the last hold is given back."""

    home: Home
    postgres: Postgres | None
    valkey: Valkey | None
    token: str = field(default_factory=lambda: uuid.uuid4().hex, repr=False)
    owner: int = field(default_factory=os.getpid, repr=False)

    @property
    def database_url(self) -> str:
        """Reaches the PostgreSQL; the same after every restart."""
        return self.home.database_url

    @property
    def redis_url(self) -> str:
        """Reaches the Valkey; the same after every restart."""
        return self.home.redis_url

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables that lead a process to what was started here."""
        urls = {"DATABASE_URL": self.postgres and self.database_url, "REDIS_URL": self.valkey and self.redis_url}
        return {name: url for name, url in urls.items() if url}

    @property
    def postgres_pid(self) -> int | None:
        """The postmaster's pid now, or None when it is down."""
        return self.postgres.pid if self.postgres else None

    @property
    def valkey_pid(self) -> int | None:
        """Valkey's pid now, or None when it is down."""
        return self.valkey.pid if self.valkey else None

    def revive(self) -> None:
        """Have both running again, whatever was killed."""
        with _locked(self.home):
            self.start_missing()

    def stop(self) -> None:
        """Give the hold back; the last one stops the servers. A fork's copy of the hold does nothing."""
        if self.owner != os.getpid() or not self.home.root.exists():
            return
        with _locked(self.home):
            users = [user for user in _live_users(self.home) if user["token"] != self.token]
            _write_users(self.home, users)
            if not users:
                # Also what an earlier, killed user had started and we did not need.
                Postgres(self.home).stop()
                Valkey(self.home).stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start_missing(self) -> None:
        """Start what is down. The caller holds the lock; everybody else wants `revive`."""
        for server in (self.postgres, self.valkey):
            if server is not None:
                server.start()


def start(
    root: Path | None = None, *, reset: bool | None = None, postgres: bool = True, valkey: bool = True
) -> Services:
    """Start the services of this checkout, or join those that run, and return a hold on them.

    `root` is the folder of everything; without it `CARILLON_SERVICES_DIR`, else `.services` of the checkout.
    `reset` removes all data first; None asks the environment for `RESET=1`.

    Raises:
        ServicesInUse: a reset was asked for and other processes use the services.
    """
    home = Home.of(root)
    myself = Account(os.geteuid(), os.getegid())
    # Root's PostgreSQL runs as `nobody`, who must pass through.
    make_private(home.root, myself, 0o711 if home.account.is_other else 0o700)
    stop_lost(home.root)
    services = Services(home, Postgres(home) if postgres else None, Valkey(home) if valkey else None)
    with _locked(home):
        users = _live_users(home)
        if os.environ.get("RESET") == "1" if reset is None else reset:
            _erase(home, users)
        try:
            services.start_missing()
        except BaseException:
            if not users:
                Postgres(home).stop()
                Valkey(home).stop()
            raise
        process = psutil.Process()
        me = {"token": services.token, "pid": process.pid, "created": process.create_time()}
        _write_users(home, [*users, me])
    return services


@contextlib.contextmanager
def for_command(argv: Sequence[str]) -> Iterator[None]:
    """Hold, while a manage.py command runs, the services that it needs and the environment does not name."""
    missing = {name for name in ("DATABASE_URL", "REDIS_URL") if not os.environ.get(name)}
    if not missing or not _needs_services(argv):
        yield
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)  # a command that was told to go gives its hold back
    with start(reset=False, postgres="DATABASE_URL" in missing, valkey="REDIS_URL" in missing) as services:
        os.environ.update(services.environ)
        # The settings would take an environment that names a database for a server's.
        os.environ.setdefault("DJANGO_DEBUG", "true")
        yield


def remove_abandoned(parent: Path) -> None:
    """Stop and remove every home directly under `parent` whose users are all gone (of killed test runs)."""
    stop_lost(parent)
    for root in parent.iterdir() if parent.is_dir() else ():
        home = Home.of(root)
        if not (root / "users.json").exists() or _live_users(home):
            continue
        with contextlib.suppress(FileNotFoundError), _locked(home):
            _remove(home)


def remove(services: Services) -> None:
    """Give the hold back and, if it was the last, remove everything these services wrote."""
    services.stop()
    with contextlib.suppress(FileNotFoundError), _locked(services.home):
        if not _live_users(services.home):
            _remove(services.home)


def main() -> None:
    """Stop this checkout's services and remove their data, also of test runs that were killed (`make clean`)."""
    home = Home.of()
    remove_abandoned(home.root / "tests")
    if home.root.exists():
        with _locked(home):
            _erase(home, _live_users(home))
            _remove(home)


def _remove(home: Home) -> None:
    _erase(home, [])
    for folder in (home.postgres, home.sockets, home.root):
        shutil.rmtree(folder, ignore_errors=True)


def _erase(home: Home, users: list[dict[str, object]]) -> None:
    if users:
        raise ServicesInUse(f"in use by process {', '.join(str(user['pid']) for user in users)}: stop it first")
    Postgres(home).destroy()
    Valkey(home).stop()


def _needs_services(argv: Sequence[str]) -> bool:
    command = next(iter(argv[1:]), "help")
    if command == "check" and "--database" in argv:
        return True
    asks_for_help = command.startswith("-") or "--help" in argv or "-h" in argv
    is_sandbox = list(argv[1:3]) == ["carillon", "sandbox"]  # shares nothing with our services
    return not (asks_for_help or is_sandbox or command in COMMANDS_WITHOUT_SERVICES)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


@contextlib.contextmanager
def _locked(home: Home) -> Iterator[None]:
    with (home.root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _live_users(home: Home) -> list[dict[str, object]]:
    try:
        users: list[dict[str, object]] = json.loads((home.root / "users.json").read_text())
    except (OSError, ValueError):
        return []
    return [user for user in users if _lives(user)]


def _lives(user: dict[str, object]) -> bool:
    try:
        process = psutil.Process(int(str(user["pid"])))
        # The time of birth tells a user from a stranger that got its pid; the clock it is told by may be set.
        same: bool = abs(process.create_time() - float(str(user["created"]))) < SAME_BIRTH_SECONDS
        return same and bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _write_users(home: Home, users: list[dict[str, object]]) -> None:
    fresh = home.root / "users.json.new"
    fresh.write_text(json.dumps(users))
    fresh.replace(home.root / "users.json")


if __name__ == "__main__":
    main()
