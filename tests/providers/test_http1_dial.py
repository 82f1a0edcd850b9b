"""How connections are made: addresses, time, TLS and proxies; whatever fails there, nothing was sent."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from notifications.providers.exchange import NotSent, RequestError, Response
from notifications.providers.http1 import Http1Pool
from notifications.sandbox import tls
from tests.contracts.raw_server import Peer, RawServer, Talk, answering, raw_server
from tests.contracts.server import closed_port, until

from .test_http1 import OK, body_of, post, run, seen


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def full() -> Iterator[int]:
    """The port of a listener whose queue is full: nobody accepts, and who connects gets no word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
            waiting.append(sock)
        yield listener.getsockname()[1]
        for sock in waiting:
            sock.close()


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RawServer]:
    """A far end that speaks TLS, and is trusted."""
    context = tls.server_context(tmp_path / "far")
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.ca_path(tmp_path / "far")))
    with raw_server(answering(OK), tls=context) as server:
        yield server


def resolved(monkeypatch: pytest.MonkeyPatch, *places: tuple[int, str, int]) -> list[str]:
    """Let every name have these addresses; return the names that were asked for."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        return [(family, socket.SOCK_STREAM, 6, "", (address, number)) for family, address, number in places]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def test_a_refused_connection() -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    result = run(url, lambda pool: post(pool, url))
    assert isinstance(result, NotSent)
    assert result.code == "ConnectionRefusedError"


def test_a_name_that_does_not_exist() -> None:
    result = run("http://nobody.invalid", lambda pool: post(pool, "http://nobody.invalid"))
    assert isinstance(result, NotSent)
    assert result.code == "gaierror"


def test_a_listener_that_never_accepts(full: int) -> None:
    url = f"http://127.0.0.1:{full}"
    result = run(url, lambda pool: post(pool, url, seconds=0.3))
    assert isinstance(result, NotSent)
    assert result.code == "TimeoutError"


def test_a_tls_handshake_that_hangs() -> None:
    with raw_server(lambda peer: peer.until_gone()) as server:
        url = server.url.replace("http", "https")
        result = run(url, lambda pool: post(pool, url, seconds=0.3))
        assert isinstance(result, NotSent)
        until(lambda: server.open == 0, "the connection closed")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_tls(secure: RawServer, host: str) -> None:
    url = f"https://{host}:{secure.port}"

    async def scenario(pool: Http1Pool) -> list[Response | RequestError]:
        return [await post(pool, url), await post(pool, url)]

    assert [body_of(result) for result in run(url, scenario)] == [b"ok", b"ok"]
    assert (secure.connections, len(secure.requests)) == (1, 2)


def test_a_certificate_that_is_not_trusted(secure: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    url = f"https://127.0.0.1:{secure.port}"
    result = run(url, lambda pool: post(pool, url))
    assert isinstance(result, NotSent)
    assert result.code == "SSLCertVerificationError"
    assert not secure.requests


def test_a_certificate_for_another_name(secure: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    resolved(monkeypatch, (socket.AF_INET, "127.0.0.1", secure.port))
    url = f"https://other.example:{secure.port}"
    result = run(url, lambda pool: post(pool, url))
    assert isinstance(result, NotSent)
    assert result.code == "SSLCertVerificationError"
    assert not secure.requests


def test_ipv6() -> None:
    with raw_server(answering(OK), ("::1", 0)) as server:
        url = f"http://[::1]:{server.port}"
        assert body_of(run(url, lambda pool: post(pool, url))) == b"ok"
        assert f"Host: [::1]:{server.port}".encode() in server.requests[0]


def test_the_second_address_where_the_first_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(answering(OK)) as server:
        resolved(monkeypatch, (socket.AF_INET6, "::1", closed_port()), (socket.AF_INET, "127.0.0.1", server.port))
        assert body_of(run("http://x.example", lambda pool: post(pool, "http://x.example"))) == b"ok"
        assert len(server.requests) == 1


def test_the_second_address_where_the_first_says_nothing(full: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It must not use up the time of both; and the next connection is not made to wait for it."""
    with raw_server(answering(OK.replace(b"C", b"Connection: close\r\nC", 1))) as server:
        asked = resolved(
            monkeypatch,
            (socket.AF_INET, "127.0.0.1", full),
            (socket.AF_INET, "127.0.0.1", full),
            (socket.AF_INET6, "::1", closed_port()),
            (socket.AF_INET, "127.0.0.1", server.port),
        )

        async def scenario(pool: Http1Pool) -> list[Response | RequestError]:
            pool._connect_seconds = 2.0
            first = await post(pool, "http://x.example")
            pool._connect_seconds = 60.0  # a share of that would be longer than the request has
            return [first, await post(pool, "http://x.example", seconds=10.0)]

        assert [body_of(result) for result in run("http://x.example", scenario)] == [b"ok", b"ok"]
        assert asked == ["x.example"]
        assert len(server.requests) == 2


