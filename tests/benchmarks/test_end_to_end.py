"""The benchmark into a PostgreSQL: what is set, what counts as right, and whose CPU counts."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from benchmarks.account import Account
from benchmarks.account import World as Regular
from benchmarks.end_to_end import (
    PIPELINES,
    VARIANTS,
    Answers,
    EndToEnd,
    Load,
    Loads,
    check,
    goals,
    lines,
    truth,
)
from benchmarks.end_to_end import warehouse as running
from benchmarks.process import Cost
from simulator import World

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.end_to_end import Pipeline
    from simulator import Server

SMALL = Regular(1, 2, 3)


def rows(**changed: Any) -> list[tuple[Any, ...]]:
    """The rows of a warehouse that has all, but for what is changed in the first."""
    found: list[tuple[Any, ...]] = []
    for (project, addon, id_), (status, started, completed, backup) in truth(SMALL).items():
        row = {"status": status, "completed": completed} | ({} if found else changed)
        found.append((project, addon, id_, row["status"], started, row["completed"], backup))
    return found


def checked(found: list[tuple[Any, ...]]) -> Load:
    load = Load("x", again=False, costs=[Cost(1, 1, 1, 0)], server_cpu=[0.5])
    check(load, found, truth(SMALL))
    return load


def test_a_warehouse_that_has_all_is_right() -> None:
    assert checked(rows()).is_right
    assert len(rows()) == 6


def test_the_zone_of_a_column_does_not_matter() -> None:
    completed = rows()[0][5].replace(tzinfo=timezone.utc)
    assert checked(rows(completed=completed)).is_right


@pytest.mark.parametrize(
    ("found", "count"),
    [
        (rows()[1:], "missing"),
        (rows(status="failed"), "wrong"),
        (rows(completed=datetime(2026, 1, 1)), "wrong"),  # noqa: DTZ001 - as the loader has it
        (rows() + rows()[:1], "surplus"),
        ([*rows(), ("p", "a", "more", None, None, None, None)], "surplus"),
    ],
)
def test_what_is_not_as_in_the_account_is_told(found: list[tuple[Any, ...]], count: str) -> None:
    load = checked(found)

    assert not load.is_right
    assert getattr(load, count) == 1
    assert "**wrong**" in "\n".join(lines(EndToEnd(False, [Loads("w", 6, [load])], [])))


def test_what_is_compared_with_is_what_the_api_serves(server: Server) -> None:
    server.world = World.fan_out(1, 2, 3)
    served = {(row["projectId"], row["addonId"], row["id"]) for row in server.served_restores()}
    assert truth(SMALL).keys() == served


def test_the_loader_is_set_as_meltano_yml_sets_it(tmp_path: Path) -> None:
    command = PIPELINES[0].command(Account("http://127.0.0.1", "x", 0), tmp_path, "postgresql:///x")

    settings = (tmp_path / "target.json").read_text()
    assert '"use_copy":true' in settings
    assert '"validate_records":false' in settings
    assert PIPELINES[0].environment == {"PGTZ": "UTC"}
    assert command[-1].count(" | ") == 1


def test_the_cpu_of_the_server_counts_connections_that_have_ended() -> None:
    with running() as server:
        before = server.cpu
        with psycopg.connect(server.make()) as connection:
            connection.execute("SELECT count(*) FROM generate_series(1, 3000000)")
        assert server.cpu > before


def test_the_answers_have_a_line_for_each_warehouse() -> None:
    cost = Cost(2, 1, 1, 0)
    text = "\n".join(lines(EndToEnd(False, [], [Answers(300, 18_000, cost, cost, cost)])))
    assert "| 300 addons, 18,000 restores | 2.0 | 2.0 | 2.0 | 1.0 |" in text


def test_the_loader_alone_says_what_no_tap_can_better() -> None:
    def load(pipeline: Pipeline, wall: float, *, again: bool = False) -> Load:
        return Load(pipeline.name, again, costs=[Cost(wall, wall, 1, 0)], server_cpu=[0])

    syncs = [load(PIPELINES[0], 4), load(PIPELINES[-1], 5), load(VARIANTS[0], 3)]
    syncs += [load(each, 1, again=True) for each in (PIPELINES[0], PIPELINES[-1], VARIANTS[0])]
    found = EndToEnd(False, [Loads("w", 6, syncs)], [])
    assert "The loader alone takes 0.75 of the wall" in "\n".join(lines(found))
    assert "Beside dlt that is 0.60" in "\n".join(lines(found))
    measured = {goal: (ratio, most) for goal, ratio, most in goals(found)}
    assert measured["into PostgreSQL, first sync: wall ≤ 0.6 x dlt's"] == (0.8, 0.6)
    assert measured["into PostgreSQL, unchanged sync: CPU ≤ 0.4 x dlt's"] == (1, 0.4)


def test_the_loader_alone_gets_what_the_tap_wrote(server: Server, tmp_path: Path) -> None:
    server.world = World.fan_out(1, 1, 2)
    command = VARIANTS[0].command(Account(server.url, server.token, 0), tmp_path, "postgresql:///x")
    assert (tmp_path / "messages").read_text().count('"type":"RECORD","stream":"restores"') == 2
    assert command[-1].endswith(" --config target.json < messages")
