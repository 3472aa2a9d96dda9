"""What the SDK costs a tap of many partitions: `python -m benchmarks.sdk` writes docs/sdk.md.

No HTTP: a stream of the SDK yields records that are in memory already.
"""

from __future__ import annotations

import copy
import io
import subprocess
import sys
import time
from contextlib import redirect_stdout
from importlib.metadata import version
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from singer_sdk import Stream, Tap
from singer_sdk import typing as th
from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.singerlib import RecordMessage, StateMessage
from typing_extensions import override

from tap_northflank_restores.messages import MessageWriter
from tap_northflank_restores.sdk import PRIVATE_NAMES, PRIVATE_NAMES_OF_TAP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from singer_sdk.helpers.types import Context, Record

ROOT = Path(__file__).resolve().parent.parent
JSON, PAGE = Path(__file__).with_name("sdk.json"), ROOT / "docs" / "sdk.md"

RUNS = 5
RECORDS = 20_000
SIZES = (200, 400, 800, 1600)
RECORD = {
    "projectId": "p0",
    "addonId": "a0",
    "id": "668590000000000000000000",
    "status": "completed",
    "restoreTimestamp": "2025-01-07T06:00:00.331Z",
    "completedAt": "2025-01-07T06:01:00.331Z",
    "backupId": "daily-0",
}


class Partitions(msgspec.Struct):
    """A sync of a stream with so many partitions, one record each."""

    partitions: int
    cpu: float
    """Seconds of user and system time."""
    messages: int
    """STATE messages."""
    state_bytes: int
    """Of all of them together."""


class Found(msgspec.Struct):
    """All that was measured."""

    sdk: str
    python: str
    growth: list[Partitions]
    writers: dict[str, float]
    """Microseconds a record."""
    state: dict[str, float]
    """Milliseconds for a state of 10,000 partitions."""
    imports: dict[str, float]
    """Milliseconds of user and system time, that of Python itself taken off."""


class Parents(Stream):
    """As many parents as there are to be partitions."""

    name = "parents"
    primary_keys: ClassVar = ["id"]
    schema: ClassVar = th.PropertiesList(th.Property("id", th.StringType)).to_dict()
    size = 0

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        yield from ({"id": f"a{number}"} for number in range(self.size))

    @override
    def get_child_context(self, record: Record, context: Context | None) -> Context:
        return {"projectId": "p0", "addonId": record["id"]}


class Rows(Stream):
    """A stream with a partition for each parent, as the SDK's guide has it."""

    name = "rows"
    primary_keys: ClassVar = ["projectId", "addonId", "id"]
    replication_key = "completedAt"
    is_sorted = True
    parent_stream_type = Parents
    schema: ClassVar = th.PropertiesList(
        *(th.Property(name, th.StringType) for name in RECORD if name != "completedAt"),
        th.Property("completedAt", th.DateTimeType),
    ).to_dict()

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        yield {**RECORD, **(context or {})}


class RowsTap(Tap):
    """A tap of these streams alone."""

    name = "tap-rows"
    config_jsonschema: ClassVar = th.PropertiesList().to_dict()

    @override
    def discover_streams(self) -> list[Stream]:
        return [Parents(self), Rows(self)]


def _least(run: Callable[[], object], runs: int = RUNS) -> float:
    """Return the least CPU seconds of several runs."""
    costs = []
    for _ in range(runs):
        start = time.process_time()
        run()
        costs.append(time.process_time() - start)
    return min(costs)


def _to_memory(run: Callable[[], object]) -> bytes:
    """Return what is written to standard output."""
    file = io.BytesIO()
    with redirect_stdout(io.TextIOWrapper(file, encoding="utf-8", write_through=True)):
        run()
        sys.stdout.flush()
        return file.getvalue()


def grow(size: int) -> Partitions:
    """Sync a stream of so many partitions."""
    Parents.size = size
    start = time.process_time()
    lines = _to_memory(lambda: RowsTap(config={}).sync_all()).splitlines()
    cpu = time.process_time() - start
    states = [line for line in lines if line.startswith(b'{"type":"STATE"')]
    return Partitions(size, cpu, len(states), sum(map(len, states)))


