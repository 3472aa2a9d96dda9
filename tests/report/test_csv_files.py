"""The CSV files: the marts row by row, and nothing in them that a spreadsheet would run."""

from __future__ import annotations

import csv
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from northflank_restore_report.csv_files import ORDERED_BY, _cell
from tests.report.conftest import FORMULA, NASTY

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.report.conftest import Report


@pytest.fixture
def report(report_of: Callable[[str], Report]) -> Report:
    return report_of("company")


def rows(report: Report, mart: str) -> list[dict[str, str]]:
    with (report.folder / f"{mart}.csv").open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("mart", ORDERED_BY)
def test_file_has_all_rows_and_columns(mart: str, report: Report) -> None:
    expected = report.warehouse.query(f"select * from {mart}")  # noqa: S608
    found = rows(report, mart)
    assert len(found) == len(expected)
    if expected:
        assert list(found[0]) == list(expected[0])
    else:
        assert mart == "data_problems"


def test_formulas_are_text(report: Report) -> None:
    addons = {row["addon_key"]: row for row in rows(report, "addon_recoverability")}
    assert addons["shop/formula"]["addon_name"] == f"'{FORMULA}"
    assert addons["shop/formula"]["last_success_backup_id"] == "'-1+2"
    assert addons["shop/odd"]["addon_name"] == NASTY
    for mart in ORDERED_BY:
        cells = [cell for row in rows(report, mart) for cell in row.values()]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


BLANK = "\t\r\n\x00\N{NO-BREAK SPACE}\N{IDEOGRAPHIC SPACE}\N{ZERO WIDTH SPACE}\N{LINE SEPARATOR}"
SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u207a\u207c\u207b\u2212\u2010\u2013"
"""Those of formulas, and the same in full width, small, as superscripts and as other dashes."""


@pytest.mark.parametrize("before", ["", " ", "  \t ", "\ufeff", "\u202e", *BLANK], ids=ascii)
@pytest.mark.parametrize("sign", SIGNS, ids=ascii)
def test_a_formula_is_text_however_it_begins(sign: str, before: str) -> None:
    text = f"{before}{sign}1+1"
    assert _cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", " ", "a=1", "shop/orders", "1-2", " a", "\ufeffa", "'=1"])
def test_another_text_stays_as_it_is(text: str) -> None:
    assert _cell(text) == text


def test_values_can_be_read_again(report: Report) -> None:
    attempts = {row["restore_key"]: row for row in rows(report, "restore_attempts")}
    for row in report.warehouse.query("select * from restore_attempts"):
        written = attempts[row["restore_key"]]
        for name in ("started_at", "ended_at"):
            time = written[name].replace("Z", "+00:00")
            assert (datetime.fromisoformat(time) if time else None) == row[name]
        assert written["is_running"] == str(row["is_running"]).lower()
        assert written["duration_minutes"] == str(row["duration_minutes"] or "")


def test_empty_warehouse_gives_files_with_a_head(report_of: Callable[[str], Report]) -> None:
    for mart in ORDERED_BY:
        text = (report_of("empty").folder / f"{mart}.csv").read_text(encoding="utf-8-sig")
        assert text.count("\n") == 1
        assert "addon_key" in text or mart == "data_problems"
