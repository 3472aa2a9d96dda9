"""What the loader gets: records, schemas, states, in which order, and how the user can shape it."""

from __future__ import annotations

import gzip
import json
import random
import time
from collections import Counter
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]

from simulator import Fault, World
from tap_northflank_restores.bookmark import Reading
from tests.support import (
    Record,
    Run,
    command_line,
    ended,
    keyed,
    process,
    selecting,
    small_world,
    sync,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator import Server

ALL = ("addons", "backups", "projects", "restores")
STATUSES = [
    "scheduled",
    "in-progress",
    "completed",
    "aborting",
    "aborted",
    "failed",
    "not-supported",
    "never-heard-of",
]


def company() -> World:
    """A small company: two projects, all statuses that a history has, many backups."""
    return World.company(addons=5, months=4)


def everything(server: Server, **settings: Any) -> Run:
    """Sync all four streams."""
    return sync(server, **{"catalog": selecting(*ALL), **settings})


def schemas(run: Run) -> dict[str, dict[str, Any]]:
    """The JSON schema of each stream."""
    return {m["stream"]: m["schema"] for m in run.messages if m["type"] == "SCHEMA"}


def types(run: Run) -> list[str]:
    """The types of the messages, in order."""
    return [message["type"] for message in run.messages]


def partitions(state: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """The bookmarks of a state by project and addon."""
    found = state["bookmarks"].get("restores", {}).get("partitions", [])
    return {(p["context"]["projectId"], p["context"]["addonId"]): p for p in found}


# Records ------------------------------------------------------------------------------------


def test_each_record_has_each_property_of_its_schema_and_no_other(server: Server) -> None:
    server.world = company()

    run = everything(server)

    for stream in ALL:
        assert run.records[stream]
        names = set(schemas(run)[stream]["properties"])
        assert all(set(record) == names for record in run.records[stream])


@pytest.mark.parametrize("time_format", ["ms-Z", "no-fraction", "offset", "microseconds"])
@pytest.mark.parametrize("odd", [False, True])
def test_records_are_valid_in_the_eyes_of_a_loader(
    server: Server, time_format: Any, *, odd: bool
) -> None:
    server.world = company()
    server.behaviour.time_format = time_format
    server.behaviour.id_kind = "json-number" if odd else "hex24"
    server.behaviour.completed_at_null = odd
    server.behaviour.failed_have_completed_at = odd

    run = everything(server)

    assert run.exit_code == 0
    for stream, schema in schemas(run).items():
        validator = Draft202012Validator(schema, format_checker=FormatChecker())
        for record in run.records[stream]:
            validator.validate(record)


def test_records_carry_what_the_api_says_and_where_it_belongs(server: Server) -> None:
    made = World()
    made.add_project("shop", "Shop", "All that sells")
    made.add_addon("shop", "db", "mysql", tags=["a", "b"], description="Orders", status="paused")
    made.add_backup("shop", "db", "daily", uid="u1", customDestinationId="s3")
    restore = made.add_restore("shop", "db", "r1", backupId="daily")
    server.world = made

    run = everything(server)

    assert run.records["projects"] == [
        {"teamId": None, "id": "shop", "name": "Shop", "description": "All that sells"}
    ]
    assert run.records["addons"] == [
        {
            "teamId": None,
            "projectId": "shop",
            "id": "db",
            "name": "Db",
            "appId": "/acme/shop/db",
            "tags": ["a", "b"],
            "description": "Orders",
            "spec": {"type": "mysql"},
            "status": "paused",
        }
    ]
    (backup,) = made.backups("shop", "db")
    assert run.records["backups"] == [
        {"teamId": None, "projectId": "shop", "addonId": "db", **backup}
    ]
    assert run.records["restores"] == [
        {"teamId": None, "projectId": "shop", "addonId": "db", **restore}
    ]


def test_what_the_api_leaves_out_is_null(server: Server) -> None:
    def bare(body: dict[str, Any]) -> None:
        for items in body["data"].values():
            items[:] = [{"id": item["id"]} for item in items]

    server.world = small_world(a=1)
    server.world.add_backup("p", "a", "b")
    server.faults = [Fault("", "change", change=bare)]

    run = everything(server)

    assert run.exit_code == 0
    for stream in ALL:
        (record,) = run.records[stream]
        assert set(record) == set(schemas(run)[stream]["properties"])
        filled = {name for name, value in record.items() if value is not None}
        assert filled == {"id", "projectId", "addonId"} & set(record)


@pytest.mark.parametrize("team", [None, "acme"])
def test_the_team_is_in_each_record(server: Server, team: str | None) -> None:
    server.world = company()

    run = everything(server, team_id=team)

    for stream in ALL:
        assert {record["teamId"] for record in run.records[stream]} == {team}


def test_a_field_of_the_item_does_not_replace_where_it_belongs(server: Server) -> None:
    server.world = small_world(a=1)
    server.world.restores("p", "a")[0].update(projectId="other", addonId="other", teamId="other")

    (record,) = sync(server).records["restores"]

    assert (record["projectId"], record["addonId"], record["teamId"]) == ("p", "a", None)


@pytest.mark.parametrize("null", [False, True])
def test_a_restore_of_any_status_is_sent_with_or_without_an_end(
    server: Server, *, null: bool
) -> None:
    server.world = small_world(a=0)
    for status in STATUSES:
        server.world.add_restore("p", "a", status, status)
    server.behaviour.completed_at_null = null

    run = sync(server)

    assert [record["status"] for record in run.records["restores"]] == STATUSES
    assert [record["id"] for record in run.records["restores"] if record["completedAt"]] == [
        "completed"
    ]


def test_times_of_any_zone_are_written_in_utc(server: Server) -> None:
    server.world = small_world(a=1)
    server.behaviour.time_format = "offset"

    (record,) = sync(server).records["restores"]

    assert server.served_restores()[0]["completedAt"] == "2026-07-01T08:00:00.000+02:00"
    assert record["completedAt"].startswith("2026-07-01T06:00:00")
    assert record["completedAt"].endswith("Z")
    assert record["restoreTimestamp"].startswith("2026-07-01T05:30:00")


@pytest.mark.parametrize("value", ["soon", "2026-13-01T00:00:00Z", 7, True, ["x"], {"x": 1}])
def test_an_end_that_is_no_time_is_an_error_that_names_the_restore(
    server: Server, value: object
) -> None:
    server.world = small_world(a=1, b=3)
    server.world.restores("p", "b")[1]["completedAt"] = value

    run = sync(server)

    assert run.exit_code == 5
    assert run.error.startswith("p/b: restore b-1 has the completedAt ")
    assert "Traceback" not in run.stderr
    assert [record["addonId"] for record in run.records["restores"]] == ["a"]
    assert list(partitions(run.state)) == [("p", "a")]


@pytest.mark.parametrize("value", ["soon", "", 7, None, ["x"]])
def test_a_start_that_is_no_time_is_passed_on(server: Server, value: object) -> None:
    server.world = small_world(a=1)
    server.world.restores("p", "a")[0]["restoreTimestamp"] = value

    run = sync(server)

    assert run.exit_code == 0
    assert run.records["restores"][0]["restoreTimestamp"] == value


# Selection ----------------------------------------------------------------------------------


def without(catalog: dict[str, Any], stream: str, *breadcrumbs: str) -> dict[str, Any]:
    """Deselect properties; `spec/type` is one within another."""
    (entry,) = (entry for entry in catalog["streams"] if entry["stream"] == stream)
    paths = [
        [word for name in crumb.split("/") for word in ("properties", name)]
        for crumb in breadcrumbs
    ]
    for item in entry["metadata"]:
        if item["breadcrumb"] in paths:
            item["metadata"]["selected"] = False
    return catalog


@pytest.mark.parametrize(
    ("stream", "names"),
    [
        ("projects", ["teamId", "description"]),
        ("addons", ["teamId", "tags", "spec"]),
        ("backups", ["config", "createdAt"]),
        ("restores", ["backupId", "status", "restoreTimestamp", "teamId"]),
    ],
)
def test_a_deselected_property_is_in_neither_schema_nor_records(
    server: Server, stream: str, names: list[str]
) -> None:
    server.world = company()
    complete = everything(server)

    run = everything(server, catalog=without(selecting(*ALL), stream, *names))

    assert not set(names) & set(schemas(run)[stream]["properties"])
    for record, whole in zip(run.records[stream], complete.records[stream], strict=True):
        assert record == {name: value for name, value in whole.items() if name not in names}


def test_a_property_within_another_can_be_deselected(server: Server) -> None:
    server.world = company()

    run = everything(server, catalog=without(selecting(*ALL), "backups", "config/source"))

    assert "source" not in schemas(run)["backups"]["properties"]["config"]["properties"]
    assert all("size" in record["config"] for record in run.records["backups"])
    assert not any("source" in record["config"] for record in run.records["backups"])


def test_keys_and_the_replication_key_cannot_be_deselected(server: Server) -> None:
    names = ["projectId", "addonId", "id", "completedAt"]
    server.world = small_world(a=1)

    run = sync(server, catalog=without(selecting("restores"), "restores", *names))

    assert set(run.records["restores"][0]) >= set(names)


@pytest.mark.parametrize("names", [["status"], ["backupId"], ["status", "restoreTimestamp"]])
def test_a_deselected_property_does_not_disturb_the_proof(server: Server, names: list[str]) -> None:
    server.world = company()
    catalog = without(selecting("restores"), "restores", *names)

    first = sync(server, catalog=catalog)
    second = sync(server, catalog=catalog, state=first.state)

    assert len(first.records["restores"]) == server.world.restore_count()
    assert second.records["restores"] == []


# Stream maps and flattening -----------------------------------------------------------------


def test_stream_maps_add_rename_and_leave_out_properties(server: Server) -> None:
    server.world = company()
    plain = sync(server)

    run = sync(
        server,
        stream_maps={
            "restores": {
                "addon": "projectId + '/' + addonId",
                "restoreTimestamp": "__NULL__",
                "failed": "status == 'failed'",
            }
        },
    )

    assert run.exit_code == 0
    assert set(schemas(run)["restores"]["properties"]) == set(run.records["restores"][0])
    for mapped, record in zip(run.records["restores"], plain.records["restores"], strict=True):
        expected = {
            **record,
            "addon": f"{record['projectId']}/{record['addonId']}",
            "failed": record["status"] == "failed",
        }
        del expected["restoreTimestamp"]
        assert mapped == expected
    assert run.records["addons"] == plain.records["addons"]
    assert run.state == plain.state


def test_stream_maps_filter_records_and_name_streams(server: Server) -> None:
    server.world = company()
    plain = sync(server)

    run = sync(
        server,
        stream_maps={
            "restores": {"__filter__": "status == 'failed'", "__alias__": "failures"},
            "addons": None,
        },
    )

    assert set(run.records) == {"failures", "projects"}
    assert run.records["failures"] == [
        record for record in plain.records["restores"] if record["status"] == "failed"
    ]
    assert run.records["failures"]


@pytest.mark.parametrize("maps", [{"restores": None}, {"__else__": None, "projects": {}}], ids=str)
def test_a_stream_that_a_map_drops_is_not_read_and_its_state_stays(
    server: Server, maps: dict[str, Any]
) -> None:
    server.world = company()
    plain = sync(server)
    server.world.add_restore(*server.world.addon_keys()[0], "new")

    dropped = sync(server, stream_maps=maps, state=plain.state)
    after = sync(server, state=dropped.state)

    assert dropped.exit_code == 0
    assert "restores" not in dropped.records
    assert [path for path in dropped.asked if path.endswith("/restores")] == []
    assert partitions(dropped.state) == partitions(plain.state)
    assert [record["id"] for record in after.records["restores"]] == ["new"]


@pytest.mark.parametrize("expression", ["completedAt[:4]", "1 / 0", "int(status)"])
def test_a_map_that_a_record_does_not_fit_ends_with_one_line_that_names_it(
    server: Server, expression: str
) -> None:
    server.world = small_world(a=1)
    server.world.add_restore("p", "a", "failed", status="failed")

    run = sync(server, stream_maps={"restores": {"x": expression}})

    assert run.exit_code == 2
    assert run.error.startswith("Setting stream_maps does not fit a record of restores (")
    assert "Traceback" not in run.stderr


def test_a_sync_through_stream_maps_goes_on_where_another_ended(server: Server) -> None:
    server.world = company()
    maps = {"restores": {"x": "'y'"}}

    first = sync(server, stream_maps=maps)
    second = sync(server, stream_maps=maps, state=first.state)

    assert len(first.records["restores"]) == server.world.restore_count()
    assert second.records["restores"] == []


def test_flattening_spreads_objects_over_columns(server: Server) -> None:
    server.world = company()
    plain = everything(server)

    run = everything(server, flattening_enabled=True, flattening_max_depth=2)

    assert [record["spec__type"] for record in run.records["addons"]] == [
        record["spec"]["type"] for record in plain.records["addons"]
    ]
    assert [record["config__source__type"] for record in run.records["backups"]] == [
        record["config"]["source"]["type"] for record in plain.records["backups"]
    ]
    assert run.records["restores"] == plain.records["restores"]
    for stream, schema in schemas(run).items():
        assert all(set(record) <= set(schema["properties"]) for record in run.records[stream])


# BATCH --------------------------------------------------------------------------------------


def batches(folder: Path, size: int) -> dict[str, Any]:
    """Settings that put records into files."""
    return {
        "batch_config": {
            "encoding": {"format": "jsonl", "compression": "gzip"},
            "storage": {"root": folder.as_uri(), "prefix": "test-"},
            "batch_size": size,
        }
    }


def records_of(batch: dict[str, Any]) -> Iterator[Record]:
    """Read the files of a BATCH message."""
    for uri in batch["manifest"]:
        with gzip.open(Path(urlsplit(uri).path), "rt") as lines:
            yield from map(json.loads, lines)


@pytest.mark.parametrize("size", [1, 5, 7, 1000])
def test_batches_hold_the_same_records_and_no_state_runs_ahead_of_them(
    server: Server, tmp_path: Path, size: int
) -> None:
    server.world = company()
    plain = everything(server)

    run = everything(server, **batches(tmp_path, size))

    assert run.exit_code == 0
    assert "RECORD" not in types(run)
    written: dict[str, list[Record]] = {stream: [] for stream in ALL}
    sent: Counter[tuple[str, str]] = Counter()
    for message in run.messages:
        if message["type"] == "BATCH":
            found = list(records_of(message))
            written[message["stream"]] += found
            if message["stream"] == "restores":
                sent.update((record["projectId"], record["addonId"]) for record in found)
        elif message["type"] == "STATE":
            for addon, partition in partitions(message["value"]).items():
                assert sent[addon] == len(server.world.restores(*addon))
                assert partition["proof"]["completed"] <= sent[addon]
    assert written == plain.records
    assert run.state == plain.state


def test_a_sync_in_batches_goes_on_where_another_ended(server: Server, tmp_path: Path) -> None:
    server.world = company()
    first = sync(server, **batches(tmp_path, 10))
    server.world.add_restore("shop", "orders", "new")

    second = sync(server, state=first.state, **batches(tmp_path, 10))

    (batch,) = (
        message
        for message in second.messages
        if message["type"] == "BATCH" and message["stream"] == "restores"
    )
    assert [record["id"] for record in records_of(batch)] == ["new"]


def test_batches_that_fail_half_way_lose_nothing(server: Server, tmp_path: Path) -> None:
    server.world = World.fan_out(1, 10, 3)
    server.faults = [Fault("/a7/restores$", "status", status=400)]

    first = sync(server, **batches(tmp_path, 4))
    server.faults = []
    second = sync(server, state=first.state, **batches(tmp_path, 4))

    assert first.exit_code == 5
    assert len(partitions(first.state)) >= 5
    written = {
        (record["addonId"], record["id"])
        for run in (first, second)
        for message in run.messages
        if message["type"] == "BATCH" and message["stream"] == "restores"
        for record in records_of(message)
    }
    assert len(written) == 30


@pytest.mark.parametrize(
    ("root", "exit_code", "said"),
    [
        ("file:///dev/null/batches", 6, "The files of batch_config could not be written"),
        ("nonesuch://batches", 2, "Setting batch_config cannot be used"),
    ],
)
def test_batches_that_cannot_be_written_end_with_one_line(
    server: Server, tmp_path: Path, root: str, exit_code: int, said: str
) -> None:
    server.world = small_world(a=1)
    settings = batches(tmp_path, 4)
    settings["batch_config"]["storage"]["root"] = root

    with command_line(server, **settings) as words, process(words) as running:
        run = ended(running)

    assert run.exit_code == exit_code
    assert run.error.startswith(said)
    assert "Traceback" not in run.stderr


# Replication --------------------------------------------------------------------------------


def test_a_second_sync_of_an_unchanged_account_sends_no_restores(server: Server) -> None:
    server.world = company()

    first = sync(server)
    second = sync(server, state=first.state)

    assert len(first.records["restores"]) == server.world.restore_count()
    assert second.records["restores"] == []
    assert second.state == first.state
    assert second.records["addons"] == first.records["addons"]


@pytest.mark.parametrize("key", [{"replication_key": "completedAt"}, {"replication_key": None}])
def test_a_forced_full_table_sends_everything_each_time_and_leaves_the_bookmarks(
    server: Server, key: dict[str, Any]
) -> None:
    server.world = company()
    first = sync(server)
    catalog = selecting("restores", forced_replication_method="FULL_TABLE", **key)
    for entry in catalog["streams"]:
        if entry["stream"] == "restores":
            entry["replication_method"] = "FULL_TABLE"
            entry["replication_key"] = key["replication_key"]

    server.world.add_restore("shop", "orders", "new")
    full = sync(server, catalog=catalog, state=first.state)
    after = sync(server, state=full.state)

    assert len(full.records["restores"]) == server.world.restore_count()
    assert set(keyed(full.records["restores"])) == set(keyed(server.served_restores()))
    assert partitions(full.state) == partitions(first.state)
    assert [record["id"] for record in after.records["restores"]] == ["new"]
    assert not any("held back" in line for line in lines(full))


def test_another_replication_key_is_refused(server: Server) -> None:
    catalog = selecting("restores", replication_key="restoreTimestamp")
    for entry in catalog["streams"]:
        if entry["stream"] == "restores":
            entry["replication_key"] = "restoreTimestamp"

    run = sync(server, catalog=catalog)

    assert run.exit_code == 2
    assert "restoreTimestamp" in run.error
    assert "completedAt" in run.error
    assert run.requests == []


@pytest.mark.parametrize("settings", [{}, {"emit_activate_version_messages": True}], ids=str)
def test_no_row_is_deleted_by_an_activate_version(server: Server, settings: dict[str, Any]) -> None:
    server.world = small_world(a=1)

    run = everything(server, **settings)

    assert set(types(run)) == {"SCHEMA", "RECORD", "STATE"}
    assert not any("version" in message for message in run.messages)


@pytest.mark.parametrize(
    "start_date",
    [
        "2026-07-01T06:00:02Z",
        "2026-07-01T06:00:02",
        "2026-07-01T08:00:02+02:00",
        "2026-07-01T06:00:01.001Z",
    ],
)
def test_restores_completed_before_the_start_date_are_left_out(
    server: Server, start_date: str
) -> None:
    server.world = small_world(a=4)
    server.world.add_restore("p", "a", "failed", "failed")

    first = sync(server, start_date=start_date)
    second = sync(server, start_date=start_date, state=first.state)

    assert [record["id"] for record in first.records["restores"]] == ["a-2", "a-3", "failed"]
    assert second.records["restores"] == []


def test_an_earlier_start_date_brings_what_was_left_out(server: Server) -> None:
    server.world = small_world(a=4)

    first = sync(server, start_date="2026-07-01T06:00:02Z")
    second = sync(server, state=first.state)

    sent = keyed([*first.records["restores"], *second.records["restores"]])
    assert len(sent) == 4


# Order, requests in flight, and volume ------------------------------------------------------


def erratic(_request: object) -> float:
    """Take up to 5 ms for a response, so that they overtake each other."""
    return random.random() / 200  # noqa: S311 - nothing secret


def test_the_output_is_the_same_whatever_the_concurrency(server: Server) -> None:
    server.world = World.fan_out(6, 5, 7, failed_every=3)
    server.behaviour.latency = erratic

    runs = [everything(server, concurrency=n, page_size=3) for n in (1, 2, 8, 32)]

    outputs = [[{**message, "time_extracted": None} for message in run.messages] for run in runs]
    assert outputs[1:] == outputs[:1] * 3


@pytest.mark.parametrize("concurrency", [2, 5, 32])
@pytest.mark.parametrize(
    ("streams", "settings"),
    [
        (["addons"], {}),
        (["addons", "restores"], {}),
        (["restores"], {"addons": [f"p{p}/a0" for p in range(70)]}),
        (["backups"], {"addons": [f"p{p}/a0" for p in range(70)]}),
        (ALL, {}),
    ],
    ids=["listing", "listing and restores", "restores", "backups", "all"],
)
def test_as_many_requests_as_allowed_are_in_flight_and_never_more(
    server: Server, concurrency: int, streams: list[str], settings: dict[str, Any]
) -> None:
    server.world = World.fan_out(70, 1, 1)
    slow = count(-2 * concurrency)
    server.behaviour.latency = lambda request: (
        0.2 if request.page_of != "projects" and next(slow) < 0 else 0.002
    )

    run = sync(server, catalog=selecting(*streams), concurrency=concurrency, **settings)

    assert run.exit_code == 0
    assert server.max_in_flight == concurrency


def test_restores_are_read_while_the_addons_are_still_being_listed(server: Server) -> None:
    server.world = World.fan_out(1, 40, 1)
    server.behaviour.latency = lambda request: 0.01 if request.page_of == "addons" else 0

    run = sync(server, page_size=5)

    lists = [request.page_of for request in run.requests]
    assert lists.count("addons") == 8
    last_of_listing = max(at for at, name in enumerate(lists) if name == "addons")
    assert "restores" in lists[:last_of_listing]


def test_with_a_concurrency_of_one_there_is_one_request_at_a_time(server: Server) -> None:
    server.world = World.fan_out(3, 3, 3)
    server.behaviour.latency = 0.001

    everything(server, concurrency=1)

    assert server.max_in_flight == 1


def test_addons_whose_proof_fails_are_read_once_more_within_the_concurrency(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tap_northflank_restores.streams.Reading", partial(Reading, hold=5))
    server.world = World.fan_out(1, 8, 40)
    first = sync(server, concurrency=3)
    for addon in range(0, 8, 2):
        server.world.restores("p0", f"a{addon}").pop(0)
    server.behaviour.latency = 0.005

    second = sync(server, state=first.state, page_size=10, concurrency=3)
    third = sync(server, state=second.state, concurrency=3)

    assert second.exit_code == 0
    assert Counter(path for path in second.asked if path.endswith("/restores")) == {
        f"/v1/projects/p0/addons/a{addon}/restores": 8 if addon % 2 == 0 else 4
        for addon in range(8)
    }
    assert Counter(record["addonId"] for record in second.records["restores"]) == {
        f"a{addon}": 39 for addon in range(0, 8, 2)
    }
    assert server.max_in_flight <= 3
    assert len([line for line in lines(second) if "held back" in line]) == 4
    assert third.records["restores"] == []


def test_one_schema_a_stream_comes_before_its_records(server: Server) -> None:
    server.world = World.fan_out(20, 5, 3)

    run = everything(server)

    seen: list[str] = []
    for message in run.messages:
        if message["type"] == "SCHEMA":
            assert message["stream"] not in seen
            seen.append(message["stream"])
        elif message["type"] == "RECORD":
            assert message["stream"] == seen[-1]
    assert tuple(seen) == ALL


def test_the_volume_of_states_is_a_small_multiple_of_the_final_one(server: Server) -> None:
    server.world = World.fan_out(4, 50, 2)

    first = sync(server)
    second = sync(server, state=first.state)

    final = len(json.dumps(first.state))
    for run in (first, second):
        assert len(run.states) <= 5
        assert sum(len(json.dumps(state)) for state in run.states) <= 4 * final


def test_the_volume_stays_small_however_long_the_sync_takes(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tap_northflank_restores.streams.STATE_INTERVAL", 0)
    server.world = World.fan_out(4, 50, 2)

    first = sync(server)
    second = sync(server, state=first.state)

    final = len(json.dumps(first.state))
    assert 10 <= len(first.states) <= 70
    assert sum(len(json.dumps(state)) for state in first.states) <= 15 * final
    assert len(second.states) <= 5


def test_the_size_of_the_state_does_not_grow_with_what_was_delivered(server: Server) -> None:
    sizes = []
    for restores in (1, 2000):
        server.world = World.fan_out(1, 5, restores)
        first = sync(server)
        second = sync(server, state=first.state)
        sizes.append(len(json.dumps(second.state)))
        assert len(json.dumps(partitions(second.state)["p0", "a0"])) <= 400

    assert sizes[1] <= sizes[0] + 5 * len("1999")


def test_addons_without_restores_need_no_state(server: Server) -> None:
    server.world = World.fan_out(1, 50, 0)

    run = sync(server)

    assert partitions(run.state) == {}


def test_states_of_addons_that_are_not_read_stay_as_they_are(server: Server) -> None:
    server.world = small_world(a=2, b=2)
    first = sync(server)
    server.world.add_restore("p", "a")
    server.world.add_restore("p", "b")

    second = sync(server, state=first.state, addons=["p/b"])
    third = sync(server, state=second.state)

    assert partitions(second.state)["p", "a"] == partitions(first.state)["p", "a"]
    assert [record["addonId"] for record in second.records["restores"]] == ["b"]
    assert [record["addonId"] for record in third.records["restores"]] == ["a"]


# A state that is not ours -------------------------------------------------------------------


def with_bookmark(**bookmark: Any) -> dict[str, Any]:
    return {"bookmarks": {"restores": bookmark}}


def with_partition(**partition: Any) -> dict[str, Any]:
    context = {"projectId": "p", "addonId": "a"}
    return with_bookmark(partitions=[{"context": context, **partition}])


@pytest.mark.parametrize("partitioned", [False, True])
def test_a_plain_singer_bookmark_is_honoured(server: Server, *, partitioned: bool) -> None:
    server.world = small_world(a=4)
    bookmark = {
        "replication_key": "completedAt",
        "replication_key_value": "2026-07-01T08:00:01+02:00",
    }
    state = with_partition(**bookmark) if partitioned else with_bookmark(**bookmark)

    first = sync(server, state=state)
    second = sync(server, state=first.state)

    # What ties with it may not have been delivered, and is sent once more.
    assert [record["id"] for record in first.records["restores"]] == ["a-1", "a-2", "a-3"]
    assert second.records["restores"] == []


def test_a_plain_bookmark_for_all_addons_hides_nothing_of_those_that_come_later(
    server: Server,
) -> None:
    server.world = small_world(a=4, empty=0)
    plain = with_bookmark(
        replication_key="completedAt", replication_key_value="2026-07-01T06:00:02Z"
    )
    first = sync(server, state=plain)
    server.world.add_addon("p", "late")
    for addon in ("empty", "late"):
        server.world.add_restore("p", addon, completedAt="2020-01-01T00:00:00.000Z")

    second = sync(server, state=first.state)

    assert [record["addonId"] for record in second.records["restores"]] == ["empty", "late"]


@pytest.mark.parametrize(
    ("state", "named"),
    [
        ({"x": 1}, "bookmarks"),
        ({"bookmarks": None}, "bookmarks"),
        ({"bookmarks": []}, "bookmarks"),
        ({"bookmarks": {"restores": 7}}, "bookmarks"),
        ({"bookmarks": {"addons": None}}, "bookmarks"),
        ({"bookmarks": {"addons": {"partitions": "x"}}}, "addons"),
        ({"bookmarks": {"addons": {"partitions": None}}}, "addons"),
        ({"bookmarks": {"addons": {"partitions": [7]}}}, "addons"),
        ({"bookmarks": {"addons": {"progress_markers": 7}}}, "addons"),
        ({"bookmarks": {"x": {"partitions": [{"progress_markers": 7}]}}}, "x"),
        (with_bookmark(progress_markers=7), "restores"),
        (with_partition(progress_markers=None), "restores"),
        (with_bookmark(partitions={}), "partitions"),
        (with_bookmark(partitions=[7]), "partition"),
        (with_bookmark(partitions=[{}]), "partition"),
        (with_bookmark(partitions=[{"context": None}]), "partition"),
        (with_bookmark(partitions=[{"context": {"projectId": "p"}}]), "partition"),
        (with_bookmark(partitions=[{"context": {"projectId": ["p"], "addonId": {}}}]), "partition"),
        (
            with_bookmark(
                partitions=[with_partition()["bookmarks"]["restores"]["partitions"][0]] * 2
            ),
            "p/a",
        ),
        (with_partition(replication_key="id", replication_key_value="x"), "p/a"),
        (with_partition(replication_key="completedAt", replication_key_value="soon"), "p/a"),
        (with_partition(replication_key="completedAt", replication_key_value=7), "p/a"),
        (with_partition(proof=7), "p/a"),
        (with_partition(proof={}), "p/a"),
        (with_partition(proof={"version": 99}), "p/a"),
        (with_partition(proof={"version": 1, "completed": -1, "digest": "", "pending": {}}), "p/a"),
        (with_partition(proof={"version": 1, "completed": 1, "digest": "?", "pending": {}}), "p/a"),
        (with_bookmark(replication_key="completedAt", replication_key_value=[]), "the stream"),
    ],
    ids=str,
)
def test_a_state_that_cannot_be_read_is_refused_with_a_line_that_says_what_is_wrong(
    server: Server, state: object, named: str
) -> None:
    run = sync(server, state=state)

    assert run.exit_code == 2
    assert "state" in run.error
    assert named in run.error
    assert "Traceback" not in run.stderr
    assert run.requests == []


def test_states_of_other_streams_are_no_trouble(server: Server) -> None:
    state = {
        "bookmarks": {"addons": {"partitions": [{"x": 1}], "replication_key_value": 7}, "x": {}}
    }

    run = sync(server, state=state)

    assert run.exit_code == 0


# The log ------------------------------------------------------------------------------------


def lines(run: Run) -> list[str]:
    """The lines of the log but for metrics."""
    return [line for line in run.logged("INFO") if not line.startswith("METRIC")]


def test_the_log_does_not_grow_with_the_account(server: Server) -> None:
    counts = []
    for shape in ((1, 1, 1), (10, 30, 20)):
        server.world = World.fan_out(*shape)
        run = everything(server)
        counts.append((len(lines(run)), len(run.stderr.splitlines())))

    assert counts[0] == counts[1]


def test_the_summary_tells_what_was_done(server: Server) -> None:
    server.world = World.fan_out(2, 3, 5)
    first = sync(server)
    server.world.add_restore("p0", "a0")
    second = sync(server, state=first.state)

    counts = "6 of 6 addons, 31 restores read, 1 sent, 9 requests made, no limit known"
    assert lines(second)[-1].endswith(counts)


def test_progress_is_told_every_few_seconds(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tap_northflank_restores.progress.INTERVAL", 0)
    server.world = World.fan_out(2, 3, 5)

    run = sync(server, concurrency=1)

    told = [line for line in lines(run) if "restores read" in line]
    assert any(line.startswith("? of") or "of ? addons" in line for line in told)
    assert any("3 of 6 addons" in line and "to go" in line for line in told)


def test_progress_is_not_told_for_each_page(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    interval = 0.1
    monkeypatch.setattr("tap_northflank_restores.progress.INTERVAL", interval)
    server.world = World.fan_out(1, 300, 1)

    started = time.monotonic()
    run = sync(server)
    longest = time.monotonic() - started

    told = [line for line in lines(run) if "restores read" in line]
    assert len(told) <= longest / interval + 1


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_the_metrics_of_the_sdk_are_there(
    server: Server, monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    monkeypatch.setenv("LOGLEVEL", level)
    server.world = World.fan_out(2, 3, 5)

    run = sync(server)

    points = [
        json.loads(line.removeprefix("METRIC: "))
        for line in run.logged("INFO")
        if line.startswith("METRIC: ")
    ]
    counts: dict[tuple[str, str], int] = Counter()
    for point in points:
        if point["type"] == "counter":
            counts[point["metric"], point["tags"]["stream"]] += point["value"]
    assert counts == {
        ("record_count", "addons"): 6,
        ("record_count", "projects"): 2,
        ("record_count", "restores"): 30,
        ("http_request_count", "projects"): 1,
        ("http_request_count", "addons"): 2,
        ("http_request_count", "restores"): 6,
    }
    timers = {(p["metric"], p["tags"]["stream"]) for p in points if p["type"] == "timer"}
    assert timers >= {("sync_duration", stream) for stream in ("addons", "projects", "restores")}
