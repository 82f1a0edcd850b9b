"""Runs the sandbox: ``serve`` blocks until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import errno
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from .callbacks import Callbacks
from .control import ControlDoor
from .door import Desk, Targets
from .fcm import FcmDoor
from .guide import Guide, options_to_paste
from .inbox import InboxDoor
from .modes import Modes
from .oauth import AccessTokens, TokenEndpoint
from .postmark import PostmarkDoor
from .store import Store
from .twilio import TwilioDoor

MAX_REQUEST = 64 * 1024 * 1024
"""Bytes; Postmark takes batches of 50 MB."""

_BACKLOG = 1024
_SHUTDOWN_TIMEOUT = 2.0


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """How to run the sandbox; port 0 takes a free one."""

    file: Path
    host: str = "127.0.0.1"
    port: int = 9400
    postmark_webhook: str | None = None
    twilio_inbound_webhook: str | None = None
    callback_delay: float = 0.05
    callbacks: bool = True
    fsync: bool = False


class CannotListenError(Exception):
    """The address is not to be had; the text says why, and what to do."""


def serve(options: SandboxOptions) -> None:
    """Serve until SIGTERM or SIGINT; once it listens it prints a line with the address, then what to paste.

    Raises:
        CannotListenError: the port is taken, or the host is none of this machine's.
    """
    asyncio.run(_serve(options))


def build_app(desk: Desk) -> web.Application:
    """Return the application: three providers, the token endpoint, the control door and the inbox page."""
    app = web.Application(client_max_size=MAX_REQUEST)
    tokens = AccessTokens()
    FcmDoor(desk, tokens).add_routes(app)
    TokenEndpoint(desk, tokens).add_routes(app)
    TwilioDoor(desk).add_routes(app)
    PostmarkDoor(desk).add_routes(app)
    ControlDoor(desk).add_routes(app)
    InboxDoor(desk).add_routes(app)
    Guide().add_routes(app)  # the last: it answers whatever nobody else does
    return app


async def _serve(options: SandboxOptions) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    store = Store(options.file, fsync=options.fsync)
    desk = Desk(
        store=store,
        modes=Modes(),
        callbacks=Callbacks(options.callback_delay, enabled=options.callbacks),
        targets=Targets(options.postmark_webhook, options.twilio_inbound_webhook),
    )
    await desk.callbacks.start()
    # No access log: a line per request would cost more than the request.
    runner = web.AppRunner(build_app(desk), access_log=None, shutdown_timeout=_SHUTDOWN_TIMEOUT)
    await runner.setup()
    try:
        await _listen(runner, options)
        base_url = f"http://{options.host}:{runner.addresses[0][1]}"
        sys.stdout.write(f"sandbox listening on {base_url}\n{options_to_paste(base_url, options.file)}")
        sys.stdout.flush()
        await stop.wait()
    finally:
        await runner.cleanup()
        await desk.callbacks.close()
        store.close()


async def _listen(runner: web.AppRunner, options: SandboxOptions) -> None:
    try:
        await web.TCPSite(runner, options.host, options.port, backlog=_BACKLOG).start()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotListenError(f"port {options.port} is taken; --port 0 takes a free one") from error
        raise CannotListenError(f"cannot listen on {options.host}:{options.port}: {error.strerror}") from error
