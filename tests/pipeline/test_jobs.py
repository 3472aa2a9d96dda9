"""The jobs beside the hourly one: each loads its tables, and none disturbs another's state."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from simulator import World
from simulator.company import CAST
from tests.pipeline.test_sync import loaded, source

if TYPE_CHECKING:
    from simulator import Server
    from tests.pipeline.conftest import Sync, Warehouse

HOURLY, DAILY, DRILL = (
    f"dev:tap-northflank-restores{name}-to-target-postgres" for name in ("", "-daily", "-drill")
)


@pytest.fixture
def company(server: Server) -> Server:
    """The simulator with the company that the demo shows."""
    server.world = World.company(addons=len(CAST))
    return server


def keys(warehouse: Warehouse, table: str, *columns: str) -> Counter[tuple[str, ...]]:
    """Return the keys of a table's rows."""
    names = ", ".join(f'"{name}"' for name in columns)
    rows = warehouse.rows(f"SELECT {names} FROM northflank.{table}")  # noqa: S608
    return Counter(tuple(row.values()) for row in rows)


def test_the_daily_job_loads_backups_schedules_and_details(
    company: Server, pipeline: Sync, warehouse: Warehouse
) -> None:
    world = company.world
    pipeline.meltano("run", "sync-daily")

    addons = world.addon_keys()
    assert keys(warehouse, "addon_details", "projectId", "id") == Counter(addons)
    assert keys(warehouse, "backups", "projectId", "addonId", "id") == Counter(
        (*key, backup["id"]) for key in addons for backup in world.backups(*key)
    )
    assert keys(warehouse, "backup_schedules", "projectId", "addonId", "id") == Counter(
        (*key, schedule["id"]) for key in addons for schedule in world.schedules(*key)
    )
    (row,) = warehouse.rows("""
        SELECT "createdAt"::text, spec->'config'->>'versionTag' AS version
        FROM northflank.addon_details WHERE id = 'invoices'
    """)
    assert row == {"createdAt": "2026-06-07 06:00:00", "version": "16.4"}
    assert not any(warehouse.count(table) for table in ("projects", "addons", "restores"))
    projects, each = len(world.projects()), len(addons)
    assert Counter(request.page_of for request in company.requests) == {
        "projects": 1,
        "addons": projects,
        "addon-details": each,
        "backups": each,
        "backup-schedules": each,
    }


def test_the_two_jobs_do_not_touch_each_others_state(
    company: Server, pipeline: Sync, warehouse: Warehouse
) -> None:
    pipeline.meltano("run", "sync")
    hourly = pipeline.states()
    assert set(hourly) == {HOURLY}

    pipeline.meltano("run", "sync-daily")
    both = pipeline.states()
    assert set(both) == {HOURLY, DAILY}
    assert both[HOURLY] == hourly[HOURLY]
    company.world.advance(days=1)
    pipeline.meltano("run", "sync")
    assert pipeline.states()[DAILY] == both[DAILY]
    assert loaded(warehouse) >= source(company)


def test_the_two_jobs_may_run_at_once(
    company: Server, pipeline: Sync, warehouse: Warehouse
) -> None:
    # What is made once, Meltano's system database and the tables, is not made by two at once.
    pipeline.meltano("run", "sync", "sync-daily")
    company.world.add_restore("payments", "ledger", "late")
    company.world.add_backup("payments", "ledger", "late")
    company.behaviour.latency = 0.02
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(pipeline.meltano, "run", job) for job in ("sync", "sync-daily")]
        for run in runs:
            run.result()
    assert loaded(warehouse) == source(company)
    assert warehouse.rows("SELECT 1 FROM northflank.backups WHERE id = 'late'")
    assert set(pipeline.states()) == {HOURLY, DAILY}
    company.clear_requests()
    pipeline.meltano("run", "sync")
    assert {request.page_of for request in company.requests} == {"projects", "addons", "restores"}
    assert loaded(warehouse) == source(company)


def test_a_drill_is_loaded_before_its_addon_is_deleted(
    company: Server, pipeline: Sync, warehouse: Warehouse
) -> None:
    world = company.world
    pipeline.meltano("run", "sync")
    before = pipeline.states()
    first = loaded(warehouse)
    # What a drill's script does, between two syncs: make, restore, load, delete.
    world.add_addon("drills", "ledger-drill", "postgresql", tags=["drill"])
    backup = world.backups("payments", "ledger")[-1]["id"]
    restore = world.add_restore(
        "drills", "ledger-drill", source=("payments", "ledger"), backupId=backup
    )
    company.clear_requests()

    pipeline.env["TAP_NORTHFLANK_RESTORES_ADDONS"] = '["drills/ledger-drill"]'
    pipeline.meltano("run", "--no-state-update", "--state-id-suffix=ledger-drill", "drill")
    del pipeline.env["TAP_NORTHFLANK_RESTORES_ADDONS"]

    assert sorted(request.path for request in company.requests) == [
        "/v1/projects/drills/addons/ledger-drill",
        "/v1/projects/drills/addons/ledger-drill/restores",
    ]
    assert (loaded(warehouse) - first).total() == 1
    assert loaded(warehouse) == source(company)
    (row,) = warehouse.rows("""SELECT name, spec->>'type' AS type FROM northflank.addon_details""")
    assert row == {"name": "Ledger drill", "type": "postgresql"}
    assert pipeline.states() == before

    pipeline.meltano("run", "sync")  # while it is still there: the row is the same
    assert loaded(warehouse) == source(company)
    kept = loaded(warehouse)
    world.remove_addon("drills", "ledger-drill")
    world.add_restore("payments", "ledger", backupId=backup)
    pipeline.meltano("run", "sync")
    assert (loaded(warehouse) - kept).total() == 1
    assert loaded(warehouse) >= source(company)
    assert keys(warehouse, "restores", "addonId", "id")["ledger-drill", restore["id"]] == 1


def test_a_drill_that_is_deleted_before_the_next_sync_stays(
    company: Server, pipeline: Sync, warehouse: Warehouse
) -> None:
    world = company.world
    world.add_addon("drills", "ledger-drill", "postgresql")
    backup = world.backups("payments", "ledger")[-1]["id"]
    world.add_restore("drills", "ledger-drill", source=("payments", "ledger"), backupId=backup)
    pipeline.env["TAP_NORTHFLANK_RESTORES_ADDONS"] = '["drills/ledger-drill"]'
    pipeline.meltano("run", "--no-state-update", "--state-id-suffix=ledger-drill", "drill")
    del pipeline.env["TAP_NORTHFLANK_RESTORES_ADDONS"]
    drilled = loaded(warehouse)
    assert drilled.total() == 1
    world.remove_addon("drills", "ledger-drill")

    pipeline.meltano("run", "sync")
    assert loaded(warehouse) == source(company) + drilled
