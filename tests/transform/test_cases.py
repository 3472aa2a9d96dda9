"""Answers that were once wrong: drills elsewhere, untested databases, odd times, old loads."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest

from simulator.world import timestamp
from tests.transform.test_lineage import addon, engine

if TYPE_CHECKING:
    from tests.transform.warehouse import Row, Rows, Warehouse

__all__ = ["engine"]

AUGUST = datetime(2026, 8, 30, 6, tzinfo=timezone.utc)
OCTOBER = datetime(2026, 10, 15, 6, tzinfo=timezone.utc)
UNTESTED = "--exclude-resource-type=test"


def restore(key: str, name: str, started: str, ended: str | None, **fields: object) -> Row:
    project, into = key.split("/")
    times = {"restoreTimestamp": started, "completedAt": ended}
    status = {"status": "completed", "backupId": "daily"}
    return {"projectId": project, "addonId": into, "id": name, **status, **times, **fields}


def account() -> Rows:
    keys = ("shop/orders", "shop/carts", "shop/neglected", "pay/ledger")
    return {
        "projects": [{"id": "shop", "name": "Shop"}, {"id": "pay", "name": "Pay"}],
        "addons": [addon(key) for key in keys],
        "restores": [
            restore("shop/orders", "o1", "2026-02-10T00:00:00Z", "2026-02-10T00:30:00Z"),
            restore("shop/carts", "c1", "2026-02-11T00:00:00Z", "2026-02-11T00:30:00Z"),
            restore("shop/carts", "c2", "2026-08-11T00:00:00Z", "2026-08-11T00:30:00Z"),
            restore("pay/ledger", "l1", "2026-05-12T00:00:00Z", "2026-05-12T01:40:00Z"),
        ],
    }


def test_drill_into_a_scratch_addon_proves_the_database(engine: Warehouse) -> None:
    rows = account()
    rows["addons"].append(addon("shop/orders-drill"))
    made = {"status": "completed", "createdAt": "2026-08-29T03:00:00Z"}
    rows["backups"] = [{"projectId": "shop", "addonId": "orders", "id": "nightly", **made}]
    rows["restores"].append(
        restore(
            *("shop/orders-drill", "d1", "2026-08-29T05:00:00Z", "2026-08-29T05:20:00Z"),
            backupId="nightly",
        )
    )
    engine.load(rows)
    engine.build(as_of=AUGUST, rpo_hours=30)
    attempt = engine.mart("restore_attempts", "restore_id")["d1"]
    assert attempt["backup_known"] is True
    assert attempt["backup_age_hours"] == 2
    addons = engine.mart("addon_recoverability", "addon_key")
    assert addons["shop/orders"]["verdict"] == "proven"
    assert addons["shop/orders"]["reason"].endswith("restored into shop/orders-drill")
    assert addons["shop/orders-drill"]["verdict"] == "out of scope"
    assert addons["shop/carts"]["verdict"] == "no backup"


def test_database_without_a_test_is_not_tested_in_each_quarter(engine: Warehouse) -> None:
    engine.load(account())
    engine.read_at(AUGUST, "addons", "projects", "restores")
    query = "select quarter, evidence from restore_drill_evidence where addon_id = 'neglected'"
    engine.build(UNTESTED, as_of=AUGUST)
    assert [tuple(row.values()) for row in engine.query(query)] == [("2026-Q3", "not yet")]
    engine.read_at(OCTOBER, "addons", "projects")
    engine.query("delete from addons where id = 'neglected'")  # It is gone, its quarter is not.
    engine.build(UNTESTED, "--full-refresh", as_of=OCTOBER)
    assert [tuple(row.values()) for row in engine.query(query)] == [("2026-Q3", "not tested")]
    addons = engine.mart("addon_recoverability", "addon_id")
    assert addons["neglected"]["verdict"] == "deleted"


def test_database_counts_from_its_creation(engine: Warehouse) -> None:
    rows = account()
    details = {"projectId": "shop", "id": "neglected", "createdAt": "2026-01-10T00:00:00Z"}
    engine.load(rows)
    engine.query('create table addon_details ("projectId" text, "id" text, "createdAt" timestamp)')
    engine.query(f"insert into addon_details values {tuple(details.values())}")  # noqa: S608
    engine.build(UNTESTED, as_of=AUGUST)
    query = "select quarter from restore_drill_evidence where addon_id = 'neglected' order by 1"
    quarters = [row["quarter"] for row in engine.query(query)]
    assert quarters == ["2026-Q1", "2026-Q2", "2026-Q3"]


@pytest.mark.parametrize("zero", ["1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z"])
def test_odd_time_counts_as_unknown_and_is_listed(zero: str, engine: Warehouse) -> None:
    rows = account()
    started = timestamp(AUGUST.replace(hour=5))
    rows["restores"] += [
        restore("shop/carts", "zero", started, zero, status="in-progress"),
        restore("shop/carts", "far", started, "9999-12-31T00:00:00Z"),
        restore("pay/ledger", "start", zero, "2026-05-13T00:00:00Z"),
    ]
    engine.load(rows)
    engine.build(UNTESTED, as_of=AUGUST)
    (first,) = engine.query("select min(quarter) as first from restore_drill_evidence")
    assert first["first"] == "2026-Q1"
    (day,) = engine.query("select min(day) as first from daily_restore_activity")
    assert str(day["first"]) == "2026-02-10"
    problems = engine.mart("data_problems", "problem_key")
    assert set(problems) == {
        "shop/carts/zero/implausible completedAt",
        "shop/carts/far/implausible completedAt",
        "pay/ledger/start/implausible restoreTimestamp",
    }


def test_part_that_was_not_read_is_told(engine: Warehouse) -> None:
    engine.load(account())
    engine.read_at(AUGUST, "addons", "projects", "restores")
    late = OCTOBER
    engine.read_at(late, "addons", "projects", where="id in ('ledger', 'pay')")
    engine.build(UNTESTED, as_of=late)
    parts = engine.query("select stream, project_id from load_freshness where is_stale")
    assert [tuple(row.values()) for row in parts] == [("addons", "shop")]
    printed = engine.dbt("source", "freshness", succeeds=False)
    assert "ERROR STALE freshness of northflank.addons" in printed

    # Both are of one team, so its last listing has no project `shop` any more.
    engine.query("update addons set \"appId\" = '/team/' || id")
    engine.build("--select", "+load_freshness", UNTESTED, as_of=late)
    assert engine.query("select 1 from load_freshness where is_stale") == []


def test_columns_in_lower_case_are_read(engine: Warehouse) -> None:
    engine.load(account())
    # DuckDB cannot rename a column of a key, so the tables are made anew.
    for table in ("addons", "restores"):
        columns = [
            row["column_name"]
            for row in engine.query(
                "select column_name from information_schema.columns "  # noqa: S608
                f"where table_schema = 'northflank' and table_name = '{table}'"
            )
        ]
        renamed = ", ".join(f'"{name}" as low_{name.lower()}' for name in columns)
        engine.query(f"create table northflank.low as select {renamed} from {table}")  # noqa: S608
        engine.query(f"drop table {table}")
        back = ", ".join(f"low_{name.lower()} as {name.lower()}" for name in columns)
        engine.query(f"create table northflank.{table} as select {back} from northflank.low")  # noqa: S608
        engine.query("drop table northflank.low")
    engine.build(UNTESTED, as_of=AUGUST)
    addons = engine.mart("addon_recoverability", "addon_key")
    assert addons["shop/carts"]["verdict"] == "proven"
    assert addons["shop/orders"]["attempts"] == 1