def test_a_name_is_asked_for_once_by_all_and_again_when_its_addresses_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(answering(OK)) as server:
        asked = resolved(monkeypatch, (socket.AF_INET, "127.0.0.1", closed_port()))

        async def scenario(pool: Http1Pool) -> None:
            url = "http://x.example"
            assert all(isinstance(found, NotSent) for found in [await post(pool, url)])
            again = resolved(monkeypatch, (socket.AF_INET, "127.0.0.1", server.port))
            found = await asyncio.gather(*(post(pool, url) for _ in range(50)))
            assert [body_of(result) for result in found] == [b"ok"] * 50
            assert again == ["x.example"]

        run("http://x.example", scenario)
        assert asked == ["x.example"]


def test_a_resolver_that_hangs_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, asked = threading.Event(), []

    def getaddrinfo(host: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        go_on.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    async def scenario(pool: Http1Pool) -> list[Response | RequestError]:
        found = await asyncio.gather(*(post(pool, "http://x.example", seconds=0.2) for _ in range(100)))
        go_on.set()
        return [*found, await post(pool, "http://x.example")]

    assert all(isinstance(result, NotSent) for result in run("http://x.example", scenario))
    assert len(asked) <= 2


# proxies


def proxy(status: bytes = b"200 OK", *, after: bytes = b"") -> Talk:
    """Return a proxy that answers CONNECT in this way, and goes between where it is a yes."""

    def talk(peer: Peer) -> None:
        request = peer.read()
        if not request.startswith(b"CONNECT "):
            peer.write(OK)
            return
        peer.write(b"HTTP/1.1 " + status + b"\r\nX: y\r\n\r\n" + after)
        if status.startswith(b"2"):
            host, _, port = request.split()[1].decode().rpartition(":")
            with socket.create_connection((host.strip("[]"), int(port))) as far:
                there = threading.Thread(target=pump, args=(peer.sock, far), daemon=True)
                there.start()
                pump(far, peer.sock)
                there.join(20)

    return talk


def pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.mark.parametrize("credentials", ["", "us%40er:p%3Aw@"], ids=["open", "with a password"])
@pytest.mark.parametrize("scheme", ["http://", ""], ids=["a URL", "host and port only"])
def test_https_through_a_proxy(
    secure: RawServer, credentials: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"https://127.0.0.1:{secure.port}"
    with raw_server(proxy()) as between:
        monkeypatch.setenv("HTTPS_PROXY", f"{scheme}{credentials}127.0.0.1:{between.port}")

        async def scenario(pool: Http1Pool) -> list[Response | RequestError]:
            found = [await post(pool, url) for _ in range(3)]
            return [*found, *await asyncio.gather(post(pool, url), post(pool, url))]

        assert [body_of(result) for result in run(url, scenario)] == [b"ok"] * 5
        place = f"127.0.0.1:{secure.port}"
        head = f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n"
        if credentials:
            head += f"Proxy-Authorization: Basic {b64encode(b'us@er:p:w').decode()}\r\n"
        assert between.requests == [f"{head}\r\n".encode()] * 2
        assert len(secure.requests) == 5
        assert all(b"Proxy-" not in request for request in secure.requests)


def test_https_through_a_proxy_to_an_ipv6_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = tls.server_context(tmp_path / "far")
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.ca_path(tmp_path / "far")))
    with raw_server(answering(OK), ("::1", 0), context) as server, raw_server(proxy()) as between:
        monkeypatch.setenv("HTTPS_PROXY", between.url)
        url = f"https://[::1]:{server.port}"
        assert body_of(run(url, lambda pool: post(pool, url))) == b"ok"
        assert between.requests[0].startswith(f"CONNECT [::1]:{server.port} HTTP/1.1\r\n".encode())


