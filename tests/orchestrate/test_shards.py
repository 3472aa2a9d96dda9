"""Shards of an account, run at once, leave what one run leaves."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from northflank.accounts import split

from simulator import World
from tests.orchestrate.support import TABLES, at_once, shard_of, sync

if TYPE_CHECKING:
    from simulator import Server
    from tests.orchestrate.support import Production

SHARDS = 3


def requests_of(server: Server) -> Counter[tuple[str, str]]:
    """Return how often each page was asked for since the last time."""
    made = Counter((request.path, str(request.query)) for request in server.requests)
    server.clear_requests()
    return made


def partitions(*states: dict[str, Any]) -> list[Any]:
    """Return the bookmarks of all addons in some states."""
    found = [partition for state in states for partition in state["restores"]["partitions"]]
    return sorted(found, key=lambda partition: sorted(partition["context"].items()))


@pytest.fixture
def company(server: Server) -> Server:
    """A company with enough projects for three shards, which deletes no addons.

    A shard keeps the state of an addon that is gone, as it cannot know all addons.
    """
    server.world = World.company(addons=12, months=6)
    return server


@pytest.mark.timeout(600)
def test_shards_at_once_leave_the_table_and_the_state_of_one_run(
    production: Production, company: Server
) -> None:
    projects = [project["id"] for project in company.world.projects()]
    shards = split(projects, SHARDS)
    assert len(shards) == SHARDS

    def one_run() -> None:
        sync(shard_of(company), "one")

    def many_runs() -> None:
        runs = [
            partial(
                sync,
                shard_of(company, projects=shard["projects"]),
                f"many.{shard['name']}",
                TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA="many",
            )
            for shard in shards
        ]
        assert at_once(*runs) == [None] * SHARDS

    one_run()
    one = requests_of(company)
    production.copy_tables("northflank", to="many")
    many_runs()

    def compare() -> None:
        for table in TABLES[1:]:
            assert production.rows(table, "many") == production.rows(table)
        states = production.states()
        assert len(states) == 1 + SHARDS
        single = states.pop("prod:tap-northflank-restores-to-target-postgres:one")
        assert partitions(*states.values()) == partitions(single)

    compare()
    # A shard that names its projects needs no listing of them; all else is asked for once as well.
    listing = {key: count for key, count in one.items() if key[0].endswith("/projects")}
    assert listing == {("/v1/projects", "{'per_page': '100'}"): 1}
    assert requests_of(company) == one - Counter(listing)

    company.world.advance(days=45)
    one_run()
    changed = requests_of(company)
    many_runs()
    assert requests_of(company) == changed - Counter(listing)
    compare()
    assert len(production.rows("restores")) == company.world.restore_count()
