"""A simulated Northflank account, served by a process of its own."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from demo import DemoError
from demo.process import child

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60


class Account:
    """An account whose clock can be moved on."""

    def __init__(self, url: str, token: str) -> None:
        """Take where the simulator serves, and the token that opens it."""
        self.url = url
        self.token = token
        self._session = requests.Session()
        self._session.trust_env = False  # No proxy leads to this machine.

    def advance(self, **steps: float) -> None:
        """Move its clock on, for example by `days=30`: restores complete, and new ones appear."""
        self._control("POST", "advance", steps)

    def world(self) -> dict[str, Any]:
        """Return what it has: counts, and the restores of each addon by status."""
        world: dict[str, Any] = self._control("GET", "world")
        return world

    def requests(self) -> dict[str, Any]:
        """Return how many requests were made, in all and by list."""
        made: dict[str, Any] = self._control("GET", "requests")
        return made

    def _control(self, method: str, name: str, body: object = None) -> Any:  # noqa: ANN401
        url = f"{self.url}/_simulator/{name}"
        response = self._session.request(method, url, json=body, timeout=60)
        response.raise_for_status()
        return response.json()


@contextmanager
def account(log: Path, *arguments: str) -> Iterator[Account]:
    """Serve a simulated account until the block is left.

    Args:
        log: file for the simulator's output.
        arguments: see `python -m simulator --help`.

    Raises:
        DemoError: the simulator does not start.
    """
    with tempfile.TemporaryDirectory(prefix="simulator-") as folder:
        ready = Path(folder) / "ready.json"
        command = [sys.executable, "-m", "simulator", "--ready-file", str(ready), *arguments]
        with child(command, cwd=ROOT, log=log) as process:
            deadline = time.monotonic() + START_SECONDS
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    msg = f"The simulator does not start; its log is {log}"
                    raise DemoError(msg)
                time.sleep(0.05)
            yield Account(**json.loads(ready.read_text()))
