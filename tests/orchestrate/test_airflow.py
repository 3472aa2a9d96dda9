"""The DAG in a real Airflow: three accounts, of which one runs out of quota and one is refused."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest
from northflank.meltano import DAILY

from demo.account import ROOT
from orchestrate.airflow import COMMAND, DAG, Airflow, free_port
from simulator import Behaviour, World, serve
from tests.alerts.support import receiving
from tests.means import need_dbt
from tests.orchestrate.support import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from simulator import Server
    from tests.orchestrate.support import Production

SECONDS = 240
TOKENS = {name: f"token-of-{name}" for name in ("acme", "globex", "initech", "hooli", "alerts")}

pytestmark = pytest.mark.timeout(2 * SECONDS)


@pytest.fixture(autouse=True)
def _airflow() -> None:
    """Skip where there is no Airflow; fail in CI."""
    if not COMMAND.exists():
        why = "Airflow is not set up: ./dev test does it"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)


class Look:
    """What Airflow's database says of the only run of the DAG."""

    def __init__(self, home: Path) -> None:
        """Look into the database in an Airflow's home."""
        self._file = home / "airflow.db"

    def query(self, statement: str) -> list[Any]:
        """Return the rows of a statement."""
        with closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True)) as connection:
            return connection.execute(statement).fetchall()

    def states(self) -> dict[str, str]:
        """Return the state of each task instance, by the name that the pages show."""
        rows = self.query("SELECT task_id, rendered_map_index, state FROM task_instance")
        return {" ".join(filter(None, [task, index])): state for task, index, state in rows}

    def ended(self) -> bool:
        """Tell whether the run has come to its end."""
        return self.query("SELECT state FROM dag_run") in [[("failed",)], [("success",)]]

    def everything(self) -> str:
        """Return all that is in the database, as text."""
        tables = self.query("SELECT name FROM sqlite_master WHERE type = 'table'")
        return "\n".join(str(self.query(f'SELECT * FROM "{table}"')) for (table,) in tables)  # noqa: S608


def airflow_of(
    home: Path,
    servers: Mapping[str, Server],
    accounts: Sequence[Mapping[str, object]],
    settings: Mapping[str, str],
    *,
    slots: int = 8,
) -> Airflow:
    """Set up an Airflow for some accounts, each with the token that it was given."""
    need_dbt()
    connections = {f"northflank_{name}": (at.url, TOKENS[name]) for name, at in servers.items()}
    airflow = Airflow(home, accounts, connections, settings)
    airflow.set_up(slots)
    return airflow


def restores_of(production: Production, team: str) -> list[tuple[object, ...]]:
    """Return key and status of the restores that the warehouse has of an account."""
    return sorted(
        (row["projectId"], row["addonId"], row["id"], row["status"])
        for row in production.rows("restores")
        if row["teamId"] == team
    )


def restores_in(world: World, team: str) -> list[tuple[object, ...]]:
    """Return the same of a world."""
    return sorted(
        (f"{team}/{restore['projectId']}", restore["addonId"], restore["id"], restore["status"])
        for restore in world.all_restores()
    )


def pages_of(server: Server) -> list[str]:
    """Return the pages that were asked for and given, in a fixed order."""
    given = [request for request in server.requests if request.status == 200]
    return sorted(f"{request.path} {request.query}" for request in given)


def pages_in(world: World) -> list[str]:
    """Return the pages that there are, each once; none has more than a page of items here."""
    paths = ["", *(f"/{project['id']}/addons" for project in world.projects())]
    paths += [f"/{project}/addons/{addon}/restores" for project, addon in world.addon_keys()]
    return sorted(f"/v1/projects{path} {{'per_page': '100'}}" for path in paths)


