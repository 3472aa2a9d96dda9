"""How the marts follow the warehouse: what is new, gone, missing, empty or misspelt."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from simulator import World
from simulator.world import START
from tests.transform.warehouse import DuckDB, rows_of, schema_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.transform.warehouse import Postgres, Row, Warehouse

MARTS = {
    "restore_attempts": "restore_key",
    "addon_recoverability": "addon_key",
    "restore_drill_evidence": "evidence_key",
    "daily_restore_activity": "activity_key",
    "restores_by_day": "day",
    "restore_durations": "durations_key",
    "backup_status": "addon_key",
    "load_freshness": "part_key",
    "data_problems": "problem_key",
    "addon_verdicts": "addon_key",
    "attestations": "restore_key",
    "completeness": "completeness_key",
    "restore_timestamp_readings": "team_id",
    "refresh_info": "as_of",
}
NO_ROWS = {**dict.fromkeys(MARTS, 0), "refresh_info": 1}
UNTESTED = "--exclude-resource-type=test"


@pytest.fixture
def world() -> World:
    return World.company(addons=24, months=6)


@pytest.fixture(params=["postgres", "duckdb"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Warehouse:
    """An empty database, one of either engine after the other."""
    if request.param == "duckdb":
        return DuckDB(tmp_path / "warehouse")
    warehouse: Warehouse = request.getfixturevalue("warehouse")
    return warehouse


def all_marts(warehouse: Warehouse) -> dict[str, dict[str, Row]]:
    """Return the rows of all marts, without the time of the run."""
    marts = {name: warehouse.mart(name, key) for name, key in MARTS.items()}
    for row in marts["refresh_info"].values():
        del row["refreshed_at"]
    return marts


def test_incremental_equals_full_refresh(world: World, engine: Warehouse) -> None:
    engine.load(rows_of(world))
    engine.build(UNTESTED, as_of=world.now)
    before = all_marts(engine)

    world.advance(days=45)
    changed = rows_of(world, backups=True)
    changed["projects"][0]["name"] = "Renamed"
    changed["addons"][1]["name"] = "Renamed too"
    gone = changed["restores"].pop()
    engine.load(changed)
    engine.query(
        "delete from restores where \"projectId\" = '{projectId}' "  # noqa: S608
        "and \"addonId\" = '{addonId}' and id = '{id}'".format(**gone)
    )
    addon = changed["addons"][2]
    engine.set_rules(
        {"rule": "own", "project": addon["projectId"], "addon": addon["id"], "rto_minutes": 7}
    )
    engine.build(as_of=world.now, rto_minutes=45)
    incremental = all_marts(engine)
    engine.build(UNTESTED, "--full-refresh", as_of=world.now, rto_minutes=45)

    assert incremental == all_marts(engine)
    # Those of addons that were deleted since stay in the warehouse.
    (loaded,) = engine.query("select count(*) as restores from restores")
    assert loaded["restores"] >= len(changed["restores"])
    assert len(incremental["restore_attempts"]) == loaded["restores"]
    assert len(incremental["restore_attempts"]) != len(before["restore_attempts"])


def test_only_what_changed_is_written(world: World, warehouse: Postgres) -> None:
    def versions() -> dict[str, str]:
        rows = warehouse.query("select restore_key, xmin::text as version from restore_attempts")
        return {row["restore_key"]: row["version"] for row in rows}

    rows = rows_of(world)
    older_than_most = rows["restores"].pop(0)
    warehouse.load(rows)
    warehouse.build(UNTESTED, as_of=world.now)
    before = versions()
    rows["restores"][1]["status"] = "not-supported"
    rows["restores"].append(older_than_most)
    warehouse.load(rows)  # All rows anew, as a forced full sync does.
    warehouse.build(UNTESTED, as_of=world.now)

    written = {key for key, version in versions().items() if before.get(key) != version}
    assert written == {
        f"{row['projectId']}/{row['addonId']}/{row['id']}"
        for row in (older_than_most, rows["restores"][1])
    }


def test_addon_that_left_the_listing_is_gone_and_keeps_its_evidence(warehouse: Postgres) -> None:
    world = World()
    world.add_project("shop")
    for addon in ("kept", "removed"):
        world.add_addon("shop", addon)
        world.add_restore("shop", addon)
    world.add_addon("shop", "marked", status="deleted")
    warehouse.load(rows_of(world))
    world.remove_addon("shop", "removed")
    warehouse.load(rows_of(world))
    (listing,) = warehouse.query('select max("_sdc_batched_at") as at from addons')
    much_later = listing["at"].replace(tzinfo=timezone.utc) + timedelta(days=200)
    warehouse.build(as_of=much_later)

    addons = warehouse.mart("addon_recoverability", "addon_id")
    assert {addon: row["is_current"] for addon, row in addons.items()} == {
        "kept": True,
        "removed": False,
        "marked": False,
    }
    assert addons["removed"]["attempts"] == 1
    rows = warehouse.query("select * from restore_drill_evidence order by quarter_start")
    tested = {row["addon_id"] for row in rows if row["tested"]}
    assert tested == {"kept", "removed"}
    last = {row["addon_id"]: row["quarter_start"] for row in rows}
    assert last["removed"] == last["marked"] < last["kept"]  # A deleted one is not to be tested.


@pytest.mark.parametrize(("hours", "is_current"), [(1, True), (26, False)])
def test_listing_that_was_cut_off_deletes_nothing(
    hours: int, is_current: bool, engine: Warehouse
) -> None:
    world = World()
    world.add_project("shop")
    for addon in ("listed", "cut-off"):
        world.add_addon("shop", addon)
    read = {"id": "addons//shop/", "projectId": "shop", "stream": "addons"}
    engine.load({**rows_of(world), "list_reads": [read]})
    engine.read_at(world.now, "addons", where="id = 'listed'")
    engine.read_at(world.now - timedelta(hours=hours), "addons", where="id = 'cut-off'")
    engine.read_at(world.now - timedelta(hours=hours), "list_reads")
    engine.build("--exclude-resource-type=test", as_of=world.now)
    addons = engine.mart("addon_recoverability", "addon_id")
    assert addons["listed"]["is_current"] is True
    assert addons["cut-off"]["is_current"] is is_current


def test_named_addons_need_no_listing(world: World, engine: Warehouse) -> None:
    restores = rows_of(world)["restores"]
    engine.load({"restores": restores})
    engine.build(as_of=world.now)

    addons = engine.mart("addon_recoverability", "addon_key")
    assert set(addons) == {f"{r['projectId']}/{r['addonId']}" for r in restores}
    assert {row["is_current"] for row in addons.values()} == {True}
    attempts = engine.mart("restore_attempts", "restore_key")
    assert len(attempts) == len(restores)
    assert {row["backup_known"] for row in attempts.values()} == {None}


def test_restores_must_be_there(engine: Warehouse) -> None:
    """A misspelt schema is an error, and leaves the answers of before."""
    printed = engine.build(as_of=START, succeeds=False)
    assert "There is no table northflank.restores to read" in printed


@pytest.mark.parametrize("column", ["id", "status"])
def test_what_tells_the_outcome_must_be_there(column: str, world: World, engine: Warehouse) -> None:
    engine.load({"restores": rows_of(world)["restores"]})
    kept = [name for name in schema_of("restores")["properties"] if name != column]
    listed = ", ".join(f'"{name}"' for name in kept)
    engine.query(f"create table northflank.kept as select {listed} from restores")  # noqa: S608
    engine.query("drop table northflank.restores")
    engine.query("alter table northflank.kept rename to restores")
    printed = engine.build(as_of=world.now, succeeds=False)
    assert f"The table northflank.restores has no column {column}" in printed


@pytest.mark.parametrize("table", ["restore_attempts", "restore_policies"])
def test_table_of_another_release_is_named(table: str, world: World, engine: Warehouse) -> None:
    engine.set_rules({"rule": "all", "rto_minutes": 90})
    engine.load(rows_of(world))
    engine.build("--exclude-resource-type=test", as_of=world.now)
    column = {"restore_attempts": "is_proof", "restore_policies": "attestation_required"}[table]
    engine.query(f"alter table restore_analytics.{table} drop column {column}")
    printed = engine.build(as_of=world.now, succeeds=False)
    assert f"The table restore_analytics.{table} is of another release of these models" in printed
    engine.build("--full-refresh", "--exclude-resource-type=test", as_of=world.now)


def test_tables_need_not_be_there_if_that_is_said(engine: Warehouse) -> None:
    engine.build(as_of=START, allow_missing_restores=True)
    assert {name: len(rows) for name, rows in all_marts(engine).items()} == NO_ROWS


def test_tables_may_be_empty(warehouse: Postgres) -> None:
    warehouse.load({"projects": [], "addons": [], "backups": [], "restores": []})
    warehouse.build(as_of=START)
    assert {name: len(rows) for name, rows in all_marts(warehouse).items()} == NO_ROWS


def test_as_of_is_the_start_of_the_run_unless_given(warehouse: Postgres) -> None:
    warehouse.load({"restores": []})
    warehouse.dbt("build", UNTESTED)
    (info,) = warehouse.query(
        "select as_of = refreshed_at as same, now() - as_of < '1 hour' as recent from refresh_info"
    )
    assert info == {"same": True, "recent": True}


@pytest.mark.parametrize(
    ("given", "day"),
    [("2026-07-01", date(2026, 7, 1)), ("2026-07-01T01:30:00+02:00", date(2026, 6, 30))],
)
def test_as_of_takes_a_day_or_a_time(given: str, day: date, warehouse: Postgres) -> None:
    warehouse.load({"restores": []})
    warehouse.dbt("build", UNTESTED, "--vars", json.dumps({"as_of": given}))
    (info,) = warehouse.query("select (as_of at time zone 'UTC')::date as day from refresh_info")
    assert info["day"] == day


def test_misspelt_as_of_is_one_clear_line(warehouse: Postgres) -> None:
    printed = warehouse.dbt("build", "--vars", '{"as_of": "yesterday"}', succeeds=False)
    assert "The variable as_of is 'yesterday'; it takes an ISO 8601 time" in printed


@pytest.mark.parametrize("wrong", ["postgresql://host/?ssl=on&secret", "host/secret", "secret"])
def test_misspelt_url_is_one_clear_line_without_it(wrong: str, warehouse: Postgres) -> None:
    warehouse.url = wrong
    printed = warehouse.dbt("build", succeeds=False)
    assert printed.count("\n") == 1
    assert printed.startswith("TARGET_POSTGRES_SQLALCHEMY_URL is no PostgreSQL URL")
    assert "secret" not in printed


def test_each_parameter_of_the_url_holds(warehouse: Postgres) -> None:
    warehouse.url += "&channel_binding=require"  # Which a server without passwords cannot give.
    assert "channel binding" in warehouse.dbt("debug", succeeds=False)


def test_odd_rows_only_warn(warehouse: Postgres) -> None:
    world = World()
    world.add_project("shop")
    world.add_addon("shop", "orders", status="hibernating")
    world.add_restore("shop", "orders", "new-status", "hibernating")
    world.add_restore("shop", "orders", "undated", restoreTimestamp=None, completedAt=None)
    world.add_restore("shop", "orders", "backwards", restoreTimestamp="2026-07-02T00:00:00.000Z")
    world.add_restore("shop", "orders", "stuck", "in-progress")
    world.advance(days=3)
    world.add_restore("shop", "orders", "later")
    warehouse.load(rows_of(world))
    warehouse.query("update restores set status = 'in-progress' where id = 'stuck'")
    printed = warehouse.build(as_of=START + timedelta(days=2))

    warnings = re.findall(r"Warning in test (\w+)", printed)
    assert {re.sub("(status|outcome)__.*", r"\1", name) for name in warnings} == {
        "accepted_values_restore_attempts_outcome",
        "accepted_values_stg_northflank__addons_addon_status",
        "accepted_values_stg_northflank__restores_status",
        "no_restore_is_dated_after_as_of",
        "not_null_restore_attempts_counted_at",
        "not_null_stg_northflank__restores_restore_timestamp",
        "restores_do_not_run_for_days",
        "restores_end_after_they_start",
    }


def test_dbt_warns_of_nothing_in_the_project(warehouse: Postgres) -> None:
    assert "Warning" not in warehouse.dbt("parse", "--warn-error")


def test_stale_listing_warns(warehouse: Postgres) -> None:
    world = World()
    world.add_project("shop")
    world.add_addon("shop", "orders")
    warehouse.load(rows_of(world))
    assert "PASS freshness of northflank.addons" in warehouse.dbt("source", "freshness")
    warehouse.query("update addons set \"_sdc_batched_at\" = now() - interval '26 hours'")
    assert "WARN freshness of northflank.addons" in warehouse.dbt("source", "freshness")
