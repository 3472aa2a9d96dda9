"""The state of the backups, and what of it is not known."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tests.transform.test_lineage import AS_OF, addon, backup, engine, restore

if TYPE_CHECKING:
    from tests.transform.warehouse import Row, Rows, Warehouse

__all__ = ["engine"]


def schedule(key: str, name: str, interval: str, **when: list[int]) -> Row:
    project, of = key.split("/")
    return {
        "projectId": project,
        "addonId": of,
        "id": name,
        "backupType": "dump",
        "retentionTime": 7,
        "scheduling": {"interval": interval, **when},
    }


def account() -> Rows:
    names = ("fresh", "stale", "none", "failed", "planned")
    return {
        "projects": [{"id": "shop"}],
        "addons": [addon(f"shop/{name}") for name in names],
        "backups": [
            backup("shop/fresh", "a", 1.0, config={"size": "300"}),
            backup("shop/fresh", "b", 0.2, status="failed", completedAt=None),
            backup("shop/fresh", "c", 10, config={"size": "100"}),
            backup("shop/stale", "a", 3.5),
            backup("shop/failed", "a", 1, status="failed", completedAt=None),
            *(backup("shop/planned", f"p{n}", n + 0.4) for n in range(5)),
        ],
        "backup_schedules": [
            schedule("shop/planned", "d", "daily", minute=[0], hour=[2]),
            schedule("shop/planned", "w", "weekly", minute=[0], hour=[2], day=[0]),
            schedule("shop/planned", "w2", "weekly", minute=[30], hour=[4], day=[6]),
            schedule("shop/fresh", "h", "hourly", minute=[0, 30]),
        ],
        "restores": [restore(f"shop/{name}", name, "x", 2) for name in names],
    }


def test_state_of_the_backups(engine: Warehouse) -> None:
    engine.load(account())
    engine.build(as_of=AS_OF)
    status = engine.mart("backup_status", "addon_id")
    assert {name: (r["has_no_backup"], r["is_stale"]) for name, r in status.items()} == {
        "fresh": (False, False),
        "stale": (False, True),
        "none": (True, False),
        "failed": (True, False),
        "planned": (False, False),
    }
    fresh = status["fresh"]
    assert (fresh["newest_backup_id"], fresh["newest_age_hours"]) == ("a", 24)
    assert (fresh["successes_30d"], fresh["failures_30d"], fresh["size_trend"]) == (2, 1, 3)
    assert fresh["expected_7d"] == 7 * 48
    planned = status["planned"]  # Daily, of which one falls on a weekly one, and one more a week.
    assert (planned["expected_7d"], planned["made_7d"], planned["retention_days"]) == (8, 5, 7)
    addons = engine.mart("addon_recoverability", "addon_id")
    assert {name: row["verdict"] for name, row in addons.items()} == {
        "fresh": "proven",
        "stale": "stale backup",
        "none": "no backup",
        "failed": "no backup",
        "planned": "proven",
    }
    assert addons["stale"]["reason"] == (
        "No backup completed since 2026-06-28; failed in 30 days: 0"
    )
    assert addons["failed"]["reason"] == "No completed backup is listed; failed in 30 days: 1"


def test_rule_has_its_own_rpo(engine: Warehouse) -> None:
    engine.set_rules({"rule": "weekly", "addon": "stale", "rpo_hours": 170})
    engine.load(account())
    engine.build("--exclude-resource-type=test", as_of=AS_OF)
    assert engine.mart("addon_recoverability", "addon_id")["stale"]["verdict"] == "proven"


def test_backups_that_were_not_read_lately_are_not_known(engine: Warehouse) -> None:
    """The daily job stopped: nobody can say that there is no newer backup."""
    engine.load(account())
    engine.read_at(AS_OF - timedelta(days=3), "backups")
    engine.build("--exclude-resource-type=test", as_of=AS_OF)
    addons = engine.mart("addon_recoverability", "addon_id")
    assert {row["verdict"] for row in addons.values()} == {"proven"}
    assert addons["stale"]["backups_known"] is False


def test_backup_that_may_be_the_newest_is_not_counted_out(engine: Warehouse) -> None:
    """A status or a time that was not loaded, or cannot be, does not make a backup missing."""
    names = ("no-status", "no-status-and-old", "no-time", "stale-and-no-status", "stale-and-failed")
    old = [backup(f"shop/{name}", "old", 3) for name in names[3:]]
    rows: Rows = {
        "addons": [addon(f"shop/{name}") for name in names],
        "backups": [
            backup("shop/no-status", "a", 0.5, status=None),
            backup("shop/no-status-and-old", "a", 3, status=None),
            backup("shop/no-time", "a", 0, createdAt=None),
            *old,
            backup("shop/stale-and-no-status", "new", 0.5, status=None),
            backup("shop/stale-and-failed", "new", 0.5, status="failed"),
        ],
        "restores": [restore(f"shop/{name}", name, "x", 2) for name in names],
    }
    engine.load(rows)
    engine.build("--exclude-resource-type=test", as_of=AS_OF)
    status = engine.mart("backup_status", "addon_id")
    assert {name: (r["has_no_backup"], r["is_stale"]) for name, r in status.items()} == {
        "no-status": (None, None),
        "no-status-and-old": (False, True),
        "no-time": (None, None),
        "stale-and-no-status": (None, None),
        "stale-and-failed": (False, True),
    }
    verdicts = engine.mart("addon_recoverability", "addon_id")
    stale = {name for name, row in verdicts.items() if row["verdict"] == "stale backup"}
    assert stale == {"no-status-and-old", "stale-and-failed"}
    assert {verdicts[name]["verdict"] for name in verdicts.keys() - stale} == {"proven"}


def test_backups_without_their_status_say_nothing(engine: Warehouse) -> None:
    rows = account()
    rows["backups"] = [{**row, "status": None} for row in rows["backups"]]
    engine.load(rows)
    engine.build("--exclude-resource-type=test", as_of=AS_OF)
    status = engine.mart("backup_status", "addon_id").values()
    assert {(row["has_no_backup"], row["is_stale"]) for row in status} == {(None, None)}
    verdicts = engine.mart("addon_recoverability", "addon_id").values()
    assert {row["verdict"] for row in verdicts} == {"proven"}


def test_without_backups_nothing_is_said_of_them(engine: Warehouse) -> None:
    rows = account()
    del rows["backups"], rows["backup_schedules"]
    engine.load(rows)
    engine.build(as_of=AS_OF)
    status = engine.mart("backup_status", "addon_id")["none"]
    said = ("has_no_backup", "is_stale", "expected_7d", "made_7d", "listed", "success_rate_30d")
    assert {status[name] for name in said} == {None}
    verdicts = engine.mart("addon_recoverability", "addon_id")
    assert {row["verdict"] for row in verdicts.values()} == {"proven"}
