"""Meltano, the tap and PostgreSQL: what a sync leaves in the warehouse is what the account has."""

from __future__ import annotations

from collections import Counter
from datetime import timezone
from typing import TYPE_CHECKING, Any

import pytest

from demo import DemoError
from simulator import Fault, World
from simulator.world import instant
from tests.support import small_world

if TYPE_CHECKING:
    from simulator import Server
    from tests.pipeline.conftest import Row, Sync, Warehouse

TIMES = ("restoreTimestamp", "completedAt")
COLUMNS = (
    "teamId",
    "projectId",
    "addonId",
    "id",
    "status",
    "restoreTimestamp",
    "completedAt",
    "backupId",
)


def as_row(restore: Row) -> tuple[Any, ...]:
    """A restore of the API as the warehouse should have it: times without zone are in UTC."""
    row = {name: restore.get(name) for name in COLUMNS}
    for name in TIMES:
        if isinstance(text := row[name], str):
            row[name] = instant(text).astimezone(timezone.utc).replace(tzinfo=None)
    return tuple(row.values())


def source(server: Server) -> Counter[tuple[Any, ...]]:
    """What the account has."""
    return Counter(map(as_row, server.served_restores()))


def loaded(warehouse: Warehouse) -> Counter[tuple[Any, ...]]:
    """What the warehouse has."""
    return Counter(map(as_row, warehouse.rows("SELECT * FROM northflank.restores")))


def test_each_sync_makes_the_warehouse_equal_and_loads_only_what_changed(
    server: Server, pipeline: Sync, warehouse: Warehouse
) -> None:
    server.world = World.company()
    pipeline.meltano("run", "sync")
    first = source(server)
    assert loaded(warehouse) == first
    assert first.total() > 50

    server.world.advance(days=60)
    pipeline.meltano("run", "sync")
    second = source(server)
    assert loaded(warehouse) == second
    assert Counter(map(as_row, warehouse.loaded_last())) == second - first
    assert 0 < (second - first).total() < 20

    pipeline.meltano("run", "sync")
    assert loaded(warehouse) == second
    assert Counter(map(as_row, warehouse.loaded_last())) == second - first  # nothing since

    asked = Counter(request.page_of for request in server.requests)
    assert asked == {"projects": 3, "addons": 3 * 4, "restores": 3 * 12}  # and no backups


def test_a_sync_without_restores_brings_projects_and_addons_and_an_empty_table(
    server: Server, pipeline: Sync, warehouse: Warehouse
) -> None:
    server.world = small_world(a=0)
    server.world.add_addon("p", "b", "redis", tags=["x", "y z"], description="It's \\n a \t cache")
    pipeline.meltano("run", "sync")

    columns = '"projectId", id, "appId", tags, description, spec, status'
    rows = warehouse.rows(f"SELECT {columns} FROM northflank.addons ORDER BY id")  # noqa: S608
    with_project = [{"projectId": "p", **item} for item in server.world.addons("p")]
    assert rows == [{name: item.get(name) for name in rows[0]} for item in with_project]
    assert [row["id"] for row in warehouse.rows("SELECT id FROM northflank.projects")] == ["p"]

    types = warehouse.rows("""
        SELECT column_name AS name, data_type AS type FROM information_schema.columns
        WHERE table_schema = 'northflank' AND table_name = 'restores' ORDER BY ordinal_position
    """)
    assert [c["name"] for c in types if not c["name"].startswith("_sdc_")] == list(COLUMNS)
    assert {c["type"] for c in types if c["name"] in TIMES} == {"timestamp without time zone"}
    keys = warehouse.rows("""
        SELECT column_name AS name FROM information_schema.key_column_usage
        WHERE table_schema = 'northflank' AND table_name = 'restores'
    """)
    assert {key["name"] for key in keys} == {"projectId", "addonId", "id"}


def test_times_are_instants_however_the_api_writes_them(
    server: Server, pipeline: Sync, warehouse: Warehouse
) -> None:
    texts = {
        "2026-03-01T12:00:00.500Z": "2026-03-01 12:00:00.5",
        "2026-03-01T12:00:01Z": "2026-03-01 12:00:01",
        "2026-03-01T12:00:02.123456Z": "2026-03-01 12:00:02.123456",
        "2026-03-01T12:00:03.500+02:00": "2026-03-01 10:00:03.5",
        "2026-03-01T12:00:04-09:30": "2026-03-01 21:30:04",
    }
    server.world = small_world(a=len(texts))
    for restore, text in zip(server.world.restores("p", "a"), texts, strict=True):
        restore |= {"completedAt": text, "restoreTimestamp": text}
    pipeline.meltano("run", "sync")
    for column in TIMES:
        rows = warehouse.rows(f'SELECT "{column}"::text AS time FROM northflank.restores')  # noqa: S608
        assert sorted(row["time"] for row in rows) == sorted(texts.values())


def test_a_failed_sync_keeps_what_was_loaded_and_the_next_one_sends_the_rest(
    server: Server, pipeline: Sync, warehouse: Warehouse
) -> None:
    server.world = small_world(a=3, b=2, c=4)
    server.faults = [Fault("/addons/b/", "status", status=403)]
    with pytest.raises(DemoError):
        pipeline.meltano("run", "sync")
    assert pipeline.exit_codes() == {"extractors": 3}
    assert warehouse.count("restores") < 9
    before = loaded(warehouse)

    server.faults = []
    pipeline.meltano("run", "sync")
    assert loaded(warehouse) == source(server)
    assert Counter(map(as_row, warehouse.loaded_last())) == source(server) - before


def test_prod_has_a_state_of_its_own(server: Server, pipeline: Sync, warehouse: Warehouse) -> None:
    server.world = small_world(a=3)
    pipeline.meltano("run", "sync")
    first = {row["_sdc_sync_started_at"] for row in warehouse.loaded_last()}
    pipeline.meltano("--environment=prod", "run", "sync")
    assert len(warehouse.loaded_last()) == warehouse.count("restores") == 3
    assert {row["_sdc_sync_started_at"] for row in warehouse.loaded_last()}.isdisjoint(first)
