"""What `alerts`, `check` and `metrics` share: options, the look at the marts, and how they end."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

from northflank_restore_report.marts import marts
from northflank_restore_report.options import DSN, PASSWORD
from northflank_restore_report.watched import look

if TYPE_CHECKING:
    from northflank_restore_report.watched import Watched

FAILED, WRONG_USE, NOT_SO = 1, 2, 3
"""Exit codes: something could not be done; wrong options or settings; what was asked is not so."""

MAX_AGE_HOURS = 26
"""How old the marts may be: a build a day, and some time for it."""


class Parser(argparse.ArgumentParser):
    """Options of which none is repeated in an error: one may have been a URL with a secret."""

    def error(self, message: str) -> NoReturn:
        """End with a line."""
        if message.startswith("unrecognized arguments"):
            message = "there is an argument that the command does not take, see --help"
        elif message.startswith("argument ") and ": invalid " in message:
            message = message.partition(": invalid ")[0] + ": this is no value for it, see --help"
        super().error(message)


def parser(command: str, description: str) -> Parser:
    """Return what reads the options that all have."""
    found = Parser(
        prog=f"northflank-restore-report {command}", description=description, allow_abbrev=False
    )
    found.add_argument(
        "--dsn",
        help=f"the warehouse, without a password; by default that of ${DSN}, which may have one",
    )
    found.add_argument(
        "--schema",
        default=os.environ.get("DBT_SCHEMA", "restore_analytics"),
        help="schema of the marts (%(default)s)",
    )
    return found


def add_max_age(found: Parser) -> None:
    """Add the option of how old the marts may be."""
    found.add_argument(
        "--max-age",
        type=float,
        default=MAX_AGE_HOURS,
        metavar="HOURS",
        help="how long ago the marts may have been computed (%(default)s)",
    )


def warehouse(found: Parser, options: argparse.Namespace) -> str:
    """Return the URL of the warehouse; without one the process ends."""
    if options.dsn and PASSWORD.search(options.dsn):
        found.error(
            f"--dsn takes no password, as all users of a machine see its command lines: set {DSN}"
        )
    url = options.dsn or os.environ.get(DSN)
    if not url:
        found.error(f"which warehouse? Give --dsn, or set {DSN}")
    return str(url)


def watched(url: str, schema: str) -> Watched:
    """Look at the marts.

    Raises:
        MartsError: they cannot be read.
    """
    with marts(url, schema) as connection:
        return look(connection)


def max_age(options: argparse.Namespace) -> timedelta:
    """Return how old the marts may be."""
    return timedelta(hours=options.max_age)


def fail(line: str, code: int = FAILED) -> NoReturn:
    """End with a line on standard error."""
    sys.stderr.write(f"{line}\n")
    raise SystemExit(code)
