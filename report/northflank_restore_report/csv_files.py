"""Writes the marts as CSV files, for an auditor's spreadsheet."""

from __future__ import annotations

import csv
import unicodedata
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from psycopg import sql
from psycopg.rows import tuple_row

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

ORDERED_BY = {
    "addon_recoverability": ("verdict_rank", "addon_key"),
    "restore_drill_evidence": ("quarter_start", "addon_key"),
    "restore_attempts": ("counted_at", "restore_key"),
    "backup_status": ("addon_key",),
    "evidence_changes": ("seen_at", "change_key"),
    "data_problems": ("problem", "restore_key"),
}
"""The marts that are written, and the order of their rows."""

FORMULA = "=+-@\N{MINUS SIGN}"
"""What a text begins with that a spreadsheet would run."""

SKIPPED = ("Cc", "Cf", "Zl", "Zp", "Zs")
"""Categories of characters that a spreadsheet may skip before: blank, or not to be seen."""

ROWS_AT_ONCE = 5000


def write_csv_files(connection: psycopg.Connection[Any], folder: Path) -> list[Path]:
    """Write a file for each mart into a folder, which is made if it is not there.

    The files are UTF-8 with a byte order mark, as spreadsheets want it. Times are ISO 8601 in UTC.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(connection, mart, folder / f"{mart}.csv") for mart in ORDERED_BY]


def _write(connection: psycopg.Connection[Any], mart: str, path: Path) -> Path:
    query = sql.SQL("select * from {} order by {}").format(
        sql.Identifier(mart), sql.SQL(", ").join(map(sql.Identifier, ORDERED_BY[mart]))
    )
    with (
        connection.cursor(mart, row_factory=tuple_row) as cursor,
        path.open("w", newline="", encoding="utf-8-sig") as file,
    ):
        cursor.itersize = ROWS_AT_ONCE
        cursor.execute(query)
        writer = csv.writer(file)
        writer.writerow([column.name for column in cursor.description or ()])
        writer.writerows(list(map(_cell, row)) for row in cursor)
    return path


def _cell(value: object) -> object:
    """Return what is written for a value; a text that looks like a formula stays a text."""
    if isinstance(value, str) and _is_formula(value):
        return f"'{value}"
    if isinstance(value, datetime):
        text = value.astimezone(timezone.utc).isoformat(timespec="milliseconds")
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
