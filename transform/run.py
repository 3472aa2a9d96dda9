"""Run dbt on the PostgreSQL that the loader's URL names: `run.py build`, `run.py docs generate`.

The URL is in `DBT_POSTGRES_URL`. dbt takes a host, a port and so on each by itself, so one setting
of the pipeline serves the loader and the models. It runs in dbt's environment, and uses what is
there: psycopg2.
"""

# ruff: noqa: INP001 - a dbt project, not a package
from __future__ import annotations

import os
import sys
from pathlib import Path

# Neither is in the environment that checks types.
from dbt.cli.main import cli  # type: ignore[import-not-found]
from psycopg2 import ProgrammingError  # type: ignore[import-untyped]
from psycopg2.extensions import parse_dsn  # type: ignore[import-untyped]

FIELDS = ("host", "port", "user", "password", "dbname", "sslmode")


def main() -> None:
    """Set what profiles.yml reads, then hand over to dbt with the same arguments."""
    here = str(Path(__file__).parent)
    os.environ.setdefault("DBT_PROJECT_DIR", here)
    os.environ.setdefault("DBT_PROFILES_DIR", here)
    url = os.environ.get("DBT_POSTGRES_URL", "")
    if url:
        scheme, _, rest = url.partition("://")
        try:
            parts = parse_dsn(f"{scheme.partition('+')[0]}://{rest}")
        except ProgrammingError:
            sys.exit(
                "DBT_POSTGRES_URL is no PostgreSQL URL such as postgresql://user@host/database"
            )
        for field in FIELDS:
            if field in parts:
                os.environ[f"DBT_POSTGRES_{field.upper()}"] = parts[field]
    cli()


if __name__ == "__main__":
    main()
