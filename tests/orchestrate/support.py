"""What the tests of scheduled runs share: a warehouse to look into, and runs at once."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
from northflank.meltano import Meltano, settings
from psycopg.rows import dict_row

from demo.pipeline import loader_url
from orchestrate.airflow import project

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from demo.postgres import Postgres
    from simulator import Server

TABLES = ("projects", "addons", "restores")


class Production:
    """A warehouse, Meltano's system database, and a project whose runs write nothing to ours."""

    def __init__(self, server: Postgres, home: Path) -> None:
        """Make the databases, empty, and the project in a folder that takes what runs leave."""
        self.warehouse = server.make("warehouse")
        self.system = server.make("meltano")
        self.environment = {
            **project(home),
            "TARGET_POSTGRES_SQLALCHEMY_URL": loader_url(self.warehouse),
            "MELTANO_DATABASE_URI": loader_url(self.system),
        }

    def rows(self, table: str, schema: str = "northflank") -> list[dict[str, Any]]:
        """Return the rows of a table, in a fixed order, without the columns that say when."""
        with psycopg.connect(self.warehouse, row_factory=dict_row) as connection:
            rows = connection.execute(f'SELECT * FROM "{schema}"."{table}"').fetchall()  # noqa: S608
        plain = [{k: v for k, v in row.items() if not k.startswith("_sdc")} for row in rows]
        return sorted(plain, key=repr)

    def tables(self, schema: str) -> set[str]:
        """Return the names of the tables of a schema."""
        query = "SELECT tablename FROM pg_tables WHERE schemaname = %s"
        with psycopg.connect(self.warehouse) as connection:
            return {name for (name,) in connection.execute(query, [schema])}

    def copy_tables(self, schema: str, to: str) -> None:
        """Make the tables of a schema in another one, empty."""
        with psycopg.connect(self.warehouse) as connection:
            connection.execute(f'CREATE SCHEMA "{to}"')
            for table in TABLES:
                connection.execute(
                    f'CREATE TABLE "{to}"."{table}" (LIKE "{schema}"."{table}" INCLUDING ALL)'
                )

    def states(self) -> dict[str, dict[str, Any]]:
        """Return the state of each state id in the system database."""
        with psycopg.connect(self.system) as connection:
            rows = connection.execute("SELECT state_id, completed_state FROM state").fetchall()
        return {name: json.loads(state)["singer_state"]["bookmarks"] for name, state in rows}


def at_once(*works: Callable[[], None]) -> list[BaseException | None]:
    """Do works at the same time, and return what each raised."""
    with ThreadPoolExecutor(len(works)) as pool:
        return [future.exception() for future in [pool.submit(work) for work in works]]


def shard_of(server: Server, **more: Any) -> Mapping[str, str]:
    """Return the settings that read the account of a simulator, or a part of it."""
    return settings("acme", api_token=server.token, api_url=server.url, **more)


def sync(settings: Mapping[str, str], suffix: str, **more: str) -> None:
    """Run the job `sync` as the DAG does."""
    Meltano({**settings, **more}).run("sync", "--state-id-suffix", suffix)
