"""Stream maps and flattening: records that the user has changed on their way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support import (
    company,
    everything,
    partitions,
    schemas,
    selecting,
    small_world,
    sync,
)

if TYPE_CHECKING:
    from simulator import Server


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
    counts = [
        {addon: each["proof"]["completed"] for addon, each in partitions(state).items()}
        for state in (run.state, plain.state)
    ]
    assert counts[0] == counts[1]


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


@pytest.mark.parametrize("catalog", [None, selecting("restores")])
def test_a_map_of_a_stream_that_is_not_selected_does_no_harm(server: Server, catalog: Any) -> None:
    server.world = small_world(a=1)

    run = sync(server, catalog=catalog, stream_maps={"backups": {"id": "md5(id)"}})

    assert run.exit_code == 0
    assert len(run.records["restores"]) == 1
    assert "backups" not in run.records
