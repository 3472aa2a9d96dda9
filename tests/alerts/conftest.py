"""Fixtures: one PostgreSQL and one receiver for all of these tests, emptied for each."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from demo.postgres import postgres
from northflank_restore_report.__main__ import main
from northflank_restore_report.delivery import URLS
from northflank_restore_report.options import DSN
from tests.alerts.support import Marts, receiving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.alerts.support import Receiver


@pytest.fixture(scope="session")
def _database() -> Iterator[str]:
    """A PostgreSQL; not in pytest's folder, which each start of pytest closes to other users."""
    with TemporaryDirectory(prefix="postgres-") as home, postgres(Path(home) / "data") as server:
        yield server.make("warehouse")


@pytest.fixture(scope="session")
def _receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def receiver(_receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Receiver:
    """A receiver that has nothing yet; its destination `ops` is set."""
    _receiver.clear()
    monkeypatch.setenv(URLS, _receiver.destination("ops"))
    return _receiver


@pytest.fixture
def marts(_database: str, monkeypatch: pytest.MonkeyPatch) -> Marts:
    """A warehouse without marts, given by the environment."""
    marts = Marts(_database)
    marts.rows("DROP SCHEMA IF EXISTS restore_analytics, restore_analytics_alerts CASCADE")
    monkeypatch.setenv(DSN, marts.dsn)
    return marts


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command, and return its exit code and what it printed."""

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        line = ""
        try:
            code = main(list(arguments))
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
            line = f"{end.code}\n" if isinstance(end.code, str) else ""
        printed = capsys.readouterr()
        return code, printed.out, printed.err + line

    return run
