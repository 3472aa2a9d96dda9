"""A run of Meltano for one task: it ends with the task, and says why it failed."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest
from northflank.meltano import Meltano, RunError

from simulator import Behaviour, World, serve
from tests.orchestrate.support import shard_of, sync

if TYPE_CHECKING:
    from tests.orchestrate.support import Production

NOWHERE = "postgresql+psycopg://someone:secret@127.0.0.1:1/nothing"


class LeftError(Exception):
    """What Airflow raises in a task that takes too long, where it happens to be."""


def running() -> set[str]:
    """Return the names of the programs that run below this process."""
    children = psutil.Process().children(recursive=True)
    return {word for child in children for word in child.cmdline()[:2] if "meltano" in word}


def test_a_run_that_is_left_ends_and_the_next_one_loses_nothing(production: Production) -> None:
    world = World.fan_out(projects=2, addons=4, restores=1)
    quota = Behaviour(rate_limit=7, rate_window=60)  # Lists, and the restores of four addons.

    def leave(line: str) -> None:
        if re.search("waiting .* for its reset", line):
            raise LeftError

    with serve(world, quota) as server:
        with pytest.raises(LeftError):
            Meltano(shard_of(server), leave).run("sync")
        assert not running()
        assert len(server.requests) == quota.rate_limit

        server.behaviour = Behaviour()
        sync(shard_of(server), "")
    assert len(production.rows("restores")) == world.restore_count()


def test_a_transform_that_is_stopped_takes_dbt_along(production: Production) -> None:
    with serve(World.company(months=1)) as server:
        sync(shard_of(server), "")
    transform = Meltano({})
    seen: list[psutil.Process] = []

    def stop_when_dbt_runs() -> None:
        while not seen:
            time.sleep(0.05)
            for child in psutil.Process().children(recursive=True):
                with suppress(psutil.NoSuchProcess):  # One that has ended meanwhile.
                    seen.extend([child] if child.cmdline()[-1:] == ["build"] else [])
        transform.stop()

    stopper = Thread(target=stop_when_dbt_runs)
    stopper.start()
    with pytest.raises(RunError):
        transform.run("transform")
    stopper.join()
    psutil.wait_procs(seen)
    with psycopg.connect(production.warehouse) as connection:
        built = connection.execute("SELECT to_regnamespace('restore_analytics')").fetchone()
    assert built == (None,)


@pytest.mark.usefixtures("production")
def test_a_system_database_that_does_not_answer_is_the_reason() -> None:
    with serve(World()) as server:
        with pytest.raises(RunError, match="Connection refused") as failure:
            sync(
                shard_of(server), "", MELTANO_DATABASE_URI=NOWHERE, MELTANO_DATABASE_MAX_RETRIES="0"
            )
        assert not server.requests
    assert "\n" not in str(failure.value)
    assert "secret" not in str(failure.value)


@pytest.mark.usefixtures("production")
def test_a_warehouse_that_does_not_answer_is_the_reason() -> None:
    with (
        serve(World.company(months=1)) as server,
        pytest.raises(RunError, match="Connection refused") as failure,
    ):
        sync(shard_of(server), "", TARGET_POSTGRES_SQLALCHEMY_URL=NOWHERE)
    assert "\n" not in str(failure.value)
    assert "secret" not in str(failure.value)


def test_a_command_that_fails_is_told_in_its_own_line(production: Production) -> None:
    destinations = {"NORTHFLANK_ALERTS_URLS": "nosuch://secret"}
    with pytest.raises(RunError, match=r"^Apprise cannot read the URL of alerts: ") as error:
        Meltano({**production.environment, **destinations}).invoke(
            "restore-report:alerts", "--job", "sync acme=1: 401"
        )
    assert "secret" not in str(error.value)
