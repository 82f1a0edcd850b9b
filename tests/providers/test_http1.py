"""HTTP/1.1: what an answer is, when a connection is used again, and what is certain when there is no answer."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from notifications.providers import http1, http1_connection
from notifications.providers.exchange import NoAnswer, NotSent, RequestError, Response
from notifications.providers.http1 import Http1Pool
from notifications.providers.http1_connection import Http1Connection
from notifications.providers.transport import MAX_BODY
from tests.contracts.raw_server import Peer, RawServer, Talk, answering, raw_server
from tests.contracts.server import until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Result = TypeVar("Result")


def run(url: str, scenario: Callable[[Http1Pool], Awaitable[Result]]) -> Result:
    """Run a scenario on a pool of its own."""

    async def whole() -> Result:
        pool = Http1Pool(url, 10.0)
        try:
            return await scenario(pool)
        finally:
            await pool.close()

    return asyncio.run(whole())


async def post(pool: Http1Pool, url: str, body: bytes = b"x", seconds: float = 20.0) -> Response | RequestError:
    try:
        return await pool.post(f"{url}/send", {"Content-Type": "text/plain"}, body, seconds)
    except RequestError as error:
        return error


async def seen(condition: Callable[[], bool]) -> None:
    """Wait for a condition while the loop goes on."""
    await asyncio.to_thread(until, condition, "what was waited for")


def sent(talk: Talk, *, times: int = 1, seconds: float = 20.0) -> tuple[list[Response | RequestError], RawServer]:
    """Send so many requests one after the other; return what became of them, and the server."""
    with raw_server(talk) as server:

        async def scenario(pool: Http1Pool) -> list[Response | RequestError]:
            found = []
            for number in range(times):
                found.append(await post(pool, server.url, str(number).encode(), seconds))
                await asyncio.sleep(0)
            return found

        return run(server.url, scenario), server


def body_of(result: Response | RequestError) -> bytes:
    assert isinstance(result, Response), result
    return result.body


# answers


def test_what_is_written_and_read() -> None:
    answer = b"HTTP/1.1 418 Teapot\r\nX-Kind: Earl Grey\r\nX-Empty:\r\nContent-Length: 3\r\n\r\ntea"
    (result,), server = sent(answering(answer))
    assert isinstance(result, Response)
    assert result == Response(418, {"x-kind": "Earl Grey", "x-empty": "", "content-length": "3"}, b"tea")
    host = f"127.0.0.1:{server.port}".encode()
    wanted = b"POST /send HTTP/1.1\r\nHost: " + host + b"\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\n0"
    assert server.requests == [wanted]


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\nRetry-After: 9\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(OK, id="with a length"),
        pytest.param(CHUNKED, id="in chunks"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + OK, id="after 100"),
        pytest.param(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 3 + CHUNKED, id="after 103"),
        pytest.param(b"\r\n" + OK, id="after a line break"),
        pytest.param(OK.replace(b"C", b"Connection: Upgrade\r\nUpgrade: h2c\r\nC", 1), id="offers to speak HTTP/2"),
    ],
)
@pytest.mark.parametrize("bytewise", [True, False])
def test_an_answer_in_whatever_pieces_keeps_the_connection(answer: bytes, bytewise: bool) -> None:
    def talk(peer: Peer) -> None:
        while peer.read():
            (peer.write_bytewise if bytewise else peer.write)(answer)

    results, server = sent(talk, times=3)
    assert [body_of(result) for result in results] == [b"ok"] * 3
    assert all(isinstance(result, Response) and not {"link", "retry-after"} & set(result.headers) for result in results)
    assert (server.connections, len(server.requests)) == (1, 3)


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body(status: int) -> None:
    results, server = sent(answering(f"HTTP/1.1 {status} X\r\nX: y\r\n\r\n".encode()), times=2)
    assert [(result.status, result.body) for result in results if isinstance(result, Response)] == [(status, b"")] * 2
    assert server.connections == 1


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", id="no length"),
        pytest.param(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", id="no length after 103"),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\n", id="HTTP/1.0"),
        pytest.param(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", id="no length and goodbye"),
        pytest.param(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n", id="a length and goodbye"),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n", id="HTTP/1.0 with a length"),
    ],
)
def test_an_answer_that_ends_the_connection(head: bytes) -> None:
    def talk(peer: Peer) -> None:
        peer.read()
        peer.write(head, b"o", b"k")

    results, server = sent(talk, times=2)
    assert [body_of(result) for result in results] == [b"ok", b"ok"]
    assert (server.connections, len(server.requests)) == (2, 2)


# no answer


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"HT", id="within the head"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", id="before the head's end"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", id="after the head"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", id="within the body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", id="before the last chunk"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n", id="only what comes before an answer"),
        pytest.param(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", id="only a hint"),
    ],
)
@pytest.mark.parametrize("how", ["end", "reset"])
def test_half_an_answer_is_none(said: bytes, how: str) -> None:
    def talk(peer: Peer) -> None:
        peer.read()
        peer.write(said)
        if how == "reset":
            peer.reset()

    (result,), server = sent(talk)
    assert isinstance(result, NoAnswer), result
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "said",
    [
        b"\x00\xff\x00",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ],
)
def test_garbage_is_no_answer_and_ends_the_connection(said: bytes) -> None:
    def talk(peer: Peer) -> None:
        peer.read()
        peer.write(said)
        peer.until_gone()

    with raw_server(talk) as server:
        result = run(server.url, lambda pool: post(pool, server.url))
        assert isinstance(result, NoAnswer), result
        until(lambda: server.open == 0, "the connection closed")
        assert len(server.requests) == 1


def too_long() -> list[object]:
    part = b"x" * 65_536

    def body(peer: Peer) -> None:
        peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n", *[part] * 140)

    def endless(peer: Peer) -> None:
        peer.write(b"HTTP/1.1 200 OK\r\n\r\n", *[part] * 140)

    def chunks(peer: Peer) -> None:
        peer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"1\r\nx\r\n" * 50_000] * 40)

    def header(peer: Peer) -> None:
        peer.write(b"HTTP/1.1 200 OK\r\nX: ", *[part] * 140)

    def headers(peer: Peer) -> None:
        peer.write(b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n" * 10_000] * 140)

    def hints(peer: Peer) -> None:
        peer.write(*[b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1_000] * 400)

    return [pytest.param(say, id=say.__name__) for say in (body, endless, chunks, header, headers, hints)]


@pytest.mark.parametrize("say", too_long())
def test_an_answer_without_end_is_cut_off(say: Callable[[Peer], None]) -> None:
    def talk(peer: Peer) -> None:
        peer.read()
        say(peer)
        peer.until_gone()

    (result,), _server = sent(talk)
    assert isinstance(result, NoAnswer)
    assert result.code == "too large"


def test_the_largest_answer_that_is_read() -> None:
    body = b"x" * MAX_BODY
    (result,), _ = sent(answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body))
    assert body_of(result) == body


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nX", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"])
def test_the_deadline_after_the_request_was_written(said: bytes) -> None:
    def talk(peer: Peer) -> None:
        peer.read()
        peer.write(said)
        peer.until_gone()

    with raw_server(talk) as server:
        result = run(server.url, lambda pool: post(pool, server.url, seconds=0.3))
        assert isinstance(result, NoAnswer)
        assert result.code == "deadline"
        until(lambda: server.open == 0, "the connection closed")
        assert len(server.requests) == 1


def test_the_deadline_is_for_the_whole_of_an_answer_that_drips() -> None:
    def talk(peer: Peer) -> None:
        peer.read()
        peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not peer.outer.closing.wait(0.05):
            peer.write(b"x")

    (result,), server = sent(talk, seconds=0.5)
    assert isinstance(result, NoAnswer)
    assert result.code == "deadline"
    assert len(server.requests) == 1


def test_without_time_nothing_is_written_not_even_on_an_open_connection() -> None:
    with raw_server(answering(OK)) as server:

        async def scenario(pool: Http1Pool) -> list[Response | RequestError]:
            return [await post(pool, server.url, seconds=seconds) for seconds in (20.0, 0.0, -1.0, 20.0)]

        first, second, third, last = run(server.url, scenario)
        assert body_of(first) == body_of(last) == b"ok"
        assert isinstance(second, NotSent)
        assert isinstance(third, NotSent)
        assert (server.connections, len(server.requests)) == (1, 2)


def test_a_request_that_the_peer_does_not_read() -> None:
    with raw_server(lambda peer: peer.outer.closing.wait(60)) as server:  # type: ignore[arg-type, return-value]
        result = run(server.url, lambda pool: post(pool, server.url, b"x" * 20_000_000, seconds=0.5))
        assert isinstance(result, NoAnswer)
        assert result.code == "deadline"


def test_an_answer_in_the_moment_of_the_deadline_counts() -> None:
    """The bytes wait in the socket when the deadline comes: the loop was busy until both were due."""
    answered = threading.Event()

    def talk(peer: Peer) -> None:
        while peer.read():
            peer.write(OK)
            answered.set()

    with raw_server(talk) as server:

        async def scenario(pool: Http1Pool) -> tuple[Response | RequestError, ...]:
            first = await post(pool, server.url)
            answered.clear()
            task = asyncio.ensure_future(post(pool, server.url, seconds=0.2))
            await asyncio.sleep(0)
            assert answered.wait(20)
            threading.Event().wait(0.3)  # blocks the loop beyond the deadline
            return first, await task, await post(pool, server.url)

        results = run(server.url, scenario)
        assert [body_of(result) for result in results] == [b"ok"] * 3
        assert len(server.requests) == 3


def test_a_head_is_the_requests_own_whatever_the_one_before_it_had() -> None:
    with raw_server(answering(OK)) as server:

        async def scenario(pool: Http1Pool) -> None:
            headers = {"Authorization": "Bearer old"}
            await pool.post(f"{server.url}/send", headers, b"x", 20.0)
            headers["Authorization"] = "Bearer new"
            await pool.post(f"{server.url}/send", headers, b"long", 20.0)
            await pool.post(f"{server.url}/other", headers, b"", 20.0)

        run(server.url, scenario)
        heads = [request.partition(b"\r\n\r\n")[0].split(b"\r\n") for request in server.requests]
        assert [(head[0], head[2], head[3]) for head in heads] == [
            (b"POST /send HTTP/1.1", b"Authorization: Bearer old", b"Content-Length: 1"),
            (b"POST /send HTTP/1.1", b"Authorization: Bearer new", b"Content-Length: 4"),
            (b"POST /other HTTP/1.1", b"Authorization: Bearer new", b"Content-Length: 0"),
        ]


# what may not be sent


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"X": "a\r\nY: b"}, "line break in a header"),
        ({"X": "a\nb"}, "line break in a header"),
        ({"X": "a\rb"}, "line break in a header"),
        ({"X\r\nY": "a"}, "line break in a header"),
        ({"X": "a\x00"}, "line break in a header"),
        ({"X": "Ω"}, "letter in a header"),
        ({"X": "\ud800"}, "letter in a header"),
    ],
)
def test_a_header_that_would_be_read_as_something_else_is_never_written(headers: dict[str, str], code: str) -> None:
    with raw_server(answering(OK)) as server:

        async def scenario(pool: Http1Pool) -> None:
            with pytest.raises(NotSent, match=code):
                await pool.post(f"{server.url}/send", headers, b"", 20.0)

        run(server.url, scenario)
        assert server.connections == 0


@pytest.mark.parametrize("path", ["/a b", "/a\x00", "/ü", "/a\x7f"])
def test_an_address_that_would_be_read_as_something_else_is_never_written(path: str) -> None:
    with raw_server(answering(OK)) as server:

        async def scenario(pool: Http1Pool) -> None:
            with pytest.raises(NotSent):
                await pool.post(f"{server.url}{path}", {}, b"", 20.0)

        run(server.url, scenario)
        assert server.connections == 0


@pytest.mark.parametrize("other", ["http://127.0.0.2:{}", "https://127.0.0.1:{}", "http://127.0.0.1:1{}", "//x:{}"])
def test_another_origin_is_refused(other: str) -> None:
    with raw_server(answering(OK)) as server:

        async def scenario(pool: Http1Pool) -> None:
            with pytest.raises(NotSent, match="other origin"):
                await pool.post(f"{other.format(server.port)}/send", {}, b"", 20.0)

        run(server.url, scenario)
        assert server.connections == 0


# connections


def test_as_many_connections_as_requests_at_once_and_none_more() -> None:
    together = threading.Barrier(500)

    def talk(peer: Peer) -> None:
        while request := peer.read():
            together.wait(60)
            peer.write(OK[:-2].replace(b"2", b"4"), request[-4:])

    with raw_server(talk) as server:

        async def scenario(pool: Http1Pool) -> list[list[Response | RequestError]]:
            numbers = [f"{number:04}".encode() for number in range(500)]
            return [await asyncio.gather(*(post(pool, server.url, n, 60.0) for n in numbers)) for _ in range(2)]

        for found in run(server.url, scenario):
            assert [body_of(result) for result in found] == [f"{number:04}".encode() for number in range(500)]
        assert (server.connections, len(server.requests)) == (500, 1_000)


@pytest.mark.parametrize("extra", [OK, OK[:30], OK[:1], b"garbage"], ids=["whole", "head", "letter", "garbage"])
def test_a_second_answer_is_never_the_next_requests(extra: bytes) -> None:
    """Also where both come in one piece, and where the rest of the second comes later."""

    def talk(peer: Peer) -> None:
        while request := peer.read():
            first = request.endswith(b"0") and len(peer.outer.requests) == 1
            peer.write(OK + extra if first else OK.replace(b"ok", b"no") if peer.outer.connections == 1 else OK)

    results, server = sent(talk, times=2)
    assert [body_of(result) for result in results] == [b"ok", b"ok"]
    assert (server.connections, len(server.requests)) == (2, 2)


@pytest.mark.parametrize("how", ["data", "end", "reset"])
def test_an_idle_connection_on_which_something_happens_is_not_used_again(how: str) -> None:
    happens = threading.Event()

    def talk(peer: Peer) -> None:
        peer.read()
        peer.write(OK)
        happens.wait(20)
        if how == "data":
            peer.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
            peer.until_gone()
        elif how == "reset":
            peer.reset()

    with raw_server(talk) as server:

        async def scenario(pool: Http1Pool) -> list[Response | RequestError]:
            first = await post(pool, server.url)
            happens.set()
            await seen(lambda: not server.open)
            return [first, await post(pool, server.url)]

        assert [body_of(result) for result in run(server.url, scenario)] == [b"ok", b"ok"]
        assert (server.connections, len(server.requests)) == (2, 2)


def test_an_answer_ahead_of_the_requests_end_ends_the_connection() -> None:
    go_on = threading.Event()

    def talk(peer: Peer) -> None:
        if peer.outer.connections == 1:
            peer.sock.recv(1_000)
            peer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            go_on.wait(20)
        else:
            peer.read()
            peer.write(OK)

    with raw_server(talk) as server:

        async def scenario(pool: Http1Pool) -> list[Response | RequestError]:
            return [await post(pool, server.url, b"x" * 30_000_000), await post(pool, server.url)]

        early, later = run(server.url, scenario)
        go_on.set()
        assert isinstance(early, Response)
        assert early.status == 413
        assert body_of(later) == b"ok"
        assert server.connections == 2


def test_a_connection_that_has_ended_takes_no_request() -> None:
    with raw_server(lambda peer: None) as server:

        async def scenario() -> None:
            _, connection = await asyncio.get_running_loop().create_connection(
                Http1Connection, "127.0.0.1", server.port
            )
            await seen(lambda: not connection.usable)
            with pytest.raises(NotSent):
                connection.request(b"POST / HTTP/1.1\r\n\r\n", b"")
            with pytest.raises(NotSent):
                Http1Connection().request(b"", b"")

        asyncio.run(scenario())


def test_idle_connections_are_closed_and_not_used_when_old(monkeypatch: pytest.MonkeyPatch) -> None:
    assert http1.IDLE_SECONDS == http1_connection.IDLE_SECONDS == 15.0
    with raw_server(answering(OK)) as server:

        async def scenario(pool: Http1Pool) -> None:
            monkeypatch.setattr(http1, "IDLE_SECONDS", 1.0)  # when the reaper comes for the first time
            await post(pool, server.url)
            pool._idle[0]._idle_since -= 15.0  # old, and nobody has closed it yet
            assert body_of(await post(pool, server.url)) == b"ok"
            assert server.connections == 2
            monkeypatch.setattr(http1_connection, "IDLE_SECONDS", 0.3)
            await asyncio.gather(*(post(pool, server.url) for _ in range(5)))
            await seen(lambda: not server.open)
            assert not pool._idle
            assert not pool._all

        run(server.url, scenario)


def test_a_request_that_is_given_up_leaves_no_connection_behind() -> None:
    """Its answer comes later, and must not be the next request's."""
    asked, go_on = threading.Event(), threading.Event()

    def talk(peer: Peer) -> None:
        while request := peer.read():
            if request.endswith(b"first"):
                asked.set()
                go_on.wait(20)
                peer.write(OK.replace(b"ok", b"no"))
            else:
                peer.write(OK)

    with raw_server(talk) as server:

        async def scenario(pool: Http1Pool) -> bytes:
            task = asyncio.ensure_future(post(pool, server.url, b"first"))
            await seen(asked.is_set)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            go_on.set()
            return body_of(await post(pool, server.url, b"other"))

        assert run(server.url, scenario) == b"ok"
        assert (server.connections, len(server.requests)) == (2, 2)


