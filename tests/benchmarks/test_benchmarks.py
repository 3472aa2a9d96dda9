"""The benchmark measures what it says: processes by themselves, and rows that do not arrive."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks import process, scenarios
from benchmarks.account import Account
from benchmarks.account import World as Regular
from benchmarks.contenders import BY_THE_BOOK, HANDWRITTEN, TAP, Contender
from benchmarks.correctness import Finding, Outcome, is_right, is_silent_loss, meet
from benchmarks.machine import Machine
from benchmarks.process import Cost
from benchmarks.results import Results, Speed, document
from benchmarks.speed import Capacity, Result, Start, Sync
from simulator import World

if TYPE_CHECKING:
    from pathlib import Path

    from simulator import Server

MB = 1_000_000
MACHINE = Machine("a CPU", 2, None, "a system", "a Python", {})


# Processes ---------------------------------------------------------------------------------------


def test_a_process_is_not_charged_for_the_memory_of_the_one_that_starts_it(tmp_path: Path) -> None:
    held = bytearray(300 * MB)
    cost = process.run([sys.executable, "-I", "-S", "-c", "pass"], tmp_path)
    assert len(held) == 300 * MB
    assert cost.memory < 100 * MB


def test_a_process_is_charged_for_what_it_uses(tmp_path: Path) -> None:
    code = "held = bytearray(100_000_000); print('out'); raise SystemExit(3)"
    cost = process.run([sys.executable, "-c", code], tmp_path)
    assert cost.exit_code == 3
    assert cost.memory > 100 * MB
    assert (tmp_path / "out").read_text() == "out\n"


def test_an_endless_process_is_killed(tmp_path: Path) -> None:
    code = "import time; time.sleep(60)"
    assert process.run([sys.executable, "-c", code], tmp_path, timeout=1).exit_code == -9


# Tools -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", [TAP, HANDWRITTEN, BY_THE_BOOK], ids=lambda tool: tool.name)
def test_each_tool_reads_the_same_restores_in_as_many_requests(
    tool: Contender, server: Server, tmp_path: Path
) -> None:
    server.world = World.fan_out(projects=3, addons=2, restores=101)
    assert tool.sync(Account(server.url, server.token, 0), tmp_path).exit_code == 0
    keys = [restore.key for restore in tool.restores(tmp_path)]
    assert len(keys) == 606
    assert set(keys) == {(r["projectId"], r["addonId"], r["id"]) for r in server.served_restores()}
    assert len(server.requests) == Regular(projects=3, addons=2, restores=101).pages == 16


def test_rows_that_a_tool_loses_are_seen() -> None:
    scenario = next(s for s in scenarios.SCENARIOS if s.name == "empty page")
    by_the_book, tap = meet(scenario, BY_THE_BOOK), meet(scenario, TAP)
    assert (by_the_book.right, by_the_book.rows, by_the_book.exit_codes) == (100, 250, [0])
    assert is_silent_loss(by_the_book)
    assert (tap.right, tap.rows, tap.exit_codes) == (250, 250, [0])
    assert not is_silent_loss(tap)


def test_rows_that_a_tool_sends_again_are_seen() -> None:
    scenario = next(s for s in scenarios.SCENARIOS if s.name == "nothing changed")
    assert (meet(scenario, BY_THE_BOOK).sent, meet(scenario, TAP).sent) == (28, 0)


# Results -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exit_codes", "must_fail", "right", "silent"),
    [
        ([0], False, False, True),
        ([1], False, False, False),
        ([0], True, False, True),
        ([5], True, True, False),
        ([-9], True, False, False),
    ],
)
def test_losing_rows_is_right_only_with_an_error_where_nothing_else_can_be_done(
    exit_codes: list[int], must_fail: bool, right: bool, silent: bool
) -> None:
    outcome = Outcome("a tool", 21, 20, exit_codes, 20, 0)
    finding = Finding("late row", "…", twice=False, must_fail=must_fail, outcomes=[outcome])
    assert is_right(finding, outcome) is right
    assert is_silent_loss(outcome) is silent


def test_the_results_say_what_was_lost_and_which_goal_was_missed() -> None:
    def sync(tool: str, wall: float, **kwargs: int) -> Sync:
        return Sync(tool, again=False, costs=[Cost(wall, wall, 50 * MB, 0)], **kwargs)

    syncs = [sync("this tap", 10), sync("SDK by the book", 40), sync("dlt extract", 9, missing=7)]
    workloads = [Result("fan-out", "…", 4000, 42, syncs)]
    start = [Start("the SDK", 0.5, 0.4), Start("tap --help", 0.7, 0.5)]
    capacity = Capacity(1000, None, 150)
    speed = Speed(quick=False, load_before=0, capacity=capacity, start=start, workloads=workloads)
    text = document(Results("2026-01-01", MACHINE, speed))
    assert "| fan-out: ≥ 5 times faster than by the book | 4.00 | **missed** |" in text
    assert "| `tap --help`: < 0.1 s over the SDK's import | +0.20 s wall" in text
    assert "**7 restores missing**" in text
    # What loses rows is not ahead.
    assert "| ahead of every other connector, wall and CPU, on every workload | all | met |" in text
