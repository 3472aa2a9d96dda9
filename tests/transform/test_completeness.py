"""What the tap read, against what the loader wrote: the ledger agrees, or names what differs."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from simulator import Fault, World, serve
from simulator.world import timestamp
from tests.support import selecting, sync

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator import Server
    from tests.support import Run
    from tests.transform.warehouse import Postgres, Row

HOURLY = "projects", "addons", "restores", "list_reads"
ONLY = "--exclude-resource-type=test", "--select", "+completeness"


@pytest.fixture
def server() -> Iterator[Server]:
    world = World()
    for project in ("p", "q"):
        world.add_project(project)
        for addon in ("a", "b", "c"):
            world.add_addon(project, addon)
    for addon in ("a", "b"):
        for number in range(4):
            world.add_restore("p", addon, f"{addon}{number}")
            world.add_restore("q", addon, f"{addon}{number}", "failed")
    world.add_project("r")
    world.add_addon("r", "only")
    with serve(world) as running:
        yield running


class Account:
    """An account, its syncs and the warehouse that they are loaded into."""

    def __init__(self, server: Server, warehouse: Postgres) -> None:
        """Take a simulator and an empty warehouse."""
        self.server, self.warehouse = server, warehouse
        self.state: object = None

    def sync(self, *streams: str, keeps: bool = True, **settings: object) -> Run:
        """Sync, and load what came of it."""
        catalog = selecting(*(streams or HOURLY))
        run = sync(self.server, catalog=catalog, state=self.state, **settings)
        self.warehouse.load(run.records)
        if keeps and run.states:
            self.state = run.state
        return run

    def answers(self) -> dict[str, Row]:
        """Build the mart, and return its rows."""
        self.warehouse.build(*ONLY, as_of=self.server.world.now)
        return self.warehouse.mart("completeness", "completeness_key")


def told(rows: dict[str, Row]) -> dict[str, str]:
    """Return the answers other than that nothing is missing."""
    fine = {"complete", "nothing listed"}
    return {key: row["answer"] for key, row in rows.items() if row["answer"] not in fine}


def test_ledger_agrees_with_the_warehouse_or_names_what_differs(
    server: Server, warehouse: Postgres
) -> None:
    world, account = server.world, Account(server, warehouse)
    running = world.add_restore("p", "a", "running", "in-progress")

    # The first sync is cut off: what it had not read was never read.
    server.faults = [Fault("/projects/q/addons/a/restores", "status", status=403)]
    assert account.sync().exit_code != 0
    server.faults = []
    rows = account.answers()
    unread = ("q/a", "q/b", "q/c", "r/only")
    never = {f"restores/{addon}": "never read" for addon in unread}
    assert told(rows) == never
    assert rows["restores/p/a"]["listed"] == 5
    assert rows["restores/p/c"]["answer"] == "nothing listed"
    assert rows["addons/q"]["answer"] == rows["projects/"]["answer"] == "complete"

    # Shards of the account, a merge, an addon that vanished, a job without the ledger.
    account.sync(keeps=False, project_ids=["q"])
    account.sync(keeps=False, project_ids=["p"])
    running |= {"status": "completed", "completedAt": timestamp(world.now)}
    world.add_restore("p", "b", "later")
    server.faults = [Fault("/projects/q/addons/b/restores", "not_found")]
    account.sync()
    server.faults = []
    world.add_restore("q", "a", "unwritten")
    world.restores("p", "b").pop(0)
    account.sync("restores")
    world.remove_addon("q", "c")
    world.remove_addon("r", "only")
    account.sync("projects", "addons", "backups", "list_reads")
    rows = account.answers()
    assert told(rows) == {}
    assert rows["restores/p/a"]["is_proven"] is True
    assert rows["restores/q/c"]["is_current"] is False
    # An empty listing has no row that is newer; the ledger says that it was read.
    assert rows["restores/r/only"]["is_current"] is False
    assert rows["restores/q/a"]["forgotten"] == 1  # Which came after the last read of the ledger.
    assert rows["backups/p/a"]["answer"] == "nothing listed"

    # A whole read again, and then rows are lost at random, and one is of an older version.
    account.sync()
    chance = random.Random(13)  # noqa: S311 - a dice
    lost = {"p/a": chance.randrange(1, 5), "q/a": chance.randrange(1, 5), "q/b": 4}
    for key, number in lost.items():
        project, addon = key.split("/")
        ids = [item["id"] for item in world.restores(project, addon)]
        gone = ", ".join(f"'{id_}'" for id_ in chance.sample(ids, number))
        warehouse.query(
            f"delete from restores where \"projectId\" = '{project}' "  # noqa: S608
            f"and \"addonId\" = '{addon}' and id in ({gone})"
        )
    warehouse.query("delete from addons where \"projectId\" = 'p' and id = 'c'")
    rows = account.answers()
    assert told(rows) == {
        **{f"restores/{key}": "rows missing" for key in lost},
        "addons/p": "rows missing",
    }
    assert {key: rows[f"restores/{key}"]["missing"] for key in lost} == lost
