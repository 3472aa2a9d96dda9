"""The warehouses that the demo can load: how each is loaded, and what its models run on."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg

from demo import DemoError
from demo.pipeline import loader_url
from demo.postgres import postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import ExitStack
    from pathlib import Path

DATA, DATABASE = "postgres", "warehouse"
"""The folder in the demo's that PostgreSQL keeps its data in, and the name of the database."""

FILE = "warehouse.duckdb"
"""The DuckDB file in the demo's folder."""

LAST_PYTHON = (3, 12)
"""The last Python for which DuckDB 1.0.0 has wheels, with which alone its loader loses nothing."""


@dataclass(frozen=True)
class Kind:
    """A kind of warehouse.

    Attributes:
        name: what the demo calls it.
        sync: blocks of `meltano run` that load all that the demo loads.
        models: the plugin that computes the models, and its command.
        end: how to look at what is left.
    """

    name: str
    sync: tuple[str, ...]
    models: str
    end: str


POSTGRES = Kind(
    "PostgreSQL",
    ("sync", "sync-daily"),
    "dbt-postgres:build",
    """\
The warehouse stays in .dev/demo until the next demo, which starts afresh. To look at it:
  ./dev psql -c 'select "projectId", "addonId", status, "completedAt" from restores limit 5'
""",
)
DUCKDB = Kind(
    "DuckDB",
    (
        *("tap-northflank-restores", "target-duckdb"),
        *("tap-northflank-restores-daily", "target-duckdb"),
    ),
    "dbt-duckdb:build",
    """\
The warehouse stays in .dev/demo until the next demo, which starts afresh. To look at it:
  duckdb -readonly .dev/demo/warehouse.duckdb 'select * from northflank.restores limit 5'
""",
)
KINDS = {"postgres": POSTGRES, "duckdb": DUCKDB}


def check(kind: Kind) -> None:
    """Say so if a warehouse cannot be loaded here.

    Raises:
        DemoError: this Python is too new for its loader.
    """
    if kind is DUCKDB and sys.version_info[:2] > LAST_PYTHON:
        raise DemoError(
            "The loader of DuckDB needs a Python from 3.10 to 3.12: see docs/loaders.md. Remove "
            ".venv, and run this again with UV_PYTHON=3.12"
        )


class Place:
    """A warehouse of the demo."""

    url: str
    """Where it is, once it is made."""
    settings: Mapping[str, str]
    """The variables that lead loader and models there."""

    def __init__(self, kind: Kind, home: Path, stack: ExitStack) -> None:
        """Start what is to be started; what the last demo left there stays."""
        self._kind = kind
        self._home = home
        self._server = None
        if kind is POSTGRES:
            self._server = stack.enter_context(postgres(home / DATA))

    def make(self) -> None:
        """Make it empty."""
        if self._server:
            self.url = self._server.make(DATABASE)
            self.settings = {"TARGET_POSTGRES_SQLALCHEMY_URL": loader_url(self.url)}
            return
        path = self._home / FILE
        self._home.mkdir(parents=True, exist_ok=True)
        for left_over in self._home.glob(f"{FILE}*"):
            left_over.unlink()
        self.url = f"duckdb:///{path}"
        self.settings = {"TARGET_DUCKDB_PATH": str(path)}


@contextmanager
def query(url: str) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
    """Open a warehouse and give what runs a query in it, which both engines take."""
    if url.startswith("duckdb:"):
        with duckdb.connect(url.removeprefix("duckdb:///"), read_only=True) as file:
            yield lambda text: file.execute(text).fetchall()
    else:
        with psycopg.connect(url) as connection:
            yield lambda text: connection.execute(text.encode()).fetchall()
