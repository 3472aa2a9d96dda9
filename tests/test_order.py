"""In which order messages come, and how many requests are in flight."""

from __future__ import annotations

import random
from collections import Counter
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from simulator import World
from tap_northflank_restores.reading import Changes
from tests.support import ALL, everything, lines, selecting, sync

if TYPE_CHECKING:
    from simulator import Server

pytestmark = pytest.mark.slow


def erratic(_request: object) -> float:
    """Take up to 5 ms for a response, so that they overtake each other."""
    return random.random() / 200  # noqa: S311 - nothing secret


def test_the_output_is_the_same_whatever_the_concurrency(server: Server) -> None:
    server.world = World.fan_out(6, 5, 7, failed_every=3)
    server.behaviour.latency = erratic

    runs = [everything(server, concurrency=n, page_size=3) for n in (1, 2, 8, 32)]

    outputs = [[{**message, "time_extracted": None} for message in run.messages] for run in runs]
    assert outputs[1:] == outputs[:1] * 3


@pytest.mark.parametrize("concurrency", [2, 5, 32])
@pytest.mark.parametrize(
    ("streams", "settings"),
    [
        (["addons"], {}),
        (["addons", "restores"], {}),
        (["restores"], {"addons": [f"p{p}/a0" for p in range(70)]}),
        (["backups"], {"addons": [f"p{p}/a0" for p in range(70)]}),
        (ALL, {}),
    ],
    ids=["listing", "listing and restores", "restores", "backups", "all"],
)
def test_as_many_requests_as_allowed_are_in_flight_and_never_more(
    server: Server, concurrency: int, streams: list[str], settings: dict[str, Any]
) -> None:
    server.world = World.fan_out(70, 1, 1)
    slow = count(-2 * concurrency)
    server.behaviour.latency = lambda request: (
        0.2 if request.page_of != "projects" and next(slow) < 0 else 0.002
    )

    run = sync(server, catalog=selecting(*streams), concurrency=concurrency, **settings)

    assert run.exit_code == 0
    assert server.max_in_flight == concurrency


def test_restores_are_read_while_the_addons_are_still_being_listed(server: Server) -> None:
    server.world = World.fan_out(1, 40, 1)
    server.behaviour.latency = lambda request: 0.01 if request.page_of == "addons" else 0

    run = sync(server, page_size=5)

    lists = [request.page_of for request in run.requests]
    assert lists.count("addons") == 8
    last_of_listing = max(at for at, name in enumerate(lists) if name == "addons")
    assert "restores" in lists[:last_of_listing]


def test_with_a_concurrency_of_one_there_is_one_request_at_a_time(server: Server) -> None:
    server.world = World.fan_out(3, 3, 3)
    server.behaviour.latency = 0.001

    everything(server, concurrency=1)

    assert server.max_in_flight == 1


def test_addons_whose_proof_fails_are_read_once_more_within_the_concurrency(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tap_northflank_restores.streams.Changes", partial(Changes, hold=5))
    server.world = World.fan_out(1, 8, 40)
    first = sync(server, concurrency=3)
    for addon in range(0, 8, 2):
        server.world.restores("p0", f"a{addon}").pop(20)
    server.behaviour.latency = 0.005

    second = sync(server, state=first.state, page_size=10, concurrency=3)
    third = sync(server, state=second.state, concurrency=3)

    assert second.exit_code == 0
    assert Counter(path for path in second.asked if path.endswith("/restores")) == {
        f"/v1/projects/p0/addons/a{addon}/restores": 8 if addon % 2 == 0 else 4
        for addon in range(8)
    }
    sent = Counter(record["addonId"] for record in second.records["restores"])
    assert sent.keys() == {f"a{addon}" for addon in range(0, 8, 2)}
    assert all(0 < count <= 40 / 7 for count in sent.values())
    assert server.max_in_flight <= 3
    assert len([line for line in lines(second) if "held back" in line]) == 4
    assert third.records["restores"] == []


def test_one_schema_a_stream_comes_before_its_records(server: Server) -> None:
    server.world = World.fan_out(20, 5, 3)

    run = everything(server)

    seen: list[str] = []
    for message in run.messages:
        if message["type"] == "SCHEMA":
            assert message["stream"] not in seen
            seen.append(message["stream"])
        elif message["type"] == "RECORD":
            assert message["stream"] == seen[-1]
    assert tuple(seen) == ALL
