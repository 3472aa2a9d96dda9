"""`./dev report`: the options first, then the models, then the page and the answers."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from northflank_restore_report.options import DSN
from northflank_restore_report.page_command import read_options

if TYPE_CHECKING:
    import argparse

MELTANO = [sys.executable, "-m", "demo.meltano"]


def main() -> int:
    """Compute and write; return the exit code of what failed first."""
    arguments = sys.argv[1:]
    options = read_options(arguments, prog="./dev report")
    return after_models(options, "restore-report:page", "--answers", *arguments)


def after_models(options: argparse.Namespace, *command: str) -> int:
    """Compute the models, then let Meltano invoke a command; return the exit code of what failed.

    Args:
        options: where the warehouse is, as the report's commands read it.
        command: a command of a plugin, and its arguments.
    """
    os.environ.setdefault("MELTANO_ENVIRONMENT", "prod")
    if options.dsn:
        os.environ[DSN] = options.dsn  # The models are computed where the page reads them.
    os.environ["DBT_SCHEMA"] = options.schema
    # `meltano run` would log the line with which a plugin ends among its own.
    models = subprocess.run([*MELTANO, "invoke", "dbt-postgres:build"], check=False)  # noqa: S603
    if models.returncode:
        return models.returncode
    return subprocess.run([*MELTANO, "invoke", *command], check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
