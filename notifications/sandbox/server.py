"""Runs the sandbox: ``serve`` blocks until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from .callbacks import Callbacks
from .control import ControlDoor
from .door import Desk, Targets
from .fcm import FcmDoor
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


def serve(options: SandboxOptions) -> None:
    """Serve until SIGTERM or SIGINT; prints one line with the address once it listens."""
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
        await web.TCPSite(runner, options.host, options.port, backlog=_BACKLOG).start()
        sys.stdout.write(f"sandbox listening on http://{options.host}:{runner.addresses[0][1]}\n")
        sys.stdout.flush()
        await stop.wait()
    finally:
        await runner.cleanup()
        await desk.callbacks.close()
        store.close()
