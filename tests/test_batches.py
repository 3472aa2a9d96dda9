"""BATCH mode: records in files."""

from __future__ import annotations

import gzip
import json
import signal
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from simulator import Behaviour, Fault, World, serve
from tests.support import (
    ALL,
    SECONDS,
    Record,
    Run,
    command_line,
    company,
    ended,
    everything,
    partitions,
    process,
    small_world,
    sync,
    types,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simulator import Server


def batches(folder: Path, size: int) -> dict[str, Any]:
    """Settings that put records into files."""
    return {
        "batch_config": {
            "encoding": {"format": "jsonl", "compression": "gzip"},
            "storage": {"root": folder.as_uri(), "prefix": "test-"},
            "batch_size": size,
        }
    }


def records_of(batch: dict[str, Any]) -> Iterator[Record]:
    """Read the files of a BATCH message."""
    for uri in batch["manifest"]:
        with gzip.open(Path(urlsplit(uri).path), "rt") as lines:
            yield from map(json.loads, lines)


@pytest.mark.parametrize("size", [1, 5, 7, 1000])
def test_batches_hold_the_same_records_and_no_state_runs_ahead_of_them(
    server: Server, tmp_path: Path, size: int
) -> None:
    server.world = company()
    plain = everything(server)

    run = everything(server, **batches(tmp_path, size))

    assert run.exit_code == 0
    assert "RECORD" not in types(run)
    written: dict[str, list[Record]] = {stream: [] for stream in ALL}
    sent: Counter[tuple[str, str]] = Counter()
    for message in run.messages:
        if message["type"] == "BATCH":
            found = list(records_of(message))
            written[message["stream"]] += found
            if message["stream"] == "restores":
                sent.update((record["projectId"], record["addonId"]) for record in found)
        elif message["type"] == "STATE":
            for addon, partition in partitions(message["value"]).items():
                assert sent[addon] == len(server.world.restores(*addon))
                assert partition["proof"]["completed"] <= sent[addon]
    assert written == plain.records
    assert run.state == plain.state


def test_a_sync_in_batches_goes_on_where_another_ended(server: Server, tmp_path: Path) -> None:
    server.world = company()
    first = sync(server, **batches(tmp_path, 10))
    server.world.add_restore("shop", "orders", "new")

    second = sync(server, state=first.state, **batches(tmp_path, 10))

    (batch,) = (
        message
        for message in second.messages
        if message["type"] == "BATCH" and message["stream"] == "restores"
    )
    assert [record["id"] for record in records_of(batch)] == ["new"]


def test_batches_that_fail_half_way_lose_nothing(server: Server, tmp_path: Path) -> None:
    server.world = World.fan_out(1, 10, 3)
    server.faults = [Fault("/a7/restores$", "status", status=400)]

    first = sync(server, **batches(tmp_path, 4))
    server.faults = []
    second = sync(server, state=first.state, **batches(tmp_path, 4))

    assert first.exit_code == 5
    assert len(partitions(first.state)) >= 5
    written = {
        (record["addonId"], record["id"])
        for run in (first, second)
        for message in run.messages
        if message["type"] == "BATCH" and message["stream"] == "restores"
        for record in records_of(message)
    }
    assert len(written) == 30


def failing(server: Server, **settings: Any) -> Run:
    server.faults = [Fault("/a7/restores$", "status", status=400)]
    return sync(server, **settings)


def short_of_quota(server: Server, **settings: Any) -> Run:
    with serve(server.world, Behaviour(rate_limit=9)) as hour:
        return sync(hour, **settings, rate_limit_max_wait=0)


def terminated(server: Server, **settings: Any) -> Run:
    server.faults = [Fault("/a7/restores$", "slow", seconds=2)]
    with command_line(server, **settings) as words, process(words) as running:
        until = time.monotonic() + SECONDS
        while not any("/a7/" in request.path for request in server.requests):
            assert time.monotonic() < until
            time.sleep(0.01)
        running.send_signal(signal.SIGTERM)
        return ended(running)


@pytest.mark.parametrize(
    ("end", "exit_code"), [(failing, 5), (short_of_quota, 4), (terminated, 130)]
)
def test_a_sync_in_batches_that_ends_early_keeps_what_is_out(
    server: Server, tmp_path: Path, end: Callable[..., Run], exit_code: int
) -> None:
    """A batch takes more records than there are, so none is full when the sync ends."""
    server.world = World.fan_out(1, 10, 3)
    settings: dict[str, Any] = {**batches(tmp_path, 10_000), "concurrency": 1}

    first = end(server, **settings)
    server.faults = []
    second = sync(server, state=first.state, **settings)

    assert first.exit_code == exit_code
    assert len(partitions(first.state)) >= 5
    written = [
        {
            (record["addonId"], record["id"])
            for message in run.messages
            if message["type"] == "BATCH" and message["stream"] == "restores"
            for record in records_of(message)
        }
        for run in (first, second)
    ]
    assert len(written[0] | written[1]) == 30
    assert len(written[0] & written[1]) <= 3  # those of the addon at which it ended


@pytest.mark.parametrize(
    ("root", "exit_code", "said"),
    [
        ("file:///dev/null/batches", 6, "The files of batch_config could not be written"),
        ("nonesuch://batches", 2, "Setting batch_config cannot be used"),
    ],
)
def test_batches_that_cannot_be_written_end_with_one_line(
    server: Server, tmp_path: Path, root: str, exit_code: int, said: str
) -> None:
    server.world = small_world(a=1)
    settings = batches(tmp_path, 4)
    settings["batch_config"]["storage"]["root"] = root

    with command_line(server, **settings) as words, process(words) as running:
        run = ended(running)

    assert run.exit_code == exit_code
    assert run.error.startswith(said)
    assert "Traceback" not in run.stderr
