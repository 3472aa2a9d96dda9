"""The ledger: which lists a sync read to their end, what they had, and what of it was sent."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from hashlib import md5
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest

from simulator import Fault, World
from tap_northflank_restores.client import Page
from tap_northflank_restores.errors import ExitCode
from tap_northflank_restores.instants import instant
from tap_northflank_restores.ledger import ListRead
from tests.support import ALL, keyed, selecting, small_world, sync, types

if TYPE_CHECKING:
    from pathlib import Path

    from simulator import Server
    from tests.support import Run

LEDGER = "list_reads"


def ledger(run: Run) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Return the rows by stream, project and addon, as a loader that merges has them."""
    rows = run.records.get(LEDGER, [])
    return {(row["stream"], row["projectId"] or "", row["addonId"] or ""): row for row in rows}


def read(server: Server, *streams: str, **settings: Any) -> Run:
    return sync(server, catalog=selecting(*(streams or ("restores",)), LEDGER), **settings)


def counts(row: dict[str, Any]) -> tuple[int, ...]:
    """Return how many were listed, left out, sent and held back."""
    return tuple(row[name] for name in ("listed", "leftOut", "sent", "heldBack"))


def digest_of(items: list[dict[str, Any]]) -> int:
    """Return what SQL would make of the rows of a warehouse."""
    total = 0
    for item in items:
        at = instant(item["completedAt"]) if item.get("completedAt") else ""
        text = f"{item['id']}|{item.get('status') or ''}|{at}"
        total += int(md5(text.encode(), usedforsecurity=False).hexdigest()[:8], 16)
    return total


def test_each_list_has_a_row_after_its_records_and_costs_no_request(server: Server) -> None:
    world = server.world = World.company(addons=4, months=2)
    world.add_project("empty")
    world.add_addon(next(iter(world.projects()))["id"], "untested")
    streams = (*ALL, "backup_schedules")
    without = sync(server, catalog=selecting(*streams))
    run = read(server, *streams)

    assert run.exit_code == 0
    assert len(run.requests) == len(without.requests)
    projects = [project["id"] for project in world.projects()]
    lists = [
        ("projects", "", ""),
        *(("addons", project, "") for project in projects),
        *(
            (stream, *key)
            for stream in ("backups", "backup_schedules", "restores")
            for key in world.addon_keys()
        ),
    ]
    rows = ledger(run)
    assert sorted(rows) == sorted(lists)
    for (stream, project, addon), row in rows.items():
        of_it = [
            record
            for record in run.records[stream]
            if project in {"", record.get("projectId")} and addon in {"", record.get("addonId")}
        ]
        assert counts(row) == (len(of_it), 0, len(of_it), 0)
        if stream in {"backups", "restores"}:
            assert row["completed"] == sum(bool(record["completedAt"]) for record in of_it)
            assert row["completed"] + row["pending"] == row["listed"]
            assert row["digest"] == digest_of(of_it)
    assert {row["tapVersion"] for row in rows.values()} == {version("tap-northflank-restores")}
    assert rows["addons", "empty", ""]["listed"] == 0
    assert {row["listed"] for key, row in rows.items() if key[2] == "untested"} == {0}

    place = 0
    last: dict[tuple[str, str, str], int] = {}
    for place, message in enumerate(run.messages):
        if message["type"] == "RECORD" and message["stream"] == "restores":
            record = message["record"]
            last["restores", record["projectId"], record["addonId"]] = place
        elif message["type"] == "RECORD" and message["stream"] == LEDGER:
            row = message["record"]
            key = row["stream"], row["projectId"] or "", row["addonId"] or ""
            assert last.get(key, 0) < place
    schemas = [m["stream"] for m in run.messages if m["type"] == "SCHEMA"]
    assert run.messages.index(
        next(m for m in run.messages if m["type"] == "SCHEMA" and m["stream"] == LEDGER)
    ) < run.messages.index(
        next(m for m in run.messages if m["type"] == "RECORD" and m["stream"] == LEDGER)
    )
    assert LEDGER in schemas


def test_an_unchanged_list_is_held_back_and_has_the_same_digest(server: Server) -> None:
    server.world = small_world(a=3, b=0)
    running = server.world.add_restore("p", "a", "running", "in-progress")
    first = read(server)
    second = read(server, state=first.state)
    assert counts(ledger(first)["restores", "p", "a"]) == (4, 0, 4, 0)
    row = ledger(second)["restores", "p", "a"]
    assert counts(row) == (4, 0, 0, 4)
    assert (row["completed"], row["pending"]) == (3, 1)
    assert row["digest"] == ledger(first)["restores", "p", "a"]["digest"]
    assert counts(ledger(second)["restores", "p", "b"]) == (0, 0, 0, 0)
    running |= {"status": "completed", "completedAt": "2026-07-01T09:00:00.000Z"}
    third = ledger(read(server, state=second.state))["restores", "p", "a"]
    assert counts(third) == (4, 0, 1, 3)
    assert third["digest"] != row["digest"]


def test_what_is_before_the_start_is_counted_apart(server: Server) -> None:
    world = server.world = small_world(a=0)
    for day in (1, 2, 3):
        world.add_restore("p", "a", f"r{day}", completedAt=f"2026-03-0{day}T00:00:00.000Z")
    first = read(server, start_date="2026-03-02T00:00:00Z")
    assert counts(ledger(first)["restores", "p", "a"]) == (3, 1, 2, 0)
    again = read(server, start_date="2026-03-02T00:00:00Z", state=first.state)
    assert counts(ledger(again)["restores", "p", "a"]) == (3, 1, 0, 2)
    earlier = read(server, start_date="2026-02-01T00:00:00Z", state=again.state)
    assert counts(ledger(earlier)["restores", "p", "a"]) == (3, 0, 1, 2)


