"""docs/analytics.md: its queries run, and what it names is there."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest
import yaml

from northflank_restore_report.marts import EVIDENCE, VERDICTS
from simulator import World
from tests.transform.warehouse import ROOT, DuckDB, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.transform.warehouse import Postgres, Warehouse

PAGE = (ROOT / "docs" / "analytics.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"^```sql\n(.*?);\n```$", PAGE, re.DOTALL | re.MULTILINE)
DRAWN = {
    "restore_attempts",
    "addon_recoverability",
    "restore_drill_evidence",
    "daily_restore_activity",
}
MARTS = yaml.safe_load((ROOT / "transform/models/marts/marts.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module", params=["postgres", "duckdb"])
def company(
    request: pytest.FixtureRequest,
    new_postgres: Callable[[], Postgres],
    tmp_path_factory: pytest.TempPathFactory,
) -> Warehouse:
    """The marts of the simulated company, on either engine."""
    world = World.company()
    warehouse: Warehouse
    if request.param == "postgres":
        warehouse = new_postgres()
    else:
        warehouse = DuckDB(tmp_path_factory.mktemp("duckdb") / "warehouse")
    warehouse.load(rows_of(world))
    warehouse.build("--exclude-resource-type=test", as_of=world.now)
    return warehouse


def test_three_queries_are_given() -> None:
    assert len(QUERIES) == 3


def test_query_for_what_is_overdue(company: Warehouse) -> None:
    addons = [row["addon_key"] for row in company.query(QUERIES[0])]
    assert addons == ["analytics/exports", "analytics/staging", "internal/wiki"]


def test_query_for_an_audit(company: Warehouse) -> None:
    rows = company.query(QUERIES[1])
    assert [row["quarter"] for row in rows] == ["2025-Q3", "2025-Q4", "2026-Q1", "2026-Q2"]
    assert all(row["within_target"] <= row["tested"] <= row["databases"] for row in rows)
    assert 0 < rows[-1]["tested"] < rows[-1]["databases"]


def test_query_for_what_failed(company: Warehouse) -> None:
    rows = company.query(QUERIES[2])
    failed = company.query("""
        select restore_key from restore_attempts
        where outcome = 'failed'
          and counted_at between '2026-04-02 06:00:00Z' and '2026-07-01 06:00:00Z'
    """)
    assert len(rows) == len(failed) > 0
    now = datetime(2026, 7, 1, 6, tzinfo=timezone.utc)
    assert all(row["failed_at"] < row["restored_at"] <= now for row in rows)


@pytest.mark.parametrize("model", MARTS["models"], ids=lambda model: str(model["name"]))
def test_diagram_and_table_have_the_mart(model: dict[str, object]) -> None:
    assert f"| `{model['name']}` |" in PAGE
    columns = {column["name"] for column in model["columns"]}  # type: ignore[attr-defined]
    drawn = re.search(rf"^    {model['name']} {{\n(.*?)^    }}$", PAGE, re.DOTALL | re.MULTILINE)
    names = set(re.findall(r"^        \w+ (\w+)", drawn[1], re.MULTILINE)) if drawn else set()
    assert names <= columns
    assert bool(names) is (model["name"] in DRAWN)


def test_verdicts_are_listed_the_worst_first() -> None:
    section = PAGE.partition("### The verdict\n")[2].partition("\n### ")[0]
    assert tuple(re.findall(r"^\| `([a-z ]+)` \| \w", section, re.MULTILINE)) == VERDICTS
    columns = {column["name"]: column for mart in MARTS["models"] for column in mart["columns"]}
    for name, values in (("verdict", VERDICTS), ("evidence", EVIDENCE)):
        (test,) = columns[name]["data_tests"]
        assert tuple(test["accepted_values"]["arguments"]["values"]) == values
