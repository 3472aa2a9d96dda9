"""Whose backup a restore restored, what `restoreTimestamp` is, and what of it survives."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from simulator.world import timestamp
from tests.transform.warehouse import DuckDB

if TYPE_CHECKING:
    from pathlib import Path

    from tests.transform.warehouse import Row, Rows, Warehouse

AS_OF = datetime(2026, 7, 1, 12, tzinfo=timezone.utc)
UNTESTED = "--exclude-resource-type=test"
OTHERS = "other addon's backup"


@pytest.fixture(params=["postgres", "duckdb"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Warehouse:
    """An empty database, one of either engine after the other."""
    if request.param == "duckdb":
        return DuckDB(tmp_path / "warehouse")
    warehouse: Warehouse = request.getfixturevalue("warehouse")
    return warehouse


def at(days: float, minutes: float = 0) -> str:
    """Return the time some days, and then minutes, before `AS_OF` in the API's form."""
    return timestamp(AS_OF - timedelta(days=days) + timedelta(minutes=minutes))


def addon(key: str, kind: str = "postgresql", **fields: object) -> Row:
    project, name = key.split("/")
    return {"projectId": project, "id": name, "name": name, "spec": {"type": kind}, **fields}


def backup(key: str, name: str, days: float, **fields: object) -> Row:
    project, of = key.split("/")
    made = {"createdAt": at(days), "completedAt": at(days, 10), "status": "completed"}
    return {"projectId": project, "addonId": of, "id": name, "name": name, **made, **fields}


def restore(key: str, name: str, backup_id: str, days: float, **fields: object) -> Row:
    project, into = key.split("/")
    times = {"restoreTimestamp": at(days), "completedAt": at(days, 20)}
    return {
        "projectId": project,
        "addonId": into,
        "id": name,
        "status": "completed",
        "backupId": backup_id,
        **times,
        **fields,
    }


def account() -> Rows:
    """Return an account with a drill of each kind."""
    keys = ("shop/orders", "shop/carts", "shop/users", "drills/orders", "drills/carts-1")
    others = [addon("other/orders", teamId="b"), addon("shop/cache", "redis")]
    return {
        "projects": [{"id": name, "name": name} for name in ("shop", "drills", "other")],
        "addons": [*(addon(key) for key in keys), *others, addon("drills/any"), addon("shop/new")],
        "backups": [
            backup("shop/orders", "orders-1", 3),
            backup("shop/carts", "daily", 3.2),
            backup("shop/users", "daily", 3.1),
            backup("shop/users", "users-1", 0.5),
            backup("shop/cache", "of-cache", 3),
            backup("other/orders", "of-b", 3),
            backup("shop/carts", "late", 0.1),
            backup("shop/orders", "both", 3.3),
            backup("shop/carts", "both", 3.3),
        ],
        "restores": [
            restore("drills/orders", "elsewhere", "orders-1", 2),
            restore("drills/carts-1", "declared", "daily", 2.1),
            restore("drills/any", "ambiguous", "daily", 2.2),
            restore("drills/any", "expired", "long-ago", 2.3),
            restore("drills/any", "of-another-type", "of-cache", 2.4),
            restore("drills/any", "of-another-team", "of-b", 2.5),
            restore("drills/any", "made-later", "late", 2.6),
            restore("shop/users", "own", "daily", 2.7),
            restore("shop/new", "before-the-second", "daily", 3.15),
            restore("shop/orders", "own-of-two", "both", 2.8),
        ],
    }


CASES = {
    "elsewhere": ("shop/orders", OTHERS),
    "declared": ("shop/carts", "declared"),
    "ambiguous": (None, "ambiguous"),
    "expired": ("drills/any", "assumed"),
    "of-another-type": ("drills/any", "assumed"),
    "of-another-team": ("drills/any", "assumed"),
    "made-later": ("drills/any", "assumed"),
    "own": ("shop/users", "own backup"),
    "before-the-second": ("shop/carts", OTHERS),
    "own-of-two": ("shop/orders", "own backup"),
}


def sources(engine: Warehouse) -> dict[str, tuple[object, object]]:
    attempts = engine.mart("restore_attempts", "restore_id")
    return {name: (r["source_addon_key"], r["source_basis"]) for name, r in attempts.items()}


