"""Plays a mail server: SMTP with STARTTLS, AUTH and pipelining, which takes mail and delivers none.

Facts: https://www.rfc-editor.org/rfc/rfc5321. Written here because it is small, and because what a chaos run wants
(an answer that never comes, after the message was taken) is what a mail server is written to prevent.
"""

from __future__ import annotations

import asyncio
import ssl

from .door import Desk
from .smtp_session import Session

MAX_LINE = 1024 * 1024
"""Bytes of one line, however long mail programs write theirs."""


class SmtpDoor:
    """Takes connections; each is a session of its own."""

    def __init__(self, desk: Desk) -> None:
        """Serve with the store and the modes of ``desk``."""
        self.desk = desk
        self.tls: ssl.SSLContext | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk to one client until it goes."""
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        try:
            await Session(self.desk, self.tls, reader, writer).run()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError, ValueError):
            pass  # the client, or the sandbox, has gone
        finally:
            writer.close()
            if task is not None:
                self._tasks.discard(task)

    async def close(self) -> None:
        """Let every client go."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
