"""Ports for a deployment's processes: looked for, and kept from other deployments until theirs listen on them."""

from __future__ import annotations

import socket
from contextlib import ExitStack

_TRIED = 200


def free_port(wanted: int) -> int:
    """Return a free TCP port on this machine: the wanted one, or the next ones; 0 asks for any.

    Raises:
        RuntimeError: none of them is free.
    """
    with ExitStack() as held:
        return claim_port(wanted, held)


def claim_port(wanted: int, held: ExitStack) -> int:
    """Return a free TCP port as `free_port` does; no other call gets it, in any process, until `held` is closed.

    Between the look and the process that listens there are seconds, in which a second deployment would find the same
    port free. What tells it otherwise is UDP's port of the same number, which nothing here listens on: the operating
    system gives it to one socket alone, and takes it back when the process ends.

    Raises:
        RuntimeError: none of them is free.
    """
    for port in range(wanted, wanted + _TRIED) if wanted else [0] * _TRIED:
        with ExitStack() as tried:
            try:
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", port))
                    found = int(probe.getsockname()[1])
                    mark = tried.enter_context(socket.socket(type=socket.SOCK_DGRAM))
                    mark.bind(("127.0.0.1", found))
            except OSError:
                continue
            held.push(tried.pop_all())
            return found
    raise RuntimeError(f"no free port from {wanted} on")
