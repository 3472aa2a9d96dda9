"""The image, and a PostgreSQL that a container reaches: on loopback, with a password."""

from __future__ import annotations

import socket
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.rows import dict_row

from demo.postgres import postgres
from tests.deploy.image import Container, build
from tests.means import one_at_a_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.postgres import Postgres
    from simulator import Server

PASSWORD = "b@d/name"  # noqa: S105 - characters that a URL has to escape


class Database:
    """A database of one test: the warehouse, and Meltano's own tables."""

    def __init__(self, dsn: str, port: int) -> None:
        """Take the URL of the socket, for the test, and the port, for the image."""
        self._dsn = dsn
        # As Northflank and others give it: with a scheme that SQLAlchemy does not know.
        self.url = f"postgres://postgres:b%40d%2Fname@127.0.0.1:{port}/warehouse"

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of a query; none if its table is not there yet."""
        with psycopg.connect(self._dsn, row_factory=dict_row) as connection:
            try:
                return connection.execute(query.encode()).fetchall()
            except psycopg.errors.UndefinedTable:
                return []

    def count(self) -> int:
        """Return how many restores have been loaded."""
        return len(self.rows("SELECT 1 FROM northflank.restores"))

    def restores(self) -> set[tuple[object, ...]]:
        """Return project, addon, id and status of each restore."""
        query = 'SELECT "projectId", "addonId", id, status FROM northflank.restores'
        return {tuple(row.values()) for row in self.rows(query)}

    def loads(self) -> list[int]:
        """Return how many restores each sync has loaded last, the first sync first."""
        return [
            row["count"]
            for row in self.rows(
                "SELECT count(*) FROM northflank.restores GROUP BY _sdc_sync_started_at "
                "ORDER BY _sdc_sync_started_at"
            )
        ]


@pytest.fixture(scope="module")  # PGPORT must not outlast the file: other servers have no port.
def _server() -> Iterator[tuple[Postgres, int]]:
    with TemporaryDirectory(prefix="postgres-") as folder, pytest.MonkeyPatch.context() as patch:
        data = Path(folder) / "data"
        with postgres(data):
            pass
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        patch.setenv("PGPORT", str(port))  # The socket is named after it.
        with (data / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write(f"listen_addresses = '127.0.0.1'\nport = {port}\n")
        access = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        (data / "pg_hba.conf").write_text(access, encoding="utf-8")
        with postgres(data) as server:
            with psycopg.connect(server.dsn(), autocommit=True) as connection:
                connection.execute(f"ALTER USER postgres PASSWORD '{PASSWORD}'".encode())
            yield server, port


@pytest.fixture
def database(_server: tuple[Postgres, int]) -> Database:
    server, port = _server
    return Database(server.make("warehouse"), port)


@pytest.fixture(scope="session")
def container() -> Iterator[Container]:
    with one_at_a_time("image"):
        container = Container(build())
        yield container
        container.remove()


@pytest.fixture
def settings(server: Server, database: Database) -> dict[str, str]:
    """What a user of the image sets."""
    return {
        "TAP_NORTHFLANK_RESTORES_API_URL": server.url,
        "TAP_NORTHFLANK_RESTORES_API_TOKEN": server.token,
        "TARGET_POSTGRES_SQLALCHEMY_URL": database.url,
        "MELTANO_DATABASE_URI": database.url,
    }


@pytest.fixture
def output() -> Iterator[Path]:
    """A folder that any user can write to, and reach."""
    with TemporaryDirectory(prefix="output-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder
