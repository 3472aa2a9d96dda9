"""Writes what was measured: `results.json`, and from it RESULTS.md and the chart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from benchmarks import end_to_end
from benchmarks.contenders import ASYNCIO, BY_THE_BOOK, HANDWRITTEN, TAP
from benchmarks.correctness import TOOLS, VARIANTS, Finding, is_right, is_silent_loss, tell
from benchmarks.end_to_end import EndToEnd  # noqa: TC001 - msgspec reads the annotation
from benchmarks.machine import Machine  # noqa: TC001 - msgspec reads the annotation
from benchmarks.speed import Capacity, Result, Start, Sync, ratio

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from benchmarks.correctness import Outcome

HERE = Path(__file__).parent
JSON, MARKDOWN, CHART = HERE / "results.json", HERE / "RESULTS.md", HERE / "results.svg"

MB = 1_000_000
MOST_MEMORY = {"deep": 120, "long": 60, "million": 60}
LOOPS = {HANDWRITTEN.name, ASYNCIO.name}
SETTINGS = """\
What was set, as each tool's documents have it:

- **SDK by the book** ([sdk_by_the_book.py](contenders/sdk_by_the_book.py)): three `RESTStream`s as
  parent and children, `JSONPathPaginator`, `completedAt` as the replication key. One thing is not
  by the book, and without it it ends with a KeyError at the first restore without `completedAt`:
  `post_process` adds a null. The SDK has a hook to go on after an empty page
  (`continue_if_empty`), which the template does not set.
- **dlt** ([dlt_rest_api.py](contenders/dlt_rest_api.py)): `rest_api` source, `parallelized`
  resources, 8 extract workers, `merge` on the key, the cursor paginator with `has_more_path`,
  `response_actions` to ignore a 404, an incremental cursor on `completedAt` that includes rows
  without it, added to the resource as a step. Its retries are as they come: five tries, with waits
  that double from a second, or as `Retry-After` says.
- **airbyte-cdk** ([airbyte_manifest.yaml](contenders/airbyte_manifest.yaml)): a chain of
  `SubstreamPartitionRouter`s, `ConcurrencyLevel` 8, `CursorPagination` with a stop condition on
  `hasNextPage`, `DatetimeBasedCursor` with `is_client_side_incremental`, `WaitTimeFromHeader` on
  `x-ratelimit-reset`, a response filter to ignore a 404.
