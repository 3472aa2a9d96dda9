"""Two runs of the same job at once, on one machine and on two, lose nothing."""

from __future__ import annotations

import json
from contextlib import contextmanager
from functools import partial
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest
from northflank.meltano import RunError

from simulator import World
from simulator.app import ApiError
from tests.orchestrate.support import shard_of, sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from simulator import Request, Server
    from tests.orchestrate.support import Production

SECONDS = 120
SLOW, FAST = "slow", "fast"


@pytest.fixture
def company(server: Server) -> Server:
    """A company with a few restores."""
    server.world = World.company(months=6)
    return server


@contextmanager
def held_sync(server: Server, **more: str) -> Iterator[None]:
    """Run the job `sync`, and hold it before its last addon until the block is left."""
    project, addon = server.world.addon_keys()[-1]
    arrived, let_go = Event(), Event()

    def hold(request: Request, _: World) -> None:
        waits = request.headers["user-agent"] == SLOW and not let_go.is_set()
        if waits and request.path.endswith(f"/{project}/addons/{addon}/restores"):
            arrived.set()
            message = "Wait, and ask again"
            raise ApiError(429, message)

    server.before_response = hold
    failures: list[Exception] = []

    def run() -> None:
        try:
            sync(shard_of(server), "", TAP_NORTHFLANK_RESTORES_USER_AGENT=SLOW, **more)
        except Exception as error:  # noqa: BLE001 - raised in the test's thread
            failures.append(error)
            arrived.set()

    thread = Thread(target=run)
    thread.start()
    try:
        assert arrived.wait(SECONDS)
        yield
    finally:
        let_go.set()
        thread.join(SECONDS)
    assert not failures


def restores_of(production: Production) -> list[tuple[str, str | None]]:
    """Return what the warehouse has of each restore that changes."""
    return sorted((row["id"], row["status"]) for row in production.rows("restores"))


def restores_in(world: World) -> list[tuple[str, str | None]]:
    """Return the same of a world."""
    return sorted((restore["id"], restore["status"]) for restore in world.all_restores())


def test_meltano_refuses_a_second_run_with_the_same_system_database(
    production: Production, company: Server
) -> None:
    with (
        held_sync(company),
        pytest.raises(RunError, match=r"Another 'prod:.*' pipeline is already running"),
    ):
        sync(shard_of(company), "", TAP_NORTHFLANK_RESTORES_USER_AGENT=FAST)
    assert {request.headers["user-agent"] for request in company.requests} == {SLOW}
    assert restores_of(production) == restores_in(company.world)


def test_two_machines_that_share_only_the_state_lose_nothing(
    production: Production, company: Server, tmp_path: Path
) -> None:
    def machine(name: str) -> dict[str, str]:
        return {
            "MELTANO_DATABASE_URI": f"sqlite:///{tmp_path / name}.db",
            "MELTANO_STATE_BACKEND_URI": (tmp_path / "state").as_uri(),
        }

    def state() -> object:
        (file,) = (tmp_path / "state").glob("*/state.json")
        return json.loads(file.read_text())

    sync_fast = partial(
        sync, shard_of(company), "", TAP_NORTHFLANK_RESTORES_USER_AGENT=FAST, **machine("b")
    )
    sync_fast()
    company.world.advance(days=40)
    company.world.add_restore(*company.world.addon_keys()[0], status="in-progress")
    with held_sync(company, **machine("a")):
        company.world.advance(days=40)  # The restore completes, and others appear.
        sync_fast()
        assert restores_of(production) == restores_in(company.world)
        newest = state()
    # The slow run began before the fast one and ended after it, so its older state is what is left,
    # and its older rows are over the newer ones. The next run finds out, and sends them again.
    assert state() != newest
    assert restores_of(production) != restores_in(company.world)
    sync_fast()
    assert state() == newest
    assert restores_of(production) == restores_in(company.world)
