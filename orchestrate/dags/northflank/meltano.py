"""Runs Meltano for one task, apart from all others, and says what its end means. No Airflow here.

Meltano writes its plugins' settings, catalog and state to `.meltano/run/<plugin>`, which two runs
in one folder share: they would read each other's state. So each task has such a folder to itself.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

TAP, LOADER = "tap-northflank-restores", "target-postgres"
ALERTS, METRICS = "restore-report:alerts", "restore-report:metrics"

# Variables of the report's command: where alerts go, and where the file for Prometheus is.
ALERTS_URLS, METRICS_FILE = "NORTHFLANK_ALERTS_URLS", "NORTHFLANK_METRICS_FILE"

# The property of each stream that is the id of a project, and the streams of the two jobs.
STREAMS = {
    "projects": "id",
    "addons": "projectId",
    "restores": "projectId",
    "backups": "projectId",
    "backup_schedules": "projectId",
    "addon_details": "projectId",
}
HOURLY, DAILY = tuple(STREAMS)[:3], tuple(STREAMS)[3:]

# The tap's exit codes that matter here; docs/errors.md has all.
CONFIGURATION, ACCESS, QUOTA = 2, 3, 4

_RESETS = re.compile(r"resets in (\d+) s")
_LONGEST_WINDOW = 3600
# How the last line of a traceback begins: the loader tells of its end in no other way.
_EXCEPTION = re.compile(r"[\w.]+(Error|Exception): ")
# How long a run may take to end when it is asked to.
_GRACE_SECONDS = 60
# The parent's variables that would change what the child runs, or that are none of its business.
_NOT_OURS = re.compile(r"_?AIRFLOW_|PYTHON|VIRTUAL_ENV|TAP_NORTHFLANK_RESTORES_")

# How the names of the runs' folders begin.
_FOLDER = "northflank-meltano-"
# Meltano's settings have secrets in them, so what it writes is its user's alone.
_UMASK = 0o077
# On Linux this ends Meltano with its task. Elsewhere the orphan of a killed task goes on, and the
# task's next try is refused as running twice.
_SUPERVISE = Path(__file__).with_name("supervise.py") if sys.platform == "linux" else None


class RunError(Exception):
    """A run failed; the message is one line that says why.

    Attributes:
        is_final: Whether trying again is no use before someone has changed something.
    """

    def __init__(self, line: str, *, is_final: bool = False) -> None:
        """Keep the line."""
        super().__init__(line)
        self.is_final = is_final


class QuotaExhaustedError(Exception):
    """The account's quota of requests is used up.

    Attributes:
        seconds: How long until it resets.
    """

    def __init__(self, seconds: int) -> None:
        """Keep the seconds."""
        super().__init__(f"the account's quota resets in {seconds} s")
        self.seconds = seconds


@dataclass
class _End:
    """How a run ended.

    Attributes:
        returncode: Meltano's own.
        exit_codes: Those of what it ran, such as `{"extractors": 4}`.
        told: The last error that each plugin told of.
        meltano: What Meltano says of what failed.
        plain: The last line that was no entry of the log, or that a command wrote.
    """

    returncode: int = 0
    exit_codes: Mapping[str, int] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    meltano: str = ""
    plain: str = ""

    @property
    def line(self) -> str:
        """Why it failed, in a line, as far as is known."""
        told = self.told.get(LOADER if "loaders" in self.exit_codes else TAP)
        other = next(iter(self.told.values()), None)
        ended = f"Meltano ended with exit code {self.returncode}"
        return (told or other or self.meltano or self.plain or ended).splitlines()[0]


class Meltano:
    """Meltano in the project's folder, with settings of a task's own."""

    def __init__(
        self, settings: Mapping[str, str], log: Callable[[str], object] = lambda _line: None
    ) -> None:
        """Prepare; nothing runs yet.

        Args:
            settings: Environment variables for the tap and the loader.
            log: Takes each line that Meltano and its plugins log.
        """
        root = os.environ.get("MELTANO_PROJECT_ROOT")
        self._root = Path(root) if root else Path(__file__).resolve().parents[3]
        self._settings = settings
        self._log = log
        self._process: subprocess.Popen[str] | None = None

    def run(self, *arguments: str) -> None:
        """Run `meltano run` with arguments such as `"sync"`.

        Raises:
            QuotaExhaustedError: The tap gave up waiting for the quota; its state is kept.
            RunError: Anything else failed.
        """
        end = self._meltano("run", *arguments)
        if end.exit_codes and "loaders" not in end.exit_codes:
            _raise(end.exit_codes.get("extractors", end.returncode), end.line)
        # A loader that fails takes the tap with it, whose exit code then says nothing.
        _raise(1 if end.returncode else 0, end.line)

    def invoke(self, command: str, *arguments: str) -> None:
        """Run a command of a plugin, such as `"restore-report:alerts"`.

        Raises:
            RunError: It failed.
        """
        end = self._meltano("invoke", command, *arguments)
        _raise(1 if end.returncode else 0, end.line)

    def list_projects(self) -> list[str]:
        """Load the account's projects and return their ids; the settings select nothing else.

        Raises:
            QuotaExhaustedError: As `run`.
            RunError: As `run`.
        """
        with tempfile.TemporaryFile("w+", encoding="utf-8") as messages:
            # Two steps: `meltano run` does not let the records through to its caller.
            end = self._meltano("invoke", TAP, output=messages)
            _raise(end.returncode, end.line)
            messages.seek(0)
            decoded = [json.loads(message) for message in messages]
            messages.seek(0)
            end = self._meltano("invoke", LOADER, records=messages)
            _raise(1 if end.returncode else 0, end.line)
        ids = [message["record"]["id"] for message in decoded if message["type"] == "RECORD"]
        return [id_.rpartition("/")[2] for id_ in ids]

    def stop(self) -> None:
        """Ask what runs to end; the state that is stored stands for what was loaded."""
        if self._process and self._process.returncode is None:
            _terminate(self._process)

    def _meltano(
        self,
        *arguments: str,
        records: IO[str] | None = None,
        output: IO[str] | None = None,
    ) -> _End:
        # Settings of one account in the project's .env must not reach the others.
        options = [f"--env-file={os.devnull}", "--log-format=json"]
        # Nor must a task install anything, into a folder that others use.
        command = [self._executable(), *options, arguments[0], "--no-install", *arguments[1:]]
        with self._system_folder() as (folder, lock):
            environment = {
                **{name: value for name, value in os.environ.items() if not _NOT_OURS.match(name)},
                "MELTANO_PROJECT_READONLY": "true",  # It would format meltano.yml now and then.
                "MELTANO_ENVIRONMENT": os.environ.get("MELTANO_ENVIRONMENT", "prod"),
                **self._settings,
                "MELTANO_SYS_DIR_ROOT": str(folder),
            }
            return self._follow(command, environment, records, output, lock)

    def _follow(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        records: IO[str] | None,
        output: IO[str] | None,
        lock: int,
    ) -> _End:
        end = _End()
        if _SUPERVISE:
            command = [sys.executable, "-I", str(_SUPERVISE), str(os.getpid()), *command]
        with subprocess.Popen(  # noqa: S603 - our own commands
            command,
            pass_fds=[lock],  # The folder is in use for as long as this Meltano lives.
            umask=_UMASK,
            cwd=self._root,
            env=environment,
            stdin=records or subprocess.DEVNULL,
            stdout=output or subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        ) as self._process:
            try:
                for line in self._process.stderr or ():
                    self._take(line.rstrip(), end)
            except BaseException:  # Such as Airflow's timeout, which is raised in here.
                _end(self._process)
                raise
        end.returncode = self._process.returncode
        return end

    def _take(self, line: str, end: _End) -> None:
        entry = _entry(line)
        said = str(entry.get("event", line))
        if not said or said.startswith("METRIC"):
            return
        plugin = entry.get("plugin_logger") or entry.get("string_id")
        self._log(f"{plugin}: {said}" if plugin else said)
        if not entry:
            end.plain = said
        elif plugin and (entry.get("level") == "error" or _EXCEPTION.match(said)):
            end.told[entry.get("string_id", plugin)] = said
        elif entry.get("err"):
            end.meltano, end.exit_codes = str(entry["err"]), entry.get("exit_codes") or {}
        elif entry.get("level") == "error":
            end.meltano = said
        elif entry.get("stdio") == "stderr":  # Of a plugin's command, which is no plugin's log.
            end.plain = said

    def _executable(self) -> str:
        places = [str(self._root / ".venv" / "bin"), os.environ.get("PATH", "")]
        if executable := shutil.which("meltano", path=os.pathsep.join(places)):
            return executable
        msg = f"There is no `meltano` in {places[0]} nor in PATH: install it on this worker."
        raise RunError(msg, is_final=True)

    @contextmanager
    def _system_folder(self) -> Iterator[tuple[Path, int]]:
        """Make a system folder like the project's, with a `run` of its own, and lock it."""
        shared = Path(os.environ.get("MELTANO_SYS_DIR_ROOT") or self._root / ".meltano").resolve()
        if not shared.is_dir():
            msg = f"No plugins are installed in {shared}: run `meltano install` on this worker."
            raise RunError(msg, is_final=True)
        _sweep()
        with tempfile.TemporaryDirectory(prefix=_FOLDER) as name, _locked(Path(name)) as lock:
            own = Path(name)
            # The system database is made there by the first run, should it be a file.
            for entry in {*shared.iterdir(), shared / "meltano.db"}:
                if entry.name != "run":
                    (own / entry.name).symlink_to(entry)
            yield own, lock


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """Hold a lock on a folder, as long as the block or who inherits the descriptor lives."""
    with (folder / "new").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (folder / "new").rename(folder / "lock")  # It is never there without being locked.
        yield lock.fileno()