def test_accounts_that_can_be_synced_are_and_failures_are_named(
    production: Production, tmp_path: Path
) -> None:
    worlds = {name: World.company(seed, months=4) for seed, name in enumerate(("acme", "globex"))}
    pages = len(pages_in(worlds["globex"]))
    short = Behaviour(rate_limit=pages - 4, rate_window=10)
    with (
        serve(worlds["acme"], token=TOKENS["acme"]) as acme,
        serve(worlds["globex"], short, TOKENS["globex"]) as globex,
        serve(World(), token="another-token") as initech,  # noqa: S106 - as revoked
        serve(World(), token=TOKENS["hooli"]) as hooli,  # whose projects are all gone
        receiving() as receiver,
    ):
        servers = {"acme": acme, "globex": globex, "initech": initech, "hooli": hooli}
        accounts: list[dict[str, object]] = [
            {"name": "acme", "shards": 2},
            {"name": "globex"},
            {"name": "initech"},
            {"name": "umbrella"},  # whose connection nobody has made
            {"name": "hooli", "shards": 2},
        ]
        file = tmp_path / "northflank.prom"
        settings = {**production.environment, "NORTHFLANK_METRICS_FILE": str(file)}
        airflow = airflow_of(tmp_path, servers, accounts, settings)
        password = receiver.destination("ops", TOKENS["alerts"])
        destinations = {"conn_type": "generic", "password": password}
        airflow.env["AIRFLOW_CONN_NORTHFLANK_ALERTS"] = json.dumps(destinations)
        done = airflow.run("dags", "test", DAG)

        # Nothing is asked for twice where the quota suffices, however many shards there are.
        assert pages_of(acme) == pages_in(acme.world)
        assert [request.status for request in initech.requests] == [401]
        refused = [request for request in globex.requests if request.status == 429]
        assert not refused, "the tap saw in time that the quota was exhausted"
        # The run that gave up, the one that went on, and in it a wait for one more window.
        assert len(globex.requests) == short.rate_limit + pages  # type: ignore[operator]

    look = Look(tmp_path)
    assert done.returncode != 0
    assert look.states() == {
        "list_projects_acme": "success",
        "sync_acme acme.1": "success",
        "sync_acme acme.2": "success",
        "sync_globex globex": "success",
        "sync_initech initech": "failed",
        "sync_umbrella umbrella": "failed",
        "list_projects_hooli": "success",
        "sync_hooli": "skipped",
        "transform": "success",
        "tell": "success",
        "name_failures": "failed",
    }
    # A quota that is exhausted costs no retry, and what someone has to mend is not tried again.
    assert look.query("SELECT max(try_number) FROM task_instance") == [(1,)]
    assert look.query(
        "SELECT task_id, count(*) FROM task_reschedule JOIN task_instance ti ON ti_id = ti.id"
        " GROUP BY 1"
    ) == [("sync_globex", 1)]
    assert "Failed: sync_initech_0, sync_umbrella_0. initech: GET /v1/projects: 401" in done.stdout
    assert "umbrella: There is no Airflow connection northflank_umbrella" in done.stdout

    # The accounts' projects and addons have the same ids, and each has its own rows and answers.
    assert worlds["acme"].addon_keys() == worlds["globex"].addon_keys()
    for name in ("acme", "globex"):
        assert restores_of(production, name) == restores_in(worlds[name], name)
    for table in TABLES:
        assert {row["teamId"] for row in production.rows(table)} == {"acme", "globex"}
    answers = production.rows("addon_recoverability", "restore_analytics")
    assert len(answers) == 2 * len(worlds["acme"].addon_keys())
    start = "prod:tap-northflank-restores-to-target-postgres:"
    assert set(production.states()) == {f"{start}{name}" for name in ("acme.1", "acme.2", "globex")}

    # Other DAGs can be scheduled on the marts, and people hear of what somebody has to mend.
    events = look.query("SELECT uri FROM asset_event JOIN asset ON asset_id = asset.id")
    named = sorted(uri.removeprefix("northflank_restores/") for (uri,) in events)
    marts = (ROOT / "transform" / "models" / "marts").glob("*.sql")
    assert named == sorted(path.stem for path in marts)
    (body,) = receiver.bodies()
    lines = [line.partition(";")[0] for line in body.splitlines() if line.startswith("job ")]
    assert lines == ["job sync initech: failed", "job sync umbrella: failed"]
    assert "initech: GET /v1/projects: 401" in body
    assert "northflank_restores_database_info{" in file.read_text(encoding="utf-8")

    # A token is in no log, rendered template, XCom or any other place of Airflow's.
    logs = "".join(file.read_text() for file in tmp_path.glob("logs/**/*") if file.is_file())
    for token in TOKENS.values():
        assert token not in done.stdout + logs + look.everything() + body


def test_the_pool_of_a_token_limits_the_tasks_that_use_it_at_once(
    production: Production, tmp_path: Path
) -> None:
    world = World.fan_out(projects=8, addons=1, restores=1)
    with serve(world, token=TOKENS["acme"]) as acme:
        accounts = [{"name": "acme", "shards": 2}]
        airflow = airflow_of(tmp_path, {"acme": acme}, accounts, production.environment, slots=1)
        airflow.run("dags", "reserialize").check_returncode()
        airflow.run("dags", "unpause", "--yes", DAG).check_returncode()  # The daily one is paused.
        look = Look(tmp_path)
        with ExitStack() as stack:
            airflow.start(stack, f"http://127.0.0.1:{free_port()}")
            deadline = time.monotonic() + SECONDS
            while not look.ended() and time.monotonic() < deadline:
                time.sleep(1)
        assert look.states().pop("name_failures") == "success"
        assert look.states().pop("tell") == "skipped"
        assert len(look.states()) == 6
        assert pages_of(acme) == pages_in(world)

    spans = look.query(
        "SELECT start_date, end_date FROM task_instance WHERE task_id = 'sync_acme' ORDER BY 1"
    )
    assert len(spans) == 2
    assert spans[0][1] <= spans[1][0], "the second waited for the first"


def test_what_changes_slowly_is_read_by_the_day(production: Production, tmp_path: Path) -> None:
    world = World.company(addons=6, months=2)
    with serve(world, token=TOKENS["acme"]) as acme:
        accounts = [{"name": "acme", "shards": 2}]
        airflow = airflow_of(tmp_path, {"acme": acme}, accounts, production.environment)
        done = airflow.run("dags", "test", f"{DAG}_daily")
        asked = [request.path for request in acme.requests]

    assert done.returncode == 0, done.stdout
    assert Look(tmp_path).states() == {
        "sync_daily_acme": "success",
        "tell": "skipped",
        "name_failures": "success",
    }
    assert [path for path in asked if path.endswith("/restores")] == []
    for table in DAILY:
        assert {row["teamId"] for row in production.rows(table)} == {"acme"}
    backups = sorted(
        (f"acme/{project}", addon, backup["id"])
        for project, addon in world.addon_keys()
        for backup in world.backups(project, addon)
    )
    assert backups == sorted(
        (row["projectId"], row["addonId"], row["id"]) for row in production.rows("backups")
    )
    assert len(production.rows("addon_details")) == len(world.addon_keys())
    assert set(production.states()) <= {
        "prod:tap-northflank-restores-daily-to-target-postgres:acme"
    }
