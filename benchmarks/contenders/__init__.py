"""The tools that are compared: how each is started, and what it left behind."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from typing_extensions import override

from benchmarks import process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.account import Account
    from benchmarks.process import Cost

HERE = Path(__file__).parent
CONFIG, STATE, CATALOG = "config.json", "state.json", "catalog.json"

# No tool's usage statistics, and no proxy between it and the simulator.
ENVIRONMENT = {"NO_PROXY": "127.0.0.1", "RUNTIME__DLTHUB_TELEMETRY": "false"}


class Restore(msgspec.Struct, frozen=True):
    """A restore as a tool delivered it."""

    id: str
    projectId: str = ""  # noqa: N815 - the API's name
    addonId: str = ""  # noqa: N815
    status: str | None = None
    completedAt: str | None = None  # noqa: N815

    @property
    def key(self) -> tuple[str, str, str]:
        """What a warehouse merges on."""
        return self.projectId, self.addonId, self.id


class Contender(ABC):
    """A tool. What one of its syncs leaves in a directory, the next one there takes up."""

    name: str
    what: str
    """One line on what it is."""
    script: ClassVar[str] = ""
    """Its file here."""
    keeps_state: ClassVar[bool] = False
    scripted: ClassVar[bool] = False
    """Whether the script names its own dependencies, and so has an environment of its own."""

    @abstractmethod
    def command(self, account: Account, directory: Path) -> list[str]:
        """Return the command of a sync."""

    @abstractmethod
    def restores(self, directory: Path) -> Iterator[Restore]:
        """Yield the restores that the last sync sent."""

    def sync(self, account: Account, directory: Path, timeout: int = process.TIMEOUT) -> Cost:
        """Run a sync in a directory."""
        return process.run(self.command(account, directory), directory, ENVIRONMENT, timeout)

    def state_bytes(self, directory: Path) -> int:  # noqa: ARG002
        """Return how many bytes of state the last sync wrote, all together."""
        return 0

    def keep_state(self, directory: Path) -> None:  # noqa: B027 - most have none
        """Make the next sync start from the last state that this one wrote."""

    @property
    def python(self) -> str:
        """The interpreter with the tool's dependencies."""
        return _own_python(self.script) if self.scripted else sys.executable


class Loop(Contender):
    """A script that prints restores as lines of JSON."""

    def __init__(self, name: str, script: str, what: str, *, scripted: bool) -> None:
        """Name it."""
        self.name, self.what = name, what
        self.script, self.scripted = script, scripted  # type: ignore[misc]

    @override
    def command(self, account: Account, directory: Path) -> list[str]:
        return [self.python, str(HERE / self.script), account.url, account.token]

    @override
    def restores(self, directory: Path) -> Iterator[Restore]:
        decoder = msgspec.json.Decoder(Restore)
        with (directory / "out").open("rb") as lines:
            yield from map(decoder.decode, lines)


class SingerTap(Contender):
    """A Singer tap."""

    keeps_state = True

    def __init__(self, name: str, command: list[str], what: str) -> None:
        """Name it."""
        self.name, self.command_line, self.what = name, command, what

    @override
    def command(self, account: Account, directory: Path) -> list[str]:
        config = {"api_url": account.url, "api_token": account.token}
        (directory / CONFIG).write_bytes(msgspec.json.encode(config))
        state = ["--state", STATE] if (directory / STATE).exists() else []
        return [*self.command_line, "--config", CONFIG, *state]

    @override
    def restores(self, directory: Path) -> Iterator[Restore]:
        decoder = msgspec.json.Decoder(_SingerRecord)
        for line in _lines(directory, b'{"type":"RECORD","stream":"restores"'):
            yield decoder.decode(line).record

    @override
    def state_bytes(self, directory: Path) -> int:
        return sum(map(len, _lines(directory, b'{"type":"STATE"')))

    @override
    def keep_state(self, directory: Path) -> None:
        last = deque(_lines(directory, b'{"type":"STATE"'), maxlen=1)
        if last:
            value = msgspec.json.decode(last[0])["value"]
            (directory / STATE).write_bytes(msgspec.json.encode(value))


class Airbyte(Contender):
    """A connector on Airbyte's low-code CDK."""

    script = "airbyte_declarative.py"
    keeps_state = True
    scripted = True
    _MODES: ClassVar = {
        "projects": "full_refresh",
        "addons": "full_refresh",
        "restores": "incremental",
    }

    def __init__(self, name: str, what: str, lookback_days: int = 0) -> None:
        """Name it; it looks back so many days from its cursor."""
        self.name, self.what, self._lookback_days = name, what, lookback_days

    @override
    def command(self, account: Account, directory: Path) -> list[str]:
        config = {
            "api_url": account.url,
            "api_token": account.token,
            "lookback_days": self._lookback_days,
        }
        (directory / CONFIG).write_bytes(msgspec.json.encode(config))
        streams = [
            {
                "stream": {"name": name, "json_schema": {}, "supported_sync_modes": [mode]},
                "sync_mode": mode,
                "destination_sync_mode": "overwrite" if mode == "full_refresh" else "append_dedup",
            }
            for name, mode in self._MODES.items()
        ]
        (directory / CATALOG).write_bytes(msgspec.json.encode({"streams": streams}))
        command = [self.python, str(HERE / self.script), "read"]
        command += ["--manifest-path", str(HERE / "airbyte_manifest.yaml")]
        command += ["--config", CONFIG, "--catalog", CATALOG]
        return command + (["--state", STATE] if (directory / STATE).exists() else [])

    @override
    def restores(self, directory: Path) -> Iterator[Restore]:
        decoder = msgspec.json.Decoder(_AirbyteRecord)
        for line in _lines(directory, b'{"type":"RECORD"'):
            record = decoder.decode(line).record
            if record.stream == "restores":
                yield record.data

    @override
    def state_bytes(self, directory: Path) -> int:
        return sum(map(len, _lines(directory, b'{"type":"STATE"')))

    @override
    def keep_state(self, directory: Path) -> None:
        states: dict[str, Any] = {}
        for line in _lines(directory, b'{"type":"STATE"'):
            state = msgspec.json.decode(line)["state"]
            states[state["stream"]["stream_descriptor"]["name"]] = state
        (directory / STATE).write_bytes(msgspec.json.encode(list(states.values())))


