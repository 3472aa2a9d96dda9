"""What the image does: a command such as `sync`, `transform` or `refresh`, once, by Meltano.

Nothing is installed, and all that is written goes to the folder for temporary files: the root file
system may be read-only and the user any.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parent.parent
PLUGINS = ("extractors", "loaders", "utilities")
TAP = "tap-northflank-restores"

COMMANDS = {
    "sync": "sync",
    "sync-daily": "sync-daily",
    "transform": "transform",
    "refresh": "refresh",
    "refresh-and-tell": "refresh-and-tell",
    "report": "restore-report:page",
    "tell": "tell",
}
"""What `meltano run` is given for each command: a job of meltano.yml, or a plugin's command."""

SYNCS = {"sync", "sync-daily", "refresh", "refresh-and-tell"}
WAREHOUSE, SYSTEM = "TARGET_POSTGRES_SQLALCHEMY_URL", "MELTANO_DATABASE_URI"
STATE = (SYSTEM, "MELTANO_STATE_BACKEND_URI")
OUTPUT = Path("/tmp/output")  # noqa: S108 - where the image's link `output` leads to
CONFIGURATION = 2
"""The exit code of a wrong setting, as it is the tap's."""

GRACE, LAST_GRACE = 5, 2
"""Seconds after SIGTERM: for the tap's last state to be stored, then for everything else to end.
Docker kills a container ten seconds after SIGTERM."""

SET_CHILD_SUBREAPER = 36
"""Of prctl(2): what Meltano leaves behind becomes our child, also where we are not process 1."""


class Run:
    """One run of Meltano, which can be stopped."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str]) -> None:
        """Start Meltano.

        Args:
            arguments: for `meltano run`.
            environment: all of its environment.
        """
        self._signals = 0
        ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)  # Before anything runs that would be left alone.
        self._meltano = psutil.Popen(
            [
                *(str(ROOT / ".venv" / "bin" / "meltano"), "--log-format=json"),
                *(f"--env-file={os.devnull}", "run", "--no-install", *arguments),
            ],
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        if self._signals:
            self.stop()

    def follow(self) -> int:
        """Pass the log on until the end, and return the tap's exit code, or else Meltano's."""
        codes: Mapping[str, int] = {}
        for line in self._meltano.stderr:
            sys.stderr.buffer.write(line)
            sys.stderr.buffer.flush()
            codes = _exit_codes(line) or codes
        code: int = self._meltano.wait()
        if code < 0:
            return 128 - code
        # A loader that fails takes the tap with it, whose exit code then says nothing.
        return codes.get("extractors", code) if code and "loaders" not in codes else code

    def stop(self, *_: object) -> None:
        """Ask the tap alone to end: the loader and Meltano then store its last state."""
        self._signals += 1
        programs = _programs()
        taps = [program for program in programs if _is_tap(program)]
        if taps and self._signals == 1:
            _each(taps, signal.SIGTERM)
            _later(GRACE, signal.SIGTERM)
        else:
            _each(programs, signal.SIGTERM)
        _later(GRACE + LAST_GRACE, signal.SIGKILL)


def _later(seconds: float, number: signal.Signals) -> None:
    timer = Timer(seconds, lambda: _each(_programs(), number))
    timer.daemon = True
    timer.start()


def _programs() -> list[psutil.Process]:
    """Return Meltano and what it runs."""
    return psutil.Process().children(recursive=True)


def _each(programs: list[psutil.Process], number: signal.Signals) -> None:
    for program in programs:
        with suppress(psutil.NoSuchProcess):
            program.send_signal(number)


def _is_tap(program: psutil.Process) -> bool:
    try:
        return TAP in {Path(part).name for part in program.cmdline()[:2]}
    except psutil.Error:
        return False


def _exit_codes(line: bytes) -> Mapping[str, int]:
    """Return what an entry of Meltano's log says of its plugins' ends, such as an exit code."""
    try:
        codes = json.loads(line).get("exit_codes")
    except (ValueError, AttributeError):
        return {}
    return codes if isinstance(codes, dict) else {}


def _environment(folder: Path) -> dict[str, str]:
    """Return the environment in which Meltano and its plugins write to a folder alone."""
    environment = {
        "MELTANO_ENVIRONMENT": "prod",
        "MELTANO_PROJECT_READONLY": "true",  # It would format meltano.yml now and then.
        **os.environ,
        "MELTANO_SYS_DIR_ROOT": str(folder / "meltano"),
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder),
        "DBT_TARGET_PATH": str(folder / "dbt"),
        "DBT_LOG_PATH": str(folder / "dbt"),
    }
    for name in (WAREHOUSE, SYSTEM):
        if name in environment:
            environment[name] = re.sub(r"^postgres:", "postgresql:", environment[name])
    if SYSTEM in environment:  # Of the two drivers, the image has psycopg 3 alone.
        environment[SYSTEM] = re.sub(r"^postgresql:", "postgresql+psycopg:", environment[SYSTEM])
    return environment


def _prepare(folder: Path) -> None:
    """Make a system folder of Meltano that has the image's plugins."""
    (folder / "meltano").mkdir()
    for kind in PLUGINS:
        (folder / "meltano" / kind).symlink_to(ROOT / ".meltano" / kind)
    OUTPUT.mkdir(exist_ok=True)


def _refuse(line: str) -> int:
    sys.stderr.write(f"{line}\n")
    return CONFIGURATION


def main(arguments: list[str]) -> int:
    """Run one command, and return its exit code."""
    command, *options = arguments or [""]
    if command not in COMMANDS:
        return _refuse(f"Give one of these commands: {', '.join(COMMANDS)}")
    if not os.environ.get(WAREHOUSE):
        return _refuse(f"Which warehouse? Set {WAREHOUSE}")
    if command in SYNCS and not any(os.environ.get(name) for name in STATE):
        return _refuse(
            f"The state would be gone with this container: set {STATE[0]} to a PostgreSQL, "
            f"or {STATE[1]} to a bucket"
        )
    os.umask(0o077)  # Meltano's files have secrets in them.
    try:
        with tempfile.TemporaryDirectory(prefix="northflank-", ignore_cleanup_errors=True) as name:
            _prepare(Path(name))
            run = Run([*options, COMMANDS[command]], _environment(Path(name)))
            return run.follow()
    except OSError as error:
        return _refuse(f"The image needs a folder /tmp that it can write to: {error}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
