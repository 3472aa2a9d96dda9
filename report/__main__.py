"""`python -m report`: the page and the CSV files, and with `--answers` the answers right here."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from report.answers import answers
from report.csv_files import write_csv_files
from report.marts import MartsError, marts, read
from report.page import page

DSN = "TARGET_POSTGRES_SQLALCHEMY_URL"
"""Variable that names the warehouse: the loader's own setting."""


def main(arguments: list[str] | None = None) -> None:
    """Write the report; what goes wrong is one line."""
    options = _parser().parse_args(arguments)
    if not options.dsn:
        sys.exit(f"Which warehouse? Give --dsn, or set {DSN}")
    try:
        with marts(options.dsn, options.schema) as connection:
            findings = read(connection)
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(page(findings), encoding="utf-8")
            files = write_csv_files(connection, options.csv or options.out.parent)
    except MartsError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"Cannot write the report: {error}")
    if options.answers:
        sys.stdout.write("\n".join([*answers(findings), "", ""]))
    sys.stdout.write(f"The report: {options.out}\n")
    sys.stdout.write(f"As CSV:     {', '.join(file.name for file in files)} in {files[0].parent}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m report", description=__doc__)
    parser.add_argument(
        "--dsn",
        default=os.environ.get(DSN),
        help=f"the warehouse, as postgresql://user:password@host:port/database (default: ${DSN})",
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
    return parser


if __name__ == "__main__":
    main()
