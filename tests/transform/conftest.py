"""Fixtures: an embedded PostgreSQL with a database for each test."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from demo.postgres import postgres
from tests.pipeline.conftest import passable_folder
from tests.transform.warehouse import Postgres, dbt_server, loader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session", autouse=True)
def installed() -> Iterator[None]:
    """Install over the network, before tests are cut off from proxies, and start dbt."""
    loader()
    server = dbt_server()
    yield
    if server.poll() is None:  # It is shared with the tests of the report.
        server.communicate()


@pytest.fixture(scope="session")
def new_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Postgres]]:
    """What makes another empty PostgreSQL database."""
    home = tmp_path_factory.mktemp("postgres")
    numbers = count(1)

    def make() -> Postgres:
        name = f"warehouse_{next(numbers)}"
        return Postgres(home / name, server.make(name))

    with passable_folder() as data, postgres(data / "postgres") as server:
        yield make


@pytest.fixture
def warehouse(new_postgres: Callable[[], Postgres]) -> Postgres:
    """An empty PostgreSQL database."""
    return new_postgres()
