# /// script
# requires-python = ">=3.10"
# dependencies = ["dlt[duckdb,postgres]==1.31.0"]
# ///
"""dlt's `rest_api` source, with what its documents offer for an API like this.

Eight extract workers and `parallelized` resources; a paginator that looks at `hasNextPage`; 404 of
a deleted addon ignored; `completedAt` as the incremental cursor, rows without it included.

The cursor is a step of the resource (`add_step`). The other documented place is the endpoint's
`incremental`; there it is bound anew for each page of parents, so that all projects but the first
lose what is older than the greatest `completedAt` so far. `load-cursor-at-endpoint` shows it;
`load-looking-back` has dlt's look-back (`lag`) of a day.

Usage: dlt_rest_api.py API_URL TOKEN DIRECTORY MODE
           where MODE is extract, load, load-cursor-at-endpoint, load-looking-back or postgres,
           which loads into the database of DESTINATION__POSTGRES__CREDENTIALS
       dlt_rest_api.py rows DIRECTORY
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlt
from dlt.sources.rest_api import rest_api_source

if TYPE_CHECKING:
    from dlt.sources import DltSource

DAY = 24 * 60 * 60


def source(api_url: str, token: str, mode: str) -> DltSource:
    """Declare projects, addons and restores."""
    cursor: dict[str, Any] = {
        "cursor_path": "completedAt",
        "on_cursor_value_missing": "include",
    }
    if mode == "load-looking-back":
        cursor["lag"] = DAY
    restores: dict[str, Any] = {
        "path": "projects/{resources.addons._projects_id}/addons/{resources.addons.id}/restores",
        "data_selector": "data.restores",
        "response_actions": [{"status_code": 404, "action": "ignore"}],
    }
    if mode == "load-cursor-at-endpoint":
        restores["incremental"] = cursor
    declared = rest_api_source(
        {
            "client": {
                "base_url": f"{api_url}/v1/",
                "auth": {"type": "bearer", "token": token},
                "paginator": {
                    "type": "cursor",
                    "cursor_path": "pagination.cursor",
                    "cursor_param": "cursor",
                    "has_more_path": "pagination.hasNextPage",
                },
            },
            "resource_defaults": {
                "write_disposition": "merge",
                "endpoint": {"params": {"per_page": 100}},
            },
            "resources": [
                {
                    "name": "projects",
                    "primary_key": "id",
                    "endpoint": {"path": "projects", "data_selector": "data.projects"},
                },
                {
                    "name": "addons",
                    "primary_key": ["_projects_id", "id"],
                    "include_from_parent": ["id"],
                    "parallelized": True,
                    "endpoint": {
                        "path": "projects/{resources.projects.id}/addons",
                        "data_selector": "data.addons",
                    },
                },
                {
                    "name": "restores",
                    "primary_key": ["_addons__projects_id", "_addons_id", "id"],
                    "include_from_parent": ["_projects_id", "id"],
                    "parallelized": True,
                    "endpoint": restores,
                },
            ],
        }
    )
    if mode != "load-cursor-at-endpoint":
        declared.resources["restores"].add_step(dlt.sources.incremental(**cursor))
    return declared


def pipeline(directory: str, mode: str = "load") -> dlt.Pipeline:
    """Return the pipeline whose state, and warehouse if it is a file, are in a directory."""
    file = dlt.destinations.duckdb(str(Path(directory) / "warehouse.duckdb"))
    return dlt.pipeline(
        "northflank",
        pipelines_dir=directory,
        destination=dlt.destinations.postgres() if mode == "postgres" else file,
        dataset_name="northflank",
    )


def sync(api_url: str, token: str, directory: str, mode: str) -> None:
    """Extract only, or extract, normalise and merge into DuckDB or PostgreSQL."""
    os.environ["EXTRACT__WORKERS"] = "8"  # threads, so requests in flight; 5 without it
    declared = source(api_url, token, mode)
    if mode == "extract":
        pipeline(directory).extract(declared)
    elif mode == "postgres":
        pipeline(directory, mode).run(declared, loader_file_format="csv")  # which is a COPY
    else:
        # By default a load is SQL text with the values in it, for which DuckDB takes 2 GB here.
        pipeline(directory).run(declared, loader_file_format="jsonl")


def rows(directory: str) -> None:
    """Print the restores in the warehouse as lines of JSON."""
    query = "SELECT _addons__projects_id, _addons_id, id, status, {} FROM restores"
    names = ("projectId", "addonId", "id", "status", "completedAt")
    with pipeline(directory).sql_client() as client:
        columns = [row[0] for row in client.execute_sql("SELECT * FROM (DESCRIBE restores)")]
        completed_at = "completed_at" if "completed_at" in columns else "NULL"
        for row in client.execute_sql(query.format(completed_at)):
            print(json.dumps(dict(zip(names, row, strict=True)), default=str))


if __name__ == "__main__":
    if sys.argv[1] == "rows":
        rows(sys.argv[2])
    else:
        sync(*sys.argv[1:])
