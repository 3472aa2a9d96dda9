"""`./dev report`: the options first, then the models, then the page and the answers."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from northflank_restore_report.options import DSN, URL, warehouse_url
from northflank_restore_report.page_command import read_options

if TYPE_CHECKING:
    import argparse

MELTANO = [sys.executable, "-m", "demo.meltano"]


def main() -> int:
    """Compute and write; return the exit code of what failed first."""
    arguments = sys.argv[1:]
    options = read_options(arguments, prog="./dev report")
    return after_models(options, "page", "--answers", *arguments)


def after_models(options: argparse.Namespace, *command: str) -> int:
    """Compute the models, then run a command of the report; return the exit code of what failed.

    Args:
        options: where the warehouse is, as the report's commands read it.
        command: the command, and its arguments.
    """
    os.environ.setdefault("MELTANO_ENVIRONMENT", "prod")
    os.environ["DBT_SCHEMA"] = options.schema
    url = warehouse_url(options)
    models = _models_of(url)
    # `meltano run` would log the line with which a plugin ends among its own.
    built = subprocess.run([*MELTANO, "invoke", models], check=False)  # noqa: S603
    if built.returncode:
        return built.returncode
    name, *arguments = command
    run = [*MELTANO, "invoke", f"restore-report:{name}"]
    if url.startswith("duckdb:"):  # The plugin is without DuckDB, to keep the image small.
        run = [sys.executable, "-m", "northflank_restore_report", name]
    return subprocess.run([*run, *arguments], check=False).returncode  # noqa: S603


def _models_of(url: str) -> str:
    """Let the models be computed where the report reads them; return the plugin that does so."""
    if url.startswith("duckdb:"):
        os.environ[URL] = url
        os.environ["TARGET_DUCKDB_PATH"] = url.removeprefix("duckdb:///")
        return "dbt-duckdb:build"
    os.environ.pop(URL, None)
    if url:  # Else it may be in .env, which Meltano reads.
        os.environ[DSN] = url
    return "dbt-postgres:build"


if __name__ == "__main__":
    sys.exit(main())
