"""Writes the marts as CSV files, for an auditor's spreadsheet."""

from __future__ import annotations

import csv
import unicodedata
from datetime import datetime
from typing import TYPE_CHECKING, TextIO

from northflank_restore_report.marts import in_utc

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from northflank_restore_report.warehouse import Warehouse

ORDERED_BY = {
    "addon_recoverability": 'verdict_rank, addon_key collate "C"',
    "restore_drill_evidence": 'quarter_start, addon_key collate "C"',
    "restore_attempts": 'counted_at, restore_key collate "C"',
    "backup_status": 'addon_key collate "C"',
    "evidence_changes": 'seen_at, change_key collate "C"',
    "data_problems": 'problem collate "C", restore_key collate "C"',
}
"""The marts that are written, and the order of their rows: on each engine and server the same."""

FORMULA = "=+-@\N{MINUS SIGN}"
"""What a text begins with that a spreadsheet would run."""

SKIPPED = ("Cc", "Cf", "Zl", "Zp", "Zs")
"""Categories of characters that a spreadsheet may skip before: blank, or not to be seen."""


def write_csv_files(warehouse: Warehouse, folder: Path) -> list[Path]:
    """Write a file for each mart into a folder, which is made if it is not there.

    The files are UTF-8 with a byte order mark, as spreadsheets want it. Times are ISO 8601 in UTC.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(warehouse, mart, folder / f"{mart}.csv") for mart in ORDERED_BY]


def _write(warehouse: Warehouse, mart: str, path: Path) -> Path:
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        write_csv(warehouse, f"select * from {mart} order by {ORDERED_BY[mart]}", file)  # noqa: S608
    return path


def write_csv(warehouse: Warehouse, query: str, file: TextIO) -> int:
    """Write the rows of a query, under the names of its columns; return how many there were.

    Args:
        warehouse: where they are.
        query: what finds them, in an order that is the same each time.
        file: what they are written to.
    """
    writer = csv.writer(file)
    count = 0
    with warehouse.select(query) as (names, rows):
        writer.writerow(names)
        for row in map(cells, rows):
            writer.writerow(row)
            count += 1
    return count


def cells(row: Iterable[object]) -> list[object]:
    """Return what is written for the values of a row."""
    return list(map(_cell, row))


def _cell(value: object) -> object:
    """Return what is written for a value; a text that looks like a formula stays a text."""
    if isinstance(value, str) and _is_formula(value):
        return f"'{value}"
    if isinstance(value, datetime):
        text = in_utc(value).isoformat(timespec="milliseconds")
        return text.replace("+00:00", "Z")
    if isinstance(value, bool):
        return str(value).lower()
    return value


def _is_formula(text: str) -> bool:
    """Whether a text begins as a formula does, also in full width, or behind what is skipped."""
    if text[:1] in {"\t", "\r", "\n"}:  # Some split a cell there.
        return True
    for character in text:
        if unicodedata.category(character) not in SKIPPED:
            plain = unicodedata.normalize("NFKC", character)[:1]
            return plain in FORMULA or unicodedata.category(plain) == "Pd"
    return False