def test_closing_fails_what_is_in_flight() -> None:
    def talk(peer: Peer) -> None:
        peer.read()
        peer.until_gone()

    with raw_server(talk) as server:

        async def scenario(pool: Http1Pool) -> list[Response | RequestError]:
            tasks = [asyncio.ensure_future(post(pool, server.url)) for _ in range(20)]
            await seen(lambda: len(server.requests) == 20)
            await pool.close()
            return await asyncio.gather(*tasks)

        results = run(server.url, scenario)
        assert all(isinstance(result, NoAnswer) for result in results)
        until(lambda: server.open == 0, "all connections closed")
        assert len(server.requests) == 20


def test_nothing_is_kept_after_many_requests() -> None:
    def talk(peer: Peer) -> None:
        while request := peer.read():
            if request.endswith(b"7"):
                peer.write(OK.replace(b"C", b"Connection: close\r\nC", 1))
                return
            if request.endswith(b"13"):
                return
            peer.write(OK)

    with raw_server(talk) as server:

        async def scenario(pool: Http1Pool) -> tuple[int, ...]:
            for start in range(0, 10_000, 20):
                await asyncio.gather(*(post(pool, server.url, str(n).encode()) for n in range(start, start + 20)))
            gc.collect()
            alive = sum(isinstance(item, Http1Connection) for item in gc.get_objects())
            timers = len(asyncio.get_running_loop()._scheduled)  # type: ignore[attr-defined]
            return len(pool._idle), len(pool._all), alive, timers

        idle, known, alive, timers = run(server.url, scenario)
        assert idle <= 20
        assert known <= 20 + 2
        assert alive <= 20 + 4
        assert timers < 300
        assert len(server.requests) == 10_000


def _fork_and_end() -> None:
    child = os.fork()
    if child == 0:
        gc.collect()
        os._exit(0)
    os.waitpid(child, 0)


def test_a_forked_child_has_no_use_of_its_parents_connections() -> None:
    """It makes a pool of its own; that it ends harms nothing of the parent's."""
    with raw_server(answering(OK)) as server:

        async def scenario(pool: Http1Pool) -> list[Response | RequestError]:
            first = await post(pool, server.url)
            _fork_and_end()
            return [first, await post(pool, server.url)]

        assert [body_of(result) for result in run(server.url, scenario)] == [b"ok", b"ok"]
        assert server.connections == 1
