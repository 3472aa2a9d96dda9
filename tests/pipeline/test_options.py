"""Options come first: with help or a wrong one, a command does nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from demo.account import ROOT

if TYPE_CHECKING:
    from pathlib import Path

MODULES = ("demo", "orchestrate", "demo.report", "demo.evidence", "benchmarks")
TRACE = """
import runpy, sys
def hook(event, args):
    if event in ("subprocess.Popen", "os.mkdir", "os.remove", "shutil.rmtree", "os.rename"):
        sys.stderr.write(f"DID {event} {args}\\n")
sys.addaudithook(hook)
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


def run(module: str, *options: str, folder: Path, **env: str) -> tuple[int, str, str]:
    """Run a command; what it does to files and processes is told on stderr."""
    done = subprocess.run(  # noqa: S603 - our own
        [sys.executable, "-B", "-c", TRACE, module, *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("module", MODULES)
def test_help_is_all_that_is_done(module: str, tmp_path: Path) -> None:
    code, shown, errors = run(module, "--help", folder=tmp_path)
    assert (code, errors) == (0, "")
    assert "usage: " in shown


@pytest.mark.parametrize("option", ["--bogus", "--addons=many", "x"])
@pytest.mark.parametrize("module", MODULES)
def test_a_wrong_option_is_told_and_nothing_is_done(
    module: str, option: str, tmp_path: Path
) -> None:
    code, shown, errors = run(module, option, folder=tmp_path)
    assert (code, shown) == (2, "")
    assert "error: " in errors.splitlines()[-1]
    assert "DID" not in errors


def test_the_demo_names_the_warehouses_that_it_knows(tmp_path: Path) -> None:
    code, _, errors = run("demo", "--warehouse=oracle", folder=tmp_path)
    assert code == 2
    assert "'postgres', 'duckdb'" in errors.replace("postgres, duckdb", "'postgres', 'duckdb'")


def test_the_demo_keeps_what_would_break_it(tmp_path: Path) -> None:
    code, _, errors = run("demo", "--ready-file=x", folder=tmp_path)
    assert (code, errors) == (1, "\nThe demo has a --ready-file of its own\n")
