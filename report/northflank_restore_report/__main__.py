"""The command `northflank-restore-report`: page and CSV files, with `--answers` the answers too."""

from __future__ import annotations

import os
import sys

from northflank_restore_report.answers import answers
from northflank_restore_report.commands import command
from northflank_restore_report.csv_files import write_csv_files
from northflank_restore_report.marts import MartsError, marts
from northflank_restore_report.marts import read as findings_of
from northflank_restore_report.options import DSN, read
from northflank_restore_report.page import page


def main(arguments: list[str] | None = None) -> None:
    """Write the report, or run another command; what goes wrong is one line."""
    if command(sys.argv[1:] if arguments is None else arguments):
        return
    options = read(arguments)
    dsn = options.dsn or os.environ.get(DSN)
    if not dsn:
        sys.exit(f"Which warehouse? Give --dsn, or set {DSN}")
    try:
        with marts(dsn, options.schema) as connection:
            findings = findings_of(connection)
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


if __name__ == "__main__":
    main()
