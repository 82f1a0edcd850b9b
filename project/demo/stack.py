"""A whole deployment on one machine: sandbox, web and workers as processes of their own, over given services."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from notifications.sandbox import credentials
from notifications.sandbox.guide import smtp_url
from notifications.sandbox.process import SandboxProcess, launch, with_webhook_secret
from notifications.sandbox.server import SandboxOptions

from .ports import claim_port

ROOT = Path(__file__).resolve().parent.parent.parent
_UP_SECONDS = 60.0
_STOP_SECONDS = 20.0


@dataclass
class Stack:
    """The processes of one deployment; as a context manager it stops them all at the end."""

    folder: Path
    database_url: str
    redis_url: str
    web_port: int = 0
    sandbox_port: int = 0
    extra_env: Mapping[str, str] = field(default_factory=dict)
    providers: Sequence[str] = ("fcm", "twilio", "postmark")
    """Which of the sandbox's providers the deployment has accounts at: of each channel the first is asked first."""

    def __enter__(self) -> Self:
        """Start the sandbox; web and workers are started by the methods below."""
        self._exit = ExitStack()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.web_port = claim_port(self.web_port, self._exit)
        self.url = f"http://127.0.0.1:{self.web_port}"
        hook = with_webhook_secret(f"{self.url}/webhooks/email/")
        options = SandboxOptions(
            port=claim_port(self.sandbox_port, self._exit),
            file=self.folder / "sandbox.jsonl",
            postmark_webhook=hook,
            twilio_inbound_webhook=f"{self.url}/webhooks/twilio/",
            vonage_webhook=f"{self.url}/webhooks/vonage/",
            resend_webhook=f"{self.url}/webhooks/resend/",
        )
        self.sandbox: SandboxProcess = self._exit.enter_context(launch(options))
        self.env = self._environment()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything."""
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
        for process in self.processes.values():
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._exit.close()

    def manage(self, *command: str) -> str:
        """Run a management command to its end and return what it printed.

        Raises:
            RuntimeError: it failed; the text holds what it said.
        """
        return self.run("manage.py", *command)

    def run(self, *arguments: str) -> str:
        """Run Python with these arguments to its end and return what it printed.

        Raises:
            RuntimeError: it failed; the text holds what it said.
        """
        done = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=self.env, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def start_web(self, workers: int = 2) -> None:
        """Start gunicorn and wait until it answers."""
        command = ["gunicorn", "project.wsgi:application", "--bind", f"127.0.0.1:{self.web_port}"]
        options = ["--workers", str(workers), "--threads", "4", "--log-level", "warning", "--no-control-socket"]
        self._start("web", [sys.executable, "-m", *command, *options])
        self._wait_until_up(f"{self.url}/healthz")

    def start_worker(self, name: str = "worker", *channels: str) -> subprocess.Popen[bytes]:
        """Start `manage.py rqworker push sms email` (or fewer channels) and return the process."""
        queues = channels or ("push", "sms", "email")
        return self._start(name, [sys.executable, "manage.py", "rqworker", *queues])

    def kill(self, name: str) -> None:
        """Kill a process (SIGKILL) with its children and wait until it is gone."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self, name: str) -> int:
        """Stop a process (SIGTERM) and return its exit status."""
        process = self.processes.pop(name)
        process.terminate()
        return process.wait(_STOP_SECONDS)

    def log(self, name: str) -> str:
        """Return what a process has written so far."""
        path = self.folder / f"{name}.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def _start(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.env,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.processes[name] = process
        return process

    def _environment(self) -> dict[str, str]:
        accounts: dict[str, str] = {}
        for provider in self.providers:
            accounts |= self._account(provider)
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "CARILLON_ENV_FILE": os.devnull,
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "DJANGO_DEBUG": "true",
            "DJANGO_SECRET_KEY": "demo-only-not-a-secret-" + "0" * 32,
            "DJANGO_ALLOWED_HOSTS": "*",
            "CARILLON_PUBLIC_URL": self.url,
            "PYTHONUNBUFFERED": "1",
            **accounts,
            **self.extra_env,
        }

    def _account(self, provider: str) -> dict[str, str]:
        """Return the variables that lead to one of the sandbox's providers."""
        sandbox, base = self.sandbox, self.sandbox.base_url
        if provider == "fcm":
            account = credentials.write_service_account(self.folder / "service-account.json", sandbox.token_uri)
            return {"FCM_SERVICE_ACCOUNT_FILE": str(account), "FCM_BASE_URL": f"{base}/fcm"}
        accounts = {
            "apns": {
                "APNS_KEY_FILE": sandbox.apns_key_file,
                "APNS_KEY_ID": credentials.APNS_KEY_ID,
                "APNS_TEAM_ID": credentials.APNS_TEAM_ID,
                "APNS_TOPIC": credentials.APNS_TOPIC,
                "APNS_BASE_URL": sandbox.apns_url,
                "APNS_CA_FILE": sandbox.ca_file,
            },
            "twilio": {
                "TWILIO_ACCOUNT_SID": credentials.TWILIO_ACCOUNT_SID,
                "TWILIO_AUTH_TOKEN": credentials.TWILIO_AUTH_TOKEN,
                "TWILIO_FROM_NUMBER": credentials.TWILIO_FROM_NUMBER,
                "TWILIO_BASE_URL": f"{base}/twilio",
            },
            "vonage": {
                "VONAGE_API_KEY": credentials.VONAGE_API_KEY,
                "VONAGE_API_SECRET": credentials.VONAGE_API_SECRET,
                "VONAGE_FROM": credentials.VONAGE_FROM,
                "VONAGE_SIGNATURE_SECRET": credentials.VONAGE_SIGNATURE_SECRET,
                "VONAGE_BASE_URL": f"{base}/vonage",
            },
            "postmark": {
                "POSTMARK_SERVER_TOKEN": credentials.POSTMARK_SERVER_TOKEN,
                "POSTMARK_WEBHOOK_SECRET": credentials.WEBHOOK_SECRET,
                "POSTMARK_BASE_URL": f"{base}/postmark",
            },
            "resend": {
                "RESEND_API_KEY": credentials.RESEND_API_KEY,
                "RESEND_WEBHOOK_SECRET": credentials.RESEND_SIGNING_SECRET,
                "RESEND_BASE_URL": f"{base}/resend",
            },
            "smtp": {"SMTP_URL": smtp_url(sandbox.smtp_port), "SMTP_CA_FILE": sandbox.ca_file},
        }
        return accounts[provider]

    def _wait_until_up(self, url: str) -> None:
        deadline = time.monotonic() + _UP_SECONDS
        while time.monotonic() < deadline:
            if self.processes["web"].poll() is not None:
                break
            try:
                with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own address
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise RuntimeError(f"the web process did not answer at {url}:\n{self.log('web')[-2000:]}")
