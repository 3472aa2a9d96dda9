"""What the marts answer, case by case: each case is an addon with its restores."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import pytest
from ruamel.yaml import YAML

from simulator.world import timestamp
from tests.transform.warehouse import DuckDB

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.transform.warehouse import Postgres, Row, Rows, Warehouse

AS_OF = datetime(2026, 7, 1, 12, tzinfo=timezone.utc)


def restore(
    days: float, status: str | None = "completed", *, takes: float | None = 30, **fields: object
) -> Row:
    """Make a restore that ended, or without `takes` began, some days before `AS_OF`.

    Args:
        days: how long ago.
        status: in the API's words.
        takes: minutes from start to end; None: no end is known.
        fields: in the API's names, in place of what is made.
    """
    then = AS_OF - timedelta(days=days)
    return {
        "status": status,
        "restoreTimestamp": timestamp(then - timedelta(minutes=takes or 0)),
        "completedAt": None if takes is None else timestamp(then),
        "backupId": "daily",
        **fields,
    }


class Case(NamedTuple):
    """What is expected of an addon with these restores."""

    restores: list[Row]
    verdict: str
    reason: str


CASES = {
    "no-restore": Case([], "never tested", "No restore on record"),
    "only-running": Case(
        [restore(0.1, "in-progress", takes=None), restore(3, "aborted", takes=None)],
        "never tested",
        "No restore came to an end: 2 on record, 1 running",
    ),
    "only-failed": Case(
        [restore(5, "failed", takes=None)],
        "failing",
        "Failed on 2026-06-26, failures since the last success: 1",
    ),
    "not-supported": Case(
        [restore(4, "not-supported", takes=None)],
        "failing",
        "Failed on 2026-06-27, failures since the last success: 1",
    ),
    "failed-since": Case(
        [restore(30), restore(5, "failed", takes=None)],
        "failing",
        "Failed on 2026-06-26, failures since the last success: 1",
    ),
    "failed-then-aborted": Case(
        [restore(30), restore(6, "failed"), restore(5, "aborted", takes=None)],
        "failing",
        "Failed on 2026-06-25, failures since the last success: 1",
    ),
    "failing-and-overdue": Case(
        [restore(200), restore(150, "failed")],
        "failing",
        "Failed on 2026-02-01, failures since the last success: 1",
    ),
    "failed-at-the-same-time": Case(
        [restore(5, "failed"), restore(5)],
        "failing",
        "Failed on 2026-06-26, failures since the last success: 1",
    ),
    "failed-before": Case(
        [restore(6, "failed", takes=None), restore(5)],
        "proven",
        "Next drill due by 2026-09-24",
    ),
    "aborted-since": Case(
        [restore(6), restore(5, "aborted", takes=None), restore(0, "scheduled", takes=None)],
        "proven",
        "Next drill due by 2026-09-23",
    ),
    "overdue": Case([restore(90.01)], "overdue", "Due since 2026-07-01"),
    "overdue-and-slow": Case([restore(100, takes=500)], "overdue", "Due since 2026-06-21"),
    "just-in-time": Case([restore(90)], "proven", "Next drill due by 2026-07-01"),
    "slow": Case([restore(5, takes=60.1)], "slow", "0.1 min over the target"),
    "slow-by-a-second": Case([restore(5, takes=60.02)], "slow", "0.1 min over the target"),
    "on-target": Case([restore(5, takes=60)], "proven", "Next drill due by 2026-09-24"),
    "slow-once": Case(
        [restore(50, takes=600), restore(5)],
        "proven",
        "Next drill due by 2026-09-24",
    ),
    "own-target": Case([restore(5)], "slow", "15 min over the target"),
    "time-not-known": Case(
        [restore(5, takes=None)], "proven", "Next drill due by 2026-09-24, duration not known"
    ),
    "slow-then-not-known": Case(
        [restore(50, takes=90), restore(5, takes=None)], "slow", "30 min over the target"
    ),
    "equal-times": Case(
        [restore(5, takes=0)], "proven", "Next drill due by 2026-09-24, duration not known"
    ),
    "ends-before-start": Case(
        [restore(5, takes=-20)], "proven", "Next drill due by 2026-09-24, duration not known"
    ),
    "new-status": Case(
        [restore(5), restore(2, "hibernating")],
        "proven",
        "Next drill due by 2026-09-24",
    ),
    "no-status": Case(
        [restore(2, None, takes=None)],
        "never tested",
        "No restore came to an end: 1 on record, 0 running",
    ),
    "in-the-future": Case(
        [restore(-1)],
        "never tested",
        "No restore that counts; not counted: 1, see data_problems",
    ),
    "no-time-at-all": Case(
        [restore(2, takes=None, restoreTimestamp=None)],
        "never tested",
        "No restore that counts; not counted: 1, see data_problems",
    ),
    "unknown-backup": Case(
        [restore(5, backupId="expired")],
        "proven",
        "Next drill due by 2026-09-24",
    ),
    "busy": Case(
        [
            restore(1, takes=10),
            restore(2, takes=20),
            restore(3, "failed", takes=None),
            restore(4, "aborted", takes=None),
            restore(0.01, "in-progress", takes=None),
            restore(100, takes=30),
            restore(200, takes=50),
            restore(300, takes=40),
            restore(370, takes=999),
        ],
        "proven",
        "Next drill due by 2026-09-28",
    ),
    "a-millisecond": Case(
        [restore(5, takes=0.001 / 60)],
        "proven",
        "Next drill due by 2026-09-24, duration not known",
    ),
    "ended-in-1970": Case(
        [restore(5, completedAt="1970-01-01T00:00:00.000Z")],
        "proven",
        "Next drill due by 2026-09-24, duration not known",
    ),
    "ends-in-9999": Case(
        [restore(5), restore(1, "in-progress", completedAt="9999-12-31T23:59:59.000Z")],
        "proven",
        "Next drill due by 2026-09-24",
    ),
    "midnight": Case(
        [
            restore(
                0, completedAt="2026-03-31T23:59:59.999Z", restoreTimestamp="2026-03-31T23:30:00Z"
            ),
            restore(
                0, completedAt="2026-04-01T00:00:00.000Z", restoreTimestamp="2026-03-31T23:30:00Z"
            ),
        ],
        "overdue",
        "Due since 2026-06-30",
    ),
}
UNLISTED = "unlisted"


def shop() -> Rows:
    """Return one project with an addon for each case, and one restored in a project not listed."""
    restores = [
        {"projectId": "shop", "addonId": addon, "id": f"{addon}-{n}", **item}
        for addon, case in CASES.items()
        for n, item in enumerate(case.restores)
    ]
    elsewhere = {"projectId": UNLISTED, "addonId": "named", "id": "elsewhere", **restore(3)}
    of_deleted = {"projectId": "shop", "addonId": "deleted", "id": "of-deleted", **restore(100)}
    return {
        "projects": [{"id": "shop", "name": "The shop"}],
        "addons": [
            {
                "projectId": "shop",
                "id": addon,
                "name": addon.title(),
                "spec": {"type": "postgresql"},
                "status": "running",
            }
            for addon in CASES
        ]
        + [{"projectId": "shop", "id": "deleted", "status": "deleted"}],
        "backups": [
            {
                "projectId": "shop",
                "addonId": addon,
                "id": "daily",
                "name": "Daily",
                "status": "completed",
                "createdAt": timestamp(AS_OF - timedelta(days=200)),
            }
            for addon in CASES
        ],
        "restores": [*restores, elsewhere, of_deleted],
    }


def _restores(addon: str) -> int:
    return len(CASES[addon].restores)


@pytest.fixture(scope="module", params=["postgres", "duckdb"])
def built(
    request: pytest.FixtureRequest,
    new_postgres: Callable[[], Postgres],
    tmp_path_factory: pytest.TempPathFactory,
) -> Warehouse:
    """A warehouse with the marts of all cases, on either engine."""
    warehouse: Warehouse
    if request.param == "postgres":
        warehouse = new_postgres()
        # The last place on earth for a day to begin: days and quarters are still those of UTC.
        name = warehouse.query("select current_database() as name")[0]["name"]
        warehouse.query(f"alter database {name} set timezone to 'Etc/GMT+12'")
    else:
        warehouse = DuckDB(tmp_path_factory.mktemp("duckdb") / "warehouse")
    warehouse.set_rules(
        {"rule": "own", "project": "shop", "addon": "own-target", "rto_minutes": 15}
    )
    warehouse.load(shop())
    # The backups of these cases are old; what follows from that is in test_backups.py.
    warehouse.build(as_of=AS_OF, rpo_hours=10000)
    return warehouse


@pytest.fixture(scope="module")
def recoverability(built: Warehouse) -> dict[str, Row]:
    """Rows of `addon_recoverability` by the addon's id."""
    return built.mart("addon_recoverability", "addon_id")


