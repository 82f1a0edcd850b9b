"""A sandbox of the test module's own, and a receiver of its webhooks, over real sockets."""

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from notifications.sandbox.client import SandboxClient
from notifications.sandbox.process import SandboxProcess, launch
from notifications.sandbox.server import SandboxOptions

PATIENCE = 30.0
"""Seconds to wait for what must come: generous, for it only costs time when something is broken."""


if not settings.configured and "DJANGO_SETTINGS_MODULE" not in os.environ:
    settings.configure()  # anymail reads them; the sandbox itself needs none


@dataclass
class Received:
    """One webhook as it came in."""

    url: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A web server that keeps what is posted to it, and fails as often as it is told to."""

    server: str = ""
    prefix: str = ""
    received: list[Received] = field(default_factory=list)
    fail_next: int = 0
    fail_with: int = 500

    @property
    def base_url(self) -> str:
        return self.server + self.prefix

    def clear(self) -> None:
        """Start anew under another path, so that what still comes for an earlier test is not taken for this one's."""
        self.prefix = f"/{uuid.uuid4().hex}"
        self.received.clear()
        self.fail_next, self.fail_with = 0, 500


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            ours = self.path.startswith(receiver.prefix)
            failing = ours and receiver.fail_next > 0
            if ours:
                receiver.fail_next -= failing
                receiver.received.append(Received(receiver.server + self.path, dict(self.headers), body))
            self.send_response(receiver.fail_with if failing else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    return Handler


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    file = tmp_path_factory.mktemp("sandbox") / "sandbox.jsonl"
    with launch(SandboxOptions(file=file, port=0, callback_delay=0.01)) as running:
        yield running


@pytest.fixture
def sandbox(process: SandboxProcess) -> Iterator[SandboxClient]:
    process.client.reset()
    process.client.set_webhooks(postmark=None, twilio_inbound=None, vonage=None, resend=None)
    yield process.client
    process.client.reset()


@pytest.fixture
def file(process: SandboxProcess) -> Path:
    return process.options.file


@pytest.fixture(scope="module")
def _receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(receiver))
    receiver.server = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield receiver
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def receiver(_receiver: Receiver) -> Receiver:
    _receiver.clear()
    return _receiver


@pytest.fixture
def wait_for() -> Callable[[Callable[[], Any]], Any]:
    """Wait until a condition holds, and return its value."""

    def wait(condition: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            value = condition()
            if value:
                return value
            time.sleep(0.01)
        pytest.fail("what was waited for did not come")

    return wait