def _sweep() -> None:
    """Remove the folders, with the secrets in them, of runs that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        with suppress(OSError), (folder / "lock").open() as lock:  # Locked, or another user's.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)


def _terminate(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Ask Meltano to end, and what it runs: it would leave dbt to itself. Return them."""
    programs: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        first = psutil.Process(process.pid)
        programs += [first, *first.children(recursive=True)]
    for program in programs[:1] if _SUPERVISE else programs:
        with suppress(psutil.NoSuchProcess):
            program.terminate()
    return programs


def _end(process: subprocess.Popen[str]) -> None:
    """Ask a run to end, and after a while end it and what it runs by force."""
    programs = _terminate(process)
    try:
        process.communicate(timeout=_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        for program in programs:
            with suppress(psutil.NoSuchProcess):
                program.kill()


def settings(
    account: str,
    *,
    api_token: str,
    api_url: str | None = None,
    team_id: str | None = None,
    projects: Sequence[str] = (),
    streams: Iterable[str] = HOURLY,
) -> dict[str, str]:
    """Return the environment variables that make the tap read an account, or a part of it.

    Args:
        account: The account's name.
        api_token: Bearer token.
        api_url: Where the API is; None for the tap's default.
        team_id: For organisation tokens: the team to read.
        projects: The ids of the projects to read; empty for all.
        streams: The streams to read, of `STREAMS`.
    """
    values = {
        "API_TOKEN": api_token,
        "API_URL": api_url,
        "TEAM_ID": team_id,
        "PROJECT_IDS": json.dumps(list(projects)) if projects else None,
        **_streams(streams, team_id or account),
    }
    return {f"TAP_NORTHFLANK_RESTORES_{name}": value for name, value in values.items() if value}


def _streams(names: Iterable[str], team: str) -> dict[str, str]:
    """Select streams, with the team before the id of each project: `team/project`.

    Ids are unique within a team only: without it, the rows of two teams' projects of one name
    would overwrite each other.
    """
    maps = {
        name: {"teamId": repr(team), STREAMS[name]: f"{f'{team}/'!r} + {STREAMS[name]}"}
        for name in names
    }
    return {
        "_SELECT": json.dumps([f"{name}.*" for name in maps]),
        "STREAM_MAPS": json.dumps(maps),
    }


def _entry(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _raise(code: int, line: str) -> None:
    if code == 0:
        return
    if code == QUOTA:
        told = _RESETS.search(line)
        raise QuotaExhaustedError(int(told[1]) if told else _LONGEST_WINDOW)
    raise RunError(line, is_final=code in {CONFIGURATION, ACCESS})
