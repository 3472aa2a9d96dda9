"""A PostgreSQL for all of these tests, Meltano's plugins, and runs as production has them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from demo.postgres import postgres
from orchestrate.airflow import install_plugins
from tests.means import one_at_a_time
from tests.orchestrate.support import Production

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.postgres import Postgres


@pytest.fixture(scope="session")
def database_server() -> Iterator[Postgres]:
    """A PostgreSQL; not in pytest's folder, which each start of pytest closes to other users."""
    with TemporaryDirectory(prefix="postgres-") as home, postgres(Path(home) / "data") as server:
        yield server


@pytest.fixture(scope="session")
def _plugins(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the jobs run, installed in the checkout while its network settings still count."""
    with one_at_a_time("orchestrate"):
        install_plugins(tmp_path_factory.mktemp("plugins"))


@pytest.fixture
def production(
    database_server: Postgres,
    _plugins: None,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Production:
    """An empty warehouse and an empty system database, given by the environment."""
    production = Production(database_server, tmp_path_factory.mktemp("production"))
    for name, value in production.environment.items():
        monkeypatch.setenv(name, value)
    return production
