"""The promise: after each sync the merged table equals the world, and no change sends nothing.

Hypothesis lives through random lives of restores over the simulator: they are born, change,
complete, hide and appear late, vanish, are pruned; addons go and come back; times are none; pages
shift and shuffle; syncs are cut off at random points; clocks are skewed; the output takes some
bytes at a time. Between the syncs the mode changes (incremental, full table, BATCH files), the
selection, the stream maps and the start date, and states are merged with older ones. A few hundred
steps run by default; `./dev exact` runs thousands.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import threading
from contextlib import nullcontext, redirect_stdout
from datetime import datetime, timezone
from hashlib import md5
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from simulator import Behaviour, Fault, World, serve
from tap_northflank_restores.errors import APIError
from tap_northflank_restores.instants import instant
from tap_northflank_restores.tap import TapNorthflankRestores
from tests.support import selecting
from tests.test_state import merged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator import Request, Server

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("EXACT_EXAMPLES", "60"))

ADDONS = [("p", "a"), ("p", "b"), ("q", "a")]
STATUSES = ["scheduled", "in-progress", "completed", "aborted", "failed", "not-supported", "new"]
# The times that matter: ties, fractions, older and newer than the rest; the server's clock may be
# years off, as the tap never looks at one.
TIMES = [
    "2026-03-01T12:00:00Z",
    "2026-03-01T12:00:00.000Z",
    "2026-03-01T12:00:00.500Z",
    "2026-03-01T12:00:00.500500Z",
    "2026-03-01T14:00:00.500+02:00",
    "2026-02-01T00:00:00.000Z",
    "2026-05-01T00:00:00.000Z",
    "2019-01-01T00:00:00.000Z",
    "2099-01-01T00:00:00.000Z",
    "0001-01-01T00:00:00Z",
]
ODD_TIMES: list[object] = ["soon", "2026-02-30T00:00:00.000Z", 1772366400, "", {"at": "noon"}]
STARTS = [None, "2019-01-01T00:00:00.000Z", "2026-03-01T12:00:00.500Z", "2026-04-01T00:00:00Z"]
FIELDS = ("id", "status", "restoreTimestamp", "completedAt", "backupId")
# What a row looks like: all properties by the fast path, some of them, and by the SDK's way.
SHAPES: dict[str, dict[str, Any]] = {
    "all": {},
    "some": {"deselected": "backupId"},
    "mapped": {"stream_maps": {"restores": {"status": "status"}}},
    "flattened": {"flattening_enabled": True, "flattening_max_depth": 1},
}
MODES = ["incremental", "incremental", "incremental", "full table", "batch", "in pieces"]
Key = tuple[str, str, str]

_server: Server | None = None


def as_instants(record: dict[str, Any]) -> dict[str, Any]:
    """A record for comparison: an absent field is null, times are instants, others are null."""
    row: dict[str, Any] = {name: record.get(name) for name in FIELDS}
    for name in ("restoreTimestamp", "completedAt"):
        row[name] = _instant(row[name])
    return row


def digest_of(rows: list[dict[str, Any]]) -> int:
    """What SQL makes of the rows of an addon, see `transform/models/marts/completeness.sql`."""
    total = 0
    for row in rows:
        at = "" if row["completedAt"] is None else row["completedAt"]
        text = f"{row['id']}|{row['status']}|{at}"
        total += int(md5(text.encode(), usedforsecurity=False).hexdigest()[:8], 16)
    return total


def _instant(value: Any) -> int | None:
    try:
        return instant(value) if value else None
    except (TypeError, ValueError):
        return None


class Pieces(io.RawIOBase):
    """A raw output that takes a few bytes at a time, as a slow pipe does."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        piece = bytes(data)[: 1 + len(self.taken) % 97]
        self.taken += piece
        return len(piece)


