"""Two deployments that start at the same moment get ports of their own."""

from __future__ import annotations

import socket
from contextlib import ExitStack

from project.demo.ports import claim_port, free_port


def test_a_claimed_port_is_nobody_elses_before_anything_listens_on_it() -> None:
    with ExitStack() as first, ExitStack() as second:
        port = claim_port(23_400, first)
        assert claim_port(port, second) > port
        with socket.socket() as web:
            web.bind(("127.0.0.1", port))  # the claim is no hindrance to the process it is for


def test_a_claim_ends_with_its_holder() -> None:
    with ExitStack() as first:
        port = claim_port(23_600, first)
    assert free_port(port) == port


def test_a_port_that_somebody_listens_on_is_passed_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = int(other.getsockname()[1])
        assert free_port(taken) > taken


def test_any_port_will_do() -> None:
    assert free_port(0) > 0
