"""The command line: `./dev bench [speed|end-to-end|correctness] [--quick]`."""

from __future__ import annotations

import argparse
from datetime import datetime, timezone

from benchmarks import correctness, end_to_end, machine, results, speed
from benchmarks.scenarios import SCENARIOS
from benchmarks.workloads import WORKLOADS, quick

PARTS = ["speed", "end-to-end", "correctness"]


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="./dev bench",
        description="Compare this tap with other tools, and write benchmarks/RESULTS.md.",
    )
    option = parser.add_argument
    option("part", nargs="?", choices=PARTS, help="without it, all")
    option("--quick", action="store_true", help="small worlds, once: a look at whether all runs")
    option("--runs", type=int, default=3, help="runs of each contender (default: 3)")
    names = [workload.name for workload in WORKLOADS]
    option("--only", choices=names, nargs="+", help="these workloads; nothing is written then")
    return parser.parse_args()


def main() -> None:
    """Run what was asked for and write it down."""
    options = arguments()
    found = results.read() or results.Results("", machine.describe())
    found.date, found.machine = f"{datetime.now(timezone.utc):%Y-%m-%d}", machine.describe()
    parts = [options.part] if options.part else PARTS
    if "speed" in parts:
        chosen = [w for w in WORKLOADS if not options.only or w.name in options.only]
        if options.quick:
            chosen = [quick(workload) for workload in chosen]
        load = machine.load()
        measured = speed.run(chosen, 1 if options.quick else options.runs)
        found.speed = results.Speed(options.quick, load, *measured)
    if "end-to-end" in parts and not options.only:
        runs = 1 if options.quick else options.runs
        found.warehouse = end_to_end.run(quick=options.quick, runs=runs)
    if "correctness" in parts and not options.only:
        found.findings = correctness.run(SCENARIOS)
    if not options.only:
        results.write(found)
        print(f"Written to {results.MARKDOWN.relative_to(results.HERE.parent)}")


if __name__ == "__main__":
    main()