def sync(
    server: Server,
    state: dict[str, Any],
    *,
    mode: str = "incremental",
    shape: str = "all",
    **config: Any,
) -> tuple[list[str], Exception | None]:
    """Run the tap in this process; return its lines of output and what ended it, if anything.

    The records of BATCH files are among the lines, in the place of their message.
    """
    look = dict(SHAPES[shape])
    deselected = look.pop("deselected", None)
    config = {"api_url": server.url, "api_token": server.token, **look, **config}
    raw = Pieces() if mode == "in pieces" else io.BytesIO()
    output = io.TextIOWrapper(raw, encoding="utf-8", write_through=True)  # type: ignore[type-var]
    error = None
    batches = TemporaryDirectory() if mode == "batch" else nullcontext()
    with batches as folder, redirect_stdout(output):
        if folder is not None:
            config["batch_config"] = {
                "encoding": {"format": "jsonl", "compression": "gzip"},
                "storage": {"root": Path(folder).as_uri()},
                "batch_size": 3,
            }
        try:
            tap = TapNorthflankRestores(
                config=config,
                state=json.loads(json.dumps(state)),
                catalog=_catalog(deselected, full_table=mode == "full table"),
            )
            tap.sync_all()
        except APIError as exc:
            error = exc
        finally:
            _settle()
        taken = raw.taken if isinstance(raw, Pieces) else raw.getvalue()
        return list(_with_batches(taken.decode().splitlines())), error


def _settle() -> None:
    """Wait for the workers of a failed sync: their requests belong to no later one."""
    for thread in threading.enumerate():
        if thread.name == "read-ahead":
            thread.join(timeout=30)
            assert not thread.is_alive()


def _catalog(deselected: str | None, *, full_table: bool) -> dict[str, Any]:
    catalog = selecting("restores", "list_reads")
    for entry in catalog["streams"]:
        if entry["stream"] == "restores":
            if full_table:
                entry["replication_method"] = "FULL_TABLE"
            for item in entry["metadata"]:
                if item["breadcrumb"] == []:
                    item["metadata"]["forced-replication-method"] = (
                        "FULL_TABLE" if full_table else "INCREMENTAL"
                    )
                if item["breadcrumb"][1:] == [deselected]:
                    item["metadata"]["selected"] = False
    return catalog


def _with_batches(lines: list[str]) -> Iterator[str]:
    for line in lines:
        message = json.loads(line)
        if message["type"] != "BATCH":
            yield line
            continue
        for uri in message["manifest"]:
            for record in gzip.decompress(Path(urlsplit(uri).path).read_bytes()).splitlines():
                yield json.dumps(
                    {"type": "RECORD", "stream": message["stream"], "record": json.loads(record)}
                )


class Warehouse:
    """What a loader that merges on the key has after some lines of the tap's output."""

    def __init__(self) -> None:
        self.rows: dict[Key, dict[str, Any]] = {}
        self.reads: dict[tuple[str, str], dict[str, Any]] = {}
        self.state: dict[str, Any] = {}

    def load(self, lines: list[str]) -> int:
        sent = 0
        for line in lines:
            message = json.loads(line)
            if message["type"] == "STATE":
                self.state = message["value"]
            elif message["type"] == "RECORD" and message["stream"] == "restores":
                record = message["record"]
                # A column that the record does not have keeps what it has.
                row = self.rows.setdefault(
                    (record["projectId"], record["addonId"], record["id"]), {}
                )
                row.update(record)
                sent += 1
            elif message["type"] == "RECORD":
                self.compare(message["record"])
        return sent

    def compare(self, read: dict[str, Any]) -> None:
        """Take what was said of a list: what it had must be here by now."""
        addon = read["projectId"], read["addonId"]
        there = sum(key[:2] == addon for key in self.rows)
        assert there >= read["listed"] - read["leftOut"]
        assert read["listed"] == read["leftOut"] + read["sent"] + read["heldBack"]
        assert read["listed"] == read["completed"] + read["pending"]
        assert min(read[name] for name in ("leftOut", "sent", "heldBack")) >= 0
        self.reads[addon] = read


