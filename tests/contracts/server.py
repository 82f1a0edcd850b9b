"""A provider that does as it is told, over real sockets: answers, hangs, resets, drips and counts what it got."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What to do with one request; `how` is "answer", "reset" (after reading it), "hang" or "drip"."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    how: str = "answer"


type_of_script = Callable[[Received], Reply]


class ScriptedProvider:
    """The server; set `script` to change what it does, read `requests` to see what it got.

    This one speaks HTTP/1.1; a child speaks something else by its own `listen` and `stop`.
    """

    def __init__(self, script: type_of_script) -> None:
        self.script = script
        self.requests: list[Received] = []
        self.connections = 0
        self.open = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.routes: dict[str, type_of_script] = {}
        self.url = self.listen()

    def connected(self) -> None:
        with self.lock:
            self.connections += 1
            self.open += 1

    def disconnected(self) -> None:
        with self.lock:
            self.open -= 1

    def answer(self, got: Received) -> Reply:
        """Note a request and return what is to be done with it."""
        route = self.routes.get(urlsplit(got.path).path)
        if route is None:
            with self.lock:
                self.requests.append(got)
        return (route or self.script)(got)

    def listen(self) -> str:
        """Begin to serve and return the URL."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                outer.connected()

            def finish(self) -> None:
                outer.disconnected()
                with suppress(OSError):
                    super().finish()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                got = Received(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                outer.act(self, outer.answer(got))

            do_GET = do_POST  # noqa: N815 - the base class's own name

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *args: object) -> None:
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}"

    def stop(self) -> None:
        """Serve no more."""
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def act(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        if reply.how == "reset":
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.close_connection = True
            handler.connection.close()
            return
        if reply.how == "hang":
            self.closing.wait(60)
            handler.close_connection = True
            return
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(reply.body)))
        handler.end_headers()
        if reply.how == "drip":
            for byte in reply.body:
                with suppress(OSError):
                    handler.wfile.write(bytes([byte]))
                if self.closing.wait(0.1):
                    return
        else:
            handler.wfile.write(reply.body)


@contextmanager
def scripted(script: type_of_script) -> Iterator[ScriptedProvider]:
    """Run a scripted provider."""
    provider = ScriptedProvider(script)
    try:
        yield provider
    finally:
        provider.stop()


def closed_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    """Wait for a condition, generously."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, f"never saw: {what}"
        time.sleep(0.01)