def test_each_restore_has_its_source_and_keeps_it(engine: Warehouse) -> None:
    engine.set_drill_addons("drills,carts-*,shop,carts")
    rows = account()
    engine.load(rows)
    engine.build(as_of=AS_OF, rpo_hours=1000)
    assert sources(engine) == CASES
    addons = engine.mart("addon_recoverability", "addon_key")
    assert addons["shop/orders"]["verdict"] == "proven"
    assert addons["shop/orders"]["last_success_restored_into"] == "drills/orders"
    assert addons["shop/orders"]["last_success_backup_age_hours"] == 24
    for drill in ("drills/orders", "drills/carts-1"):
        assert addons[drill]["verdict"] == "out of scope"
    assert addons["drills/orders"]["reason"] == "Drill addon of shop/orders"
    problems = engine.mart("data_problems", "restore_key")
    assert problems["drills/any/ambiguous"]["problem"] == "ambiguous source"

    engine.query("delete from backups")  # All expired, and a loader that forgets them.
    engine.query("delete from addons where \"projectId\" = 'drills'")
    engine.load({"addons": rows["addons"][:1]})
    engine.build(UNTESTED, "--full-refresh", as_of=AS_OF, rpo_hours=1000)
    assert sources(engine) == CASES
    assert engine.mart("addon_recoverability", "addon_key")["shop/orders"]["attempts"] == 2


def test_backups_that_are_loaded_later_correct_what_was_assumed(engine: Warehouse) -> None:
    rows = account()
    engine.load({name: rows[name] for name in ("projects", "addons", "restores")})
    engine.build(UNTESTED, as_of=AS_OF)
    assert {basis for _, basis in sources(engine).values()} == {"assumed"}
    assert engine.mart("addon_recoverability", "addon_key")["shop/carts"]["verdict"] == (
        "never tested"
    )
    engine.load({"backups": rows["backups"]})
    engine.build(UNTESTED, as_of=AS_OF, rpo_hours=1000)
    assert sources(engine)["elsewhere"] == ("shop/orders", OTHERS)


def test_rule_takes_a_seeded_database_back_in(engine: Warehouse) -> None:
    engine.set_rules({"rule": "real", "addon": "orders", "project": "drills", "in_scope": "true"})
    engine.load(account())
    engine.build(UNTESTED, as_of=AS_OF, rpo_hours=1000)
    row = engine.mart("addon_recoverability", "addon_key")["drills/orders"]
    assert (row["verdict"], row["rule"]) == ("no backup", "real")


@pytest.mark.parametrize("reading", ["started", "backup created"])
def test_loaded_backups_tell_the_reading(reading: str, engine: Warehouse) -> None:
    rows = account()
    made: dict[tuple[str | None, str], str] = {
        (f"{row['projectId']}/{row['addonId']}", row["id"]): row["createdAt"]
        for row in rows["backups"]
    }
    if reading == "backup created":
        for row in rows["restores"]:
            key = CASES[row["id"]][0], row["backupId"]
            row["restoreTimestamp"] = made.get(key, row["restoreTimestamp"])
    engine.load(rows)
    # The data win over the variable.
    engine.build(UNTESTED, as_of=AS_OF, restore_timestamp="backup_created", rpo_hours=1000)
    readings = engine.mart("restore_timestamp_readings", "team_id")
    assert (readings[""]["reading"], readings[""]["basis"]) == (reading, "loaded backups")
    attempt = engine.mart("restore_attempts", "restore_id")["elsewhere"]
    known = reading == "started"
    assert attempt["duration_minutes"] == (20 if known else None)
    assert attempt["within_target"] is (True if known else None)
    assert (attempt["started_at"] is None) is (not known)
    assert float(attempt["backup_age_hours"]) == pytest.approx(24 if known else 24.3)
    orders = engine.mart("addon_recoverability", "addon_key")["shop/orders"]
    assert ("duration not known" in orders["reason"]) is (not known)


@pytest.mark.parametrize(
    ("variable", "reading", "basis"),
    [
        ("auto", "started", "assumed"),
        ("started", "started", "variable"),
        ("backup_created", "backup created", "variable"),
    ],
)
def test_variable_tells_the_reading_without_backups(
    variable: str, reading: str, basis: str, engine: Warehouse
) -> None:
    rows = account()
    del rows["backups"]
    engine.load(rows)
    engine.build(UNTESTED, as_of=AS_OF, restore_timestamp=variable)
    readings = engine.mart("restore_timestamp_readings", "team_id")
    assert (readings[""]["reading"], readings[""]["basis"]) == (reading, basis)
    durations = {
        row["duration_minutes"] for row in engine.mart("restore_attempts", "restore_id").values()
    }
    assert durations == ({20} if reading == "started" else {None})