@pytest.fixture(scope="module")
def attempts(built: Warehouse) -> dict[str, Row]:
    """Rows of `restore_attempts` by the restore's id."""
    return built.mart("restore_attempts", "restore_id")


@pytest.fixture(scope="module")
def evidence(built: Warehouse) -> dict[str, Row]:
    """Rows of `restore_drill_evidence` by addon and quarter."""
    rows = built.query("select * from restore_drill_evidence")
    return {f"{row['addon_id']} {row['quarter']}": row for row in rows}


def picked(row: Row, *names: str) -> tuple[object, ...]:
    """Return some columns of a row."""
    return tuple(row[name] for name in names)


@pytest.mark.parametrize("addon", CASES)
def test_verdict_and_its_reason(addon: str, recoverability: dict[str, Row]) -> None:
    expected = CASES[addon]
    assert picked(recoverability[addon], "verdict", "reason") == (expected.verdict, expected.reason)


def test_the_worst_verdict_has_the_lowest_rank(recoverability: dict[str, Row]) -> None:
    ranks = {row["verdict_rank"]: row["verdict"] for row in recoverability.values()}
    assert [ranks[rank] for rank in sorted(ranks)] == [
        "no backup",
        "never tested",
        "failing",
        "overdue",
        "slow",
        "proven",
        "deleted",
    ]


