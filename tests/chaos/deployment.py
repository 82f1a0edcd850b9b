"""A deployment under test: real processes, a provider that is not next door, a supervisor that restarts the dead."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import psycopg2

from notifications.sandbox.records import Accepted, read_file
from project.demo.ports import free_port
from project.demo.stack import ROOT, Stack
from tests.chaos.latency import Latency
from tests.ground.database import Database
from tests.ground.figures import FellShort, Run
from tests.ground.services import SECRET_KEY, Ground

FORKING = ("--worker-class", "rq.worker.Worker", "--serializer", "rq.serializers.JSONSerializer")
CHANNELS = ("push", "sms", "email")
OPEN = "SELECT count(*) FROM carillon_delivery WHERE state IN ('pending', 'sending', 'uncertain')"
UNPLANNED = "SELECT count(*) FROM carillon_broadcast WHERE status IN ('scheduled', 'planning')"
SHORT_WAITS = {"LEASE_SECONDS": 6, "UNCERTAIN_WAIT_SECONDS": 2, "SWEEP_SECONDS": 1, "SWEEPER_LEASE_SECONDS": 3}


@dataclass
class ChaosStack(Stack):
    """A stack whose processes have recipes, so that they can be started again, and whose provider is `latency` away."""

    latency: float = 0.05
    recipes: dict[str, list[str]] = field(default_factory=dict)
    once: set[str] = field(default_factory=set)

    def __enter__(self) -> Self:
        """Start the sandbox and the way to it."""
        self.sandbox_port = free_port(self.sandbox_port)
        self._proxy = Latency(self.sandbox_port, self.latency)
        self._proxy.__enter__()
        try:
            return super().__enter__()
        except BaseException:
            self._proxy.__exit__(None, None, None)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything."""
        super().__exit__(kind, error, trace)
        self._proxy.__exit__(None, None, None)

    def add_web(self, workers: int = 2) -> None:
        """Have a web process."""
        command = ["gunicorn", "project.wsgi:application", "--bind", f"127.0.0.1:{self.web_port}"]
        options = ["--workers", str(workers), "--threads", "4", "--log-level", "warning", "--no-control-socket"]
        self.recipes["web"] = [sys.executable, "-m", *command, *options]
        self.start("web")

    def add_worker(self, name: str, *options: str) -> None:
        """Have a worker of all channels."""
        self.recipes[name] = [sys.executable, "manage.py", "rqworker", *options, *CHANNELS]
        self.start(name)

    def add(self, name: str, *arguments: str, once: bool = False) -> None:
        """Have a Python process; `once` says that it has done its work when it ends well."""
        self.once |= {name} if once else set()
        self.recipes[name] = [sys.executable, *arguments]
        self.start(name)

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """Start a process by its recipe, without waiting for it."""
        return self._start(name, self.recipes[name])

    def wait_until_up(self) -> None:
        """Wait until the web process answers."""
        self._wait_until_up(f"{self.url}/healthz")

    def _environment(self) -> dict[str, str]:
        made = super()._environment()
        near, far = self.sandbox.base_url, self._proxy.url
        for name in ("FCM_BASE_URL", "TWILIO_BASE_URL", "POSTMARK_BASE_URL"):
            made[name] = made[name].replace(near, far)
        return made


class Supervisor(threading.Thread):
    """Starts again whatever ended, as systemd or Kubernetes would; first it ends what the dead has left behind."""

    def __init__(self, stack: ChaosStack) -> None:
        super().__init__(name="chaos-supervisor", daemon=True)
        self.stack = stack
        self.restarts = 0
        self.excused: set[str] = set()
        self.lock = threading.RLock()
        self._over = threading.Event()

    def run(self) -> None:
        """Look ten times a second."""
        while not self._over.wait(0.1):
            with self.lock:
                for name, process in list(self.stack.processes.items()):
                    if process.poll() == 0 and name in self.stack.once:
                        continue
                    if name in self.stack.recipes and name not in self.excused and process.poll() is not None:
                        with contextlib.suppress(ProcessLookupError, PermissionError):
                            os.killpg(process.pid, signal.SIGKILL)
                        self.stack.start(name)
                        self.restarts += 1

    def end(self) -> None:
        """Restart nothing more."""
        self._over.set()
        self.join()


