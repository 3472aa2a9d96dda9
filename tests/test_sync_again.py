"""More than one sync with one tap object, as a program does that has the tap as a part."""

from __future__ import annotations

import io
import signal
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import pytest

from simulator import Fault, World
from tap_northflank_restores.errors import APIError, InterruptedSyncError
from tap_northflank_restores.tap import TapNorthflankRestores
from tests.support import Run, keyed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator import Request, Server


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Put back the signals, which a tap takes over."""
    handling = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handling.items():
        signal.signal(number, handler)


def made(server: Server, **settings: Any) -> TapNorthflankRestores:
    return TapNorthflankRestores(
        config={"api_url": server.url, "api_token": server.token, **settings}
    )


def synced(tap: TapNorthflankRestores, error: type[Exception] | None = None) -> Run:
    """Sync everything and return what came out."""
    with redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")):
        if error is None:
            tap.sync_all()
        else:
            with pytest.raises(error):
                tap.sync_all()
        sys.stdout.seek(0)
        return Run(0, sys.stdout.read(), "")


@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_second_sync_sends_what_is_new_since_the_first(server: Server, concurrency: int) -> None:
    server.world = World.fan_out(2, 3, 4)
    tap = made(server, concurrency=concurrency)
    first = synced(tap)
    requests = len(server.requests)
    server.world.add_restore("p0", "a0", "late", completedAt="2020-01-01T00:00:00.000Z")
    server.world.add_addon("p1", "new")
    server.world.add_restore("p1", "new", "first")

    second = synced(tap)
    third = synced(tap)

    assert len(first.records["restores"]) == 24
    assert len(server.requests) == requests + 2 * (requests + 1)
    assert {"late", "first"} <= {record["id"] for record in second.records["restores"]}
    assert len(second.records["addons"]) == 7
    assert third.records["restores"] == []
    assert len(keyed([*first.records["restores"], *second.records["restores"]])) == 26


@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize("path", ["/projects$", "/p0/addons$", "/a2/restores$"])
def test_a_sync_after_one_that_failed_sends_the_rest(
    server: Server, concurrency: int, path: str
) -> None:
    server.world = World.fan_out(2, 3, 4)
    tap = made(server, concurrency=concurrency)
    server.faults = [Fault(path, "status", status=400)]
    first = synced(tap, APIError)
    server.faults = []

    second = synced(tap)

    sent = first.records.get("restores", []) + second.records["restores"]
    assert len(sent) == len(keyed(sent)) == 24
    assert len(second.records["addons"]) == 6


def test_a_sync_after_one_that_was_interrupted_sends_the_rest(server: Server) -> None:
    server.world = World.fan_out(2, 3, 4)
    tap = made(server, concurrency=1)

    def interrupt(request: Request, _world: World) -> None:
        if request.path.endswith("/a1/restores"):
            signal.raise_signal(signal.SIGTERM)

    server.before_response = interrupt
    first = synced(tap, InterruptedSyncError)
    server.before_response = None

    second = synced(tap)

    assert len(keyed(first.records["restores"] + second.records["restores"])) == 24


def test_another_selection_looks_at_the_account_anew(server: Server) -> None:
    server.world = World.fan_out(1, 1, 1)
    tap = made(server)
    for name in ("addons", "restores"):
        tap.streams[name].selected = False
    synced(tap)
    server.world.add_project("new")
    server.world.add_addon("new", "one")
    tap.streams["addons"].selected, tap.streams["projects"].selected = True, False

    assert len(synced(tap).records["addons"]) == 2
