"""HTTP/2: how many streams and connections, and what is certain when one of them ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from h2.settings import SettingCodes
from hpack import HeaderTuple

from notifications.providers import http2, http2_connection
from notifications.providers.background import Background
from notifications.providers.exchange import NoAnswer, NotSent, RequestError, Response
from notifications.providers.http2 import Http2Pool
from tests.contracts.http2_server import ScriptedHttp2, scripted_http2
from tests.contracts.server import Received, Reply, until

Send = Callable[[list[str]], list[Response | RequestError]]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ScriptedHttp2]:
    with scripted_http2(lambda request: Reply(200, request.body), tmp_path) as server:
        yield server


@pytest.fixture
def client(server: ScriptedHttp2) -> Iterator[Background[Http2Pool, str, Response]]:
    client = Background("test", lambda: Http2Pool(server.url, 5.0, str(server.ca_file)), _request(5.0))
    yield client
    client.close()


def _request(seconds: float) -> Callable[[Http2Pool, str], Coroutine[Any, Any, Response]]:
    async def request(pool: Http2Pool, text: str) -> Response:
        head = {":method": "POST", ":scheme": "https", ":authority": "x", ":path": f"/{text[:20]}"}
        return await pool.request([HeaderTuple(*item) for item in head.items()], text.encode(), seconds)

    return request


def results(client: Background[Http2Pool, str, Response], texts: list[str]) -> list[Response | Exception]:
    """Send all at once; return what became of each."""
    futures = [client.submit(text) for text in texts]
    errors = [future.exception(30) for future in futures]
    return [future.result() if error is None else error for future, error in zip(futures, errors, strict=True)]  # type: ignore[misc]


def test_many_requests_share_one_connection(server: ScriptedHttp2, client: Any) -> None:
    release = threading.Event()

    def script(request: Received) -> Reply:
        release.wait(20)
        return Reply(200, request.body)

    server.script = script
    futures = [client.submit(f"text {number}") for number in range(64)]
    until(lambda: len(server.requests) == 64, "all under way at once")
    release.set()
    assert [future.result(20).body for future in futures] == [f"text {number}".encode() for number in range(64)]
    assert server.connections == 1
    assert server.most_at_once == 64


def test_the_peers_limit_on_streams_is_kept(
    server: ScriptedHttp2, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http2, "MOST_CONNECTIONS", 1)
    server.settings[SettingCodes.MAX_CONCURRENT_STREAMS] = 3
    assert {answer.status for answer in results(client, ["x"] * 40)} == {200}
    assert server.connections == 1
    assert server.most_at_once <= 3


def test_a_limit_that_lasts_brings_further_connections(server: ScriptedHttp2, client: Any) -> None:
    server.settings[SettingCodes.MAX_CONCURRENT_STREAMS] = 1
    release = threading.Event()

    def script(request: Received) -> Reply:
        release.wait(20)
        return Reply(200)

    server.script = script
    futures = [client.submit(str(number)) for number in range(10)]
    until(lambda: len(server.requests) == http2.MOST_CONNECTIONS, "as many as there may be connections")
    release.set()
    assert all(future.result(20).status == 200 for future in futures)
    assert server.connections == http2.MOST_CONNECTIONS


def test_a_limit_of_none_for_now_is_waited_for(server: ScriptedHttp2, client: Any) -> None:
    server.settings[SettingCodes.MAX_CONCURRENT_STREAMS] = 0
    future = client.submit("x")
    until(lambda: len(server.protocols) == 1, "a connection")
    assert not future.done()

    def lift() -> None:
        server.protocols[0].h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 10})
        server.protocols[0].flush()

    server.settings[SettingCodes.MAX_CONCURRENT_STREAMS] = 10
    server.loop.call_soon_threadsafe(lift)
    assert future.result(20).status == 200


def test_large_bodies_wait_for_the_windows_both_ways(server: ScriptedHttp2, client: Any) -> None:
    texts = [str(number) * 200_000 for number in range(6)]
    answers = results(client, texts)
    assert [answer.body.decode() for answer in answers] == texts
    assert server.connections == 1


def test_small_initial_windows(server: ScriptedHttp2, client: Any) -> None:
    server.settings[SettingCodes.INITIAL_WINDOW_SIZE] = 10
    answers = results(client, ["a" * 500, "b" * 500])
    assert [answer.body for answer in answers] == [b"a" * 500, b"b" * 500]


def test_an_answer_that_never_ends_is_cut_off(
    server: ScriptedHttp2, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http2_connection, "MAX_BODY", 50_000)
    server.script = lambda request: Reply(200, b"x" * 60_000)
    (error,) = results(client, ["x"])
    assert isinstance(error, NoAnswer)
    server.script = lambda request: Reply(200)
    assert results(client, ["x"])[0].status == 200
    assert server.connections == 1


def test_a_refused_stream_was_certainly_not_sent(server: ScriptedHttp2, client: Any) -> None:
    server.script = lambda request: Reply(how="refuse")
    (error,) = results(client, ["x"])
    assert isinstance(error, NotSent)
    assert error.code == "RST_STREAM REFUSED_STREAM"


def test_a_broken_stream_leaves_the_others_alone(server: ScriptedHttp2, client: Any) -> None:
    server.script = lambda request: Reply(200, how="break" if request.body == b"bad" else "answer")
    bad, *good = results(client, ["bad", "a", "b"])
    assert isinstance(bad, NoAnswer)
    assert all(answer.status == 200 for answer in good)
    assert server.connections == 1


def test_goaway_separates_what_was_seen_from_what_was_not(server: ScriptedHttp2, client: Any) -> None:
    """The first of three is answered after the GOAWAY that names it; the others were certainly not looked at."""
    together = threading.Barrier(3)

    def script(request: Received) -> Reply:
        together.wait(20)
        if request.body == b"first":
            return Reply(200, b"seen", how="goaway")
        return Reply(how="nothing")

    server.script = script
    futures = [client.submit(text) for text in ("first", "second", "third")]
    assert futures[0].result(20).body == b"seen"
    for future in futures[1:]:
        error = future.exception(20)
        assert isinstance(error, NotSent)
        assert error.code == "GOAWAY NO_ERROR"
    until(lambda: server.open == 0, "the old connection closed")
    server.script = lambda request: Reply(200)
    assert results(client, ["x"])[0].status == 200
    assert server.connections == 2


def test_a_graceful_goaway_ends_nothing_that_is_under_way(server: ScriptedHttp2, client: Any) -> None:
    """As a server does it that shuts down gently: first with the highest of all stream ids."""
    release = threading.Event()

    def script(request: Received) -> Reply:
        if request.body != b"later":
            release.wait(20)
        return Reply(200, request.body)

    server.script = script
    futures = [client.submit(str(number)) for number in range(5)]
    until(lambda: len(server.requests) == 5, "all under way")
    server.loop.call_soon_threadsafe(server.protocols[0].say_goaway, 2**31 - 1)
    until(lambda: client.submit("later").result(20).status == 200 and server.connections == 2, "a new connection")
    release.set()
    assert [future.result(20).body for future in futures] == [b"0", b"1", b"2", b"3", b"4"]


def test_a_goaway_with_an_error_and_the_end(server: ScriptedHttp2, client: Any) -> None:
    server.script = lambda request: Reply(how="abandon")
    (error,) = results(client, ["x"])
    assert isinstance(error, NotSent)


def test_a_lost_connection_leaves_what_was_written_in_doubt(server: ScriptedHttp2, client: Any) -> None:
    together = threading.Barrier(5)

    def script(request: Received) -> Reply:
        together.wait(20)
        return Reply(how="reset")

    server.script = script
    assert {type(error) for error in results(client, ["x"] * 5)} == {NoAnswer}
    server.script = lambda request: Reply(200)
    assert results(client, ["x"])[0].status == 200


def test_what_waits_for_a_stream_when_the_connection_goes_is_sent_on_the_next(
    server: ScriptedHttp2, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http2, "MOST_CONNECTIONS", 1)
    server.settings[SettingCodes.MAX_CONCURRENT_STREAMS] = 1
    waits = threading.Event()

    def script(request: Received) -> Reply:
        if request.body == b"first":
            waits.wait(20)
            return Reply(how="reset")
        return Reply(200)

    server.script = script
    first, second = client.submit("first"), client.submit("second")
    until(lambda: len(server.requests) == 1, "the first")
    waits.set()
    assert isinstance(first.exception(20), NoAnswer)
    assert second.result(20).status == 200


def test_a_peer_that_breaks_the_protocol(server: ScriptedHttp2, client: Any) -> None:
    server.script = lambda request: (
        server.loop.call_soon_threadsafe(server.protocols[0].transport.write, b"\x00" * 200),
        Reply(how="nothing"),
    )[1]
    (error,) = results(client, ["x"])
    assert isinstance(error, NoAnswer)


def test_a_peer_that_does_not_greet_gets_nothing(server: ScriptedHttp2) -> None:
    server.greets = False
    client = Background("test", lambda: Http2Pool(server.url, 1.0, str(server.ca_file)), _request(1.0))
    (error,) = results(client, ["x"])
    assert isinstance(error, NotSent)
    assert not server.requests
    client.close()


def test_a_peer_without_http2_gets_nothing(server: ScriptedHttp2, client: Any) -> None:
    server.context.set_alpn_protocols(["http/1.1"])
    assert {type(error) for error in results(client, ["x"] * 3)} == {NotSent}
    assert not server.requests


def test_a_connection_that_went_silent_is_not_used_again(server: ScriptedHttp2) -> None:
    server.script = lambda request: Reply(how="nothing" if request.body == b"lost" else "answer")
    client = Background("test", lambda: Http2Pool(server.url, 5.0, str(server.ca_file)), _request(0.7))
    assert results(client, ["x"])[0].status == 200  # type: ignore[union-attr]
    assert isinstance(results(client, ["lost"])[0], NoAnswer)
    assert results(client, ["x"])[0].status == 200  # type: ignore[union-attr]
    assert server.connections == 2
    client.close()


def test_a_slow_answer_does_not_cost_a_connection_that_lives(server: ScriptedHttp2) -> None:
    server.script = lambda request: Reply(how="nothing" if request.body == b"lost" else "answer")
    client = Background("test", lambda: Http2Pool(server.url, 5.0, str(server.ca_file)), _request(1.0))
    assert results(client, ["x"])[0].status == 200  # type: ignore[union-attr]
    lost, other = results(client, ["lost", "x"])
    assert isinstance(lost, NoAnswer)
    assert isinstance(other, Response)
    assert results(client, ["x"])[0].status == 200  # type: ignore[union-attr]
    assert server.connections == 1
    client.close()


def test_pings_are_answered(server: ScriptedHttp2, client: Any) -> None:
    results(client, ["x"])
    answered = threading.Event()
    protocol = server.protocols[0]
    receive = protocol.h2.receive_data

    def watch(data: bytes) -> Any:
        events = receive(data)
        if any(type(event).__name__ == "PingAckReceived" for event in events):
            answered.set()
        return events

    def ping() -> None:
        protocol.h2.receive_data = watch  # type: ignore[method-assign]
        protocol.h2.ping(b"12345678")
        protocol.flush()

    server.loop.call_soon_threadsafe(ping)
    assert answered.wait(20)


def test_closing_ends_what_is_in_flight(server: ScriptedHttp2, client: Any) -> None:
    server.script = lambda request: Reply(how="nothing")
    future = client.submit("x")
    until(lambda: len(server.requests) == 1, "the request")
    client.close()
    assert future.exception(20) is not None
    until(lambda: server.open == 0, "the connection closed")
