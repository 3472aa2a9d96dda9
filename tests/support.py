"""Runs the tap as a user does, in this process or in one of its own, and tells what came out."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import subprocess
import sysconfig
import threading
import time
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any
from unittest.mock import patch

from simulator import World
from tap_northflank_restores.tap import TapNorthflankRestores

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from simulator import Request, Server

COMMAND = Path(sysconfig.get_path("scripts")) / TapNorthflankRestores.name
SECONDS = 20
"""How long a process or a thread may take to end until the test fails."""

ALL = ("addons", "backups", "projects", "restores")

Record = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """What a run of the command gave.

    Attributes:
        exit_code: Its exit code.
        stdout: What it wrote for the loader.
        stderr: What it logged.
        requests: What the simulator was asked meanwhile.
    """

    exit_code: int
    stdout: str
    stderr: str
    requests: list[Request] = field(default_factory=list)

    @cached_property
    def messages(self) -> list[dict[str, Any]]:
        """All messages, in order."""
        # A line ends at a newline only: texts have other ends of lines in them.
        return [json.loads(line) for line in self.stdout.split("\n") if line]

    @cached_property
    def records(self) -> dict[str, list[Record]]:
        """The records of each stream that has a SCHEMA message, in order."""
        found: dict[str, list[Record]] = {}
        for message in self.messages:
            if message["type"] == "SCHEMA":
                found.setdefault(message["stream"], [])
            elif message["type"] == "RECORD":
                found[message["stream"]].append(message["record"])
        return found

    @cached_property
    def states(self) -> list[dict[str, Any]]:
        """The values of the STATE messages, in order."""
        return [message["value"] for message in self.messages if message["type"] == "STATE"]

    @property
    def state(self) -> dict[str, Any]:
        """The last state, which the loader would have kept."""
        return self.states[-1]

    @cached_property
    def asked(self) -> list[str]:
        """The paths that were asked for, in order of arrival."""
        return [request.path for request in self.requests]

    def logged(self, level: str) -> list[str]:
        """The messages of the log at this level; a traceback belongs to the line above it."""
        found = []
        for line in self.stderr.splitlines():
            parts = line.split(" | ", 3)
            if len(parts) == 4 and parts[1].strip() == level:
                found.append(parts[3])
        return found

    @property
    def error(self) -> str:
        """The one line that tells why the run ended."""
        (line,) = self.logged("ERROR")
        return line


def sync(
    server: Server,
    *arguments: str,
    state: object = None,
    catalog: object = None,
    **settings: object,
) -> Run:
    """Run the command in this process against the simulator.

    Args:
        server: The simulator.
        arguments: More arguments of the command.
        state: For `--state`, if any.
        catalog: For `--catalog`, if any.
        settings: Settings beside `api_url` and `api_token`; one of None is left out.
    """
    before = len(server.requests)
    with command_line(server, *arguments, state=state, catalog=catalog, **settings) as words:
        run = tap(*words)
    return Run(run.exit_code, run.stdout, run.stderr, server.requests[before:])


def tap(*arguments: str) -> Run:
    """Run the command in this process, with nothing but these arguments."""
    stdout, stderr = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with _as_a_process(), redirect_stdout(stdout), redirect_stderr(stderr):
        try:
            TapNorthflankRestores.cli.main(list(arguments), prog_name=TapNorthflankRestores.name)
        except SystemExit as end:
            code = int(end.code or 0)
    for stream in (stdout, stderr):
        stream.seek(0)
    return Run(code, stdout.read(), stderr.read())


@contextmanager
def _as_a_process() -> Iterator[None]:
    """Put back what the command changes in its process, and see its threads end."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    handling = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # With `--config ENV` the tap reads the nearest .env, perhaps a developer's.
    with patch("tap_northflank_restores.settings.find_dotenv", return_value=""):
        try:
            yield
        finally:
            logging.captureWarnings(capture=False)
            root.setLevel(level)
            root.handlers[:] = handlers
            for number, handler in handling.items():
                signal.signal(number, handler)
            end_of_threads()


