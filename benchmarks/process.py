"""Runs a command as a process of its own and measures it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LAUNCHER = Path(__file__).with_name("launcher.py")
TIMEOUT = 900


class Cost(msgspec.Struct, frozen=True):
    """What a process cost."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of user and system time, its threads and children included."""
    memory: int
    """Peak resident bytes."""
    exit_code: int
    """Negative for the number of the signal that ended it."""


def run(
    command: Sequence[str],
    directory: Path,
    environment: Mapping[str, str] | None = None,
    timeout: int = TIMEOUT,
) -> Cost:
    """Run a command in a directory, its output in the files `out` and `err` there.

    Args:
        command: the program and its arguments.
        directory: where it runs; it exists.
        environment: variables beside those of this process.
        timeout: seconds until it is killed, and has the exit code -9.
    """
    result = directory / "cost.json"
    # Such as PYTHONUNBUFFERED, with which a loop that prints takes much longer than others.
    given = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    launcher = [sys.executable, "-I", "-S", str(LAUNCHER)]
    with (directory / "err").open("wb") as errors:
        subprocess.run(  # noqa: S603 - the commands are our own
            [*launcher, str(result), str(directory / "out"), str(timeout), *command],
            cwd=directory,
            env={**given, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stderr=errors,
            check=True,
        )
    return msgspec.json.decode(result.read_bytes(), type=Cost)


def errors(directory: Path) -> str:
    """Return what the last command in a directory wrote to its standard error."""
    return (directory / "err").read_text(errors="replace")