"""


class Speed(msgspec.Struct):
    """What `./dev bench speed` measured."""

    quick: bool
    load_before: float
    """Processes that wanted to run in the minute before."""
    capacity: Capacity
    start: list[Start]
    workloads: list[Result]


class Results(msgspec.Struct):
    """All that is known: a part that is not run again is kept."""

    date: str
    machine: Machine
    speed: Speed | None = None
    findings: list[Finding] | None = None
    warehouse: EndToEnd | None = None


def read() -> Results | None:
    """Return what was measured before, None if nothing was."""
    return msgspec.json.decode(JSON.read_bytes(), type=Results) if JSON.exists() else None


def write(results: Results) -> None:
    """Write results.json, RESULTS.md and the chart."""
    JSON.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    if results.speed:
        from benchmarks.chart import draw  # noqa: PLC0415 - half a second

        draw(results.speed.workloads, CHART)
    MARKDOWN.write_text(document(results))


def document(results: Results) -> str:
    """Return RESULTS.md."""
    return "\n".join(_parts(results)) + "\n"


def _parts(results: Results) -> Iterator[str]:
    yield "# Benchmark results\n"
    yield "Written by `./dev bench`; [README.md](README.md) says what is measured and how.\n"
    yield from _machine(results)
    if results.speed and not results.speed.quick:
        yield "## Goals\n"
        yield from _table(("goal", "measured", ""), _goals(results.speed, results.warehouse))
        yield from _requests(results.speed.workloads)
    if results.speed:
        yield from _speed(results.speed)
    if results.warehouse:
        yield from end_to_end.lines(results.warehouse)
    if results.findings:
        yield from _findings(results.findings)


def _machine(results: Results) -> Iterator[str]:
    machine = results.machine
    memory = f", {machine.memory / 2**30:.0f} GiB" if machine.memory else ""
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    yield f"- {results.date}, {machine.cpu}, {machine.cores} cores{memory}, {machine.system}"
    yield f"- {machine.python}; {versions}"
    if speed := results.speed:
        yield f"- Load average before the first run: {speed.load_before:.1f}"
        if speed.quick:
            yield "- **Quick run: worlds of a tenth, once each. It shows that all runs, no more.**"
    yield ""


def _speed(speed: Speed) -> Iterator[str]:
    yield f"\n![Wall and CPU seconds by workload]({CHART.name})\n"
    yield "## Workloads\n"
    yield (
        "Medians of n runs, interleaved; x is the ratio to this tap. Memory is the greatest peak; "
        "state is all that one sync wrote. Each sync is a process of its own, start included.\n"
    )
    for result in speed.workloads:
        yield f"### {result.name}: {result.what}\n"
        yield f"{result.restores:,} restores on {result.pages:,} pages, that is, requests.\n"
        yield from _workload(result)
        yield ""
    yield from _growth(speed)
    yield "## Start\n"
    lines = [(s.command, f"{s.wall:.2f}", f"{s.cpu:.2f}") for s in speed.start]
    yield from _table(("command", "wall s", "CPU s"), lines)
    yield "\n## The simulator\n"
    yield from _simulator(speed)


def _workload(result: Result) -> Iterator[str]:
    head = ("tool", "wall s", "x", "CPU s", "x", "MB", "requests", "sent", "state bytes", "n", "")
    rows = []
    for sync in result.syncs:
        tap = result.of(TAP.name, again=sync.again)
        rows.append(
            (
                f"**{sync.contender}**" if sync.contender == TAP.name else sync.contender,
                f"{sync.wall:.2f}",
                f"{sync.wall / tap.wall:.2f}" if tap else "",
                f"{sync.cpu:.2f}",
                f"{sync.cpu / tap.cpu:.2f}" if tap else "",
                f"{sync.memory / MB:.0f}",
                f"{sync.requests:,}",
                f"{sync.sent:,}",
                f"{sync.state_bytes:,}" if sync.state_bytes else "none",
                str(len(sync.costs)),
                _remarks(sync),
            )
        )
    first = [row for row, sync in zip(rows, result.syncs, strict=True) if not sync.again]
    again = [row for row, sync in zip(rows, result.syncs, strict=True) if sync.again]
    yield from _table(head, first)
    if again:
        yield "\nThe second sync, with nothing changed:\n"
        yield from _table(head, again)


def _remarks(sync: Sync) -> str:
    remarks = []
    if sync.missing:
        remarks.append(f"**{sync.missing:,} restores missing**")
    if sync.failed:
        remarks.append("**failed**")
    return ", ".join(remarks)


def _growth(speed: Speed) -> Iterator[str]:
    results = [result for result in speed.workloads if result.name.startswith("growth")]
    if not results:
        return
    start = {start.command.split()[-1]: start for start in speed.start}["--help"]
    yield "### Time per addon\n"
    yield (
        "Milliseconds an addon (wall / CPU); for this tap also without its start "
        f"({start.wall:.2f} s / {start.cpu:.2f} s, as `--help` takes).\n"
    )
    names = [sync.contender for sync in results[0].syncs]
    rows = [[name, *(_per_addon(result, name, 0, 0) for result in results)] for name in names]
    net = [_per_addon(result, TAP.name, start.wall, start.cpu) for result in results]
    rows.insert(1, [f"{TAP.name}, without its start", *net])
    yield from _table(("tool", *(f"{addons(result):,} addons" for result in results)), rows)
    yield ""


def addons(result: Result) -> int:
    """Return how many addons a workload of the growth has: it has ten restores of each."""
    return result.restores // 10


def _per_addon(result: Result, name: str, wall: float, cpu: float) -> str:
    if (sync := result.of(name)) is None:
        return "not run"
    count = addons(result)
    return f"{(sync.wall - wall) / count * 1000:.2f} / {(sync.cpu - cpu) / count * 1000:.2f}"


def _simulator(speed: Speed) -> Iterator[str]:
    capacity = speed.capacity
    cpu = f" at {capacity.cpu_a_page * 1000:.2f} ms of CPU a page" if capacity.cpu_a_page else ""
    yield f"A client that only counts bytes gets {capacity.pages_a_second:.0f} pages of 100"
    yield f"restores a second over 8 connections{cpu}. At 50 ms a response it gets"
    yield f"{capacity.pages_a_second_at_latency:.0f} pages a second, of 160 that would be ideal."
    yield "The simulator is a process of its own; its CPU time against that of the quickest tool:\n"
    rows = []
    for result in speed.workloads:
        known = [s for s in result.syncs if s.simulator_cpu is not None and not s.again]
        if known:
            sync = min(known, key=lambda s: s.cpu)
            share = f"{sync.simulator_cpu:.2f}"
            rows.append((result.name, sync.contender, share, f"{sync.cpu:.2f}", f"{sync.wall:.2f}"))
    head = ("workload", "tool", "simulator's CPU s", "tool's CPU s", "wall s")
    yield from _table(head, rows)
    yield ""


def _goals(speed: Speed, warehouse: EndToEnd | None) -> Iterator[tuple[str, str, str]]:
    results = speed.workloads
    yield _goal(
        "fan-out: ≥ 5 times faster than by the book",
        ratio(results, "fan-out", BY_THE_BOOK.name, TAP.name, "wall"),
        least=5,
    )
    for name in ("fan-out", "projects"):
        goal = f"{name}: wall ≤ 1.2 x the asyncio loop's"
        yield _goal(goal, ratio(results, name, TAP.name, ASYNCIO.name, "wall"), most=1.2)
    for name, most in (("long", 1.0), ("million", 0.9)):
        goal = f"{name}: CPU ≤ {most} x the handwritten loop's"
        yield _goal(goal, ratio(results, name, TAP.name, HANDWRITTEN.name, "cpu"), most=most)
    goal = "growth-1600: wall ≤ the handwritten loop's"
    yield _goal(goal, ratio(results, "growth-1600", TAP.name, HANDWRITTEN.name, "wall"), most=1)
    for what, growth in _tap_growth(speed):
        yield _goal(f"{what} an addon at 10,000 addons ≤ 1.2 x at 300", growth, most=1.2)
    for result in results:
        if most_memory := MOST_MEMORY.get(result.name):
            taps = [sync for sync in result.syncs if sync.contender == TAP.name]
            peak = max(sync.memory for sync in taps) / MB
            yield (
                f"{result.name}: ≤ {most_memory} MB resident, first and second sync",
                f"{peak:.0f} MB",
                "met" if peak <= most_memory else "**missed**",
            )
    sdk, *commands = speed.start
    for start in commands:
        added = start.wall - sdk.wall
        what = f"{added:+.2f} s wall, {start.cpu - sdk.cpu:+.2f} s CPU"
        met = "met" if added < 0.1 else "**missed**"  # noqa: PLR2004
        yield f"`{start.command}`: < 0.1 s over the SDK's import", what, met
    behind = list(_behind(results))
    yield (
        "ahead of every other connector, wall and CPU, on every workload",
        "; ".join(behind) or "all",
        "**missed**" if behind else "met",
    )
    if warehouse and not warehouse.quick:
        for goal, measured, most in end_to_end.goals(warehouse):
            yield _goal(goal, measured, most=most)


def _requests(results: Sequence[Result]) -> Iterator[str]:
    """Say how much of the loop's CPU is `requests`, which the tap keeps."""
    rest = ratio(results, "million", ASYNCIO.name, HANDWRITTEN.name, "cpu")
    if rest is not None:
        yield (
            f"\nOn `million`, the loop with aiohttp in the place of `requests` takes {rest:.2f} of "
            "the handwritten one's CPU: so far the HTTP clients differ. The tap keeps `requests`."
        )