def test_not_restored_in_time_whatever_the_verdict(recoverability: dict[str, Row]) -> None:
    addons = ("only-failed", "failing-and-overdue", "overdue", "failed-since", "just-in-time")
    overdue = [recoverability[addon]["is_overdue"] for addon in addons]
    assert overdue == [True, True, True, False, False]


def test_windows_and_percentiles(recoverability: dict[str, Row]) -> None:
    busy = recoverability["busy"]
    counts = ("attempts", "successes", "failures", "success_rate")
    assert picked(busy, *(f"{name}_90d" for name in counts)) == (5, 2, 1, Decimal("0.6667"))
    assert picked(busy, *(f"{name}_365d" for name in counts)) == (8, 5, 1, Decimal("0.8333"))
    assert picked(busy, "attempts", "running", "measured_365d") == (9, 1, 5)
    # Of 10, 20, 30, 40 and 50 minutes; the 95th percentile lies between the last two.
    assert picked(busy, "median_minutes_365d", "p95_minutes_365d") == (30, 48)
    idle = recoverability["no-restore"]
    assert picked(idle, "attempts_90d", "success_rate_90d", "median_minutes_365d") == (
        0,
        None,
        None,
    )
    assert picked(recoverability["aborted-since"], "success_rate_90d") == (1,)


def test_last_success_names_its_restore_and_backup(recoverability: dict[str, Row]) -> None:
    columns = ("last_success_restore_id", "last_success_backup_id", "last_success_backup_name")
    assert picked(recoverability["failed-since"], *columns) == ("failed-since-0", "daily", "Daily")
    assert picked(recoverability["unknown-backup"], *columns) == (
        "unknown-backup-0",
        "expired",
        None,
    )
    last = recoverability["failed-since"]
    assert last["last_success_at"] == AS_OF - timedelta(days=30)
    assert picked(last, "days_since_success", "last_success_minutes") == (30, 30)


def test_target_is_the_addons_own_or_the_default(recoverability: dict[str, Row]) -> None:
    columns = ("target_minutes", "rule", "last_success_within_target")
    assert picked(recoverability["own-target"], *columns) == (15, "own", False)
    assert picked(recoverability["on-target"], *columns) == (60, "default", True)
    assert picked(recoverability["time-not-known"], *columns) == (60, "default", None)


def test_one_attempt_a_restore(attempts: dict[str, Row]) -> None:
    ids = {f"{addon}-{n}" for addon in CASES for n in range(_restores(addon))}
    assert set(attempts) == ids | {"elsewhere", "of-deleted"}


