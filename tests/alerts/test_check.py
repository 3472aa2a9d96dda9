"""`northflank-restore-report check`: an exit code for CI; and commands whose extra is missing."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import duckdb
import pytest

from northflank_restore_report import words
from northflank_restore_report.marts import VERDICTS
from northflank_restore_report.options import URL
from tests.alerts.support import AS_OF, COLUMNS, RANKS, database, part

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.alerts.support import Marts, Receiver

    Run = Callable[..., tuple[int, str, str]]

DATABASES = {
    "shop/orders": "overdue",
    "shop/users": "slow",
    "shop/sessions": "out of scope",
    "web/cache": "waived",
    "web/pages": "proven",
    "web/old": "deleted",
}


def test_each_database_that_is_worse_is_a_line(marts: Marts, run: Run) -> None:
    marts.write(DATABASES)
    at = words.instant(AS_OF)
    code, out, err = run("check")
    assert (code, err) == (3, "")
    assert out.splitlines() == [
        "shop/orders: overdue; It is overdue",
        "shop/users: slow; It is slow",
        f"2 of 4 databases to act on. As of {at}.",
    ]
    assert run("check", "--worse-than", "slow") == (
        3,
        f"shop/orders: overdue; It is overdue\n1 of 4 databases worse than slow. As of {at}.\n",
        "",
    )
    assert run("check", "--worse-than", "overdue") == (
        0,
        f"0 of 4 databases worse than overdue. As of {at}.\n",
        "",
    )


def test_a_pattern_narrows_it(marts: Marts, run: Run) -> None:
    marts.write(DATABASES)
    at = words.instant(AS_OF)
    line = f"0 of 2 databases to act on. As of {at}.\n"
    assert run("check", "--only", "web/*") == (0, line, "")
    code, out, err = run("check", "--only", "wbe/*")
    assert (code, out, err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("than", VERDICTS[:8])
def test_the_order_is_that_of_the_marts(marts: Marts, run: Run, than: str) -> None:
    marts.write({f"shop/{rank}": verdict for verdict, rank in RANKS.items()})
    code, out, _ = run("check", "--worse-than", than)
    worse = [rank for rank in RANKS.values() if rank < RANKS[than]]
    assert [line.partition(":")[0] for line in out.splitlines()[:-1]] == [
        f"shop/{r}" for r in worse
    ]
    assert code == (3 if worse else 0)


@pytest.mark.parametrize(
    "options",
    [
        ("--worse-than", "waived"),
        ("--worse-than", "deleted"),
        *(("--max-age", hours) for hours in ("inf", "nan", "1e12", "0", "soon")),
    ],
)
def test_a_value_that_cannot_be_meant_is_wrong_use(run: Run, options: tuple[str, str]) -> None:
    code, out, err = run("check", *options)
    assert (code, out) == (2, "")
    assert f"argument {options[0]}" in err.splitlines()[-1]


def test_a_verdict_of_newer_models_counts_if_it_needs_action(marts: Marts, run: Run) -> None:
    marts.write([database("shop/orders", "proven") | {"verdict": "new", "needs_action": True}])
    assert run("check", "--worse-than", "no backup")[0] == 3


def test_old_or_missing_marts_are_no_success(marts: Marts, run: Run) -> None:
    code, out, err = run("check")
    assert (code, out, err.count("\n")) == (1, "", 1)
    marts.write({"shop/orders": "proven"}, age=timedelta(hours=30))
    code, out, err = run("check")
    assert (code, out) == (1, "")
    assert err.startswith("The marts were computed too long ago, ")
    assert run("check", "--max-age", "31")[0] == 0


def test_marts_in_duckdb_are_read_as_well(
    receiver: Receiver, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URL, f"duckdb:///{tmp_path / 'warehouse.duckdb'}")
    rows = {
        "refresh_info": {"as_of": AS_OF, "refreshed_at": datetime.now(timezone.utc)},
        "addon_recoverability": {**database("shop/orders", "failing"), "as_of": AS_OF},
        "load_freshness": part("addons", "shop", stale=False),
    }
    with duckdb.connect(tmp_path / "warehouse.duckdb") as connection:
        connection.execute("CREATE SCHEMA restore_analytics; SET schema = 'restore_analytics'")
        for table, row in rows.items():
            connection.execute(f"CREATE TABLE {table} ({COLUMNS[table]})")
            values = ", ".join("?" * len(row))
            connection.execute(
                f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})",  # noqa: S608
                list(row.values()),
            )
    assert run("check")[:2] == (
        3,
        (
            "shop/orders: failing; It is failing\n"
            f"1 of 1 database to act on. As of {words.instant(AS_OF)}.\n"
        ),
    )
    with duckdb.connect(tmp_path / "warehouse.duckdb") as connection:
        connection.execute("UPDATE restore_analytics.load_freshness SET is_stale = true")
    code, out, err = run("check")
    assert (code, out) == (1, "")
    assert err.startswith("The part addons//shop was last read too long ago")
    assert run("metrics", "--out", str(tmp_path / "northflank.prom")) == (0, "", "")
    code, out, err = run("alerts")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "--state" in err
    state = ["--state", str(tmp_path / "told.json")]
    assert run("alerts", *state) == (0, "ops: Restores: 2 to act on\n", "")
    assert run("alerts", *state) == (0, "ops: nothing new\n", "")
    assert len(receiver.bodies()) == 1


def test_no_database_is_no_success(marts: Marts, run: Run) -> None:
    marts.write({"shop/sessions": "out of scope"})
    assert run("check") == (2, "", "No database in scope fits *\n")


def test_a_verdict_that_there_is_not_is_wrong_use(run: Run) -> None:
    assert run("check", "--worse-than", "bad")[0] == 2


@pytest.mark.parametrize(
    ("name", "module"), [("alerts", "apprise"), ("metrics", "prometheus_client")]
)
def test_a_missing_extra_is_named(
    name: str, module: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for loaded in ("alerts", "delivery", "metrics"):
        monkeypatch.delitem(sys.modules, f"northflank_restore_report.{loaded}", raising=False)
    for loaded in [key for key in sys.modules if key.partition(".")[0] == module]:
        monkeypatch.setitem(sys.modules, loaded, None)
    monkeypatch.setitem(sys.modules, module, None)
    code, out, err = run(name)
    assert (code, out) == (1, "")
    assert err.endswith(f"needs an extra: pip install 'northflank-restore-report[{name}]'\n")
