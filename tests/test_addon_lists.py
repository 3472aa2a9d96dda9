"""Each list that an addon has beside its restores: all of it arrives, as the API gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import pytest

from simulator import World
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
