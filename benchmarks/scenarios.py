"""What goes wrong with an API, or just happens on it, as small accounts to sync once or twice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from simulator.behaviour import Behaviour
from simulator.faults import Fault
from simulator.world import World, timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.serving import Server

P, A = "shop", "orders"
"""The first project and its first addon."""


@dataclass(frozen=True)
class Scenario:
    """An account, how the API behaves, and what happens between two syncs."""

    name: str
    what: str
    """A sentence for a reader of the results."""
    world: Callable[[], World]
    behaviour: Callable[[], Behaviour] = Behaviour
    faults: Callable[[], list[Fault]] = list
    then: Callable[[Server], object] | None = None
    """What happens before a second sync; None for no second sync."""
    timeout: int = 60
    """Seconds until a sync is taken for endless and killed."""
    variants: bool = False
    """Whether other settings of the tools make a difference."""
    must_fail: bool = False
    """Whether the list cannot be read to its end: then to say so is right."""


def account(
    restores: int, *, addons: int = 1, projects: int = 1, now: datetime | None = None
) -> World:
    """Build an account whose addons each have restores that completed one an hour."""
    world = World() if now is None else World(now=now - timedelta(hours=restores))
    for p in range(projects):
        project = f"{P}-{p}" if p else P
        world.add_project(project)
        for a in range(addons):
            world.add_addon(project, f"{A}-{a}" if a else A)
    for _ in range(restores):
        world.advance(hours=1)
        for project, addon in world.addon_keys():
            world.add_restore(project, addon)
    return world


def with_unfinished(restores: int) -> World:
    """Build an account that also has restores without an end: five failed, one in progress."""
    world = account(restores)
    for _ in range(5):
        world.add_restore(P, A, status="failed")
    world.add_restore(P, A, status="in-progress")
    return world


def with_ties(restores: int) -> World:
    """Build an account with restores without an end, and three at the greatest `completedAt`."""
    world = with_unfinished(restores)
    for _ in range(2):
        world.add_restore(P, A)
    return world


def appears_late(server: Server) -> None:
    """Show a restore that completed before others that were read already."""
    completed = timestamp(server.world.now - timedelta(hours=5, minutes=30))
    server.world.add_restore(P, A, completedAt=completed)


def completes_older(server: Server) -> None:
    """Complete the one in progress, at a time before others that were read already."""
    for restore in server.world.restores(P, A):
        if restore["status"] == "in-progress":
            restore["status"] = "completed"
            restore["completedAt"] = timestamp(server.world.now - timedelta(hours=1, minutes=1))


def addon_appears(server: Server) -> None:
    """Show an addon with a history, as when the token's role reaches another project."""
    world = server.world
    world.add_addon(P, "billing")
    for hours in range(1, 31):
        completed = timestamp(world.now - timedelta(hours=hours, minutes=30))
        world.add_restore(P, "billing", completedAt=completed)


def nothing(_server: Server) -> None:
    """Change nothing."""


SCENARIOS = [
    Scenario(
        "several projects",
        "12 projects of 2 addons with 20 restores each: one sync",
        lambda: account(20, addons=2, projects=12),
        variants=True,
    ),
    Scenario(
        "empty page",
        "every second page of a list of 250 is empty, with `hasNextPage: true`",
        lambda: account(250),
        lambda: Behaviour(empty_pages=lambda page: page % 2 == 1, only_lists={"restores"}),
    ),
    Scenario(
        "completedAt absent",
        "20 restores, and 6 failed or in progress that have no `completedAt`",
        lambda: with_unfinished(20),
    ),
    Scenario(
        "completedAt null",
        "the same, where it is null",
        lambda: with_unfinished(20),
        lambda: Behaviour(completed_at_null=True),
    ),
    Scenario(
        "nothing changed",
        "a second sync of 28 restores, 6 of them without `completedAt`, 3 at the greatest",
        lambda: with_ties(20),
        then=nothing,
        variants=True,
    ),
    Scenario(
        "late row",
        "before the second sync a restore appears that completed before others already read",
        lambda: account(20),
        then=appears_late,
        variants=True,
    ),
    Scenario(
        "completes out of order",
        "a restore in progress at the first sync has completed before others already read",
        lambda: with_unfinished(20),
        then=completes_older,
        variants=True,
    ),
    Scenario(
        "addon appears",
        "before the second sync an addon with 30 restores of its own appears",
        lambda: account(20),
        then=addon_appears,
        variants=True,
    ),
    Scenario(
        "addon deleted",
        "one of 5 addons answers 404: it was deleted after it was listed",
        lambda: account(20, addons=5),
        faults=lambda: [Fault(f"/{A}-1/restores", "not_found")],
    ),
    Scenario(
        "clock ahead",
        "the server's clock is ten minutes ahead of the tool's",
        lambda: account(20, now=datetime.now(timezone.utc) + timedelta(minutes=10)),
    ),
    Scenario(
        "faults",
        "a 503 on one page and a dropped connection on another, once each",
        lambda: account(250, addons=2),
        faults=lambda: [
            Fault(f"/{A}/restores", "status", times=1, status=503, page=2),
            Fault(f"/{A}-1/restores", "drop", times=1, page=3),
        ],
    ),
    Scenario(
        "quota, 5 s",
        "10 requests in a window of 5 s, 429 beyond; 27 are needed",
        lambda: account(5, addons=25),
        lambda: Behaviour(rate_limit=10, rate_window=5),
    ),
    Scenario(
        "quota, 45 s",
        "the same with 20 requests in a window of 45 s; the real one has an hour",
        lambda: account(5, addons=25),
        lambda: Behaviour(rate_limit=20, rate_window=45),
        timeout=200,
    ),
    Scenario(
        "quota, Retry-After",
        "the same, and a 429 says with `Retry-After` how long to wait; no document promises it",
        lambda: account(5, addons=25),
        lambda: Behaviour(rate_limit=20, rate_window=45, retry_after="seconds"),
        timeout=200,
    ),
    Scenario(
        "no cursor",
        "the first of 3 pages says that there is more, but has no cursor to it",
        lambda: account(250),
        lambda: Behaviour(more_without_cursor=True, only_lists={"restores"}),
        must_fail=True,
    ),
    Scenario(
        "cursor repeats",
        "each page after the first has the cursor that it was asked with",
        lambda: account(250),
        lambda: Behaviour(repeat_cursor=True, only_lists={"restores"}),
        timeout=20,
        must_fail=True,
    ),
]
