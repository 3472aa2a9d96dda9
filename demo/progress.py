"""What the demo prints: each step with the time that it took."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from demo.account import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def step(what: str) -> Iterator[list[str]]:
    """Show what is being done, then how long it took and what the block appends to the list."""
    start = time.monotonic()
    results: list[str] = []
    say(f"{what} … ", end="")
    yield results
    say(", ".join([f"{time.monotonic() - start:.1f} s", *results]))


def say(text: str, end: str = "\n") -> None:
    """Print at once."""
    sys.stdout.write(text + end)
    sys.stdout.flush()


def shown(path: Path) -> str:
    """Return a path as a user in the checkout would write it."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)
