"""The options of the report, read before anything is done; and where the warehouse is."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

DSN = "TARGET_POSTGRES_SQLALCHEMY_URL"
"""Variable that names the warehouse: the loader's own setting."""

PASSWORD = re.compile(r"://[^@]*:.*@|password\s*=", re.IGNORECASE)
"""How a URL, or another form of it that libpq reads, has a password in it."""


def read(
    arguments: list[str] | None = None, prog: str = "northflank-restore-report"
) -> argparse.Namespace:
    """Return the options; wrong ones end the process with a line and exit code 2."""
    parser = argparse.ArgumentParser(
        prog=prog, description="Write the page and the CSV files.", allow_abbrev=False
    )
    parser.add_argument(
        "--dsn",
        help=f"the warehouse, as postgresql://user@host:port/database, without a password; by "
        f"default that of ${DSN}, which may have one",
    )
    parser.add_argument(
        "--schema",
        default=os.environ.get("DBT_SCHEMA", "restore_analytics"),
        help="schema of the marts (%(default)s)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("output/report.html"), help="the page (%(default)s)"
    )
    parser.add_argument("--csv", type=Path, help="folder of the CSV files (that of the page)")
    parser.add_argument("--answers", action="store_true", help="print the five answers too")
    options = parser.parse_args(arguments)
    if options.dsn and PASSWORD.search(options.dsn):
        parser.error(
            f"--dsn takes no password, as all users of a machine see its command lines: set {DSN}"
        )
    return options
