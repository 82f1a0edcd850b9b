"""Starts a sandbox as a process of its own, and stops or kills it: for tests, the demo and the chaos runs."""

from __future__ import annotations

import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import replace
from types import TracebackType

from .client import SandboxClient
from .credentials import WEBHOOK_SECRET
from .server import SandboxOptions

_READY = "sandbox listening on "
_STOP_TIMEOUT = 15.0


class SandboxProcess(AbstractContextManager["SandboxProcess"]):
    """One running sandbox; as a context manager it stops at the end."""

    def __init__(self, options: SandboxOptions) -> None:
        """Start it and wait until it listens; raises RuntimeError if it does not come up."""
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter and our own module, no shell
            _command(options), stdout=subprocess.PIPE, text=True
        )
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line.startswith(_READY):
            self._process.wait(_STOP_TIMEOUT)
            raise RuntimeError(f"the sandbox did not start: {line!r}, exit status {self._process.returncode}")
        self.base_url = line.removeprefix(_READY).strip()
        # With the port it got, a restart is the same sandbox to whoever sends to it.
        self.client = SandboxClient(self.base_url)
        self.info = self.client.info()
        self.options = replace(
            options, port=_port(self.base_url), apns_port=_port(self.apns_url), smtp_port=self.smtp_port
        )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def token_uri(self) -> str:
        """The token endpoint for ``credentials.write_service_account``."""
        return f"{self.base_url}/fcm/token"

    @property
    def apns_url(self) -> str:
        """The base URL of APNs: HTTP/2 over TLS, on a port of its own."""
        return self.info["apns"]["base_url"]

    @property
    def smtp_port(self) -> int:
        """The mail server's port."""
        return int(self.info["smtp"]["port"])

    @property
    def ca_file(self) -> str:
        """The certificate authority that clients of APNs and of the mail server have to trust."""
        return self.info["apns"]["ca_file"]

    @property
    def apns_key_file(self) -> str:
        """The ``.p8`` key that signs for APNs."""
        return self.info["apns"]["key_file"]

    def stop(self) -> int:
        """Ask it to stop (SIGTERM) and return its exit status."""
        self._process.terminate()
        return self._wait()

    def kill(self) -> int:
        """Kill it (SIGKILL) and return its exit status."""
        self._process.kill()
        return self._wait()

    def _wait(self) -> int:
        try:
            return self._process.wait(_STOP_TIMEOUT)
        finally:
            if self._process.stdout:
                self._process.stdout.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it if it still runs."""
        if self._process.poll() is None:
            self.stop()


def launch(options: SandboxOptions) -> SandboxProcess:
    """Start a sandbox and return it once it listens."""
    return SandboxProcess(options)


def with_webhook_secret(url: str) -> str:
    """Return ``url`` with the sandbox's webhook user and password in it."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{WEBHOOK_SECRET}@{rest}"


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


def _command(options: SandboxOptions) -> list[str]:
    command = [sys.executable, "-m", "notifications.sandbox", "--host", options.host, "--port", str(options.port)]
    command += ["--apns-port", str(options.apns_port), "--smtp-port", str(options.smtp_port)]
    command += ["--file", str(options.file), "--callback-delay", str(options.callback_delay)]
    if options.postmark_webhook:
        command += ["--postmark-webhook", options.postmark_webhook]
    if options.twilio_inbound_webhook:
        command += ["--twilio-inbound-webhook", options.twilio_inbound_webhook]
    if options.vonage_webhook:
        command += ["--vonage-webhook", options.vonage_webhook]
    if options.resend_webhook:
        command += ["--resend-webhook", options.resend_webhook]
    if not options.callbacks:
        command.append("--no-callbacks")
    if options.fsync:
        command.append("--fsync")
    return command