def test_what_was_not_read_to_its_end_has_no_row(server: Server) -> None:
    server.world = small_world(a=2, b=2, c=2)
    server.faults = [Fault("/addons/b/restores", "not_found")]
    gone = read(server)
    assert gone.exit_code == 0
    assert {key[2] for key in ledger(gone)} == {"a", "c"}

    server.faults = [Fault("/addons/b/restores", "status", status=403)]
    failed = read(server)
    assert failed.exit_code != 0
    assert {key[2] for key in ledger(failed)} == {"a"}
    assert types(failed)[-1] == "STATE"


def test_the_time_is_the_server_s(server: Server) -> None:
    server.world = small_world(a=1)
    server.behaviour.clock_ahead = 86_400 * 400
    before = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=400)
    (row,) = ledger(read(server)).values()
    read_at = datetime.strptime(row["readAt"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    assert before <= read_at <= before + timedelta(minutes=5)


def test_it_is_written_in_no_other_case(server: Server) -> None:
    server.world = small_world(a=1)
    assert LEDGER not in sync(server, catalog=selecting("restores")).records
    assert not ledger(read(server, stream_maps={LEDGER: None}))
    renamed = read(server, stream_maps={LEDGER: {"__alias__": "ledger", "listed": "listed * 2"}})
    (row,) = renamed.records["ledger"]
    assert row["listed"] == 2


def test_a_row_follows_the_batch_that_has_its_records(server: Server, tmp_path: Path) -> None:
    server.world = small_world(a=2, b=3, c=0)
    run = read(
        server,
        batch_config={
            "encoding": {"format": "jsonl", "compression": "gzip"},
            "storage": {"root": tmp_path.as_uri()},
            "batch_size": 2,
        },
    )
    assert run.exit_code == 0
    order = [
        message["record"]["addonId"] if message["type"] == "RECORD" else "batch"
        for message in run.messages
        if message["type"] in {"BATCH", "RECORD"}
    ]
    assert sorted(order) == ["a", "b", "batch", "batch", "batch", "c"]
    assert order.index("b") > [n for n, each in enumerate(order) if each == "batch"][2]


def test_an_item_that_is_shown_twice_counts_once() -> None:
    seen = ListRead()
    seen.add(Page([{"id": "a", "status": "in-progress"}], "Wed, 01 Jul 2026 06:00:00 GMT"))
    seen.add(Page([{"id": "a", "status": "completed", "completedAt": "2026-07-01"}], None))
    assert (seen.listed, seen.pending) == (1, 0)
    assert seen.read_at == datetime(2026, 7, 1, 6, tzinfo=timezone.utc)
    assert seen.digest == digest_of(
        [{"id": "a", "status": "completed", "completedAt": "2026-07-01T00:00:00Z"}]
    )


@pytest.mark.parametrize(
    "date",
    [
        "Wed, 01 Jul 2026 06:00:00 GMT, Wed, 01 Jul 2026 06:00:00 GMT",
        "Wed, 01 Jul 2026 06:00:00 -0000",
        "Wed, 01 Jul 2026 08:00:00 +0200",
    ],
)
def test_the_zone_of_this_machine_does_not_matter(
    date: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        assert Page([], date).read_at == datetime(2026, 7, 1, 6, tzinfo=timezone.utc)
    time.tzset()


@pytest.mark.parametrize("status", [True, {"a": 1}, ["x"], 3])
def test_digest_is_that_of_the_row_where_a_status_is_no_text(
    server: Server, status: object
) -> None:
    server.world = small_world(a=1)

    def change(body: dict[str, Any]) -> None:
        body["data"]["restores"][0]["status"] = status

    server.faults = [Fault("/restores$", "change", change=change)]
    run = read(server)
    (row,) = run.records["restores"]
    assert ledger(run)["restores", "p", "a"]["digest"] == digest_of([row])


def test_a_map_that_fails_on_the_ledger_loses_no_state(server: Server) -> None:
    server.world = small_world(a=2, b=3, c=0)
    run = read(server, stream_maps={LEDGER: {"x": "100 / listed"}})
    assert run.exit_code == ExitCode.CONFIGURATION
    places = run.state["bookmarks"]["restores"]["partitions"]
    assert {place["context"]["addonId"] for place in places} == {"a", "b"}


@pytest.mark.parametrize("date", [None, "", "soon"])
def test_without_a_date_the_time_is_this_machine_s(date: str | None) -> None:
    seen = ListRead()
    seen.add(Page([], date))
    assert seen.read_at is not None
    assert abs(datetime.now(timezone.utc) - seen.read_at) < timedelta(minutes=1)


def test_shards_agree_with_one_sync(server: Server) -> None:
    world = server.world = World.fan_out(3, 2, 3)
    whole = read(server)
    parts = [read(server, project_ids=[project["id"]]) for project in world.projects()]
    together = {key: row for part in parts for key, row in ledger(part).items()}
    assert {key: counts(row) for key, row in together.items()} == {
        key: counts(row) for key, row in ledger(whole).items()
    }
    loaded = keyed(record for part in parts for record in part.records["restores"])
    assert sum(row["listed"] for row in together.values()) == len(loaded)
