"""A far end that writes bytes as it is told, whatever they mean: for what no proper server would do."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class Peer:
    """One connection, as the far end sees it."""

    def __init__(self, sock: socket.socket, outer: RawServer) -> None:
        self.sock = sock
        self.outer = outer
        self.unread = b""

    def read(self) -> bytes:
        """Return one request, head and body, or nothing when the client has gone."""
        while b"\r\n\r\n" not in self.unread:
            if not self._more():
                return b""
        head, _, rest = self.unread.partition(b"\r\n\r\n")
        size = next((int(line[16:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length: ")), 0)
        while len(rest) < size:
            if not self._more():
                return b""
            rest = self.unread.partition(b"\r\n\r\n")[2]
        self.unread = rest[size:]
        request = head + b"\r\n\r\n" + rest[:size]
        with self.outer.lock:
            self.outer.requests.append(request)
        return request

    def _more(self) -> bool:
        data = self.sock.recv(65_536)
        self.unread += data
        return bool(data)

    def write(self, *parts: bytes) -> None:
        for part in parts:
            self.sock.sendall(part)

    def write_bytewise(self, data: bytes) -> None:
        for byte in data:
            self.sock.sendall(bytes([byte]))

    def reset(self) -> None:
        """Close with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def until_gone(self) -> None:
        """Wait until the client has closed."""
        with suppress(OSError):
            while self.sock.recv(65_536):
                pass

    def secure(self, context: ssl.SSLContext) -> None:
        """Speak TLS from here on."""
        self.sock = context.wrap_socket(self.sock, server_side=True)


Talk = Callable[[Peer], None]


class RawServer:
    """Runs `talk` for each connection in a thread of its own; `requests` are those that `Peer.read` has seen."""

    def __init__(self, talk: Talk, address: tuple[str, int] = ("127.0.0.1", 0), tls: ssl.SSLContext | None = None):
        self.talk = talk
        self.tls = tls
        self.requests: list[bytes] = []
        self.connections = 0
        self.open = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.listener = socket.create_server(address, family=family, backlog=1024)
        self.port = int(self.listener.getsockname()[1])
        self.socks: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self.lock:
                    self.connections += 1
                    self.open += 1
                    self.socks.add(sock)
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        peer = Peer(sock, self)
        with suppress(OSError):
            if self.tls is not None:
                peer.secure(self.tls)
            self.talk(peer)
        with suppress(OSError):
            peer.sock.close()
        with self.lock:
            self.open -= 1
            self.socks.discard(sock)

    def stop(self) -> None:
        self.closing.set()
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            socks = list(self.socks)
        for sock in socks:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


@contextmanager
def raw_server(
    talk: Talk, address: tuple[str, int] = ("127.0.0.1", 0), tls: ssl.SSLContext | None = None
) -> Iterator[RawServer]:
    """Run a far end that writes what it is told."""
    server = RawServer(talk, address, tls)
    try:
        yield server
    finally:
        server.stop()


def answering(answer: bytes) -> Talk:
    """Return a far end that gives each request on a connection the same answer."""

    def talk(peer: Peer) -> None:
        while peer.read():
            peer.write(answer)

    return talk
