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


@pytest.mark.parametrize("command", ["help", "sync"])
def test_a_command_does_not_import_what_it_does_not_use(server: Server, command: str) -> None:
    with command_line(server) as words:
        code = [sys.executable, "-c", HELP, *(["--help"] if command == "help" else words)]

        run = subprocess.run(code, capture_output=True, text=True, check=True)  # noqa: S603

    modules = json.loads(run.stderr.splitlines()[-1])
    assert "singer_sdk.tap_base" in modules
    assert set(POSTPONED).isdisjoint(modules)


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
start._Postponed.importing = True
from fractions import Fraction
half = Fraction.from_float(0.5)
ways = Fraction.__init_subclass__, Fraction.to_bytes["x"]  # Neither is looked at yet.
start._Postponed.importing = False
del sys.modules["fractions"]
assert "fractions" not in sys.modules
assert Fraction.from_float(0.5) == Fraction(1, 2)
import fractions
assert type(Fraction(1, 2)) is fractions.Fraction
assert isinstance(fractions.Fraction(1, 2), Fraction)
assert half.numerator == 1
"""
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603


def test_a_library_may_import_what_lies_in_what_was_left_for_later() -> None:
    # The SDK imports `email.utils`; other releases of its libraries import `asyncio.coroutines`.
    code = """
from tap_northflank_restores import start
start.POSTPONED = (*start.POSTPONED, "email")
start.main()
"""
    command = [sys.executable, "-c", code, "--version"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603

    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("tap-northflank-restores")
