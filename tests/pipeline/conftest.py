"""Meltano, the loader and a PostgreSQL, apart from those of the checkout's user."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import psutil
import psycopg
import pytest
from psycopg.rows import dict_row

from demo.account import ROOT
from demo.pipeline import Pipeline, loader_url
from demo.postgres import Postgres, postgres
from demo.warehouses import DUCKDB
from tests.means import HAS_OLD_DUCKDB, one_at_a_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator import Server

Row = dict[str, Any]

PLUGINS = ROOT / ".dev" / "test" / "meltano"
"""Where the tests' plugins are installed, once for all runs."""


class Warehouse:
    """A database of one test, whose sessions are not in UTC."""

    def __init__(self, dsn: str) -> None:
        """Take the database's URL."""
        self.dsn = dsn

    def rows(self, query: str) -> list[Row]:
        """Return the rows of a query; none if its table is not there yet."""
        with psycopg.connect(self.dsn, row_factory=dict_row) as connection:
            try:
                return connection.execute(query.encode()).fetchall()
            except psycopg.errors.UndefinedTable:
                return []

    def count(self, table: str) -> int:
        """Return how many rows a table of the tap has, 0 if it is not there."""
        return len(self.rows(f"SELECT 1 FROM northflank.{table}"))  # noqa: S608

    def loaded_last(self) -> list[Row]:
        """Return the restores that the last sync has loaded."""
        return self.rows("""
            SELECT * FROM northflank.restores WHERE _sdc_sync_started_at
                = (SELECT max(_sdc_sync_started_at) FROM northflank.restores)
        """)


class Sync(Pipeline):
    """The pipeline of one test."""

    def states(self) -> dict[str, str]:
        """Return what Meltano stores of each state id, as it stands there."""
        with closing(sqlite3.connect(self.log.parent / "meltano.db")) as database:
            return dict(database.execute("SELECT state_id, completed_state FROM state"))

    def exit_codes(self) -> dict[str, int]:
        """Return what Meltano logged last as the exit codes of tap and loader."""
        lines = [line for line in self.log.read_text().splitlines() if line.startswith("{")]
        found = [json.loads(line) for line in lines if '"exit_codes"' in line]
        codes: dict[str, int] = found[-1]["exit_codes"]
        return codes


def descendants(pid: int) -> dict[str, psutil.Process]:
    """Return the processes below one, by the names of program and script."""
    found: dict[str, psutil.Process] = {}
    for process in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # It may end while we look.
            found |= {Path(part).name: process for part in process.cmdline()[:2]}
    return found


@contextmanager
def passable_folder() -> Iterator[Path]:
    """Give a temporary folder for the data of a server.

    pytest closes the folder that holds all of its own to other users whenever it starts, and with
    it the data of a server that another run of the tests has started as root.
    """
    with TemporaryDirectory(prefix="test-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def _postgres() -> Iterator[Postgres]:
    with passable_folder() as folder, postgres(folder / "postgres") as server:
        yield server


@pytest.fixture
def warehouse(_postgres: Postgres) -> Warehouse:
    dsn = _postgres.make("warehouse")
    with psycopg.connect(dsn) as connection:
        connection.execute("ALTER DATABASE warehouse SET timezone = 'Asia/Tokyo'")
    return Warehouse(dsn)


@pytest.fixture(scope="session")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where tap and loader are installed."""
    home = tmp_path_factory.mktemp("install")
    with one_at_a_time("meltano"):
        Pipeline(home, {}, plugins=PLUGINS).install(
            *("sync", "sync-daily", "drill", "dbt-postgres:build", "restore-report:page"),
            *((*DUCKDB.sync, DUCKDB.models) if HAS_OLD_DUCKDB else ()),
        )
    return PLUGINS


@pytest.fixture
def pipeline(server: Server, warehouse: Warehouse, plugins: Path, tmp_path: Path) -> Sync:
    """Meltano from the test's simulator to its warehouse; settings may be added to its `env`."""
    settings = {
        "MELTANO_CLI_LOG_FORMAT": "json",
        "TAP_NORTHFLANK_RESTORES_API_URL": server.url,
        "TAP_NORTHFLANK_RESTORES_API_TOKEN": server.token,
        "TARGET_POSTGRES_SQLALCHEMY_URL": loader_url(warehouse.dsn),
    }
    return Sync(tmp_path, settings, plugins=plugins)