def write() -> dict[str, float]:
    """Write records by the SDK's writers and by this tap's."""
    message = RecordMessage("rows", dict(RECORD))
    page = [dict(RECORD)] * 100

    def each(writer: Any) -> None:  # noqa: ANN401 - of any class
        for _ in range(RECORDS):
            writer.write_message(message)

    def pages() -> None:
        writer = MessageWriter()
        for _ in range(RECORDS // len(page)):
            writer.write_records("rows", page)

    from singer_sdk.singerlib.encoding.simple import SimpleSingerWriter  # noqa: PLC0415

    ways: dict[str, Callable[[], None]] = {
        "the SDK's default writer": lambda: each(SimpleSingerWriter()),
        "`singer_sdk.contrib.msgspec`": lambda: each(MsgSpecWriter()),
        "a page of 100 in one write": pages,
    }
    return {
        name: _least(lambda run=run: _to_memory(run)) / RECORDS * 1e6  # type: ignore[misc]
        for name, run in ways.items()
    }


def state() -> dict[str, float]:
    """Handle a state of 10,000 partitions as the SDK does for each STATE message."""
    bookmark = {"replication_key": "completedAt", "replication_key_value": RECORD["completedAt"]}
    partitions = [
        {"context": {"projectId": "p0", "addonId": f"a{n}"}, **bookmark} for n in range(10_000)
    ]
    value = {"bookmarks": {"rows": {"partitions": partitions}}}
    last = partitions[-1]["context"]

    def find() -> object:  # as `singer_sdk.helpers._state.find_in_partitions_list` does
        return [each for each in partitions if each["context"] == last]

    ways: dict[str, Callable[[], object]] = {
        "`copy.deepcopy(state)`, to compare with the next": lambda: copy.deepcopy(value),
        "`StateMessage.to_dict()`, before it is encoded": lambda: StateMessage(value).to_dict(),
        "encoding it": lambda: msgspec.json.encode(value),
        "finding the last partition in the list": find,
    }
    return {name: _least(run) * 1000 for name, run in ways.items()}


def imports() -> dict[str, float]:
    """Import the SDK as it is, and without what a tap does not use."""
    codes = {
        "`import requests`": "import requests",
        "`import singer_sdk`": "import singer_sdk",
        "the same, with ten modules that a sync does not use imported on first use": (
            "from tap_northflank_restores import start; start.main()"
        ),
    }
    nothing = _least_of_process("pass", [])
    return {
        name: (_least_of_process(code, ["--version"]) - nothing) * 1000
        for name, code in codes.items()
    }


def _least_of_process(code: str, arguments: list[str]) -> float:
    costs = []
    for _ in range(3 * RUNS):
        before = getrusage(RUSAGE_CHILDREN)
        command = [sys.executable, "-c", code, *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        after = getrusage(RUSAGE_CHILDREN)
        costs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(costs)


def measure() -> Found:
    """Measure all."""
    python = ".".join(map(str, sys.version_info[:3]))
    growth = [grow(size) for size in SIZES]
    return Found(version("singer-sdk"), python, growth, write(), state(), imports())


def read() -> Found:
    """Return what was measured the last time."""
    return msgspec.json.decode(JSON.read_bytes(), type=Found)


TEXT = """\
# For maintainers of the Singer SDK

Written by `python -m benchmarks.sdk`, in the environment of `./dev test`. This tap steps around the
SDK in a few places. This page says what each of them costs without that, and what the SDK could
offer instead. Measured with singer-sdk {sdk} on Python {python}, in CPU time, the least of several
runs. Nothing is read over HTTP.

The private names of `Stream` that the tap overrides or calls are in
[`sdk.py`](../tap_northflank_restores/sdk.py): {names}. Of `Tap` they are {names_of_tap}. A test
fails when one of them changes.

## 1. A state that grows linearly

A stream with a partition for each parent writes a STATE message for each of them, and each message
has all partitions. So the bytes grow with the square of the partitions. The time does too: each
state is copied twice, see below, and the SDK finds a partition by a scan of the list.

{growth}

Wanted:

- partitions in a dictionary by context while the sync runs, and a list in the message only;
- a public hook that tells when a STATE message is due, asked after each partition. This tap writes
  one when a tenth of the partitions is new and ten seconds have passed, and one at the end.

## 2. A STATE message without two copies

For each message the SDK copies the state twice before it is encoded. Milliseconds for a state of
10,000 partitions:

{state}

Wanted: a `StateMessage.to_dict` that does not copy, as that of `RecordMessage`; and a `StateWriter`
that compares the encoded bytes and keeps no deep copy.

## 3. A writer that takes several records

Each record is a message object, a dictionary, a line and a flush. Microseconds a record:

{writers}

Standard output is memory here. The system call of each flush comes on top.

Wanted: `write_records(stream, records)` beside `write_message`, with a default that calls
`write_message` for each; and streams that may yield lists of records.

## 4. A bookmark that can be exact

The bookmark of an incremental stream is the greatest value of one property. A row that becomes
visible late, or completes out of order, is lost, or needs a look-back. How many rows each tool
loses is in [the results](../benchmarks/RESULTS.md#what-each-tool-can-and-cannot-do). This tap keeps
a count and a digest of what it sent beside the value, see [state](state.md).

Wanted: a public hook by which a stream makes its bookmark of what it has sent, called when the
records are out. Now that takes `_increment_stream_state`, which is called for each record, and
`finalize_state_progress_markers`.

## 5. An end between two messages

On SIGTERM the SDK writes the state wherever the process is, perhaps within a record, and exits with
0. This tap overrides `Tap._handle_termination`.

Wanted: a flag that a sync looks at between two records, the state written there, and another exit
code than 0.

## 6. Imports on first use

Milliseconds over an empty Python:

{imports}

The last line is this tap, its own modules included.

Wanted: these imported where they are used: `joblib` (targets), `upath` (BATCH files), `jsonpath_ng`
(REST streams), `jsonschema` and `referencing` (settings), `packaging` (`--about`). `asyncio` comes
with `backoff`.
"""


def document(found: Found) -> str:
    """Return docs/sdk.md."""
    growth = [
        (
            f"{each.partitions:,}",
            f"{each.cpu:.2f}",
            f"{each.cpu / each.partitions * 1000:.2f}",
            f"{each.messages:,}",
            f"{each.state_bytes:,}",
        )
        for each in found.growth
    ]
    head = ("partitions", "CPU s", "ms a partition", "STATE messages", "bytes of state")
    return TEXT.format(
        sdk=found.sdk,
        python=found.python,
        names=", ".join(f"`{name}`" for name in PRIVATE_NAMES),
        names_of_tap=", ".join(f"`{name}`" for name in PRIVATE_NAMES_OF_TAP),
        growth=_table(head, growth),
        state=_table(("step", "ms"), _rounded(found.state, 2)),
        writers=_table(("writer", "µs a record"), _rounded(found.writers, 2)),
        imports=_table(("code", "ms"), _rounded(found.imports, 0)),
    )


def _rounded(values: dict[str, float], digits: int) -> list[tuple[str, str]]:
    return [(name, f"{value:.{digits}f}") for name, value in values.items()]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Measure, and write what was found."""
    found = measure()
    JSON.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    PAGE.write_text(document(found), encoding="utf-8", newline="\n")
    print(f"Written to {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
