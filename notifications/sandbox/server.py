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
from .guide import Guide, options_to_paste
from .inbox import InboxDoor
from .inbox_acts import InboxActs
from .modes import Modes
from .oauth import AccessTokens, TokenEndpoint
from .people import People, PeopleDoor
from .ports import BACKLOG, CannotListenError, Ports, cannot_listen
from .postmark import PostmarkDoor
from .resend import ResendDoor
from .store import Store
from .tuning import TuningDoor
from .twilio import TwilioDoor
from .vonage import VonageDoor

__all__ = ["CannotListenError", "SandboxOptions", "build_app", "serve"]

MAX_REQUEST = 64 * 1024 * 1024
"""Bytes; Postmark takes batches of 50 MB."""

_SHUTDOWN_TIMEOUT = 2.0


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """How to run the sandbox; a port of 0 takes a free one."""

    file: Path
    host: str = "127.0.0.1"
    port: int = 9400
    apns_port: int = 0
    smtp_port: int = 0
    postmark_webhook: str | None = None
    twilio_inbound_webhook: str | None = None
    vonage_webhook: str | None = None
    resend_webhook: str | None = None
    callback_delay: float = 0.05
    callbacks: bool = True
    fsync: bool = False


def serve(options: SandboxOptions) -> None:
    """Serve until SIGTERM or SIGINT; once it listens it prints a line with the address, then what to paste.

    Raises:
        CannotListenError: the port is taken, or the host is none of this machine's.
    """
    asyncio.run(_serve(options))


def build_app(desk: Desk, ports: Ports) -> web.Application:
    """Return the application: the providers over HTTP, the token endpoint, the control doors and the inbox page."""
    app = web.Application(client_max_size=MAX_REQUEST)
    tokens = AccessTokens()
    FcmDoor(desk, tokens).add_routes(app)
    TokenEndpoint(desk, tokens).add_routes(app)
    TwilioDoor(desk).add_routes(app)
    VonageDoor(desk).add_routes(app)
    PostmarkDoor(desk).add_routes(app)
    ResendDoor(desk).add_routes(app)
    control = ControlDoor(desk)
    control.add_routes(app)
    TuningDoor(desk, ports).add_routes(app)
    people = People(desk.store.file.with_suffix(".people.json"))
    PeopleDoor(desk, people).add_routes(app)
    acts = InboxActs(desk, control)
    acts.add_routes(app)
    InboxDoor(desk, people, acts).add_routes(app)
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
        targets=Targets(
            postmark=options.postmark_webhook,
            twilio_inbound=options.twilio_inbound_webhook,
            vonage=options.vonage_webhook,
            resend=options.resend_webhook,
        ),
    )
    await desk.callbacks.start()
    ports = Ports(desk)
    # No access log: a line per request would cost more than the request.
    runner = web.AppRunner(build_app(desk, ports), access_log=None, shutdown_timeout=_SHUTDOWN_TIMEOUT)
    await runner.setup()
    try:
        with cannot_listen(options.host, options.port, "--port"):
            await web.TCPSite(runner, options.host, options.port, backlog=BACKLOG).start()
        await ports.listen(options.file, options.host, options.apns_port, options.smtp_port)
        base_url = f"http://{options.host}:{runner.addresses[0][1]}"
        sys.stdout.write(
            f"sandbox listening on {base_url}\n{options_to_paste(base_url, options.file, ports.as_json())}"
        )
        sys.stdout.flush()
        await stop.wait()
    finally:
        await ports.close()
        await runner.cleanup()
        await desk.callbacks.close()
        store.close()
