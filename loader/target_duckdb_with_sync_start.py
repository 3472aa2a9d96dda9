"""target-duckdb, which also notes in each row when its sync began, as loaders of Meltano's SDK do.

The models tell by that column which addons the newest listing no longer has. The loader's own
columns say when each row was loaded, and nothing of where one sync ends and the next begins.
"""

# ruff: noqa: INP001 - a distribution of one module
from __future__ import annotations

import time
from typing import Any

import target_duckdb  # type: ignore[import-not-found] # in an environment of its own

COLUMN = "_sdc_sync_started_at"
"""Milliseconds since 1970."""


def main() -> None:
    """Run the loader, whose two functions for columns of its own are put in place here."""
    started = time.time_ns() // 1_000_000
    of_schema = target_duckdb.add_metadata_columns_to_schema
    of_record = target_duckdb.add_metadata_values_to_record

    def columns(message: dict[str, Any]) -> Any:  # noqa: ANN401 - the loader's
        extended = of_schema(message)
        extended["schema"]["properties"][COLUMN] = {"type": ["null", "integer"]}
        return extended

    def values(message: dict[str, Any]) -> Any:  # noqa: ANN401 - the loader's
        return {**of_record(message), COLUMN: started}

    target_duckdb.add_metadata_columns_to_schema = columns
    target_duckdb.add_metadata_values_to_record = values
    target_duckdb.main()
