"""What `alerts`, `check` and `metrics` share: options, the look at the marts, and how they end."""

from __future__ import annotations

import argparse
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

from northflank_restore_report.options import (
    DSN,
    URL,
    Parser,
    add_warehouse,
    check_warehouse,
    warehouse_url,
)
from northflank_restore_report.warehouse import open_warehouse
from northflank_restore_report.watched import look

if TYPE_CHECKING:
    from northflank_restore_report.watched import Watched

FAILED, WRONG_USE, NOT_SO = 1, 2, 3
"""Exit codes: something could not be done; wrong options or settings; what was asked is not so."""

MAX_AGE_HOURS = 26
"""How old the marts may be: a build a day, and some time for it."""

MOST_HOURS = 1_000_000
"""A century, for people who do not want to be told."""


def parser(prog: str, description: str) -> Parser:
    """Return what reads the options that all have."""
    found = Parser(prog=prog, description=description, allow_abbrev=False)
    add_warehouse(found)
    return found


def add_max_age(found: Parser) -> None:
    """Add the option of how old the marts may be."""
    found.add_argument(
        "--max-age",
        type=_hours,
        default=MAX_AGE_HOURS,
        metavar="HOURS",
        help="how long ago the marts may have been computed (%(default)s)",
    )


def _hours(text: str) -> float:
    hours = float(text)
    if not 0 < hours <= MOST_HOURS:
        raise argparse.ArgumentTypeError(f"it takes hours, more than 0 and at most {MOST_HOURS}")
    return hours


def read(found: Parser, arguments: list[str]) -> tuple[argparse.Namespace, str]:
    """Return the options and the URL of the warehouse; wrong ones end the process."""
    options = found.parse_args(arguments)
    check_warehouse(found, options)
    url = warehouse_url(options)
    if not url:
        found.error(f"which warehouse? Give its URL, or set {URL} or {DSN}")
    return options, url


def watched(url: str, schema: str) -> Watched:
    """Look at the marts.

    Raises:
        MartsError: they cannot be read.
    """
    with open_warehouse(url, schema) as warehouse:
        return look(warehouse)


def max_age(options: argparse.Namespace) -> timedelta:
    """Return how old the marts may be."""
    return timedelta(hours=options.max_age)


def failed(line: str, code: int = FAILED) -> int:
    """Say in a line why a command failed, and return its exit code."""
    sys.stderr.write(f"{line}\n")
    return code
