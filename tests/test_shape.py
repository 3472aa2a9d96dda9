"""A change of what a delivered row looks like sends the rows again, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support import Run, lines, selecting, small_world, sync

if TYPE_CHECKING:
    from simulator import Server

TOLD = "What a record of restores looks like has changed"


def without(*names: str) -> dict[str, Any]:
    """A catalog in which these properties of the restores are not selected."""
    catalog = selecting("restores")
    for entry in catalog["streams"]:
        for item in entry["metadata"]:
            if entry["stream"] == "restores" and item["breadcrumb"][1:] in (
                [name] for name in names
            ):
                item["metadata"]["selected"] = False
    return catalog


def told(run: Run) -> int:
    return sum(line.startswith(TOLD) for line in lines(run))


MAP = {"stream_maps": {"restores": {"day": "completedAt[:10] if completedAt else None"}}}
OTHER_MAP = {"stream_maps": {"restores": {"day": "completedAt[:7] if completedAt else None"}}}
CONFIGURED = {
    "stream_maps": {"restores": {"day": "config['zone']"}},
    "stream_map_config": {"zone": "a"},
}
RECONFIGURED = {**CONFIGURED, "stream_map_config": {"zone": "b"}}
ALIASED = {"stream_maps": {"restores": {"__alias__": "northflank_restores"}}}

CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a property is selected": ({"catalog": without("backupId")}, {}),
    "a property is selected no more": ({}, {"catalog": without("backupId")}),
    "a stream map": ({}, MAP),
    "no stream map any more": (MAP, {}),
    "another stream map": (MAP, OTHER_MAP),
    "another value of a stream map's settings": (CONFIGURED, RECONFIGURED),
    "another name of the stream": ({}, ALIASED),
    "a map for several streams": ({}, {"stream_maps": {"rest*": {"source": "'northflank'"}}}),
    "a filter": ({"stream_maps": {"restores": {"__filter__": "status == 'failed'"}}}, {}),
    "flattening": ({}, {"flattening_enabled": True, "flattening_max_depth": 1}),
}


@pytest.mark.parametrize(("before", "after"), CHANGES.values(), ids=CHANGES)
def test_a_change_of_the_shape_sends_everything_once(
    server: Server, before: dict[str, Any], after: dict[str, Any]
) -> None:
    server.world = small_world(a=3, b=2)
    server.world.add_restore("p", "b", "running", "in-progress")
    first = sync(server, **before)
    same = sync(server, **before, state=first.state)

    changed = sync(server, **after, state=same.state)
    quiet = sync(server, **after, state=changed.state)

    assert sum(map(len, select(same))) == 0
    assert sum(map(len, select(changed))) == 6
    assert sum(map(len, select(quiet))) == 0
    assert [told(run) for run in (first, same, changed, quiet)] == [0, 0, 1, 0]


def select(run: Run) -> list[list[Any]]:
    """The records of restores, whatever a map calls them."""
    return [records for stream, records in run.records.items() if stream.endswith("restores")]


def test_another_team_is_another_value_in_each_row(server: Server) -> None:
    server.world = small_world(a=3)
    first = sync(server)
    second = sync(server, state=first.state, team_id=server.world.team)
    assert [record["teamId"] for record in second.records["restores"]] == [server.world.team] * 3


@pytest.mark.parametrize(
    "settings",
    [
        {"stream_maps": {"addons": {"name": "name.upper()"}}},
        {"stream_maps": {"projects": None}},
        {"page_size": 1},
        {"user_agent": "another"},
        {"catalog": selecting("restores", "backups")},
    ],
    ids=str,
)
def test_what_does_not_concern_the_rows_sends_none_again(
    server: Server, settings: dict[str, Any]
) -> None:
    server.world = small_world(a=3)
    first = sync(server)

    second = sync(server, state=first.state, **settings)

    assert second.records["restores"] == []
    assert told(second) == 0


def test_addons_that_a_cut_sync_did_not_reach_are_sent_by_the_next(server: Server) -> None:
    server.world = small_world(a=2, b=2, c=2)
    first = sync(server)
    catalog = without("backupId")

    one = sync(server, catalog=catalog, state=first.state, addons=["p/a"])
    rest = sync(server, catalog=catalog, state=one.state)

    assert [record["addonId"] for record in one.records["restores"]] == ["a", "a"]
    assert [record["addonId"] for record in rest.records["restores"]] == ["b", "b", "c", "c"]
