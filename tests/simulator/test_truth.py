"""What the world knows of a restore that the API does not show, and both ways to show it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from simulator.truth import Key
from simulator.world import NotFoundError, instant, timestamp
from tests.simulator.conftest import RESTORES

if TYPE_CHECKING:
    from simulator import Server, World
    from tests.simulator.conftest import Client

SCRATCH = "/v1/projects/p/addons/scratch/restores"


@pytest.fixture
def drilled(world: World) -> World:
    """A world in which a backup of addon `a` was restored into `scratch`, a day later."""
    world.add_backup("p", "a", "nightly")
    world.advance(days=1)
    world.add_addon("p", "scratch")
    world.add_restore("p", "scratch", "drill", backupId="nightly", source=("p", "a"))
    return world


def test_the_source_and_the_start_of_a_restore_are_known(drilled: World) -> None:
    truth = drilled.truth("p", "scratch", "drill")
    assert (truth.target, truth.source) == (Key("p", "scratch"), Key("p", "a"))
    assert truth.is_elsewhere
    assert truth.backup == "nightly"
    assert truth.backup_created == drilled.now - timedelta(days=1, minutes=2)
    assert truth.started == drilled.now - timedelta(minutes=30)
    assert truth.item["status"] == "completed"
    drilled.add_restore("p", "a", "own", backupId="of-before")
    own = drilled.truth("p", "a", "own")
    assert own.source == own.target == Key("p", "a")
    assert not own.is_elsewhere
    assert own.backup_created is None


def test_the_truth_outlives_the_addon(drilled: World) -> None:
    drilled.advance(hours=1)
    drilled.remove_addon("p", "scratch")
    assert drilled.truth("p", "scratch", "drill").source == Key("p", "a")
    life = drilled.lives[-1]
    assert (life.key, life.type) == (Key("p", "scratch"), "postgresql")
    assert life.deleted == drilled.now == life.created + timedelta(hours=1)
    with pytest.raises(NotFoundError):
        drilled.truth("p", "scratch", "another")


def test_the_api_shows_nothing_of_it(client: Client, drilled: World) -> None:
    (shown,) = client.items(SCRATCH)
    assert shown == drilled.restores("p", "scratch")[0]
    assert set(shown) == {"id", "status", "restoreTimestamp", "completedAt", "backupId"}


def test_restore_timestamp_may_be_that_of_the_backup(
    client: Client, server: Server, drilled: World
) -> None:
    server.behaviour.restore_timestamp = "backup_created"
    (shown,) = client.items(SCRATCH)
    truth = drilled.truth("p", "scratch", "drill")
    assert truth.backup_created
    assert shown["restoreTimestamp"] == timestamp(truth.backup_created)
    assert instant(drilled.restores("p", "scratch")[0]["restoreTimestamp"]) == truth.started
    assert {r["id"]: r for r in server.served_restores()}["drill"]["restoreTimestamp"] == (
        shown["restoreTimestamp"]
    )
    # Of a backup that the world has never had, it stays.
    own = drilled.add_restore("p", "a", "own", backupId="of-before")
    assert client.items(RESTORES)[-1] == own


def test_a_fork_may_leave_no_restore(client: Client, server: Server, drilled: World) -> None:
    drilled.add_restore("p", "scratch", "fork", source=("p", "a"), is_fork=True)
    assert client.ids(SCRATCH) == ["drill", "fork"]
    server.behaviour.forks_leave_restores = False
    assert client.ids(SCRATCH) == ["drill"]
    assert {r["id"] for r in server.served_restores()} == {"drill", *client.ids(RESTORES)}
