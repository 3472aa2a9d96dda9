"""The world and its clock, and the regular worlds for load tests."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from simulator import World
from simulator.world import NotFoundError
from tests.simulator.conftest import RESTORES

if TYPE_CHECKING:
    from simulator import Server
    from tests.simulator.conftest import Client


def test_the_clock_starts_where_it_is_told_and_moves_on() -> None:
    assert World().now == datetime(2026, 7, 1, 6, tzinfo=timezone.utc)
    world = World(now=datetime(2025, 1, 1, tzinfo=timezone.utc))
    world.advance(days=1, hours=2, seconds=3)
    assert world.now == datetime(2025, 1, 2, 2, 0, 3, tzinfo=timezone.utc)


def test_a_scheduled_restore_runs_and_completes(client: Client, world: World) -> None:
    start = world.now
    restore = world.add_restore("p", "a", status="scheduled", takes=timedelta(minutes=10))
    seen = []
    for _ in range(4):
        seen.append(client.items(RESTORES)[-1]["status"])
        world.advance(seconds=240)
    assert seen == ["scheduled", "in-progress", "in-progress", "completed"]
    assert datetime.fromisoformat(restore["completedAt"].replace("Z", "+00:00")) == (
        start + timedelta(minutes=11)
    )


@pytest.mark.parametrize("end", ["failed", "aborted"])
def test_a_restore_may_end_otherwise(world: World, end: str) -> None:
    restore = world.add_restore("p", "a", status="in-progress", ends=end)
    world.advance(seconds=30 * 60 - 10)
    assert restore["status"] == {"failed": "in-progress", "aborted": "aborting"}[end]
    world.advance(seconds=10)
    assert restore["status"] == end
    assert "completedAt" not in restore


def test_the_clock_leaves_alone_what_has_ended_by_hand(world: World) -> None:
    restore = world.add_restore("p", "a", status="in-progress")
    restore["status"] = "failed"
    world.advance(days=1)
    assert restore["status"] == "failed"
    assert "completedAt" not in restore


def test_completed_at_is_the_moment_and_not_where_the_clock_stops(world: World) -> None:
    restore = world.add_restore("p", "a", status="in-progress", takes=timedelta(minutes=5))
    world.advance(days=30)
    assert restore["completedAt"] == "2026-07-06T06:05:00.000Z"


def test_all_restores_are_copies_with_their_addon(world: World) -> None:
    everything = world.all_restores()
    assert everything[0] == {"projectId": "p", "addonId": "a", **world.restores("p", "a")[0]}
    everything[0]["status"] = "changed"
    assert world.restores("p", "a")[0]["status"] == "completed"


def test_removing_what_is_not_there_says_so(world: World) -> None:
    world.remove_restore("p", "a", "r2")
    assert [item["id"] for item in world.restores("p", "a")] == ["r0", "r1", "r3", "r4"]
    for remove in (
        lambda: world.remove_restore("p", "a", "r2"),
        lambda: world.remove_restore("p", "none", "r1"),
        lambda: world.remove_addon("p", "none"),
        lambda: world.remove_project("none"),
        lambda: world.add_addon("none", "a"),
        lambda: world.add_restore("p", "none"),
    ):
        with pytest.raises(NotFoundError, match="not found"):
            remove()


# Regular worlds -----------------------------------------------------------------------------------


def test_a_regular_world_has_what_was_asked_for(client: Client, server: Server) -> None:
    server.world = world = World.fan_out(projects=2, addons=3, restores=7)
    assert client.ids("/v1/projects") == ["p0", "p1"]
    assert client.ids("/v1/projects/p1/addons") == ["a0", "a1", "a2"]
    listed = client.items("/v1/projects/p1/addons/a2/restores", per_page=3)
    assert len(listed) == 7
    assert listed == world.restores("p1", "a2")
    assert world.restore_count() == len(world.all_restores()) == 42
    assert len({item["id"] for item in world.all_restores()}) == 42


def test_a_regular_world_is_the_same_for_the_same_seed() -> None:
    one, same, other = (World.fan_out(addons=2, seed=seed).all_restores() for seed in (1, 1, 2))
    assert one == same != other


def test_restores_of_a_regular_world_are_over() -> None:
    world = World.fan_out(addons=3, restores=500)
    now = "2026-07-01T06:00:00.000Z"
    assert all(r["restoreTimestamp"] < r["completedAt"] < now for r in world.each_restore())
    failed = World.fan_out(addons=1, restores=100, failed_every=10).all_restores()
    assert sum(r["status"] == "failed" and "completedAt" not in r for r in failed) == 10


def test_addons_of_a_regular_world_do_not_share_their_times() -> None:
    restores = World.fan_out(addons=50, restores=10).all_restores()
    assert len({restore["completedAt"] for restore in restores}) == 500


def test_a_large_world_is_made_as_it_is_read() -> None:
    world = World.fan_out(addons=1, restores=1_000_000_000)
    restores = world.listed("restores", "p0", "a0")
    assert [item["id"][-6:] for item in restores[-2:]] == [f"{10**9 - n:06x}"[-6:] for n in (2, 1)]


def test_a_regular_world_can_be_changed(client: Client, server: Server) -> None:
    server.world = World.fan_out(addons=2, restores=3)
    server.world.restores("p0", "a0")[0]["status"] = "failed"
    server.world.add_restore("p0", "a0", id="new")
    items = client.items("/v1/projects/p0/addons/a0/restores")
    assert (items[0]["status"], items[-1]["id"], len(items)) == ("failed", "new", 4)
    assert len(client.items("/v1/projects/p0/addons/a1/restores")) == 3
