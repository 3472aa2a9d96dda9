"""The worlds that are read, by whom, and why these."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from benchmarks.account import World
from benchmarks.contenders import (
    AIRBYTE,
    ASYNCIO,
    BY_THE_BOOK,
    CONTENDERS,
    DLT_EXTRACT,
    HANDWRITTEN,
    TAP,
    Contender,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Workload:
    """A world and those who read it."""

    name: str
    what: str
    world: World
    contenders: Sequence[Contender]
    again: bool = False
    """Whether those that keep state sync a second time, with nothing changed."""
    repeats_all: bool = False
    """Whether also those that take long are run several times."""


FAN_OUT = Workload(
    "fan-out",
    "400 addons of one project, 100 restores each, 50 ms a response",
    World(projects=1, addons=400, restores=100, latency=0.05),
    CONTENDERS,
)
PROJECTS = Workload(
    "projects",
    "100 projects of 4 addons, 100 restores each, 50 ms a response",
    World(projects=100, addons=4, restores=100, latency=0.05),
    CONTENDERS,
)
DEEP = Workload(
    "deep",
    "one addon with 200,000 restores, no latency",
    World(projects=1, addons=1, restores=200_000),
    CONTENDERS,
    again=True,
)
LONG = Workload(
    "long",
    "one addon with 100,000 restores, no latency",
    World(projects=1, addons=1, restores=100_000),
    [TAP, HANDWRITTEN, ASYNCIO],
    again=True,
)
MILLION = Workload(
    "million",
    "100 addons with 10,000 restores each, no latency",
    World(projects=1, addons=100, restores=10_000),
    [TAP, HANDWRITTEN, ASYNCIO],
    again=True,
    repeats_all=True,
)
# By the book, the state that is written grows with the square of the addons: at 10,000 that would
# be some 7 GB and half an hour.
GROWTH = [
    Workload(
        f"growth-{addons}",
        f"{addons:,} addons of one project, 10 restores each, no latency",
        World(projects=1, addons=addons, restores=10),
        [TAP, HANDWRITTEN, ASYNCIO, *([BY_THE_BOOK] if small else []), DLT_EXTRACT, AIRBYTE],
    )
    for addons, small in ((300, True), (1600, True), (10_000, False))
]
WORKLOADS = [FAN_OUT, PROJECTS, DEEP, LONG, MILLION, *GROWTH]


def quick(workload: Workload) -> Workload:
    """Return a workload about a tenth as large, to see whether all runs."""
    world = workload.world
    return replace(
        workload,
        what=f"a tenth of: {workload.what}",
        world=replace(
            world,
            projects=-(-world.projects // 10),
            addons=-(-world.addons // 10) if world.projects == 1 else world.addons,
            restores=-(-world.restores // 10) if world.addons == 1 else world.restores,
        ),
    )
