"""What a test needs and a machine may lack: without it the test is skipped, and fails in CI."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import pytest


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