@pytest.mark.parametrize(
    ("restore", "expected"),
    [
        ("failed-before-1", ("succeeded", False, 30, True)),
        ("slow-0", ("succeeded", False, Decimal("60.1"), False)),
        ("only-failed-0", ("failed", False, None, None)),
        ("failing-and-overdue-1", ("failed", False, 30, None)),
        ("not-supported-0", ("failed", False, None, None)),
        ("only-running-0", ("running", True, None, None)),
        ("only-running-1", ("aborted", False, None, None)),
        ("time-not-known-0", ("succeeded", False, None, None)),
        ("equal-times-0", ("succeeded", False, None, None)),
        ("ends-before-start-0", ("succeeded", False, None, None)),
        ("new-status-1", ("unknown", False, 30, None)),
        ("no-status-0", ("unknown", False, None, None)),
    ],
)
def test_outcome_and_duration(
    restore: str, expected: tuple[object, ...], attempts: dict[str, Row]
) -> None:
    columns = ("outcome", "is_running", "duration_minutes", "within_target")
    assert picked(attempts[restore], *columns) == expected


def test_attempt_counts_by_its_end_or_else_its_start(attempts: dict[str, Row]) -> None:
    columns = ("started_at", "ended_at", "counted_at", "counted_on")
    end = AS_OF - timedelta(days=5)
    begin = end - timedelta(minutes=60)
    assert picked(attempts["on-target-0"], *columns) == (begin, end, end, date(2026, 6, 26))
    assert picked(attempts["only-failed-0"], *columns) == (end, None, end, date(2026, 6, 26))
    assert picked(attempts["no-time-at-all-0"], *columns) == (None, None, None, None)


def test_backup_of_an_attempt(attempts: dict[str, Row]) -> None:
    columns = ("backup_id", "backup_name", "backup_created_at", "backup_known")
    made = AS_OF - timedelta(days=200)
    assert picked(attempts["on-target-0"], *columns) == ("daily", "Daily", made, True)
    assert picked(attempts["unknown-backup-0"], *columns) == ("expired", None, None, False)


def test_addon_that_is_not_listed_goes_by_its_ids(recoverability: dict[str, Row]) -> None:
    columns = ("project_name", "addon_name", "database_type", "addon_status", "is_current")
    assert picked(recoverability["named"], *columns) == (UNLISTED, "named", "unknown", None, True)
    assert picked(recoverability["slow"], *columns) == (
        "The shop",
        "Slow",
        "postgresql",
        "running",
        True,
    )


def test_evidence_has_each_quarter_since_the_first_sign(evidence: dict[str, Row]) -> None:
    quarters = {
        key: row["evidence"] for key, row in evidence.items() if key.startswith("no-restore ")
    }
    assert quarters == {  # Its backup is of December; the last quarter began twelve hours ago.
        "no-restore 2025-Q4": "not tested",
        "no-restore 2026-Q1": "not tested",
        "no-restore 2026-Q2": "not tested",
        "no-restore 2026-Q3": "not yet",
    }


def test_deleted_addon_need_not_be_tested_any_more(evidence: dict[str, Row]) -> None:
    quarters = {key: row["evidence"] for key, row in evidence.items() if key[:8] == "deleted "}
    assert quarters == {"deleted 2026-Q1": "within target", "deleted 2026-Q2": "not tested"}


@pytest.mark.parametrize(
    ("quarter", "expected"),
    [
        ("on-target 2026-Q2", "within target"),
        ("slow 2026-Q2", "over target"),
        ("time-not-known 2026-Q2", "time not known"),
        ("only-failed 2026-Q2", "only failures"),
        ("aborted-since 2026-Q1", "not tested"),
        ("aborted-since 2026-Q3", "not yet"),
        ("in-the-future 2026-Q3", "not yet"),
        ("named 2026-Q2", "within target"),
    ],
)
def test_evidence_of_a_quarter(quarter: str, expected: str, evidence: dict[str, Row]) -> None:
    assert evidence[quarter]["evidence"] == expected
    assert evidence[quarter]["tested"] is (
        expected in {"within target", "over target", "time not known"}
    )


def test_evidence_is_the_last_success_of_the_quarter(evidence: dict[str, Row]) -> None:
    row = evidence["slow-once 2026-Q2"]
    assert picked(row, "restore_id", "backup_id", "duration_minutes", "within_target") == (
        "slow-once-1",
        "daily",
        30,
        True,
    )
    assert picked(row, "tested_at", "attempts", "successes", "failures") == (
        AS_OF - timedelta(days=5),
        2,
        2,
        0,
    )


def test_quarter_ends_at_midnight_utc(evidence: dict[str, Row]) -> None:
    last, first = evidence["midnight 2026-Q1"], evidence["midnight 2026-Q2"]
    assert last["tested_at"] == datetime(2026, 3, 31, 23, 59, 59, 999000, tzinfo=timezone.utc)
    assert first["tested_at"] == datetime(2026, 4, 1, tzinfo=timezone.utc)
    assert picked(first, "quarter_start", "is_over") == (date(2026, 4, 1), True)


