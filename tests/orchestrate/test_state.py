"""State that is kept elsewhere: found by every machine, and never taken for an empty one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg
import pytest
from northflank.meltano import Meltano, RunError

from simulator import World
from tests.orchestrate.support import shard_of

if TYPE_CHECKING:
    from pathlib import Path

    from simulator import Server
    from tests.orchestrate.support import Production


@pytest.fixture
def company(server: Server) -> Server:
    """A company with a few restores."""
    server.world = World.company(months=4)
    return server


def restores_sent(server: Server, **settings: str) -> int:
    """Sync, and return how many restores the tap says that it sent."""
    lines: list[str] = []
    Meltano({**shard_of(server), **settings}, lines.append).run("sync")
    (sent,) = re.findall(r"restores read, (\d+) handed", "\n".join(lines))
    return int(sent)


def test_another_machine_goes_on_from_the_state_in_a_shared_folder(
    production: Production, company: Server, tmp_path: Path
) -> None:
    def machine(name: str) -> dict[str, str]:
        return {
            "MELTANO_DATABASE_URI": f"sqlite:///{tmp_path / name}.db",
            "MELTANO_STATE_BACKEND_URI": (tmp_path / "state").as_uri(),
        }

    assert restores_sent(company, **machine("one")) == company.world.restore_count()
    assert restores_sent(company, **machine("two")) == 0
    assert len(production.rows("restores")) == company.world.restore_count()

    # Half a state, as a machine that lost its power may leave: a run that took it for none would
    # send everything again each time. It is refused, before the API is asked anything.
    (file,) = (tmp_path / "state").glob("*/state.json")
    file.write_text(file.read_text()[: file.stat().st_size // 2])
    company.clear_requests()
    with pytest.raises(RunError, match="Failed to retrieve state"):
        restores_sent(company, **machine("three"))
    assert not company.requests


def test_what_meltano_remembers_of_past_runs_can_be_deleted(
    production: Production, company: Server
) -> None:
    assert restores_sent(company) == company.world.restore_count()
    with psycopg.connect(production.system) as connection:
        kept = connection.execute("SELECT payload FROM runs").fetchall()
        assert ["bookmarks" in payload for (payload,) in kept] == [True]
        connection.execute("DELETE FROM runs WHERE ended_at < now() + interval '1 day'")
    assert restores_sent(company) == 0