class Dlt(Contender):
    """A pipeline of dlt."""

    script = "dlt_rest_api.py"
    keeps_state = True
    scripted = True
    _PLACES: ClassVar = {"extract": "normalize/extracted", "load": "load/loaded"}
    _FILES = "*/restores.*jsonl.gz"

    def __init__(self, name: str, mode: str, what: str) -> None:
        """Name it; the mode is one of the script's."""
        self.name, self._mode, self.what = name, mode, what

    @override
    def command(self, account: Account, directory: Path) -> list[str]:
        arguments = [account.url, account.token, str(directory), self._mode]
        return [self.python, str(HERE / self.script), *arguments]

    @override
    def restores(self, directory: Path) -> Iterator[Restore]:
        place = self._PLACES[self._mode.partition("-")[0]]
        # A package a sync; a second one that fails has none.
        packages = sorted((directory / "northflank" / place).glob("*"))[-1:]
        for file in (file for package in packages for file in package.glob(self._FILES)):
            with gzip.open(file) as lines:
                for line in lines:
                    found = msgspec.json.decode(line)
                    for item in found if isinstance(found, list) else [found]:
                        yield Restore(item["id"], item["_addons__projects_id"], item["_addons_id"])

    def warehouse(self, directory: Path) -> Iterator[Restore]:
        """Yield the restores in the warehouse after a load."""
        command = [self.python, str(HERE / self.script), "rows", str(directory)]
        environment = {**os.environ, **ENVIRONMENT}
        rows = subprocess.run(command, capture_output=True, check=False, env=environment)  # noqa: S603
        yield from map(msgspec.json.Decoder(Restore).decode, rows.stdout.splitlines())

    @override
    def state_bytes(self, directory: Path) -> int:
        state = directory / "northflank" / STATE
        return state.stat().st_size if state.exists() else 0


class _SingerRecord(msgspec.Struct):
    record: Restore


class _AirbyteData(msgspec.Struct):
    stream: str
    data: Restore


class _AirbyteRecord(msgspec.Struct):
    record: _AirbyteData


def _lines(directory: Path, start: bytes) -> Iterator[bytes]:
    with (directory / "out").open("rb") as lines:
        yield from (line for line in lines if line.startswith(start))


_pythons: dict[str, str] = {}


def _own_python(script: str) -> str:
    """Return the interpreter of a script's environment, which is made when it is not there."""
    if script not in _pythons:
        uv = os.environ.get("UV") or shutil.which("uv")
        if not uv:
            message = "uv is not on the PATH: run ./dev bench, or set UV to where it is"
            raise FileNotFoundError(message)
        where = ["--script", str(HERE / script), "--python", sys.executable]
        subprocess.run([uv, "sync", "--frozen", "--quiet", *where], check=True)  # noqa: S603
        found = subprocess.run(  # noqa: S603
            [uv, "python", "find", "--script", str(HERE / script)],
            check=True,
            capture_output=True,
            text=True,
        )
        _pythons[script] = found.stdout.strip()
    return _pythons[script]


TAP = SingerTap(
    "this tap",
    [str(Path(sys.executable).with_name("tap-northflank-restores"))],
    "tap-northflank-restores, default settings (concurrency 8)",
)
BY_THE_BOOK = SingerTap(
    "SDK by the book",
    [sys.executable, str(HERE / "sdk_by_the_book.py")],
    "a tap as the SDK's template and guides give it",
)
HANDWRITTEN = Loop(
    "handwritten",
    "handwritten.py",
    "a loop with requests and json, one request at a time, no state",
    scripted=False,
)
ASYNCIO = Loop(
    "asyncio",
    "asyncio_loop.py",
    "an asyncio loop with aiohttp, 8 requests in flight, no state",
    scripted=True,
)
DLT_EXTRACT = Dlt("dlt extract", "extract", "rest_api source of dlt, 8 workers: extract only")
DLT_LOAD = Dlt("dlt load", "load", "the same, with normalise and load into a DuckDB file")
DLT_ENDPOINT = Dlt(
    "dlt, cursor at endpoint",
    "load-cursor-at-endpoint",
    "dlt load, with the cursor in the endpoint's `incremental`",
)
DLT_LOOKING_BACK = Dlt(
    "dlt, looking back", "load-looking-back", "dlt load, with a look-back (`lag`) of a day"
)
AIRBYTE = Airbyte("airbyte-cdk", "declarative source of airbyte-cdk, concurrency level 8")
AIRBYTE_LOOKING_BACK = Airbyte(
    "airbyte, looking back", "airbyte-cdk, with a `lookback_window` of a day", lookback_days=1
)

CONTENDERS: list[Contender] = [
    TAP,
    HANDWRITTEN,
    ASYNCIO,
    BY_THE_BOOK,
    DLT_EXTRACT,
    DLT_LOAD,
    AIRBYTE,
]
