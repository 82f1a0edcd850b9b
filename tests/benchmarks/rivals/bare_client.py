"""A bare client loop: nothing but requests, as many in flight as our send window; the bound of what a sender can do.

`python -m tests.benchmarks.rivals.bare_client TRANSPORT URL IN_FLIGHT` reads lines "FIRST COUNT" and sends so many.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterator

import aiohttp
from pyreqwest.client import ClientBuilder

from tests.benchmarks.rivals.message import HEADERS, PATH, body

Post = Callable[[bytes], Awaitable[int]]


async def aiohttp_loop(url: str, in_flight: int) -> None:
    """Send through one aiohttp session."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
    ) as session:

        async def post(data: bytes) -> int:
            async with session.post(url, data=data, headers=HEADERS) as response:
                await response.read()
                return response.status

        await serve(post, in_flight)


async def pyreqwest_loop(url: str, in_flight: int) -> None:
    """Send through pyreqwest, whose client is written in Rust."""
    async with ClientBuilder().http1_only().default_headers(HEADERS).build() as client:

        async def post(data: bytes) -> int:
            response = await client.post(url).body_bytes(data).build().send()
            await response.bytes()
            return int(response.status)

        await serve(post, in_flight)


async def serve(post: Post, in_flight: int) -> None:
    """Carry out one order after the other until there are no more."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        first, count = map(int, line.split())
        numbers = iter(range(first, first + count))
        await asyncio.gather(*(_send(post, numbers) for _ in range(in_flight)))


async def _send(post: Post, numbers: Iterator[int]) -> None:
    for number in numbers:
        status = await post(body(number))
        if status != 200:
            raise RuntimeError(f"the sink answered {status}")


TRANSPORTS = {"aiohttp": aiohttp_loop, "pyreqwest": pyreqwest_loop}

if __name__ == "__main__":
    asyncio.run(TRANSPORTS[sys.argv[1]](sys.argv[2] + PATH, int(sys.argv[3])))
    os._exit(0)  # its work is done; what runs in Rust would be waited for
