"""The account that all contenders read: the simulator, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

START_SECONDS = 60
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class World:
    """A regular world: so many projects, addons in each, restores of each addon."""

    projects: int
    addons: int
    """In each project."""
    restores: int
    """Of each addon."""
    latency: float = 0
    """Seconds before each answer."""

    @property
    def addon_count(self) -> int:
        """The addons of all projects."""
        return self.projects * self.addons

    @property
    def restore_count(self) -> int:
        """The restores of all addons."""
        return self.addon_count * self.restores

    @property
    def pages(self) -> int:
        """The pages of 100 that all lists have together: no tool can do with fewer requests."""
        pages = _pages(self.projects) + self.projects * _pages(self.addons)
        return pages + self.addon_count * _pages(self.restores)


@dataclass(frozen=True)
class Account:
    """A simulator that runs."""

    url: str
    token: str
    process: int

    @property
    def requests(self) -> int:
        """The requests that it has got so far."""
        with urllib.request.urlopen(f"{self.url}/_simulator/requests") as answer:  # noqa: S310
            total: int = msgspec.json.decode(answer.read())["total"]
        return total

    @property
    def cpu(self) -> float | None:
        """The user and system seconds that it has used so far; None where /proc is not."""
        try:
            stat = Path(f"/proc/{self.process}/stat").read_text()
        except OSError:
            return None
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / CLOCK_TICKS


@contextmanager
def serve(world: World) -> Iterator[Account]:
    """Run a simulator with a world until the block is left.

    Raises:
        RuntimeError: if it does not start.
    """
    with TemporaryDirectory(prefix="northflank-benchmark-") as directory:
        ready = Path(directory) / "ready.json"
        options = {
            "--world": "fan-out",
            "--projects": world.projects,
            "--addons": world.addons,
            "--restores": world.restores,
            "--latency": world.latency,
            "--ready-file": ready,
        }
        arguments = [str(part) for option in options.items() for part in option]
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "simulator", *arguments], stdout=subprocess.DEVNULL
        )
        try:
            _wait(process, ready)
            started = msgspec.json.decode(ready.read_bytes())
            yield Account(started["url"], started["token"], process.pid)
        finally:
            process.terminate()
            process.wait()


def _wait(process: subprocess.Popen[bytes], ready: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > end:
            message = "The simulator did not start"
            raise RuntimeError(message)
        time.sleep(0.02)


def _pages(items: int) -> int:
    return max(1, -(-items // 100))
