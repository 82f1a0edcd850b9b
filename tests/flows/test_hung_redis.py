"""A Redis that hangs costs a request one short time-out, not one for each channel and each request."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from notifications import Address, notify, wakeups
from notifications.enums import Channel, State
from notifications.models import Delivery


@pytest.fixture
def silent(settings: Any) -> Iterator[list[socket.socket]]:
    """A server in Redis' place that takes connections and never answers; the list holds them."""
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings.RQ_QUEUES = {
            channel: {"URL": f"redis://127.0.0.1:{server.getsockname()[1]}/0"} for channel in settings.RQ_QUEUES
        }
        wakeups.connection.cache_clear()
        wakeups._resting_until.clear()

        def accept() -> None:
            try:
                while True:
                    taken.append(server.accept()[0])
            except OSError:
                return

        threading.Thread(target=accept, daemon=True).start()
        yield taken
        server.shutdown(socket.SHUT_RDWR)
    for connection in taken:
        connection.close()
    wakeups.connection.cache_clear()
    wakeups._resting_until.clear()


def test_it_is_asked_once_for_all_channels_that_share_it(
    silent: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wakeups, "_REST_SECONDS", 3_600.0)
    assert [wakeups.wake(channel) for _ in range(3) for channel in Channel] == [False] * 9
    assert len(silent) == 1


def test_when_its_rest_is_over_one_thread_finds_out_and_the_others_go_on(
    silent: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wakeups, "_REST_SECONDS", 3_600.0)
    wakeups.wake("sms")
    for where in wakeups._resting_until:
        wakeups._resting_until[where] = 0.0
    threads = [threading.Thread(target=wakeups.wake, args=("sms",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(silent) == 2


@pytest.mark.django_db(transaction=True)
def test_a_queue_that_cannot_be_used_fails_no_request(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    """What was accepted is committed by then: an error would make its caller ask again."""
    settings.RQ_QUEUES = {channel: {"URL": "localhost:6379"} for channel in settings.RQ_QUEUES}
    wakeups.connection.cache_clear()
    try:
        notify(Address(email="ada@example.com"), "invoice", {"order": {"number": "1", "total": 2}})
    finally:
        wakeups.connection.cache_clear()

    assert Delivery.objects.get().state == State.PENDING
    assert 'RQ_QUEUES["email"] cannot be used: Redis URL must specify' in caplog.text
