"""`python -m orchestrate.scale`: what 10,000 addons in 50 teams cost, and where that breaks.

Prints the tables of docs/scale.md. What it can measure it measures, on the simulator; the rest is
arithmetic, and a simulation of the schedule, with the figures below. Their CPU_A_RUN comes from
`python -m orchestrate.scale --measure`, which runs Meltano, and differs from machine to machine.
"""

from __future__ import annotations

import heapq
import json
import os
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo.pipeline import Pipeline, loader_url
from demo.postgres import postgres
from simulator import World, serve
from tap_northflank_restores.bookmark import Bookmark

if TYPE_CHECKING:
    from collections.abc import Sequence

TAP = str(Path(sysconfig.get_path("scripts")) / "tap-northflank-restores")

TEAMS, ADDONS = 50, 10_000
PROJECTS_A_TEAM = 10
PAGE = 100
QUOTA, WINDOW = 1000, 3600.0
HOUR, HOURS_A_DAY, HOURS_A_YEAR = 3600.0, 24, 24 * 365

SLOTS = 16
"""Tasks of a DAG that Airflow runs at once, unless it is told otherwise."""
CPU_A_RUN = 4
"""CPU seconds of a `meltano run sync` of such a team in which nothing is new."""
OVERHEAD = 10.0
"""Seconds that it takes beside its requests."""
SECONDS_A_REQUEST = 0.05 / 8
"""At 50 ms a response and 8 in flight."""


DAILY = ("addon_details", "backup_schedules", "backups")
"""The streams of the job `sync-daily`."""


def requests(addons: int, restores: int = 1, projects: int = PROJECTS_A_TEAM) -> int:
    """Return the requests of one sync of a team: its projects, their addons, their restores."""
    return _listing(addons, projects) + addons * _pages(restores)


def requests_daily(addons: int, backups: int = 1, projects: int = PROJECTS_A_TEAM) -> int:
    """Return the requests of the daily job: the listing, and of each addon all of `DAILY`."""
    return _listing(addons, projects) + addons * (len(DAILY) - 1 + _pages(backups))


def _listing(addons: int, projects: int) -> int:
    return ceil(projects / PAGE) + projects * _pages(ceil(addons / projects))


def _pages(items: int) -> int:
    return max(1, ceil(items / PAGE))


def main() -> None:
    """Print all tables, or measure what a run costs here."""
    if sys.argv[1:] == ["--measure"]:
        sys.stdout.write(_cpu_of_runs() + "\n")
        return
    for table in (_requests(), _daily(), _history(), _state(), _work(), _schedules()):
        sys.stdout.write(table + "\n\n")


def _table(title: str, *rows: tuple[object, ...]) -> str:
    head, *body = [[f"{c:,}" if isinstance(c, int) else str(c) for c in row] for row in rows]
    lines = [head, ["---"] * len(head), *body]
    return "\n".join([f"**{title}**", "", *(f"| {' | '.join(line)} |" for line in lines)])


# What is measured ----------------------------------------------------------------------------


