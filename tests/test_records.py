"""What a record holds: what the API says, and where it belongs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]
from singer_sdk.singerlib import SelectionMask

from simulator import Fault, World
from tap_northflank_restores import schemas as files
from tap_northflank_restores.records import shaper
from tests.support import ALL, company, everything, keyed, schemas, small_world, sync

if TYPE_CHECKING:
    from simulator import Server

SCHEMA = Path(files.__file__).with_name("restores.json")
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


def test_a_time_that_is_an_empty_text_is_null(server: Server) -> None:
    server.world = small_world(a=1)
    server.world.restores("p", "a")[0].update(completedAt="", restoreTimestamp="")

    run = sync(server)

    (record,) = run.records["restores"]
    assert record["completedAt"] is record["restoreTimestamp"] is None


ODD = ["soon", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00.000Z", 7, True, ["x"], {"x": 1}]


@pytest.mark.parametrize("name", ["completedAt", "restoreTimestamp"])
@pytest.mark.parametrize("value", ODD)
def test_what_is_no_time_is_null_with_a_warning_until_it_is_mended(
    server: Server, value: object, name: str
) -> None:
    server.world = small_world(a=1, b=3)
    restore = server.world.restores("p", "b")[1]
    right, restore[name] = restore[name], value

    first = sync(server)
    quiet = sync(server, state=first.state)
    restore[name] = right
    mended = sync(server, state=quiet.state)
    after = sync(server, state=mended.state)

    assert first.exit_code == 0
    assert keyed(first.records["restores"])["p", "b", "b-1"][name] is None
    (warning,) = first.logged("WARNING")
    assert warning.startswith(f"restores/p/b/b-1: {name} is not a date and time: ")
    assert (quiet.records["restores"], quiet.logged("WARNING")) == ([], [])
    assert keyed(mended.records["restores"])["p", "b", "b-1"][name] == right
    assert after.records["restores"] == []


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("2026-01-05T00:00:00Z", "2026-01-05T00:00:00Z"),
        ("2026-01-05T00:00:00.123Z", "2026-01-05T00:00:00.123Z"),
        ("2026-01-05T00:00:00.123456Z", "2026-01-05T00:00:00.123456Z"),
        ("2026-01-05 00:00:00Z", "2026-01-05T00:00:00.000Z"),
        ("2026-01-05T02:00:00+02:00", "2026-01-05T00:00:00.000Z"),
        ("2026-01-05", "2026-01-05T00:00:00.000Z"),
        ("0001-01-01T00:00:00+02:00", None),
        ("9999-12-31T23:59:59-02:00", None),
    ],
)
def test_a_time_is_sent_as_every_loader_takes_it(
    server: Server, text: str, sent: str | None
) -> None:
    server.world = small_world(a=1)
    server.world.restores("p", "a")[0]["restoreTimestamp"] = text

    run = sync(server)

    assert [record["restoreTimestamp"] for record in run.records["restores"]] == [sent]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 does not read these")
@pytest.mark.parametrize("text", ["2026-W02-1T00:00:00.000Z", "20260105T000000Z"])
def test_a_time_that_python_alone_reads_is_written_for_all(server: Server, text: str) -> None:
    server.world = small_world(a=1)
    server.world.restores("p", "a")[0]["restoreTimestamp"] = text

    run = sync(server)

    assert run.records["restores"][0]["restoreTimestamp"] == "2026-01-05T00:00:00.000Z"


ITEMS = st.fixed_dictionaries(
    {"id": st.text(min_size=1)},
    optional={
        "status": st.sampled_from(STATUSES) | st.none(),
        "completedAt": st.sampled_from([*ODD, None, "", "2026-01-05T02:00:00+02:00"])
        | st.just("2026-01-05T00:00:00.123Z"),
        "restoreTimestamp": st.just("2026-01-05T00:00:00.123Z") | st.just("2026-01-05T00:00:00Z"),
        "unheard": st.integers(),
        "teamId": st.just("of another"),
    },
)


@given(st.lists(ITEMS | st.fixed_dictionaries({"id": st.text(min_size=1)}), max_size=4))
def test_a_page_is_shaped_as_each_of_its_items(items: list[dict[str, Any]]) -> None:
    properties = json.loads(SCHEMA.read_text())["properties"]
    constants = {"teamId": None, "projectId": "p", "addonId": "a"}

    def shaped(items: list[dict[str, Any]]) -> tuple[str, list[str]]:
        odd: list[str] = []
        records = shaper(properties, SelectionMask(), constants)(
            items, constants, lambda item, path, _what, _value: odd.append(item["id"] + path)
        )
        return json.dumps(records), odd  # in the order of its names

    # What is no time sends a page the longer way.
    longer, odd = shaped([*items, {"id": "", "completedAt": "soon"}])

    records, same_odd = shaped(items)
    assert json.loads(records) == json.loads(longer)[:-1]
    assert longer.startswith(records[:-1])
    assert all(record.keys() == properties.keys() for record in json.loads(records))
    assert odd == [*same_odd, "completedAt"]
