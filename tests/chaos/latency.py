"""A provider is not next door: a TCP proxy that delivers every byte a while later, also those of a sender killed since.

`python -m tests.chaos.latency PORT-OF-THE-TARGET SECONDS` prints its own port and serves until it is stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
import time
from types import TracebackType
from typing import Self

_CHUNK = 65_536


class Latency:
    """A running proxy in front of a local port; `seconds` each way."""

    def __init__(self, target: int, seconds: float) -> None:
        self._command = [sys.executable, "-m", "tests.chaos.latency", str(target), str(seconds)]

    def __enter__(self) -> Self:
        """Start it and wait until it listens."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line.strip().isdecimal():
            raise RuntimeError("the latency proxy did not start")
        self.url = f"http://127.0.0.1:{line.strip()}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait(15)
        if self._process.stdout:
            self._process.stdout.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Write what is read, `seconds` later; the end too."""
    late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def read() -> None:
        data = b"."
        while data:
            try:
                data = await reader.read(_CHUNK)
            except OSError:
                data = b""
            late.put_nowait((time.monotonic() + seconds, data))

    reading = asyncio.create_task(read())
    try:
        while True:
            due, data = await late.get()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if not data:
                if writer.can_write_eof():
                    writer.write_eof()
                return
            writer.write(data)
            await writer.drain()
    except OSError:
        return
    finally:
        reading.cancel()


async def _serve(target: int, seconds: float) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_writer = None
        with contextlib.suppress(OSError, asyncio.CancelledError):  # cancelled: this process is asked to stop
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
            await asyncio.gather(
                _pump(reader, far_writer, seconds), _pump(far_reader, writer, seconds), return_exceptions=True
            )
        for end in (writer, far_writer):
            if end is not None:
                end.close()

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=1_024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await stop.wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
