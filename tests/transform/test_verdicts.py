"""Since when a verdict holds, from what and why, and what changed since a run and a quarter."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from northflank_restore_report.marts import NEED_ACTION, VERDICTS
from simulator.world import timestamp
from tests.transform.test_lineage import engine

if TYPE_CHECKING:
    from tests.transform.warehouse import Row, Warehouse

__all__ = ["engine"]

JUNE = datetime(2026, 6, 20, 6, tzinfo=timezone.utc)
JULY = datetime(2026, 7, 3, 6, tzinfo=timezone.utc)
MODELS = "recoverability_runs", "verdict_changes", "addon_verdicts"
SINCE = "changed_since_last_run", "worse_since_last_run", "changed_since_quarter"


def judge(engine: Warehouse, as_of: datetime, *arguments: str, **verdicts: str) -> None:
    """Let addons have these verdicts in a run."""
    engine.query("drop table if exists restore_analytics.addon_recoverability")
    rows = ", ".join(
        f"('{name}', null, 'shop', '{verdict}', {VERDICTS.index(verdict) + 1}, "
        f"{verdict in NEED_ACTION}, '{verdict} at {as_of:%H}')"
        for name, verdict in verdicts.items()
    )
    engine.query(
        "create table restore_analytics.addon_recoverability as select "  # noqa: S608
        "addon_key, cast(team_id as text) as team_id, project_id, verdict, verdict_rank, "
        f"needs_action, reason from (values {rows}) as judged "
        "(addon_key, team_id, project_id, verdict, verdict_rank, needs_action, reason)"
    )
    given = json.dumps({"as_of": timestamp(as_of), "allow_missing_restores": True})
    engine.dbt("run", "--vars", given, "--select", *MODELS, *arguments)


def changes(engine: Warehouse) -> list[tuple[object, ...]]:
    rows = engine.query("""
        select addon_key, seen_at, from_verdict, to_verdict, is_worse
        from verdict_changes order by seen_at, addon_key, change_number
    """)
    return [tuple(row.values()) for row in rows]


def picked(row: Row, *columns: str) -> tuple[object, ...]:
    return tuple(row[column] for column in columns)


def test_history_is_of_the_runs_and_of_nothing_else(engine: Warehouse) -> None:
    engine.query("create schema if not exists restore_analytics")
    judge(engine, JUNE, steady="proven", late="proven", broken="proven", mended="failing")
    first = [
        ("broken", JUNE, None, "proven", None),
        ("late", JUNE, None, "proven", None),
        ("mended", JUNE, None, "failing", None),
        ("steady", JUNE, None, "proven", None),
    ]
    assert changes(engine) == first
    row = engine.mart("addon_verdicts", "addon_key")["late"]
    assert picked(row, "since", "from_verdict", "last_run_at") == (JUNE, None, None)
    assert picked(row, *SINCE) == (None, None, None)

    # A quarter later.
    now = {"steady": "proven", "late": "overdue", "broken": "failing", "mended": "proven"}
    now["new"] = "never tested"
    judge(engine, JULY, **now)
    second = [
        *first,
        ("broken", JULY, "proven", "failing", True),
        ("late", JULY, "proven", "overdue", True),
        ("mended", JULY, "failing", "proven", False),
        ("new", JULY, None, "never tested", None),
    ]
    assert changes(engine) == second
    addons = engine.mart("addon_verdicts", "addon_key")
    broken = addons["broken"]
    told = ("since", "from_verdict", "from_reason", "reason", "is_worse", "last_run_at")
    assert picked(broken, *told) == (
        *(JULY, "proven", "proven at 06", "failing at 06"),
        *(True, JUNE),
    )
    assert str(broken["quarter_ended_on"]) == "2026-07-01"
    assert {key: picked(row, *SINCE) for key, row in addons.items()} == {
        "steady": (False, False, False),
        "late": (True, True, True),
        "broken": (True, True, True),
        "mended": (True, False, True),
        "new": (None, None, None),
    }

    # A look back adds nothing and changes nothing, nor does a full refresh.
    judge(engine, JUNE + timedelta(days=1), "--full-refresh", late="slow", broken="proven")
    assert changes(engine) == second
    back = engine.mart("addon_verdicts", "addon_key")
    then = ("since", "from_verdict", "last_run_at")
    assert picked(back["broken"], *then) == (JUNE, None, JUNE)
    assert picked(back["late"], *then) == (JUNE + timedelta(days=1), "proven", JUNE)

    # The next run compares with the last, and the quarter's end stays where it was.
    later = JULY + timedelta(hours=1)
    judge(engine, later, **now | {"broken": "proven", "new": "deleted", "steady": "waived"})
    assert changes(engine) == [
        *second,
        ("broken", later, "failing", "proven", False),
        ("new", later, "never tested", "deleted", False),
        ("steady", later, "proven", "waived", False),
    ]
    addons = engine.mart("addon_verdicts", "addon_key")
    assert picked(addons["broken"], "since", *SINCE) == (later, True, False, False)
    assert picked(addons["late"], "since", *SINCE) == (JULY, False, False, True)
    runs = engine.query("select as_of from recoverability_runs order by as_of")
    assert [row["as_of"] for row in runs] == [JUNE, JULY, later]
