"""The command `evidence`: writes an evidence pack, checks one, and compares two."""

from __future__ import annotations

import argparse
import sys
from datetime import date, timedelta
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

EPILOG = """\
evidence --from 2026-04-01 --to 2026-06-30      write a pack, and print its SHA-256
evidence --verify PACK.zip --digest SHA256      check one; without --digest as far as it goes
evidence --verify PACK.zip --compare OLD.zip    and say what differs from an earlier one
"""


def read_options(arguments: list[str], prog: str) -> argparse.Namespace:
    """Return the options; wrong ones end the process with a line and exit code 2."""
    parser = Parser(
        prog=prog,
        description="Write evidence for an audit into one zip, or check it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_warehouse(parser)
    parser.add_argument("--from", dest="first", type=_day, metavar="DAY", help="its first day, UTC")
    parser.add_argument("--to", dest="last", type=_day, metavar="DAY", help="its last day, UTC")
    parser.add_argument(
        "--out", type=Path, help="the zip (output/evidence-FROM-TO.zip); none is written over"
    )
    parser.add_argument("--compare", type=Path, metavar="ZIP", help="name what differs from it")
    parser.add_argument("--verify", type=Path, metavar="ZIP", help="check a pack, write none")
    parser.add_argument("--digest", metavar="SHA256", default="", help="what --verify must find")
    options = parser.parse_args(arguments)
    check_warehouse(parser, options)
    if options.verify:
        if options.first or options.last or options.out:
            parser.error("--verify writes no pack, so it takes no --from, --to or --out")
        return options
    if options.digest:
        parser.error("--digest is what --verify must find")
    if not (options.first and options.last):
        parser.error("which period? Give --from and --to, or --verify a pack")
    if options.first > options.last:
        parser.error(f"the period ends on {options.last}, before it begins on {options.first}")
    return options


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
        day + timedelta(days=1)  # The period ends with it.
    except (OverflowError, ValueError):
        message = f"{text!r} is no day such as 2026-06-30"
        raise argparse.ArgumentTypeError(message) from None
    return day


def main(arguments: list[str], prog: str) -> int:
    """Do what the options say.

    Raises:
        ReportError: the warehouse cannot be read, or a pack is not what was written.
    """
    options = read_options(arguments, prog)
    from northflank_restore_report.pack import verify  # noqa: PLC0415 - after the options

    if options.verify:
        pack = verify(options.verify, options.digest)
        count = len(pack.manifest["files"])
        sys.stdout.write(f"{options.verify} is as it was written: {count} files.\n")
        if not options.digest:
            sys.stdout.write(
                f"Its SHA-256 is {pack.digest}: with the one that was printed when it was written, "
                "--digest tells whether somebody made it anew.\n"
            )
    else:
        pack = verify(_write(options))
        sys.stdout.write(f"The pack: {pack.path}\nSHA-256:  {pack.digest}\n")
    if options.compare:
        from northflank_restore_report.pack_difference import differences  # noqa: PLC0415 - rare

        sys.stdout.write("\n".join([*differences(verify(options.compare), pack), ""]))
    return 0


def _write(options: argparse.Namespace) -> Path:
    from northflank_restore_report.evidence import make  # noqa: PLC0415 - it imports the charts
    from northflank_restore_report.evidence_tables import Period  # noqa: PLC0415
    from northflank_restore_report.pack import verify  # noqa: PLC0415
    from northflank_restore_report.warehouse import open_warehouse  # noqa: PLC0415

    url = warehouse_url(options)
    if not url:
        raise ReportError(f"Which warehouse? Give its URL, or set {URL} or {DSN}")
    if options.compare:
        verify(options.compare)
    out: Path = options.out or Path("output") / f"evidence-{options.first}-{options.last}.zip"
    try:
        with open_warehouse(url, options.schema) as warehouse:
            make(warehouse, Period(options.first, options.last), out)
    except OSError as error:
        raise ReportError(f"Cannot write the pack: {error}") from error
    return out