def _requests() -> str:
    """Let the tap read one team, twice, and compare with the arithmetic."""
    team = ADDONS // TEAMS
    world = World.fan_out(PROJECTS_A_TEAM, team // PROJECTS_A_TEAM, 24)
    rows: list[tuple[object, ...]] = [
        ("sync of one team", "requests made", "by arithmetic", "restores sent", "state, bytes")
    ]
    with tempfile.TemporaryDirectory() as folder, serve(world) as server:
        config, state = Path(folder, "config.json"), Path(folder, "state.json")
        config.write_text(json.dumps({"api_url": server.url, "api_token": server.token}))
        state.write_text("{}")
        for name in ("first", "unchanged"):
            server.clear_requests()
            sent = _tap(config, state)
            made, size = len(server.requests), len(json.dumps(json.loads(state.read_text())))
            rows.append((name, made, requests(team, 24), sent["restores"], size))
        server.clear_requests()
        catalog = Path(folder, "catalog.json")
        catalog.write_text(json.dumps(_selecting(DAILY)))
        state.write_text("{}")
        sent = _tap(config, state, f"--catalog={catalog}")
        size = len(json.dumps(json.loads(state.read_text())))
        rows.append(
            ("the daily job", len(server.requests), requests_daily(team), sent["restores"], size)
        )
    return _table("Measured: 200 addons in 10 projects, 24 restores each", *rows)


def _selecting(streams: Sequence[str]) -> dict[str, Any]:
    """Return the tap's catalog with these streams selected."""
    discovered = subprocess.run([TAP, "--discover"], capture_output=True, check=True)  # noqa: S603
    catalog: dict[str, Any] = json.loads(discovered.stdout)
    for entry in catalog["streams"]:
        (root,) = (item for item in entry["metadata"] if item["breadcrumb"] == [])
        root["metadata"]["selected"] = entry["stream"] in streams
    return catalog


def _tap(config: Path, state: Path, *arguments: str) -> Counter[str]:
    """Run the tap, keep its last state, and return the records that it sent of each stream."""
    done = subprocess.run(  # noqa: S603 - the tap itself
        [TAP, f"--config={config}", f"--state={state}", *arguments],
        env={k: v for k, v in os.environ.items() if not k.startswith("TAP_")},
        capture_output=True,
        check=True,
    )
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    states = [message["value"] for message in messages if message["type"] == "STATE"]
    state.write_text(json.dumps(states[-1] if states else {}))
    return Counter(message["stream"] for message in messages if message["type"] == "RECORD")


def _cpu_of_runs() -> str:
    """Run Meltano on such a team, three times, and print the CPU seconds of each."""
    world = World.fan_out(PROJECTS_A_TEAM, ADDONS // TEAMS // PROJECTS_A_TEAM, 24)
    rows: list[tuple[object, ...]] = [("run", "seconds", "CPU seconds")]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(serve(world))
        database = stack.enter_context(postgres(folder / "postgres"))
        team = Pipeline(
            folder,
            {
                "TAP_NORTHFLANK_RESTORES_API_URL": server.url,
                "TAP_NORTHFLANK_RESTORES_API_TOKEN": server.token,
                "TARGET_POSTGRES_SQLALCHEMY_URL": loader_url(database.make("warehouse")),
            },
        )
        team.install("sync")
        for name in ("first", "unchanged", "unchanged"):
            start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
            team.meltano("run", "sync")
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            rows.append((name, f"{time.monotonic() - start:.1f}", f"{cpu:.1f}"))
    return _table("A `meltano run sync` of one team on this machine", *rows)


# What is arithmetic --------------------------------------------------------------------------


def _daily() -> str:
    """Say what backups, schedules and details cost beside the restores."""
    team = ADDONS // TEAMS
    hourly = requests(team)
    rows: list[tuple[object, ...]] = [
        (
            "read by the hour, and by the day",
            "an addon and hour",
            "most in an hour",
            "of the quota",
            "a team, a day",
        )
    ]
    for name, an_hour, a_day in (
        ("restores; nothing", hourly, 0),
        ("restores; backups, schedules, details", hourly, requests_daily(team)),
        ("the same, 500 backups of each addon", hourly, requests_daily(team, 500)),
        ("all of it; nothing", hourly + len(DAILY) * team, 0),
    ):
        beside = an_hour - _listing(team, PROJECTS_A_TEAM)
        each = beside / team + max(0, a_day - _listing(team, PROJECTS_A_TEAM)) / team / HOURS_A_DAY
        most = an_hour + a_day
        rows.append(
            (name, f"{each:.3f}", most, f"{most / QUOTA:.0%}", HOURS_A_DAY * an_hour + a_day)
        )
    return _table("Requests of a team of 200 addons with the daily job", *rows)


def _history() -> str:
    """Say what each team's sync costs as its addons' histories grow."""
    rows: list[tuple[object, ...]] = [
        ("restores of each addon", "requests a team", "of its quota", "requests of all, an hour")
    ]
    team = ADDONS // TEAMS
    for restores in (100, 200, 300, 400, 401, 1000):
        made = requests(team, restores)
        rows.append((restores, made, f"{made / QUOTA:.0%}", made * TEAMS))
    largest = max(n for n in range(QUOTA) if requests(n) <= QUOTA)
    rows.append(("one page, largest team", requests(largest), f"{largest} addons", "-"))
    return _table("Requests, an hourly sync of 50 teams of 200 addons", *rows)


def _state() -> str:
    """Say how large the state is, and what is kept of it."""
    longest = {"projectId": "p" * 20, "addonId": "a" * 20}
    time = "2026-11-23T19:30:00.000Z"
    rows: list[tuple[object, ...]] = [
        ("restores pending", "an addon", "a team of 200", "all 10,000")
    ]
    for pending in (0, 1, 10):
        entries = {f"{number:024x}": ("failed", "AbCd") for number in range(pending)}
        bookmark = Bookmark(time, 10_000, pending=entries)
        size = len(json.dumps({"context": longest, **bookmark.to_state()}))
        rows.append((pending, size, size * (ADDONS // TEAMS), size * ADDONS))
    kept = (size * HOURS_A_YEAR for size in rows[1][1:])  # type: ignore[operator]
    rows.append(("0, in Meltano's `runs` after a year", *kept))
    return _table("State in bytes, ids of 20 letters", *rows)


def _work() -> str:
    """Count tasks and merges."""
    rows: list[tuple[object, ...]] = [
        (
            "a task for each",
            "tasks an hour",
            "CPU an hour, s",
            "cores",
            "merges an hour",
            "a table, a day",
        )
    ]
    for name, runs, merged in (
        ("team", TEAMS, 3),
        ("quarter of a team", TEAMS * 4, 2),
        ("project", TEAMS * PROJECTS_A_TEAM, 2),
        ("addon", ADDONS, 1),
    ):
        listings = 0 if name == "team" else TEAMS
        cpu = CPU_A_RUN * (runs + 2 * listings)
        rows.append(
            (
                name,
                runs + listings + 2,
                cpu,
                f"{cpu / HOUR:.1f}",
                runs * merged + listings,
                runs * HOURS_A_DAY,
            )
        )
    title = f"An hour's tasks of a `meltano run`, {CPU_A_RUN} s CPU each, if each has news"
    return _table(title, *rows)


# The schedule, simulated ---------------------------------------------------------------------


@dataclass
class Token:
    """A quota in windows, each of which starts with its first request."""

    resets: float = 0.0
    left: int = QUOTA

    def take(self, now: float, wanted: int) -> int:
        """Take what there is of the requests wanted."""
        if now >= self.resets:
            self.resets, self.left = now + WINDOW, QUOTA
        taken = min(wanted, self.left)
        self.left -= taken
        return taken


@dataclass
class Day:
    """What a day of the schedule came to, in tasks, requests and seconds."""

    runs: int = 0
    requests: int = 0
    longest_run: float = 0.0
    waiting_in_slots: float = 0.0


def simulate(shards: Sequence[tuple[Token, int]]) -> Day:
    """Let the DAG run for a day: hourly, and one run at a time.

    A task that finds its quota exhausted frees its slot and comes back at the reset; from its
    second try on it waits in its slot.

    Args:
        shards: the token of each, and the requests that its sync makes.
    """
    day, begins = Day(), 0.0
    while begins < HOURS_A_DAY * HOUR:
        ends = _run(shards, begins, day)
        day.runs += 1
        day.longest_run = max(day.longest_run, ends - begins)
        # The run that was due meanwhile starts at once; older ones are left out.
        begins = max(ends, (begins // HOUR + 1) * HOUR)
    return day


def _run(shards: Sequence[tuple[Token, int]], begins: float, day: Day) -> float:
    tasks = [(begins, number, 0) for number in range(len(shards))]
    slots = [begins] * SLOTS
    ends = begins
    while tasks:
        ready, number, tries = heapq.heappop(tasks)
        token, wanted = shards[number]
        now = max(ready, heapq.heappop(slots)) + OVERHEAD
        taken = token.take(now, wanted)
        while taken < wanted and tries:
            day.waiting_in_slots += token.resets - now
            now = token.resets
            taken += token.take(now, wanted - taken)
        day.requests += taken
        now += taken * SECONDS_A_REQUEST
        heapq.heappush(slots, now)
        if taken < wanted:
            heapq.heappush(tasks, (token.resets, number, tries + 1))
        else:
            ends = max(ends, now)
    return ends


def _schedules() -> str:
    """Simulate a day of some accounts."""
    equal = [ADDONS // TEAMS] * TEAMS
    harmonic = sum(1 / rank for rank in range(1, TEAMS + 1))
    skewed = [round(ADDONS / harmonic / rank) for rank in range(1, TEAMS + 1)]
    rows: list[tuple[object, ...]] = [
        ("accounts", "runs", "longest, min", "requests", "read again", "slot-hours waited in")
    ]
    organisation = Token()
    for name, teams, restores, shards, token in (
        ("50 equal teams, 100 restores an addon", equal, 100, 1, None),
        ("the same, 500 restores an addon", equal, 500, 1, None),
        ("the same, in 4 shards a team", equal, 500, 4, None),
        ("the n-th team 1/n as large as the first", skewed, 100, 1, None),
        ("the same, in 4 shards a team", skewed, 100, 4, None),
        ("50 equal teams, one organisation's token", equal, 100, 1, organisation),
    ):
        parts = []
        for team in teams:
            own = token or Token()
            parts += [(own, part) for part in _divided(requests(team, restores), shards)]
        day = simulate(parts)
        again = day.requests - day.runs * sum(part for _, part in parts)
        minutes, hours = round(day.longest_run / 60), round(day.waiting_in_slots / HOUR)
        rows.append((name, day.runs, minutes, day.requests, again, hours))
    return _table("A day of the hourly schedule, simulated", *rows)


def _divided(total: int, parts: int) -> list[int]:
    return [total * (part + 1) // parts - total * part // parts for part in range(parts)]


if __name__ == "__main__":
    main()
