"""A sync that is killed loses nothing: the next one makes the warehouse equal to the account."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import psutil
import pytest

from simulator import World
from tests.pipeline.conftest import descendants

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator import Request, Server
    from tests.pipeline.conftest import Sync, Warehouse

ADDONS, RESTORES = 30, 200


def loader_killed(meltano: int) -> None:
    """End the loader as the kernel does when memory is short."""
    descendants(meltano)["target-postgres"].kill()


def terminated(meltano: int) -> None:
    """End Meltano as an orchestrator does."""
    psutil.Process(meltano).terminate()


@pytest.mark.parametrize(
    ("end", "exit_code"), [(loader_killed, 1), (terminated, 128 + signal.SIGTERM)]
)
def test_the_sync_after_one_that_was_ended_loses_nothing(
    server: Server,
    pipeline: Sync,
    warehouse: Warehouse,
    end: Callable[[int], None],
    exit_code: int,
) -> None:
    server.world = World.fan_out(projects=1, addons=ADDONS, restores=RESTORES)
    pipeline.env["TAP_NORTHFLANK_RESTORES_CONCURRENCY"] = "1"
    pipeline.env["TARGET_POSTGRES_BATCH_SIZE_ROWS"] = "500"
    began: list[int] = []

    def in_the_middle(request: Request, _: World) -> None:
        # The tap writes ahead of the loader, which is ended as soon as it has loaded something.
        if began and request.page_of == "restores" and warehouse.count("restores"):
            end(began.pop())

    server.before_response = in_the_middle
    server.behaviour.latency = 0.05
    with pipeline.start("run", "sync") as meltano:
        began.append(meltano.pid)
        assert meltano.wait() == exit_code
    assert not began
    assert 0 < warehouse.count("restores") < ADDONS * RESTORES

    server.before_response = None
    server.behaviour.latency = 0
    pipeline.meltano("run", "sync")
    key = '"projectId", "addonId", id, status'
    rows = warehouse.rows(f"SELECT {key} FROM northflank.restores")  # noqa: S608
    loaded = {tuple(row.values()) for row in rows}
    assert len(rows) == len(loaded) == ADDONS * RESTORES
    assert loaded == {
        (item["projectId"], item["addonId"], item["id"], item["status"])
        for item in server.served_restores()
    }
