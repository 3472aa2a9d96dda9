"""The end of the demo: the models, the report, and the five answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from report.answers import answers
from report.csv_files import write_csv_files
from report.marts import marts, read
from report.page import page

if TYPE_CHECKING:
    from pathlib import Path

    from demo.pipeline import Pipeline

MARTS = "restore_analytics"


def compute(pipeline: Pipeline, now: str) -> None:
    """Run and test the models as of `now`, the account's time as ISO 8601.

    Raises:
        DemoError: it failed.
    """
    pipeline.meltano("invoke", "dbt-postgres:build", "--vars", json.dumps({"as_of": now}))


def write(warehouse: str, folder: Path) -> tuple[Path, list[str]]:
    """Write the report of a warehouse into a folder; return the page and the answers' lines."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "report.html"
    with marts(warehouse, MARTS) as connection:
        findings = read(connection)
        path.write_text(page(findings), encoding="utf-8")
        write_csv_files(connection, folder)
    return path, answers(findings)