def test_day_counts_all_outcomes(built: Warehouse, attempts: dict[str, Row]) -> None:
    columns = ("attempts", "successes", "failures", "aborted", "running", "unknown")
    outcomes = ("succeeded", "failed", "aborted", "running", "unknown")
    days = built.mart("daily_restore_activity", "activity_key")
    assert sum(row["attempts"] for row in days.values()) == len(attempts) - 2
    for key in ("2026-06-26/shop", "2026-06-28/shop", "2026-07-01/shop"):
        of_day = [
            row["outcome"]
            for row in attempts.values()
            if f"{row['counted_on']}/{row['project_id']}" == key
        ]
        counts = [of_day.count(outcome) for outcome in outcomes]
        assert picked(days[key], *columns) == (len(of_day), *counts)
    slowest = days["2026-05-12/shop"]  # 600 minutes and 90, both of one day
    assert picked(slowest, "median_minutes", "longest_minutes") == (345, 600)


def test_days_of_all_projects_add_up(built: Warehouse, attempts: dict[str, Row]) -> None:
    days = built.mart("restores_by_day", "day")
    for day, row in days.items():
        outcomes = Counter(a["outcome"] for a in attempts.values() if a["counted_on"] == day)
        assert row == {
            "day": day,
            "attempts": sum(outcomes.values()),
            **{name: outcomes[name] for name in ("succeeded", "failed", "aborted", "running")},
            "unknown": outcomes["unknown"],
        }
    assert sum(row["attempts"] for row in days.values()) == len(attempts) - 2


def test_durations_are_those_of_a_year(built: Warehouse, attempts: dict[str, Row]) -> None:
    measured = [
        row
        for row in attempts.values()
        if row["outcome"] == "succeeded"
        and row["duration_minutes"] is not None
        and AS_OF - timedelta(days=365) < row["counted_at"] <= AS_OF
    ]
    rows = built.mart("restore_durations", "durations_key")
    types = {row["database_type"] for row in measured}
    assert set(rows) == {"all", *(f"type/{name}" for name in types)}
    for row in rows.values():
        name = row["database_type"]
        of_type = [attempt for attempt in measured if name in {None, attempt["database_type"]}]
        minutes = sorted(float(attempt["duration_minutes"]) for attempt in of_type)
        assert (row["restores"], float(row["longest_minutes"])) == (len(minutes), minutes[-1])
        assert row["within_target"] == sum(attempt["within_target"] for attempt in of_type)
        for percent in (5, 25, 50, 75, 95):
            place = (len(minutes) - 1) * percent / 100
            low = minutes[int(place)]
            high = minutes[min(int(place) + 1, len(minutes) - 1)]
            expected = low + (high - low) * (place % 1)
            assert float(row[f"p{percent:02}_minutes"]) == pytest.approx(expected, abs=0.001)
        targets = [attempt["target_minutes"] for attempt in of_type]
        assert row["shortest_target_minutes"] == min(targets)
        assert row["longest_target_minutes"] == max(targets)


def test_refresh_info_states_what_is_left_out(built: Warehouse) -> None:
    (info,) = built.query("select * from refresh_info")
    assert picked(info, "as_of", "attempts", "undated_attempts", "later_attempts") == (
        AS_OF,
        sum(map(_restores, CASES)) + 2,
        1,
        1,
    )


def test_each_column_is_described(built: Warehouse) -> None:
    if isinstance(built, DuckDB):
        undescribed = built.query("""
            select table_name, column_name from duckdb_columns()
            where schema_name = 'restore_analytics' and comment is null
        """)
    else:
        undescribed = built.query("""
            select table_name, column_name from information_schema.columns
            where table_schema = 'restore_analytics' and col_description(
                format('%I.%I', table_schema, table_name)::regclass, ordinal_position
            ) is null
        """)
    assert undescribed == []


def test_tables_of_cases_hold(built: Warehouse) -> None:
    given = [
        f"{case['model']}::{case['name']}"
        for path in built.project.rglob("*_cases.yml")
        for case in YAML(typ="safe").load(path)["unit_tests"]
    ]
    printed = built.dbt("test", "--select", "test_type:unit")
    assert given
    assert [name for name in given if f"PASS {name} " not in printed] == []
