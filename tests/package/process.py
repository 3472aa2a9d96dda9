"""Runs a program to its end."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from docs.generate import ROOT
from tests.support import Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

SECONDS = 240
"""How long a program may take; most of it is fetching from the package index."""


def run(
    *words: object,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    without: Iterable[str] = (),
) -> Run:
    """Run a program, which must succeed, and return what it wrote.

    Args:
        words: The program and its arguments.
        cwd: Where it runs.
        env: More variables of its environment.
        without: Beginnings of names of variables that it does not get.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith(tuple(without))}
    done = subprocess.run(  # noqa: S603 - what the tests name
        [str(word) for word in words],
        cwd=cwd,
        env=environment | dict(env or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return Run(done.returncode, done.stdout, done.stderr)
