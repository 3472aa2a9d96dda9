"""What an addon has beside its restores, lists and a detail: all arrives as the API gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import pytest

from simulator import Fault, World
from simulator.world import ListKind
from tap_northflank_restores import streams
from tests.support import keyed, selecting, sync

if TYPE_CHECKING:
    from simulator import Server

LISTS = [stream for stream in streams.STREAMS if issubclass(stream, streams.AddonListStream)]
KINDS: dict[str, ListKind] = {kind.replace("-", "_"): kind for kind in get_args(ListKind)}


def filled(value: Any) -> Any:
    """A value without the properties that are null: the tap adds those that the API leaves out."""
    if isinstance(value, dict):
        return {name: filled(inner) for name, inner in value.items() if inner is not None}
    return value


@pytest.mark.parametrize("stream", LISTS, ids=lambda stream: stream.name)
def test_every_item_of_every_addon_arrives_with_all_that_the_api_says(
    server: Server, stream: type[streams.AddonListStream]
) -> None:
    world = server.world = World.company()
    kind = KINDS[stream.name]

    run = sync(server, catalog=selecting(stream.name), team_id=None)

    there = [
        {"projectId": project, "addonId": addon, **item}
        for project, addon in world.addon_keys()
        for item in world.listed(kind, project, addon)
    ]
    assert there
    assert run.exit_code == 0
    assert len(run.records[stream.name]) == len(there)
    assert filled(keyed(run.records[stream.name])) == filled(keyed(there))


@pytest.mark.parametrize("stream", LISTS, ids=lambda stream: stream.name)
def test_each_list_is_asked_for_once_an_addon_and_counted_for_its_stream(
    server: Server, stream: type[streams.AddonListStream], caplog: pytest.LogCaptureFixture
) -> None:
    world = server.world = World.fan_out(1, 5, 3)
    caplog.set_level("INFO", "singer_sdk.metrics")

    run = sync(server, catalog=selecting(stream.name))

    segment = KINDS[stream.name]
    assert sorted(path for path in run.asked if path.endswith(f"/{segment}")) == sorted(
        f"/v1/projects/{project}/addons/{addon}/{segment}" for project, addon in world.addon_keys()
    )
    tags = f'"value":5,"tags":{{"stream":"{stream.name}","endpoint":"{stream.name}"}}'
    assert [line for line in caplog.messages if "http_request_count" in line and tags in line]


# The detail of each addon ------------------------------------------------------------------------

DETAILS = "addon_details"


def test_the_detail_of_every_addon_arrives_with_all_that_the_api_says(server: Server) -> None:
    world = server.world = World.company()

    run = sync(server, catalog=selecting(DETAILS))

    there = [
        {"projectId": project, **world.detail(project, id_)} for project, id_ in world.addon_keys()
    ]
    assert run.exit_code == 0
    assert [filled(record) for record in run.records[DETAILS]] == [filled(item) for item in there]
    assert {"createdAt", "cluster"} <= filled(run.records[DETAILS][0]).keys()
    config = run.records[DETAILS][0]["spec"]["config"]
    assert {"versionTag", "lifecycleStatus", "deployment"} <= config.keys()


def test_a_detail_is_one_request_an_addon_without_a_query(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    world = server.world = World.fan_out(2, 3, 3)
    caplog.set_level("INFO", "singer_sdk.metrics")

    run = sync(server, catalog=selecting(DETAILS))

    details = [request for request in run.requests if request.page_of == "addon-details"]
    assert sorted(request.path for request in details) == sorted(
        f"/v1/projects/{project}/addons/{addon}" for project, addon in world.addon_keys()
    )
    assert all(request.query == {} for request in details)
    assert len(run.requests) == 1 + 2 + 6
    tags = f'"value":6,"tags":{{"stream":"{DETAILS}","endpoint":"{DETAILS}"}}'
    assert [line for line in caplog.messages if "http_request_count" in line and tags in line]


def test_details_are_read_several_at_once(server: Server) -> None:
    server.world = World.fan_out(1, 8, 0)
    server.behaviour.latency = 0.05
    sync(server, catalog=selecting(DETAILS), concurrency=4)
    assert server.max_in_flight == 4


def test_an_addon_that_is_gone_when_its_detail_is_asked_for_is_skipped(server: Server) -> None:
    server.world = World.fan_out(1, 3, 0)
    server.faults = [Fault("/addons/a1$", "not_found")]
    run = sync(server, catalog=selecting(DETAILS))
    assert run.exit_code == 0
    assert [record["id"] for record in run.records[DETAILS]] == ["a0", "a2"]
    assert "Addon p0/a1 was deleted after it was listed; skipped." in run.logged("WARNING")


def test_an_addon_that_is_named_and_not_there_is_an_error(server: Server) -> None:
    server.world = World.fan_out(1, 1, 0)
    run = sync(server, catalog=selecting(DETAILS), addons=["p0/none"])
    assert run.exit_code == 2
    assert run.error.startswith("Setting addons names p0/none, which is not there: ")


@pytest.mark.parametrize("body", [[], {"data": []}, {"data": {"name": "no id"}}, {"data": None}])
def test_a_detail_that_is_not_as_documented_is_tried_again(server: Server, body: object) -> None:
    server.world = World.fan_out(1, 1, 0)
    server.faults = [Fault("/addons/a0$", "wrong_shape", shape=body, times=1)]
    run = sync(server, catalog=selecting(DETAILS))
    assert run.exit_code == 0
    assert [record["id"] for record in run.records[DETAILS]] == ["a0"]
    (warning,) = run.logged("WARNING")
    assert warning.startswith("GET /v1/projects/p0/addons/a0: 200 with ")


def test_a_detail_without_anything_but_its_id_is_a_record(server: Server) -> None:
    server.world = World.fan_out(1, 1, 0)
    server.faults = [Fault("/addons/a0$", "wrong_shape", shape={"data": {"id": "a0"}})]
    (record,) = sync(server, catalog=selecting(DETAILS)).records[DETAILS]
    assert filled(record) == {"projectId": "p0", "id": "a0"}
