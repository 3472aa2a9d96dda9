"""Times that a loader shifted by its session's zone: they are told before anything is built."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import psycopg

from tests.transform.test_lineage import AS_OF, addon, restore
from tests.transform.warehouse import ROOT, DuckDB

if TYPE_CHECKING:
    from pathlib import Path

    from tests.transform.warehouse import Postgres, Rows

STARTED = datetime(2026, 7, 1, 6, tzinfo=timezone.utc)
LINE = "the loader's session was not in UTC. Set PGTZ=UTC in its environment, or add options="
ERRORS = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
UNTESTED = "--exclude-resource-type=test"


def account() -> Rows:
    return {
        "projects": [{"id": "shop", "name": "Shop"}],
        "addons": [addon("shop/orders")],
        "restores": [
            restore("shop/orders", "summer", "b", 5),
            restore("shop/orders", "winter", "b", 170),
        ],
    }


def in_new_york(warehouse: Postgres) -> None:
    """Let the sessions of a database be in New York, unless they ask for another zone."""
    with psycopg.connect(warehouse.url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"alter database {name} set timezone = 'America/New_York'".encode())


def test_loader_of_another_zone_is_told(warehouse: Postgres) -> None:
    in_new_york(warehouse)
    warehouse.load_plainly(account())
    printed = warehouse.build(as_of=AS_OF, succeeds=False)
    assert printed.count(LINE) == 1
    (row,) = warehouse.query("select extract(timezone from now()) / 60 as minutes")
    assert f"are {-int(row['minutes'])} minutes too early" in printed
    tables = "select 1 from information_schema.tables where table_schema = 'restore_analytics'"
    assert warehouse.query(tables) == []

    (mend,) = re.findall(r"^```sql\n(.*?)^```$", ERRORS, re.DOTALL | re.MULTILINE)
    warehouse.query(mend)
    late = restore("shop/orders", "late", "b", 150)
    warehouse.load_plainly({"restores": [late]}, parameter="&options=-c%20timezone%3DUTC")
    warehouse.build(UNTESTED, as_of=AS_OF)
    attempts = warehouse.mart("restore_attempts", "restore_id")
    for name, days in (("summer", 5), ("winter", 170), ("late", 150)):
        assert attempts[name]["ended_at"] == AS_OF - timedelta(days=days) + timedelta(minutes=20)


def test_loader_that_is_set_to_utc_passes_in_any_zone(warehouse: Postgres) -> None:
    in_new_york(warehouse)
    warehouse.load(account())
    warehouse.build(UNTESTED, as_of=AS_OF)
    attempts = warehouse.mart("restore_attempts", "restore_id")
    assert attempts["summer"]["ended_at"] == AS_OF - timedelta(days=5) + timedelta(minutes=20)


def test_times_of_a_loader_that_has_fewer_columns(tmp_path: Path) -> None:
    """A batch before its sync is of another zone; one that is late need not be."""
    warehouse = DuckDB(tmp_path / "warehouse")
    warehouse.load(account())
    warehouse.read_at(STARTED - timedelta(days=1), "restores")
    warehouse.read_at(STARTED, "addons", "projects")
    shift = (
        "update addons set _sdc_batched_at = timestamp '2026-07-01 06:00:03' + interval '{}' minute"
    )
    for minutes, told in ((0, None), (-240, "early"), (120, "late"), (127, None), (60, None)):
        warehouse.query("delete from projects")
        warehouse.query(shift.format(minutes))
        printed = warehouse.dbt("run", "--select", "stg_northflank__projects", succeeds=not told)
        assert (f"are {abs(minutes)} minutes too {told}" in printed) == bool(told)
        assert printed.count(LINE) == bool(told)