def test_through_a_proxy_that_speaks_tls_itself(
    secure: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"https://127.0.0.1:{secure.port}"
    talks: list[bytes] = []

    def talk(peer: Peer) -> None:
        talks.append(peer.read())
        peer.write(b"HTTP/1.1 407 Who\r\n\r\n")

    with raw_server(talk, tls=tls.server_context(tmp_path / "far")) as between:
        monkeypatch.setenv("HTTPS_PROXY", f"https://me:secret@127.0.0.1:{between.port}")
        result = run(url, lambda pool: post(pool, url))
    assert isinstance(result, NotSent)
    assert result.code == "proxy 407"
    assert talks[0].startswith(b"CONNECT ")


@pytest.mark.parametrize(
    ("status", "code"),
    [(b"407 Proxy Authentication Required", "proxy 407"), (b"502 Bad", "proxy 502"), (b"garbage", "proxy 0")],
)
def test_a_proxy_that_refuses(secure: RawServer, status: bytes, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"https://127.0.0.1:{secure.port}"
    with raw_server(proxy(status)) as between:
        monkeypatch.setenv("HTTPS_PROXY", between.url)
        result = run(url, lambda pool: post(pool, url))
        assert isinstance(result, NotSent)
        assert result.code == code
        until(lambda: between.open == 0, "the connection to the proxy closed")
        assert (len(between.requests), secure.connections) == (1, 0)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nX", b"HTTP/1.1 200 OK\r\n\r\n"])
@pytest.mark.parametrize("then", ["hangs", "ends"])
def test_a_proxy_that_hangs_or_goes_away(said: bytes, then: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last of them: before the handshake behind it."""

    def talk(peer: Peer) -> None:
        peer.read()
        peer.write(said)
        if then == "hangs":
            peer.until_gone()

    with raw_server(talk) as between:
        monkeypatch.setenv("HTTPS_PROXY", between.url)

        async def scenario(pool: Http1Pool) -> None:
            result = await post(pool, "https://far.example", seconds=0.5)
            assert isinstance(result, NotSent), result
            await seen(lambda: not between.open)  # the pool is still there: it is the attempt that closes

        run("https://far.example", scenario)


def test_a_proxy_that_talks_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def talk(peer: Peer) -> None:
        peer.read()
        while True:
            peer.write(b"x" * 1_000)

    with raw_server(talk) as between:
        monkeypatch.setenv("HTTPS_PROXY", between.url)
        result = run("https://far.example", lambda pool: post(pool, "https://far.example"))
        assert isinstance(result, NotSent)
        assert result.code == "too large"


def test_a_certificate_behind_a_proxy_that_is_not_trusted(secure: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    url = f"https://127.0.0.1:{secure.port}"
    with raw_server(proxy()) as between:
        monkeypatch.setenv("HTTPS_PROXY", between.url)
        result = run(url, lambda pool: post(pool, url))
        assert isinstance(result, NotSent)
        assert result.code == "SSLCertVerificationError"
        until(lambda: between.open == 0, "the connection to the proxy closed")
        assert not secure.requests


def test_http_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(answering(OK)) as between:
        monkeypatch.setenv("http_proxy", f"http://me:pw@127.0.0.1:{between.port}")
        url = "http://far.example:8000"

        async def scenario(pool: Http1Pool) -> list[Response | RequestError]:
            return [await post(pool, url), await post(pool, url)]

        assert [body_of(result) for result in run(url, scenario)] == [b"ok", b"ok"]
        lines = between.requests[0].split(b"\r\n")
        assert lines[:2] == [b"POST http://far.example:8000/send HTTP/1.1", b"Host: far.example:8000"]
        assert b"Proxy-Authorization: Basic " + b64encode(b"me:pw") in lines
        assert between.connections == 1


@pytest.mark.parametrize("exempt", ["127.0.0.1", "{place}", "*", "x.example, 127.0.0.1"])
def test_no_proxy(exempt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(answering(OK)) as server:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
        monkeypatch.setenv("no_proxy", exempt.format(place=f"127.0.0.1:{server.port}"))
        assert body_of(run(server.url, lambda pool: post(pool, server.url))) == b"ok"


def test_giving_up_while_connecting_leaves_nothing_behind() -> None:
    with raw_server(lambda peer: peer.until_gone()) as server:
        url = server.url.replace("http", "https")

        async def scenario(pool: Http1Pool) -> None:
            task = asyncio.ensure_future(post(pool, url))
            await seen(lambda: server.connections > 0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await seen(lambda: not server.open)
            assert not pool._all

        run(url, scenario)


def test_an_old_version_of_tls_is_not_spoken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = tls.server_context(tmp_path / "far")
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.ca_path(tmp_path / "far")))
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with raw_server(answering(OK), tls=context) as server:
        url = f"https://127.0.0.1:{server.port}"
        assert isinstance(run(url, lambda pool: post(pool, url)), NotSent)