class Deployment:
    """Sandbox, web and workers over a database of their own; as a context manager it stops them all at the end."""

    def __init__(self, run: Run, *, latency: float = 0.05, env: Mapping[str, str] | None = None) -> None:
        self.run = run
        self.waits = dict(SHORT_WAITS) if run.quick else {}
        waits = {f"CHAOS_{name}": str(value) for name, value in self.waits.items()}
        self._latency = latency
        self._counting, self._counted_to, self._counted = threading.Lock(), 0, 0
        self._env = {
            "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
            "DJANGO_SECRET_KEY": SECRET_KEY,
            "PYTHONDONTWRITEBYTECODE": "",  # whatever is killed here is started many times over
            **waits,
            **(env or {}),
        }

    def __enter__(self) -> Self:
        """Make the database, start the sandbox and the supervisor; web and workers are added by the scenario."""
        self.ground = Ground.at(self.run.folder.parent)
        self.url = self.ground.new_database()
        self.database = Database(self.url)
        self.stack = ChaosStack(
            self.run.folder / "stack",
            self.url,
            self.ground.services.redis_url,
            extra_env=self._env,
            latency=self._latency,
        )
        self.stack.__enter__()
        self.supervisor = Supervisor(self.stack)
        self.supervisor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything and drop the database."""
        self.supervisor.end()
        self.database.close()
        for name, process in self.stack.processes.items():
            if name != "web":
                _kill_group(process)
        self.stack.__exit__(kind, error, trace)
        _kill_orphans(self.url)
        if kind is None:
            self.ground.services.revive()
            self.ground.drop(self.url)
        self.ground.__exit__(kind, error, trace)

    def begin(self, *, users: int, devices: int = 1, workers: int = 2, web: bool = True) -> str:
        """Start so many workers and, if wanted, the web process; make users, and return an API key once all is up."""
        for number in range(1, workers + 1):
            self.stack.add_worker(f"worker-{number}")
        if web:
            self.stack.add_web()
        key = self.host("prepare", str(users), str(devices))
        if web:
            self.stack.wait_until_up()
        return key

    def host(self, *command: str) -> str:
        """Run one of the host's commands to its end and return what it printed."""
        return self.stack.run("-m", "tests.chaos.host", *command).strip()

    def accepted(self) -> list[Accepted]:
        """Return what the provider took, from the sandbox's file."""
        return read_file(self.file)

    @property
    def file(self) -> Path:
        """The sandbox's file."""
        return self.stack.folder / "sandbox.jsonl"

    def accepted_count(self) -> int:
        """Return how many lines the sandbox's file has; reads on from where it stopped."""
        if self.file.exists():
            with self._counting, self.file.open("rb") as lines:
                lines.seek(self._counted_to)
                data = lines.read()
                self._counted_to += len(data)
                self._counted += data.count(b"\n")
        return self._counted

    def open_count(self) -> int:
        """Return how many deliveries are not final, and how many broadcasts are not planned."""
        return int(self.database.value(OPEN)) + int(self.database.value(UNPLANNED))

    def wait_quiet(self, seconds: float) -> float:
        """Wait until nothing is open, at most so long; return how long it took."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            with contextlib.suppress(psycopg2.Error):
                if self.open_count() == 0:
                    break
            time.sleep(0.25)
        return round(time.monotonic() - began, 1)

    def pids_of(self, name: str) -> list[int]:
        """Return the pids of a process and its children, or nothing if it is dead."""
        process = self.stack.processes.get(name)
        if process is None or process.poll() is not None:
            return []
        with contextlib.suppress(psutil.Error):
            return [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]
        return []


def wait_until(condition: Callable[[], object], what: str, seconds: float = 60.0, every: float = 0.02) -> float:
    """Wait until a callable returns something true and return how long it took.

    Raises:
        FellShort: it did not in time.
    """
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise FellShort(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(every)
    return time.monotonic() - began


def _kill_orphans(database_url: str) -> None:
    """Kill what a killed parent left behind (RQ's work-horses have a group of their own): its database is its mark."""
    for process in psutil.process_iter(["name"]):
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get("DATABASE_URL") == database_url:
                process.kill()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def moment(at: str) -> float:
    """Return a time of the sandbox's file as seconds since the epoch."""
    return datetime.fromisoformat(at).timestamp()


__all__ = ["FORKING", "ROOT", "ChaosStack", "Deployment", "Supervisor", "moment", "wait_until"]
