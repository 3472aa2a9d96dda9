"""The command's start: what it leaves for later, and that it comes when it is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tap_northflank_restores.start import POSTPONED
from tests.support import command_line, ended, process, small_world
from tests.test_batches import batches, records_of

if TYPE_CHECKING:
    from pathlib import Path

    from simulator import Server

HELP = """
import atexit, json, sys
from tap_northflank_restores.start import main
atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))
main()
"""


@pytest.mark.parametrize("name", POSTPONED)
def test_a_command_does_not_import_what_it_does_not_use(name: str) -> None:
    code = [sys.executable, "-c", HELP, "--help"]

    run = subprocess.run(code, capture_output=True, text=True, check=True)  # noqa: S603

    modules = json.loads(run.stderr)
    assert "singer_sdk.tap_base" in modules
    assert name not in modules


def test_what_was_left_for_later_comes_when_it_is_used(server: Server, tmp_path: Path) -> None:
    server.world = small_world(a=3)

    with (
        command_line(server, **batches(tmp_path, 2)) as words,
        process(words) as running,
    ):
        run = ended(running)

    assert run.exit_code == 0, run.stderr
    files = [message for message in run.messages if message["type"] == "BATCH"]
    records = [each for file in files if file["stream"] == "restores" for each in records_of(file)]
    assert [record["id"] for record in records] == ["a-0", "a-1", "a-2"]


def test_what_was_left_for_later_is_what_its_module_has() -> None:
    code = """
import sys
from tap_northflank_restores import start
sys.modules["fractions"] = start._Postponed("fractions")
from fractions import Fraction
del sys.modules["fractions"]
assert "fractions" not in sys.modules
assert Fraction.from_float(0.5) == Fraction(1, 2)
import fractions
assert type(Fraction(1, 2)) is fractions.Fraction
"""
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603
