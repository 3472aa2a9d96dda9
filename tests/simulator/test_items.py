"""Items on the wire: ids, times and absent fields, as each switch has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from simulator import Behaviour
from simulator.world import instant
from tests.simulator.conftest import RESTORES

if TYPE_CHECKING:
    from simulator import Server, World
    from tests.simulator.conftest import Client


def test_a_restore_that_has_not_completed_has_no_completed_at(client: Client, world: World) -> None:
    world.add_restore("p", "a", status="in-progress")
    world.add_restore("p", "a", status="failed")
    assert ["completedAt" in item for item in client.items(RESTORES)[-2:]] == [False, False]


def test_an_absent_completed_at_can_be_null(client: Client, server: Server, world: World) -> None:
    world.add_restore("p", "a", status="in-progress")
    world.add_backup("p", "a", status="in-progress", completedAt=None)
    server.behaviour.completed_at_null = True
    assert client.items(RESTORES)[-1]["completedAt"] is None
    assert client.items("/v1/projects/p/addons/a/backups")[-1]["completedAt"] is None
    assert "completedAt" not in world.restores("p", "a")[-1]


def test_failed_and_aborted_restores_can_have_a_completed_at(
    client: Client, server: Server, world: World
) -> None:
    for status in ("failed", "aborted", "in-progress"):
        world.add_restore("p", "a", status=status, restoreTimestamp="2026-07-01T23:55:00.500Z")
    server.behaviour.failed_have_completed_at = True
    ends = [item.get("completedAt") for item in client.items(RESTORES)[-3:]]
    assert ends == ["2026-07-02T00:05:00.500Z", "2026-07-02T00:05:00.500Z", None]


def test_ids_can_be_numbers_in_a_string_or_plain(client: Client, server: Server) -> None:
    server.behaviour.id_kind = "number13"
    texts = client.ids(per_page=2)
    assert all(len(text) == 13 and text.isdigit() for text in texts)
    assert len(set(texts)) == 5
    server.behaviour.id_kind = "json-number"
    assert client.ids(per_page=2) == [int(text) for text in texts]


@pytest.mark.parametrize(
    ("time_format", "text"),
    [
        ("ms-Z", "2026-07-01T06:00:00.250Z"),
        ("no-fraction", "2026-07-01T06:00:00Z"),
        ("offset", "2026-07-01T08:00:00.250+02:00"),
        ("microseconds", "2026-07-01T06:00:00.250000Z"),
    ],
)
def test_times_can_be_written_in_other_ways(
    client: Client, server: Server, world: World, time_format: str, text: str
) -> None:
    world.restores("p", "a")[0]["completedAt"] = "2026-07-01T06:00:00.250Z"
    server.behaviour = Behaviour(time_format=time_format)  # type: ignore[arg-type]
    assert client.items(RESTORES)[0]["completedAt"] == text


def test_restores_as_served_can_be_had_for_comparison(
    client: Client, server: Server, world: World
) -> None:
    world.add_restore("p", "a", status="failed")
    server.behaviour = Behaviour(
        id_kind="json-number", time_format="offset", completed_at_null=True
    )
    keys = {"projectId": "p", "addonId": "a"}
    assert server.served_restores() == [{**keys, **item} for item in client.items(RESTORES)]


def test_a_field_can_be_overridden_left_out_or_unknown(client: Client, world: World) -> None:
    world.add_restore("p", "a", status="quantum", backupId=None, region="eu")
    item = client.items(RESTORES)[-1]
    assert (item["status"], item["region"], "backupId" in item) == ("quantum", "eu", False)


@pytest.mark.parametrize(
    "text",
    [
        "2026-07-01T06:00:00.25Z",
        "2026-07-01T06:00:00.250000Z",
        "2026-07-01T08:00:00.250+02:00",
        "2026-07-01T06:00:00.250000000Z",
    ],
)
def test_instants_are_read_in_any_notation(text: str) -> None:
    assert instant(text) == instant("2026-07-01T06:00:00.250Z")
    assert instant("2026-07-01T08:00:00+02:00") == instant("2026-07-01T06:00:00Z")
