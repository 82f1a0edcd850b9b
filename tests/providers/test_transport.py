"""The transport of adapters whose library uses `requests`: one deadline for the whole answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
import requests

from notifications.providers.transport import begin_attempt, one_request_session, request_was_written

HEAD = b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 200 + b"\r\nContent-Length: 2\r\n\r\n"


class Dripping:
    """A server whose answer comes byte by byte."""

    def __init__(self, listener: socket.socket) -> None:
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        self.pause = 0.05
        self.stop = threading.Event()
        self.head_is_out = False
        self._listener = listener

    def serve(self) -> None:
        with suppress(OSError):
            connection, _ = self._listener.accept()
            with connection:
                connection.recv(65_536)
                for number in range(len(HEAD)):
                    self.head_is_out = number == len(HEAD) - 1
                    connection.sendall(HEAD[number : number + 1])
                    if self.stop.wait(self.pause):
                        return
                connection.sendall(b"{}")


@pytest.fixture
def dripping() -> Iterator[Dripping]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Dripping(listener)
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        yield server
        server.stop.set()
    thread.join(10)


def test_a_head_that_drips_ends_at_the_deadline(dripping: Dripping) -> None:
    begin_attempt()
    with pytest.raises(requests.RequestException):
        one_request_session(1.0, 1).post(dripping.url, data=b"{}")
    assert request_was_written()
    assert not dripping.head_is_out, "given up while the head was still coming in, which takes more than ten seconds"


def test_a_slow_answer_within_the_deadline_is_read(dripping: Dripping) -> None:
    dripping.pause = 0.001
    assert one_request_session(60.0, 1).post(dripping.url, data=b"{}").json() == {}