def end_of_threads() -> None:
    """Wait for the threads that read lists: a run that is over makes no more requests."""
    until = time.monotonic() + SECONDS
    for thread in threading.enumerate():
        if thread.name == "read-ahead":
            thread.join(until - time.monotonic())
            assert not thread.is_alive(), "the run is over and left its threads behind"


@contextmanager
def command_line(
    server: Server | None,
    *arguments: str,
    state: object = None,
    catalog: object = None,
    **settings: object,
) -> Iterator[list[str]]:
    """Write the files that a run needs, and give the command's arguments; see `sync`."""
    with TemporaryDirectory() as folder:
        config: dict[str, object] = {}
        if server is not None:
            config = {"api_url": server.url, "api_token": server.token}
        config = {k: v for k, v in (config | settings).items() if v is not None}
        words = []
        for name, value in (("config", config), ("state", state), ("catalog", catalog)):
            if value is not None:
                path = Path(folder) / f"{name}.json"
                path.write_text(json.dumps(value), encoding="utf-8")
                words += [f"--{name}", str(path)]
        yield [*words, *arguments]


@contextmanager
def process(
    words: Iterable[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdout: IO[bytes] | int = subprocess.PIPE,
    stderr: IO[bytes] | int = subprocess.PIPE,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start the installed command; it does not outlive the block."""
    with subprocess.Popen(  # noqa: S603 - the tap itself
        [str(COMMAND), *words],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        env={**os.environ, **(env or {})},
        cwd=cwd,
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def ended(running: subprocess.Popen[bytes]) -> Run:
    """Wait for a process that was started and return what it gave."""
    stdout, stderr = running.communicate(timeout=SECONDS)
    return Run(running.returncode, (stdout or b"").decode(), (stderr or b"").decode())


@cache
def _discovered() -> str:
    return tap("--discover").stdout


def selecting(*streams: str, **metadata: object) -> dict[str, Any]:
    """Return the tap's catalog with just these streams selected.

    Args:
        streams: Names of streams.
        metadata: For each selected stream, by the metadata's name with underscores.
    """
    catalog: dict[str, Any] = json.loads(_discovered())
    for entry in catalog["streams"]:
        root = next(item for item in entry["metadata"] if item["breadcrumb"] == [])
        root["metadata"]["selected"] = entry["stream"] in streams
        if entry["stream"] in streams:
            root["metadata"] |= {k.replace("_", "-"): v for k, v in metadata.items()}
    return catalog


def keyed(records: Iterable[Record]) -> dict[tuple[str, str, str], Record]:
    """Return restores or backups as a loader that merges on the key has them."""
    return {(r["projectId"], r["addonId"], r["id"]): r for r in records}


def small_world(**restores: int) -> World:
    """Return a world of one project `p` and the addons named, each with so many restores."""
    world = World()
    world.add_project("p")
    for addon, count in restores.items():
        world.add_addon("p", addon)
        for number in range(count):
            world.add_restore("p", addon, f"{addon}-{number}")
            world.advance(seconds=1)
    return world


def company() -> World:
    """Return a small company: two projects, all statuses that a history has, many backups."""
    return World.company(addons=5, months=4)


def everything(server: Server, **settings: Any) -> Run:
    """Sync the streams of `ALL`."""
    return sync(server, **{"catalog": selecting(*ALL), **settings})


def schemas(run: Run) -> dict[str, dict[str, Any]]:
    """Return the JSON schema of each stream."""
    return {m["stream"]: m["schema"] for m in run.messages if m["type"] == "SCHEMA"}


def types(run: Run) -> list[str]:
    """Return the types of the messages, in order."""
    return [message["type"] for message in run.messages]


def partitions(state: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the bookmarks of a state by project and addon."""
    found = state["bookmarks"].get("restores", {}).get("partitions", [])
    return {(p["context"]["projectId"], p["context"]["addonId"]): p for p in found}


def lines(run: Run) -> list[str]:
    """Return the lines of the log but for metrics."""
    return [line for line in run.logged("INFO") if not line.startswith("METRIC")]
