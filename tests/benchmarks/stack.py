"""The deployment that is measured: web and workers as the README starts them, in front of the sink."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from notifications.sandbox import credentials
from project.demo.ports import free_port
from project.demo.stack import Stack
from tests.benchmarks.sink import Sink


@dataclass
class BenchStack(Stack):
    """Web and workers whose providers are all the sink."""

    sink: Sink | None = None
    slow: bool = False
    worker_names: list[str] = field(default_factory=list)
    _started: int = 0

    def __enter__(self) -> Self:
        """Lead the accounts to the sink; web and workers are started by the scenario."""
        self._exit = ExitStack()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.web_port = free_port(0)
        self.url = f"http://127.0.0.1:{self.web_port}"
        self.env = self._environment()
        self.processes = {}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything, also what was frozen."""
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGCONT)
        super().__exit__(kind, error, trace)

    def start_workers(self, count: int = 2) -> None:
        """Start so many more workers, exactly as `manage.py rqworker push sms email`."""
        for _ in range(count):
            self._started += 1
            name = f"worker-{self._started}"
            self.start_worker(name)
            self.worker_names.append(name)

    def stop_workers(self) -> None:
        """Stop all workers, at the same time."""
        with ThreadPoolExecutor() as together:
            list(together.map(self.stop, self.worker_names))
        self.worker_names.clear()

    @property
    def worker_pids(self) -> list[int]:
        """The pids of the workers that live."""
        found = [self.processes[name] for name in self.worker_names if name in self.processes]
        return [process.pid for process in found if process.poll() is None]

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze web and workers for a while (SIGSTOP): a rival gets the whole machine."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    @contextlib.contextmanager
    def frozen_workers(self) -> Iterator[None]:
        """Freeze the workers alone."""
        self._signal(signal.SIGSTOP, self.worker_names)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT, self.worker_names)

    def _signal(self, number: int, names: Iterable[str] | None = None) -> None:
        for name, process in self.processes.items():
            if names is None or name in names:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)

    def _environment(self) -> dict[str, str]:
        return {**super()._environment(), "DJANGO_DEBUG": "false", **self.extra_env}

    def _account(self, provider: str) -> Mapping[str, str]:  # type: ignore[override]
        if self.sink is None:
            raise RuntimeError("a bench stack needs its sink")
        sink = self.sink
        base = sink.slow_url if self.slow else sink.url
        if provider == "fcm":
            account = credentials.write_service_account(self.folder / "service-account.json", f"{base}/fcm/token")
            return {"FCM_SERVICE_ACCOUNT_FILE": str(account), "FCM_BASE_URL": f"{base}/fcm"}
        if provider == "twilio":
            return {
                "TWILIO_ACCOUNT_SID": credentials.TWILIO_ACCOUNT_SID,
                "TWILIO_AUTH_TOKEN": credentials.TWILIO_AUTH_TOKEN,
                "TWILIO_FROM_NUMBER": credentials.TWILIO_FROM_NUMBER,
                "TWILIO_BASE_URL": f"{sink.url}/twilio",
            }
        return {
            "POSTMARK_SERVER_TOKEN": credentials.POSTMARK_SERVER_TOKEN,
            "POSTMARK_WEBHOOK_SECRET": credentials.WEBHOOK_SECRET,
            "POSTMARK_BASE_URL": f"{sink.mail_url}/postmark",
        }
