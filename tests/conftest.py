"""What all tests share: one simulator, and a machine without settings of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from simulator import Behaviour, World, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator import Server

FOREIGN = (
    "TAP_NORTHFLANK_RESTORES_",
    "SINGER_SDK_LOG_CONFIG",
    "LOGLEVEL",
    "NETRC",
    "PYTHONUNBUFFERED",
)


LONG = ("deploy", "orchestrate", "docs", "pipeline", "transform", "report", "package", "alerts")
"""Folders whose tests start Meltano, dbt or a browser; those that wait most first."""


def pytest_xdist_auto_num_workers() -> int:
    """Use more workers than cores: the tests wait for processes more than they compute."""
    return min(8, (os.cpu_count() or 1) + 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes long first, so that no worker is left with it alone in the end."""
    items.sort(key=lambda item: next((n for n, p in enumerate(LONG) if p in item.path.parts), 99))


@pytest.fixture(scope="session")
def _shared_server() -> Iterator[Server]:
    with serve(World()) as server:
        yield server


@pytest.fixture
def server(_shared_server: Server) -> Server:
    """A simulator with an empty world and nothing odd; for a rate limit, start one of its own."""
    _shared_server.world = World()
    _shared_server.behaviour = Behaviour()
    _shared_server.faults = []
    _shared_server.before_response = None
    _shared_server.clear_requests()
    return _shared_server


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no setting, proxy or certificate of this machine reach the tap."""
    for name in list(os.environ):
        if name.startswith(FOREIGN) or name.upper().endswith(("_PROXY", "_CA_BUNDLE")):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mask nothing that another test had for a secret."""
    monkeypatch.setattr("tap_northflank_restores.masking._secrets", set())
    monkeypatch.setattr("tap_northflank_restores.masking._pattern", None)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tries follow each other at once; how long they wait has a test of its own."""
    monkeypatch.setattr("tap_northflank_restores.client.jittered", lambda _seconds: 0)
