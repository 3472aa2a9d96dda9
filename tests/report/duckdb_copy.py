"""A DuckDB file with the rows of another warehouse's marts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    from pathlib import Path

    from tests.transform.warehouse import Postgres

TYPES = """
    select table_name, column_name, data_type, numeric_precision, numeric_scale
    from information_schema.columns where table_schema = 'restore_analytics'
    order by table_name, ordinal_position
"""
INSTANT = "timestamp with time zone"


def copy_marts(warehouse: Postgres, path: Path, instant: str = INSTANT) -> str:
    """Copy the tables of the marts into a new file, and return its URL.

    Args:
        warehouse: where they are.
        path: the file.
        instant: the type of instants in it; without a zone, they are those of UTC.
    """
    tables: dict[str, list[str]] = {}
    for row in warehouse.query(TYPES):
        kind = instant if row["data_type"] == INSTANT else row["data_type"]
        if kind == "numeric":
            kind = f"numeric({row['numeric_precision'] or 18}, {row['numeric_scale'] or 3})"
        tables.setdefault(row["table_name"], []).append(f'"{row["column_name"]}" {kind}')
    with duckdb.connect(path) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("create schema restore_analytics")
        connection.execute("set schema = 'restore_analytics'")
        for table, columns in tables.items():
            connection.execute(f"create table {table} ({', '.join(columns)})")
            marks = ", ".join("?" * len(columns))
            rows = [tuple(row.values()) for row in warehouse.query(f"select * from {table}")]  # noqa: S608
            if rows:
                connection.executemany(f"insert into {table} values ({marks})", rows)  # noqa: S608
    return f"duckdb:///{path}"
