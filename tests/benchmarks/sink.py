"""The provider that everybody sends to: nginx with its echo module where there is one, else granian; email to granian.

One log for all of it, written by the servers themselves.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from types import TracebackType
from typing import Self

from project.demo.ports import free_port
from project.demo.stack import ROOT
from tests.benchmarks.processes import stop
from tests.benchmarks.sink_app import TOKEN
from tests.benchmarks.sink_log import SinkLog

LATENCY = 0.1
#: nginx flushes every 50 ms, granian's application too.
SETTLE_SECONDS = 0.3
_UP_SECONDS = 20.0
_ECHO = Path("/usr/lib/nginx/modules/ngx_http_echo_module.so")
_CONF = Path(__file__).with_name("nginx.conf.in")


@dataclass
class Sink:
    """The running sink; as a context manager it stops at the end."""

    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Start it: push and SMS at `url`, after 100 ms at `slow_url`, email at `mail_url`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = SinkLog(self.folder / "sink.log")
        try:
            mail = self._granian(0.0)
            if echo_of_nginx() is not None:
                self.kind = f"nginx {_nginx_version()}, email: granian"
                fast, slow = self._nginx()
            else:
                self.kind = "granian"
                fast, slow = mail, self._granian(LATENCY)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        self.url, self.slow_url, self.mail_url = (f"http://127.0.0.1:{port}" for port in (fast, slow, mail))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        stop(self.processes)

    @property
    def pids(self) -> list[int]:
        """Whose CPU time is the sink's."""
        return [process.pid for process in self.processes]

    def settle(self) -> None:
        """Wait until what was answered is in the log."""
        time.sleep(SETTLE_SECONDS)

    def _nginx(self) -> tuple[int, int]:
        fast, slow = free_port(0), free_port(0)
        module = echo_of_nginx()
        values = {
            "load_module": f"load_module {module};" if module else "",
            "folder": self.folder,
            "port": fast,
            "slow_port": slow,
            "log": self.log.path,
            "token": TOKEN,
        }
        conf = self.folder / "nginx.conf"
        conf.write_text(Template(_CONF.read_text()).substitute(values))
        self._start("nginx", ["nginx", "-p", str(self.folder), "-c", str(conf)], {}, fast)
        return fast, slow

    def _granian(self, latency: float) -> int:
        if importlib.util.find_spec("granian") is None:
            raise RuntimeError("granian is not installed: `make bench` does, from requirements-bench.txt")
        port = free_port(0)
        server = [sys.executable, "-m", "granian", "--interface", "rsgi", "tests.benchmarks.sink_app:app"]
        options = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--loop", "uvloop", "--no-ws"]
        env = {"SINK_LATENCY": str(latency), "SINK_LOG": str(self.log.path)}
        self._start(f"granian-{port}", [*server, *options, "--log-level", "warning"], env, port)
        return port

    def _start(self, name: str, command: list[str], env: dict[str, str], port: int) -> None:
        with (self.folder / f"{name}.log").open("ab") as said:
            process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **env}, stdout=said, stderr=said, stdin=subprocess.DEVNULL
            )
        self.processes.append(process)
        deadline = time.monotonic() + _UP_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError(f"the sink did not start: {(self.folder / f'{name}.log').read_text()[-1_000:]}")


def echo_of_nginx() -> str | None:
    """Return the path of nginx' echo module, "" if it is built in, or None where nginx or the module is missing.

    Without it nginx reads no body that it only answers, and could not say whom a message was for.
    """
    if shutil.which("nginx") is None:
        return None
    said = subprocess.run(["nginx", "-V"], capture_output=True, text=True, check=False).stderr
    if "echo-nginx-module" in said and "dynamic" not in said:
        return ""
    where = re.search(r"--modules-path=(\S+)", said)
    module = Path(where[1]) / _ECHO.name if where else _ECHO
    return str(module) if module.exists() else None


def _nginx_version() -> str:
    said = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=False).stderr
    return said.strip().rpartition("/")[2]
