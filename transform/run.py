"""Run dbt on the PostgreSQL that the loader's URL names: `run.py build`, `run.py docs generate`.

The URL is in `TARGET_POSTGRES_SQLALCHEMY_URL`; dbt wants its parts. So one setting of the pipeline
serves the loader and the models. With `DBT_TARGET=duckdb`, `TARGET_DUCKDB_PATH` does the same. This
runs in dbt's own environment, and uses what is there.
"""

# ruff: noqa: INP001 - a dbt project, not a package
from __future__ import annotations

import atexit
import getpass
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

URL = "TARGET_POSTGRES_SQLALCHEMY_URL"
FILE = "TARGET_DUCKDB_PATH"
"""Variable of the loader of DuckDB that names its file."""

NAMES = {
    "dbname": "PGDATABASE",
    "application_name": "PGAPPNAME",
    "connect_timeout": "PGCONNECT_TIMEOUT",
}
"""libpq's variables that are not named as the others: PG and the parameter, without underscores."""

BUILDING = {"build", "run", "seed"}
"""Commands of dbt that write, before which the rules are checked."""


def main() -> None:
    """Set the variables that profiles.yml and libpq read, then hand over to dbt."""
    if sys.version_info >= (3, 14):
        sys.exit("dbt 1.11 needs Python 3.10 to 3.13: see docs/analytics.md, Python 3.14")
    here = str(Path(__file__).parent)
    os.environ.setdefault("DBT_PROJECT_DIR", here)
    os.environ.setdefault("DBT_PROFILES_DIR", here)
    target = os.environ.get("DBT_TARGET", "postgres")
    if target == "duckdb":
        if os.environ.get(FILE):
            os.environ.setdefault("DBT_DUCKDB_PATH", os.environ[FILE])
    elif os.environ.get(URL):
        os.environ.update(_variables(os.environ[URL]))
    elif target == "postgres" and "PGDATABASE" not in os.environ:
        sys.exit(f"Which warehouse? Set {URL}")

    _find_folders(Path(os.environ["DBT_PROJECT_DIR"]))

    if BUILDING.intersection(sys.argv[1:]):
        sys.path.insert(0, here)
        import rules  # type: ignore[import-not-found] # noqa: PLC0415 - beside this file

        seeds = Path(os.environ["DBT_PROJECT_DIR"]) / "seeds"
        if {"--full-refresh", "-f"}.isdisjoint(sys.argv):
            rules.check_tables(seeds)
        rules.check(seeds)

    if "build" in sys.argv[1:]:
        # Unit tests try the models and not the warehouse; `run.py test` runs them.
        sys.argv.append("--exclude-resource-type=unit_test")

    from dbt.cli.main import cli  # type: ignore[import-not-found] # noqa: PLC0415 - takes seconds

    cli()


def _find_folders(project: Path) -> None:
    """Let dbt write elsewhere where nobody may write into its project: a read-only checkout."""
    folders = {"DBT_TARGET_PATH": project / "target", "DBT_LOG_PATH": project / "logs"}
    closed = {
        name
        for name, folder in folders.items()
        if name not in os.environ and not os.access(folder if folder.exists() else project, os.W_OK)
    }
    if not closed:
        return
    if "docs" in sys.argv[1:] and "DBT_TARGET_PATH" in closed:
        sys.exit(f"Nothing can be written in {project}: set DBT_TARGET_PATH to another folder")
    elsewhere = tempfile.mkdtemp(prefix="northflank-restores-")
    atexit.register(shutil.rmtree, elsewhere, ignore_errors=True)
    os.environ.update(dict.fromkeys(closed, elsewhere))


def _variables(url: str) -> dict[str, str]:
    """Return libpq's variables for what a URL says; `postgresql+driver://` is read too."""
    from psycopg2 import ProgrammingError  # type: ignore[import-untyped] # noqa: PLC0415
    from psycopg2.extensions import parse_dsn  # type: ignore[import-untyped] # noqa: PLC0415

    scheme, _, rest = url.partition("://")
    try:
        parts = parse_dsn(f"{scheme.partition('+')[0]}://{rest}")
    except ProgrammingError:
        parts = None
    place, _, _ = rest.partition("?")
    # With such a character in the password, libpq takes what is behind it for host or database,
    # which are shown.
    odd = place.count("@") > 1 or "@" in place.partition("/")[2]
    if parts is None or odd or not re.fullmatch(r"[\d,]*", parts.get("port", "")):
        sys.exit(
            f"{URL} is no PostgreSQL URL such as postgresql://user@host/database; in user and "
            "password write @ as %40, / as %2F, ? as %3F and % as %25"
        )
    # dbt wants these in any case; so they are what libpq would take.
    user = parts.get("user") or getpass.getuser()
    parts = {"host": "", "dbname": user, **parts, "user": user}
    return {
        NAMES.get(name, f"PG{name.upper().replace('_', '')}"): value
        for name, value in parts.items()
    }


if __name__ == "__main__":
    main()