class Lives(RuleBasedStateMachine):
    """Random lives of restores, synced now and then."""

    restores = Bundle("restores")

    @initialize(order=st.sampled_from(["stable", "reversed", "shuffled", "newest_first"]))
    def begin(self, order: Any) -> None:
        assert _server is not None
        self.server = _server
        self.world = World(now=datetime(2026, 4, 1, tzinfo=timezone.utc))
        for project in ("p", "q"):
            self.world.add_project(project)
        for project, addon in ADDONS:
            self.world.add_addon(project, addon)
        self.server.world = self.world
        self.server.behaviour = Behaviour(order=order)
        self.server.faults.clear()
        self.server.before_response = None
        self.warehouse = Warehouse()
        self.hidden: list[tuple[tuple[str, str], dict[str, Any]]] = []
        self.born = 0
        self.shape = "all"
        self.start: str | None = None
        self.older: list[dict[str, Any]] = []
        # What a whole sync has delivered: a later start date must not leave it stale.
        self.delivered: set[Key] = set()

    # Lives

    @rule(
        target=restores,
        addon=st.sampled_from(ADDONS),
        count=st.integers(1, 4),
        status=st.sampled_from(STATUSES),
        completed_at=st.none() | st.sampled_from(TIMES),
    )
    def bear(self, addon: Any, count: int, status: str, completed_at: str | None) -> Any:
        keys = []
        if addon not in self.listed():
            self.world.add_addon(*addon)
        for _ in range(count):
            self.born += 1
            id_ = f"{self.born:024x}"
            started = TIMES[self.born % len(TIMES)]
            self.world.restores(*addon).append(
                {
                    "id": id_,
                    "status": status,
                    "restoreTimestamp": started,
                    **({"completedAt": completed_at} if completed_at else {}),
                    "backupId": "daily",
                }
            )
            keys.append((addon, id_))
        return multiple(*keys)

    def find(self, key: Any) -> dict[str, Any] | None:
        addon, id_ = key
        if addon not in self.listed():
            return None
        return next((item for item in self.world.restores(*addon) if item["id"] == id_), None)

    @rule(key=restores, status=st.sampled_from(STATUSES))
    def change_status(self, key: Any, status: str) -> None:
        if item := self.find(key):
            item["status"] = status

    @rule(key=restores, completed_at=st.sampled_from(TIMES))
    def complete(self, key: Any, completed_at: str) -> None:
        if item := self.find(key):
            item.update(status="completed", completedAt=completed_at)

    @rule(key=restores, odd=st.sampled_from(ODD_TIMES))
    def complete_at_no_time(self, key: Any, odd: object) -> None:
        if item := self.find(key):
            item["completedAt"] = odd

    @rule(addon=st.sampled_from(ADDONS), share=st.sampled_from([0.1, 0.5, 0.9]))
    def prune(self, addon: Any, share: float) -> None:
        """Retention takes the oldest away."""
        if addon not in self.listed():
            return
        listed = self.world.restores(*addon)
        completed = sorted(
            (at, item["id"]) for item in listed if (at := as_instants(item)["completedAt"])
        )
        for _, id_ in completed[: int(len(completed) * share)]:
            self.world.remove_restore(addon[0], addon[1], id_)

    @rule(addon=st.sampled_from(ADDONS))
    def delete_addon(self, addon: Any) -> None:
        """The addon goes, with its restores; another of its name may come with the next birth."""
        if addon in self.listed() and len(self.listed()) > 1:
            self.world.remove_addon(*addon)

    def listed(self) -> list[tuple[str, str]]:
        return [each for each in ADDONS if each in self.world.addon_keys()]

    @rule(key=restores)
    def lose_completion(self, key: Any) -> None:
        if item := self.find(key):
            item.pop("completedAt", None)

    @rule(key=restores, backup=st.sampled_from(["daily", "weekly"]))
    def change_backup(self, key: Any, backup: str) -> None:
        if item := self.find(key):
            item["backupId"] = backup

    @rule(key=restores)
    def vanish(self, key: Any) -> None:
        if self.find(key):
            self.world.remove_restore(key[0][0], key[0][1], key[1])

    @rule(key=restores)
    def hide(self, key: Any) -> None:
        if item := self.find(key):
            self.world.restores(*key[0]).remove(item)
            self.hidden.append((key[0], item))

    @precondition(lambda self: self.hidden)
    @rule()
    def appear_late(self) -> None:
        addon, item = self.hidden.pop()
        if addon not in self.listed():
            return
        self.world.restores(*addon).insert(0, item)

    @rule(
        order=st.sampled_from(["stable", "reversed", "shuffled", "newest_first"]),
        cursor_kind=st.sampled_from(["position", "after_id"]),
        last=st.sampled_from(["absent", "null", "present"]),
        null=st.booleans(),
        empty_pages=st.sampled_from([None, 2, 3]),
    )
    def behave(self, order: Any, cursor_kind: Any, last: Any, null: bool, empty_pages: Any) -> None:
        self.server.behaviour = Behaviour(
            order=order,
            cursor_kind=cursor_kind,
            cursor_on_last_page=last,
            completed_at_null=null,
            empty_pages=empty_pages,
        )

    # Syncs

    @rule(shape=st.sampled_from(list(SHAPES)))
    def change_the_shape(self, shape: str) -> None:
        self.shape = shape

    @rule(start=st.sampled_from(STARTS))
    def change_the_start_date(self, start: str | None) -> None:
        self.start = start

    @precondition(lambda self: self.older)
    @rule(at=st.integers(0, 100))
    def merge_the_state_with_an_older_one(self, at: int) -> None:
        self.warehouse.state = merged(self.older[at % len(self.older)], self.warehouse.state)

    def sync(self, **config: Any) -> tuple[list[str], Exception | None]:
        settings = {"shape": self.shape, "start_date": self.start, **config}
        return sync(self.server, self.warehouse.state, **settings)

    @rule(
        page_size=st.sampled_from([1, 2, 3, 100]),
        concurrency=st.sampled_from([1, 3]),
        mode=st.sampled_from(MODES),
    )
    def sync_whole(self, page_size: int, concurrency: int, mode: str) -> None:
        lines, error = self.sync(page_size=page_size, concurrency=concurrency, mode=mode)
        assert error is None
        self.warehouse.load(lines)
        start = instant(self.start) if self.start else None
        listed = set()
        for addon in self.listed():
            read = self.warehouse.reads[addon]
            there = [as_instants(item) for item in self.world.restores(*addon)]
            assert (read["listed"], read["digest"]) == (len(there), digest_of(there)), addon
            for item in self.world.restores(*addon):
                key = (*addon, item["id"])
                completed = as_instants(item)["completedAt"]
                if (
                    key in self.delivered
                    or completed is None
                    or start is None
                    or completed >= start
                ):
                    assert self.visible(self.warehouse.rows[key]) == self.visible(item), key
                    listed.add(key)
        self.delivered = listed
        lines, error = self.sync(page_size=page_size, concurrency=1)
        assert error is None
        assert self.warehouse.load(lines) == 0
        self.older = [*self.older[-3:], self.warehouse.state]

    def visible(self, row: dict[str, Any]) -> dict[str, Any]:
        """The part of a row that is selected now, for comparison."""
        deselected = SHAPES[self.shape].get("deselected")
        return {name: value for name, value in as_instants(row).items() if name != deselected}

    @rule(after=st.integers(0, 40), page_size=st.sampled_from([1, 2, 100]))
    def lose_the_loader(self, after: int, page_size: int) -> None:
        """The loader is killed: it merged some lines, and kept the last state among them."""
        lines, _ = self.sync(page_size=page_size)
        note(f"the loader took {after} of {len(lines)} lines")
        self.warehouse.load(lines[:after])

    @rule(after=st.integers(0, 6), page_size=st.sampled_from([1, 2]))
    def fail_at_a_page(self, after: int, page_size: int) -> None:
        fault = Fault(match="restores", kind="status", status=402, after=after, times=1)
        self.server.faults.append(fault)
        self.warehouse.load(self.sync(page_size=page_size, concurrency=2)[0])
        self.server.faults.clear()

    @rule(
        key=restores, at=st.integers(1, 6), change=st.sampled_from(["vanish", "bear", "complete"])
    )
    def shift_between_two_pages(self, key: Any, at: int, change: str) -> None:
        """The world changes while its list is read; the next whole sync puts it right."""
        asked = 0

        def shift(request: Request, world: World) -> None:
            nonlocal asked
            asked += request.path.endswith("restores")
            if asked != at or not request.path.endswith("restores"):
                return
            if change == "vanish":
                self.vanish(key)
            elif change == "complete":
                self.complete(key, TIMES[at])
            elif key[0] in self.listed():
                self.born += 1
                world.restores(*key[0]).insert(
                    0, {"id": f"{self.born:024x}", "status": "completed", "completedAt": TIMES[at]}
                )

        self.server.before_response = shift
        self.warehouse.load(self.sync(page_size=2, concurrency=1)[0])
        self.server.before_response = None


@pytest.fixture
def server() -> Iterator[Server]:
    global _server  # Hypothesis makes the machines itself
    with serve(World()) as _server:
        yield _server


@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("server")
def test_the_merged_table_equals_the_world_after_each_sync() -> None:
    run_state_machine_as_test(
        Lives,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=25,
            deadline=None,
            print_blob=True,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
