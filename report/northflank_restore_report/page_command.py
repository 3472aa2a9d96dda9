"""The command `page`: the page and the CSV files, with `--answers` the answers too."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from northflank_restore_report.errors import ReportError
from northflank_restore_report.options import (
    DSN,
    URL,
    Parser,
    add_warehouse,
    check_warehouse,
    warehouse_url,
)


def read_options(arguments: list[str], prog: str, epilog: str | None = None) -> argparse.Namespace:
    """Return the options; wrong ones end the process with a line and exit code 2."""
    parser = Parser(
        prog=prog,
        description="Write the page and the CSV files.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_warehouse(parser)
    parser.add_argument(
        "--out", type=Path, default=Path("output/report.html"), help="the page (%(default)s)"
    )
    parser.add_argument("--csv", type=Path, help="folder of the CSV files (that of the page)")
    parser.add_argument("--answers", action="store_true", help="print the five answers too")
    options = parser.parse_args(arguments)
    check_warehouse(parser, options)
    return options


def main(arguments: list[str], prog: str) -> int:
    """Write the report.

    Raises:
        ReportError: the warehouse cannot be read, or the files cannot be written.
    """
    from northflank_restore_report.__main__ import overview  # noqa: PLC0415 - it imports this

    options = read_options(arguments, prog, overview())
    # Not before the options were read: the charts take a second to import.
    from northflank_restore_report.answers import answers  # noqa: PLC0415
    from northflank_restore_report.csv_files import write_csv_files  # noqa: PLC0415
    from northflank_restore_report.marts import read as findings_of  # noqa: PLC0415
    from northflank_restore_report.page import page  # noqa: PLC0415
    from northflank_restore_report.warehouse import open_warehouse  # noqa: PLC0415

    url = warehouse_url(options)
    if not url:
        raise ReportError(f"Which warehouse? Give its URL, or set {URL} or {DSN}")
    try:
        with open_warehouse(url, options.schema) as warehouse:
            findings = findings_of(warehouse)
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(page(findings), encoding="utf-8")
            files = write_csv_files(warehouse, options.csv or options.out.parent)
    except OSError as error:
        raise ReportError(f"Cannot write the report: {error}") from error
    if options.answers:
        sys.stdout.write("\n".join([*answers(findings), "", ""]))
    sys.stdout.write(f"The report: {options.out}\n")
    sys.stdout.write(f"As CSV:     {', '.join(file.name for file in files)} in {files[0].parent}\n")
    return 0
