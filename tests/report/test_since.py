"""What changed since the last run and the last closed quarter, and whether all is there."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest

from northflank_restore_report.answers import answers
from northflank_restore_report.marts import Answer, Incomplete, read
from northflank_restore_report.page import page
from northflank_restore_report.warehouse import open_warehouse

if TYPE_CHECKING:
    from collections.abc import Callable

    from northflank_restore_report.marts import Findings
    from tests.report.conftest import Report


RUN = "the last run, for 30 Jun 2026, 06:00 UTC"


@pytest.fixture
def findings(report_of: Callable[[str], Report]) -> Findings:
    """Of one database that is proven."""
    with open_warehouse(report_of("one").warehouse.url, "restore_analytics") as warehouse:
        return read(warehouse)


@pytest.mark.parametrize(
    ("at_last_run", "expected"),
    [
        ("failing", [f"{RUN}:", "   shop/orders: proven, was failing"]),
        ("proven", [f"{RUN}: no verdict."]),
        (None, [f"{RUN}: not known, no verdict of that time is on record."]),
    ],
)
def test_what_changed_is_told(
    at_last_run: str | None, expected: list[str], findings: Findings
) -> None:
    (verdict,) = findings.verdicts_then
    run = datetime(2026, 6, 30, 6, tzinfo=timezone.utc)
    then = replace(verdict, last_run_at=run, verdict_at_last_run=at_last_run)
    findings = findings._replace(verdicts_then=[then])
    lines = answers(findings)
    place = lines.index(f"Changed since {expected[0]}")
    assert lines[place + 1 : place + len(expected)] == expected[1:]
    html = page(findings)
    assert f"<h3>Since {RUN}</h3>" in html
    told = html.partition('id="turns"')[2].partition("</section>")[0]
    assert ("No verdict changed." in told) == (at_last_run == "proven")
    assert told.count("failing") == (2 if at_last_run == "failing" else 0)
    assert told.count("are on record") == (2 if at_last_run is None else 1)


def test_what_is_missing_is_told(findings: Findings) -> None:
    findings = findings._replace(
        answers=[Answer("complete", 70), Answer("nothing listed", 2), Answer("rows missing", 1)],
        incomplete=[Incomplete("restores/shop/orders", "rows missing", 3)],
    )
    line = (
        "Of 73 lists of the API, the warehouse has 72 as they were read. "
        "Others: restores/shop/orders (rows missing: 3)."
    )
    assert line in answers(findings)
    assert line in page(findings)
    read_at = datetime(2026, 6, 30, tzinfo=timezone.utc)
    findings = findings._replace(answers=[Answer("complete", 73, read_at)], incomplete=[])
    told = "".join(answers(findings))
    assert "all that the API listed, in 73 lists; the earliest was read on 30 Jun 2026." in told
