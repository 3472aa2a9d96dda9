"""What a test needs: installed by one worker; what a machine lacks skips the test, and fails CI."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import pytest
from filelock import FileLock

from demo.account import ROOT
from demo.warehouses import LAST_PYTHON

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def one_at_a_time(what: str) -> Iterator[None]:
    """Let one worker of the tests after the other install something in the checkout."""
    folder = ROOT / ".dev"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / f"{what}.lock"):
        yield


def missing(what: str) -> NoReturn:
    """Skip the test, or fail it where a run counts only if it is whole.

    Args:
        what: what is missing, and how to get it.
    """
    if os.environ.get("CI"):
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


def need_dbt() -> None:
    """Go on only if dbt 1.11 runs on this Python."""
    if sys.version_info >= (3, 14):
        missing("dbt 1.11 needs Python 3.10 to 3.13: remove .venv, install one, run ./dev again")


BOUND = """
import ctypes, os, sys
# PR_CAPBSET_DROP of CAP_DAC_OVERRIDE. What root may read, it still may.
if os.geteuid() == 0 and ctypes.CDLL(None).prctl(24, 1, 0, 0, 0):
    sys.exit("root may not give up its powers here")
os.execvp(sys.argv[1], sys.argv[1:])
"""


def bound_by_permissions(*command: object) -> list[str]:
    """Return a command as it runs for somebody whom permissions bind: also if we are root."""
    if sys.platform != "linux":
        missing("root is bound by permissions on Linux only")
    return [sys.executable, "-c", BOUND, *map(str, command)]


def let_in(folder: Path) -> None:
    """Let such a command connect to a PostgreSQL in a folder, which another user may run."""
    for socket in folder.rglob(".s.PGSQL.*[0-9]"):
        socket.chmod(0o777)


HAS_OLD_DUCKDB = sys.version_info[:2] <= LAST_PYTHON
"""Whether there is the DuckDB with which its loader loses nothing."""


def need_old_duckdb() -> None:
    """Skip the test where no such DuckDB can be had."""
    if not HAS_OLD_DUCKDB:
        pytest.skip("DuckDB 1.0.0 has no wheel for this Python")
