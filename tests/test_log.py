"""What the log tells: progress, the summary, metrics."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from simulator import World
from tap_northflank_restores.tap import TapNorthflankRestores
from tests.support import everything, lines, selecting, small_world, sync

if TYPE_CHECKING:
    from simulator import Server


def test_the_log_does_not_grow_with_the_account(server: Server) -> None:
    counts = []
    for shape in ((1, 1, 1), (10, 30, 20)):
        server.world = World.fan_out(*shape)
        run = everything(server)
        counts.append((len(lines(run)), len(run.stderr.splitlines())))

    assert counts[0] == counts[1]


def test_the_summary_tells_what_was_done(server: Server) -> None:
    server.world = World.fan_out(2, 3, 5)
    first = sync(server)
    server.world.add_restore("p0", "a0")
    second = sync(server, state=first.state)

    counts = (
        "6 of 6 addons, 31 restores read, 1 handed to the loader, 9 requests made, no limit known"
    )
    assert lines(second)[-1].endswith(counts)


def test_the_summary_counts_what_stream_maps_let_through(server: Server) -> None:
    server.world = small_world(a=3)
    server.world.add_restore("p", "a", "failed", "failed")

    run = sync(server, stream_maps={"restores": {"__filter__": "status == 'failed'"}})

    assert "4 restores read, 1 handed to the loader" in lines(run)[-1]


@pytest.mark.parametrize(
    "settings", [{"stream_maps": {"restores": None}}, {"catalog": selecting("addons")}]
)
def test_the_summary_of_a_sync_without_restores_says_so(
    server: Server, settings: dict[str, Any]
) -> None:
    server.world = World.fan_out(2, 3, 5)

    run = sync(server, **settings)

    assert lines(run)[-1].startswith("Done in ")
    assert lines(run)[-1].endswith("s: restores not read, 3 requests made, no limit known")


def test_progress_is_told_every_few_seconds(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tap_northflank_restores.progress.INTERVAL", 0)
    server.world = World.fan_out(2, 3, 5)

    run = sync(server, concurrency=1)

    told = [line for line in lines(run) if "restores read" in line]
    assert any(line.startswith("? of") or "of ? addons" in line for line in told)
    assert any("3 of 6 addons" in line and "to go" in line for line in told)


def test_progress_is_not_told_for_each_page(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    interval = 0.1
    monkeypatch.setattr("tap_northflank_restores.progress.INTERVAL", interval)
    server.world = World.fan_out(1, 300, 1)

    started = time.monotonic()
    run = sync(server)
    longest = time.monotonic() - started

    told = [line for line in lines(run) if "restores read" in line]
    assert len(told) <= longest / interval + 1


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_the_metrics_of_the_sdk_are_there(
    server: Server, monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    monkeypatch.setenv("LOGLEVEL", level)
    server.world = World.fan_out(2, 3, 5)

    run = sync(server)

    points = [
        json.loads(line.removeprefix("METRIC: "))
        for line in run.logged("INFO")
        if line.startswith("METRIC: ")
    ]
    counts: dict[tuple[str, str], int] = Counter()
    for point in points:
        if point["type"] == "counter":
            counts[point["metric"], point["tags"]["stream"]] += point["value"]
    assert counts == {
        ("record_count", "addons"): 6,
        ("record_count", "projects"): 2,
        ("record_count", "restores"): 30,
        ("http_request_count", "projects"): 1,
        ("http_request_count", "addons"): 2,
        ("http_request_count", "restores"): 6,
    }
    timers = {(p["metric"], p["tags"]["stream"]) for p in points if p["type"] == "timer"}
    assert timers >= {("sync_duration", stream) for stream in ("addons", "projects", "restores")}


VARIABLES = ("LOGLEVEL", "TAP_NORTHFLANK_RESTORES_LOGLEVEL", "SINGER_SDK_LOG_CONFIG")


@pytest.mark.parametrize("name", VARIABLES)
@pytest.mark.parametrize("value", ["", " ", "\n"])
def test_a_variable_of_the_log_that_is_empty_is_not_set(
    server: Server, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    run = sync(server)

    assert run.exit_code == 0
    assert run.logged("INFO")
    assert not run.logged("DEBUG")


@pytest.mark.parametrize("name", VARIABLES)
def test_a_program_that_has_the_tap_as_a_part_may_have_empty_variables_too(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "")

    assert TapNorthflankRestores(config={"api_token": "a-token"}).streams


@pytest.mark.parametrize("name", VARIABLES[:2])
@pytest.mark.parametrize("value", ["debug", " DEBUG", "Debug\n"])
def test_a_level_is_read_over_case_and_blanks(
    server: Server, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    run = sync(server)

    assert run.exit_code == 0
    assert run.logged("DEBUG")
