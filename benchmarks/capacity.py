"""How much the simulator can serve, measured with a client that does next to nothing."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.account import Account

SECONDS = 2.0


@dataclass(frozen=True)
class Capacity:
    """What the simulator served to so many connections."""

    in_flight: int
    pages_a_second: float
    cpu_a_page: float | None
    """Seconds of the simulator's user and system time."""


def measure(account: Account, in_flight: int) -> Capacity:
    """Ask for the same page of restores for a while, over so many connections at once."""
    cpu = account.cpu
    started = time.monotonic()
    pages = asyncio.run(_ask(account, in_flight))
    seconds = time.monotonic() - started
    spent = None if cpu is None or account.cpu is None else (account.cpu - cpu) / pages
    return Capacity(in_flight, pages / seconds, spent)


async def _ask(account: Account, in_flight: int) -> int:
    until = time.monotonic() + SECONDS
    return sum(await asyncio.gather(*(_connection(account, until) for _ in range(in_flight))))


async def _connection(account: Account, until: float) -> int:
    host, port = account.url.removeprefix("http://").split(":")
    request = (
        "GET /v1/projects/p0/addons/a0/restores?per_page=100 HTTP/1.1\r\n"
        f"Host: {host}:{port}\r\nAuthorization: Bearer {account.token}\r\n\r\n"
    ).encode()
    reader, writer = await asyncio.open_connection(host, int(port), limit=2**20)
    pages = 0
    while time.monotonic() < until:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
        pages += 1
    writer.close()
    await writer.wait_closed()
    return pages
