"""Runs Meltano on this checkout's meltano.yml, apart from the user's own settings and state."""

from __future__ import annotations

import os
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from demo import DemoError
from demo.account import ROOT
from demo.process import child

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping
    from pathlib import Path

OURS = re.compile(r"TAP_NORTHFLANK_RESTORES_|TARGET_|MELTANO_|DBT_|PG")
"""Names of variables by which the user's environment would change what runs."""

LOG_LINE = re.compile(r"^\S+ \[(\w+) *\] +\S+ +(.*)$", re.MULTILINE)
"""A line of Meltano's log: its level and its text."""

EXCEPTION = re.compile(r"[\w.]+(?:Error|Exception): ")
"""How the last line of a traceback starts."""


BOX_LINE = re.compile(r"^│ (error: .*?) *│$", re.MULTILINE)
"""A line of uv's, in the box that Meltano draws around it."""


def loader_url(url: str) -> str:
    """Return a PostgreSQL URL as the loader takes it on any Python: naming psycopg 3."""
    return url.replace("postgresql:", "postgresql+psycopg:", 1)


class Pipeline:
    """Meltano with settings, state and log of its own."""

    def __init__(
        self, home: Path, settings: Mapping[str, str], *, plugins: Path | None = None
    ) -> None:
        """Prepare; nothing runs yet.

        Args:
            home: folder for the state and the log.
            settings: environment variables with the settings of tap and loader.
            plugins: folder to install them in; without it the `.meltano` that the user's runs have.
        """
        system = home / "meltano"
        _share_plugins(plugins or ROOT / ".meltano", system)
        self.log = home / "meltano.log"
        self.env = {name: value for name, value in os.environ.items() if not OURS.match(name)}
        self.env["MELTANO_DATABASE_URI"] = f"sqlite:///{home / 'meltano.db'}"
        self.env["MELTANO_CLI_LOG_FORMAT"] = "uncolored"
        self.env["MELTANO_PROJECT_READONLY"] = "true"  # It would format meltano.yml now and then.
        self.env["MELTANO_SYS_DIR_ROOT"] = str(system)
        for name in ("no_proxy", "NO_PROXY"):
            self.env[name] = f"{self.env.get(name, '')},127.0.0.1".lstrip(",")
        self.env.update(settings)

    @contextmanager
    def start(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Start Meltano with arguments such as `"run", "sync"`; its output goes to the log."""
        # The user's .env file is left out.
        command = [sys.executable, "-m", "demo.meltano", f"--env-file={os.devnull}", *arguments]
        with child(command, cwd=ROOT, log=self.log, env=self.env) as process:
            yield process

    def install(self, *blocks: str) -> None:
        """Install the plugins of some blocks of `meltano run`, if they are not there.

        Raises:
            DemoError: it failed.
        """
        said = self.meltano("run", "--only-install", *blocks)
        if "Installation failed" in said:  # Meltano's exit code does not tell.
            msg = f"Meltano cannot install the plugins: {_reason(said)}. See {self.log}"
            raise DemoError(msg)

    def meltano(self, *arguments: str) -> str:
        """Run Meltano to its end and return what it logged.

        Raises:
            DemoError: it failed.
        """
        start = self.log.stat().st_size if self.log.exists() else 0
        with self.start(*arguments) as process:
            code = process.wait()
        with self.log.open(errors="replace") as log:
            log.seek(start)
            said = log.read()
        if code:
            msg = f"meltano {' '.join(arguments)} failed: {_reason(said)}. See {self.log}"
            raise DemoError(msg)
        return said


def _share_plugins(plugins: Path, system: Path) -> None:
    """Let a system folder of Meltano have the plugins of another one.

    The files of a run (catalog, state) have the same names in each run, so that two at once in one
    system folder take each other's.
    """
    system.mkdir(parents=True, exist_ok=True)
    for kind in ("extractors", "loaders", "utilities"):
        (plugins / kind).mkdir(parents=True, exist_ok=True)
        if not (system / kind).exists():
            (system / kind).symlink_to(plugins / kind)


def _reason(log: str) -> str:
    """Find the first line in which uv, the tap, the loader or Meltano says what went wrong."""
    if boxed := BOX_LINE.search(log):
        return boxed[1]
    for level, text in LOG_LINE.findall(log):
        if level in {"error", "critical"} or EXCEPTION.match(text):
            return str(text).rstrip(" .")
    return "it does not say why"