def _tap_growth(speed: Speed) -> Iterator[tuple[str, float | None]]:
    start = speed.start[1]
    by_size = {addons(r): r.of(TAP.name) for r in speed.workloads if r.name.startswith("growth")}
    if len(by_size) > 1:
        few, many = min(by_size), max(by_size)
        for what, offset in (("wall", start.wall), ("cpu", start.cpu)):
            small, large = (getattr(by_size[size], what) for size in (few, many))
            yield what, (large / many) / (small / few)
            yield f"{what} without the start,", ((large - offset) / many) / ((small - offset) / few)


def _behind(results: Iterable[Result]) -> Iterator[str]:
    for result in results:
        for sync in result.syncs:
            tap = result.of(TAP.name, again=sync.again)
            if tap is None or sync.contender in {TAP.name, *LOOPS} or sync.failed or sync.missing:
                continue
            for what in ("wall", "cpu"):
                if getattr(sync, what) < getattr(tap, what):
                    again = ", again" if sync.again else ""
                    yield f"behind {sync.contender} on {result.name}{again} ({what})"


def _goal(
    goal: str, measured: float | None, *, least: float = 0, most: float = float("inf")
) -> tuple[str, str, str]:
    if measured is None:
        return goal, "not run", ""
    return goal, f"{measured:.2f}", "met" if least <= measured <= most else "**missed**"


def _findings(findings: list[Finding]) -> Iterator[str]:
    yield "## What each tool can and cannot do\n"
    yield (
        "Each row is a small account that each tool syncs once or twice, by `./dev bench "
        "correctness` ([scenarios.py](scenarios.py)). A cell says how many of the restores the "
        "warehouse has afterwards as the account has them. **Bold**: rows are missing or wrong "
        "although every sync ended with exit code 0. ✗: rows are missing, and the tool said so or "
        "had to be killed. ✓: all rows; or, where the list cannot be read to its end, an error.\n"
    )
    tools, variants = [tool.name for tool in TOOLS], [tool.name for tool in VARIANTS]
    yield from _table(("scenario", *tools), _matrix(findings, tools))
    yield "\nOther settings, where they make a difference:\n"
    some = [f for f in findings if any(o.tool in variants for o in f.outcomes)]
    yield from _table(("scenario", *variants), _matrix(some, variants))
    yield ""
    for tool in VARIANTS:
        yield f"- {tool.name}: {tool.what}."
    yield ""
    yield SETTINGS


def _matrix(findings: list[Finding], tools: list[str]) -> Iterator[list[str]]:
    for finding in findings:
        by_tool = {outcome.tool: outcome for outcome in finding.outcomes}
        cells = [_cell(finding, by_tool[tool]) for tool in tools]
        yield [f"{finding.name}: {finding.what}", *cells]


def _cell(finding: Finding, outcome: Outcome) -> str:
    text = tell(finding, outcome)
    if is_silent_loss(outcome):
        return f"**{text}**"
    return f"{'✓' if is_right(finding, outcome) else '✗'} {text}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
