"""Runs each workload with each contender, interleaved, and measures."""

from __future__ import annotations

import sys
from collections import deque
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import msgspec

from benchmarks import capacity, process
from benchmarks.account import World, serve
from benchmarks.contenders import TAP
from benchmarks.process import Cost  # noqa: TC001 - msgspec reads the annotation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.account import Account
    from benchmarks.contenders import Contender
    from benchmarks.workloads import Workload

# What takes longer is run once, so that all is done in a quarter of an hour.
LONG = 10.0
START_RUNS = 9


class Sync(msgspec.Struct):
    """The runs of one contender on one workload."""

    contender: str
    again: bool
    """Whether it is the second sync, with nothing changed."""
    costs: list[Cost] = []
    requests: int = 0
    """That the last run made."""
    sent: int = 0
    """Restores that the last run sent."""
    missing: int = 0
    """Restores of the account that the last run, a first sync, did not send."""
    state_bytes: int = 0
    """Bytes of state that the last run wrote, all together."""
    simulator_cpu: float | None = None
    """Seconds that the simulator used for the last run."""

    @property
    def wall(self) -> float:
        """Median seconds."""
        return median(cost.wall for cost in self.costs)

    @property
    def cpu(self) -> float:
        """Median seconds of user and system time."""
        return median(cost.cpu for cost in self.costs)

    @property
    def memory(self) -> int:
        """Greatest peak of resident bytes."""
        return max(cost.memory for cost in self.costs)

    @property
    def failed(self) -> bool:
        """Whether a run ended with another exit code than 0."""
        return any(cost.exit_code for cost in self.costs)


class Result(msgspec.Struct):
    """What came of a workload."""

    name: str
    what: str
    restores: int
    pages: int
    """The requests that no tool can do without."""
    syncs: list[Sync]

    def of(self, contender: str, *, again: bool = False) -> Sync | None:
        """Return the runs of a contender, None if it did not take part."""
        found = (s for s in self.syncs if s.contender == contender and s.again == again)
        return next(found, None)


class Capacity(msgspec.Struct):
    """What the simulator can serve."""

    pages_a_second: float
    """Pages of 100 restores, without latency, to 8 connections."""
    cpu_a_page: float | None
    pages_a_second_at_latency: float
    """The same at 50 ms a response; 160 would be ideal."""


class Start(msgspec.Struct):
    """Median seconds of wall and CPU until a command that reads nothing is done."""

    command: str
    wall: float
    cpu: float


def measure_capacity() -> Capacity:
    """Measure what the simulator can serve."""
    with serve(World(1, 1, 1000)) as account:
        without = capacity.measure(account, 8)
    with serve(World(1, 1, 1000, latency=0.05)) as account:
        at_latency = capacity.measure(account, 8)
    return Capacity(without.pages_a_second, without.cpu_a_page, at_latency.pages_a_second)


def measure_start() -> list[Start]:
    """Measure how long the SDK's import takes, and the tap's commands that ask nothing."""
    tap = TAP.command_line
    commands = {
        'python -c "import singer_sdk"': [sys.executable, "-c", "import singer_sdk"],
        "tap-northflank-restores --help": [*tap, "--help"],
        "tap-northflank-restores --discover": [*tap, "--discover"],
    }
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    with TemporaryDirectory(prefix="northflank-benchmark-") as directory:
        for _ in range(START_RUNS):
            for name, command in commands.items():
                costs[name].append(process.run(command, Path(directory)))
    return [
        Start(name, median(c.wall for c in runs), median(c.cpu for c in runs))
        for name, runs in costs.items()
    ]


def measure(workload: Workload, runs: int) -> Result:
    """Run a workload with all its contenders, in turn, several times."""
    world = workload.world
    result = Result(workload.name, workload.what, world.restore_count, world.pages, [])
    print(f"{workload.name}: {workload.what}", flush=True)
    turn = deque(workload.contenders)
    for _ in range(runs):
        with serve(world) as account:
            for contender in turn:
                _first_and_second(contender, workload, account, result)
        turn.rotate(-1)
    order = [contender.name for contender in workload.contenders]
    result.syncs.sort(key=lambda sync: (sync.again, order.index(sync.contender)))
    return result


def _first_and_second(
    contender: Contender, workload: Workload, account: Account, result: Result
) -> None:
    done = result.of(contender.name)
    if done and done.costs[0].wall > LONG and not workload.repeats_all:
        return
    with TemporaryDirectory(prefix="northflank-benchmark-") as name:
        directory = Path(name)
        for again in (False, True) if workload.again and contender.keeps_state else (False,):
            sync = result.of(contender.name, again=again)
            if sync is None:
                sync = Sync(contender.name, again)
                result.syncs.append(sync)
            _run(contender, account, directory, sync)
            expected = 0 if again else result.restores
            sync.missing = max(0, expected - _count(contender, directory, sync))
            contender.keep_state(directory)
            _tell(sync)


def _run(contender: Contender, account: Account, directory: Path, sync: Sync) -> None:
    requests, cpu = account.requests, account.cpu
    sync.costs.append(contender.sync(account, directory))
    sync.requests = account.requests - requests
    if cpu is not None and account.cpu is not None:
        sync.simulator_cpu = account.cpu - cpu
    sync.state_bytes = contender.state_bytes(directory)


def _count(contender: Contender, directory: Path, sync: Sync) -> int:
    """Count the restores that were sent, and return how many different ones they are."""
    keys = set()
    sync.sent = 0
    for restore in contender.restores(directory):
        sync.sent += 1
        keys.add(hash(restore.key))
    return len(keys)


def _tell(sync: Sync) -> None:
    cost = sync.costs[-1]
    print(
        f"  {sync.contender + (', again' if sync.again else ''):24}"
        f"{cost.wall:8.2f} s {cost.cpu:8.2f} s CPU {cost.memory >> 20:6} MiB"
        f" {sync.requests:7} requests {sync.sent:9} sent"
        + (f" {sync.missing} MISSING" if sync.missing else "")
        + (f" EXIT CODE {cost.exit_code}" if cost.exit_code else ""),
        flush=True,
    )


def ratio(results: Iterable[Result], workload: str, who: str, to: str, what: str) -> float | None:
    """Return one contender's median of `wall` or `cpu` over another's, None if one is not there."""
    for result in results:
        if result.name == workload and (a := result.of(who)) and (b := result.of(to)):
            quotient: float = getattr(a, what) / getattr(b, what)
            return quotient
    return None


def run(workloads: Sequence[Workload], runs: int) -> tuple[Capacity, list[Start], list[Result]]:
    """Measure the simulator, the start and all workloads."""
    found = measure_capacity()
    cpu = "" if found.cpu_a_page is None else f", {found.cpu_a_page * 1000:.2f} ms CPU a page"
    print(
        f"The simulator serves {found.pages_a_second:.0f} pages a second{cpu}; "
        f"{found.pages_a_second_at_latency:.0f} of ideally 160 at 50 ms with 8 in flight.",
        flush=True,
    )
    start = measure_start()
    for line in start:
        print(f"  {line.command:40} {line.wall:.2f} s, {line.cpu:.2f} s CPU", flush=True)
    return found, start, [measure(workload, runs) for workload in workloads]
