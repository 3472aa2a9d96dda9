"""Runs the simulator as a process: `python -m simulator --help`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from pathlib import Path

from simulator.behaviour import Behaviour
from simulator.company import CAST
from simulator.serving import TOKEN, serve
from simulator.world import World


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m simulator",
        description="Serve the Northflank lists of a made-up account on 127.0.0.1.",
    )
    option = parser.add_argument
    option("--port", type=int, default=0, help="port; 0, the default, for a free one")
    option("--token", default=TOKEN, help="bearer token that opens it (default: %(default)s)")
    option("--world", choices=["company", "fan-out"], default="company")
    option("--seed", type=int, default=7, help="seed of all that is random (default: 7)")
    option("--projects", type=int, default=1, help="fan-out: number of projects (default: 1)")
    option("--addons", type=int, help="databases (company, all 18), per project (fan-out, 400)")
    option("--months", type=int, default=18, help="company: months of history (default: 18)")
    option("--restores", type=int, default=100, help="fan-out: restores an addon (default: 100)")
    option("--latency", type=float, default=0, help="seconds before each answer (default: 0)")
    option("--rate-limit", type=int, help="requests in a window (default: no limit)")
    option("--rate-window", type=float, default=3600, help="seconds (default: 3600)")
    option("--team", help="organisation token: serve /v1/teams/TEAM only")
    option("--ready-file", type=Path, help="write URL and token to this file, as JSON, when ready")
    return parser.parse_args()


def world(options: argparse.Namespace) -> World:
    """Build the world that was asked for."""
    if options.world == "company":
        return World.company(options.seed, options.addons or len(CAST), options.months)
    return World.fan_out(
        options.projects, options.addons or 400, options.restores, seed=options.seed
    )


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    options = arguments()
    behaviour = Behaviour(
        latency=options.latency,
        rate_limit=options.rate_limit,
        rate_window=options.rate_window,
        team_id=options.team,
    )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        with serve(world(options), behaviour, options.token, options.port) as server:
            ready = {"url": server.url, "token": server.token}
            if options.ready_file:
                # In one step, so that nobody reads half of it.
                partial = options.ready_file.with_name(options.ready_file.name + ".partial")
                partial.write_text(json.dumps(ready))
                partial.replace(options.ready_file)
            sys.stdout.write(f"Northflank simulator at {server.url}, token {server.token}\n")
            sys.stdout.flush()
            stop.wait()
    except OSError as error:
        sys.exit(f"The simulator cannot start: {error}")


if __name__ == "__main__":
    main()
