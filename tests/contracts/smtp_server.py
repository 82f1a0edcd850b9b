"""A scripted mail server: takes mail as it is told, over real sockets, with TLS where asked."""

from __future__ import annotations

import base64
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from notifications.sandbox import tls

from .server import Received, Reply, ScriptedProvider, type_of_script

USER, PASSWORD = "ada", "p@ss:word/1"


class ScriptedSmtp(ScriptedProvider):
    """`script` answers the dot that ends a message; `stages` refuses before: CONNECT, EHLO, STARTTLS, AUTH, ...

    One attempt is one entry of `requests`, wherever it ended: its path is the stage, its headers the envelope.
    `Reply.how`: "answer", "reset", "hang", "drip", "garbage", and "goodbye" (answer and hang up).
    """

    def __init__(self, script: type_of_script, folder: Path) -> None:
        self.stages: dict[str, Reply] = {}
        self.extensions = ["8BITMIME", "SIZE 1000000", "ENHANCEDSTATUSCODES"]
        self.offers_tls = False
        self.implicit_tls = False
        self.wants_login = False
        self.ca_file = tls.ca_path(folder / "mail")
        self.context = tls.server_context(folder / "mail")
        self.sessions: list[SmtpSession] = []
        super().__init__(script)

    def listen(self) -> str:
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                outer.connected()
                session = SmtpSession(outer, self.request)
                try:
                    with suppress(OSError, EOFError):
                        session.run()
                finally:
                    session.end()

            def finish(self) -> None:
                outer.disconnected()

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *args: object) -> None:
                pass

        self.mail_server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.mail_server.serve_forever, args=(0.02,), daemon=True).start()
        return f"http://127.0.0.1:{self.mail_server.server_address[1]}"

    def stop(self) -> None:
        self.closing.set()
        self.mail_server.shutdown()
        self.mail_server.server_close()


class SmtpSession:
    """One connection."""

    def __init__(self, outer: ScriptedSmtp, sock: socket.socket) -> None:
        self.outer = outer
        self.envelope: dict[str, str] = {}
        self.secure = False
        self.user = ""
        self.take(sock)
        outer.sessions.append(self)

    def end(self) -> None:
        """Close the socket and what reads from it: one without the other leaves the descriptor to the collector."""
        with suppress(OSError):
            self.file.close()
        self.sock.close()

    def take(self, sock: socket.socket) -> None:
        self.sock = sock
        self.file = cast("BinaryIO", sock.makefile("rb"))

    def say(self, line: str) -> None:
        self.sock.sendall(line.encode() + b"\r\n")

    def hear(self) -> str:
        line = self.file.readline()
        if not line:
            raise EOFError
        return line.decode("utf-8", "replace").rstrip("\r\n")

    def encrypt(self) -> None:
        self.take(self.outer.context.wrap_socket(self.sock, server_side=True))
        self.secure = True

    def refused(self, stage: str) -> bool:
        """Give a stage's own answer, if it has one; it ends the attempt."""
        reply = self.outer.stages.get(stage)
        if reply is None:
            return False
        with self.outer.lock:
            self.outer.requests.append(Received(stage, stage, dict(self.envelope), b""))
        self.act(reply)
        return True

    def act(self, reply: Reply) -> None:
        if reply.how == "reset":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.sock.close()
            raise EOFError
        if reply.how == "hang":
            self.outer.closing.wait(60)
            raise EOFError
        if reply.how == "drip":
            for byte in f"{reply.status} {reply.body.decode()}".encode() * 50:
                self.sock.sendall(bytes([byte]))
                if self.outer.closing.wait(0.1):
                    raise EOFError
        elif reply.how == "garbage":
            self.sock.sendall(b"\x00garbage\xff\r\n")
        else:
            self.say(f"{reply.status} {reply.body.decode()}")
        if reply.how == "goodbye":
            self.sock.close()
            raise EOFError

    def run(self) -> None:
        if self.outer.implicit_tls:
            self.encrypt()
        if self.refused("CONNECT"):
            return
        self.say("220 mail.example.com ESMTP")
        while True:
            verb, _, rest = self.hear().partition(" ")
            command = verb.upper()
            if command == "QUIT":
                self.say("221 bye")
                self.sock.close()
                return
            if not self.refused({"STARTTLS": "STARTTLS", "HELO": "EHLO"}.get(command, command)):
                getattr(self, f"on_{command.lower()}", self.unknown)(rest)

    def unknown(self, rest: str) -> None:
        self.say("502 5.5.1 not known")

    def on_ehlo(self, rest: str) -> None:
        lines = ["mail.example.com", *self.outer.extensions]
        if self.outer.offers_tls and not self.secure:
            lines.append("STARTTLS")
        if self.outer.wants_login:
            lines.append("AUTH PLAIN LOGIN")
        for line in lines[:-1]:
            self.say(f"250-{line}")
        self.say(f"250 {lines[-1]}")

    def on_starttls(self, rest: str) -> None:
        self.say("220 go ahead")
        with suppress(ssl.SSLError):
            self.encrypt()
            return
        raise EOFError

    def on_auth(self, rest: str) -> None:
        _, _, secret = rest.partition(" ")
        if base64.b64decode(secret).decode().split("\0") == ["", USER, PASSWORD]:
            self.user = USER
            self.say("235 2.7.0 welcome")
        else:
            with self.outer.lock:
                self.outer.requests.append(Received("AUTH", "AUTH", {}, b""))
            self.say("535 5.7.8 no")

    def on_mail(self, rest: str) -> None:
        self.envelope = {"from": rest}
        self.say("250 2.1.0 ok")

    def on_rcpt(self, rest: str) -> None:
        self.envelope["to"] = rest
        self.say("250 2.1.5 ok")

    def on_rset(self, rest: str) -> None:
        self.envelope = {}
        self.say("250 2.0.0 ok")

    def on_data(self, rest: str) -> None:
        self.say("354 go on")
        lines = []
        while (line := self.file.readline()) != b".\r\n":
            if not line:
                raise EOFError
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        got = Received("DATA", "DATA", self.envelope | {"secure": str(self.secure), "user": self.user}, b"".join(lines))
        self.act(self.outer.answer(got))


@contextmanager
def scripted_smtp(script: type_of_script, folder: Path) -> Iterator[ScriptedSmtp]:
    """Run a scripted mail server."""
    provider = ScriptedSmtp(script, folder)
    try:
        yield provider
    finally:
        provider.stop()
