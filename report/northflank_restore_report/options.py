"""The options that all commands share: which warehouse, and which schema of it."""

from __future__ import annotations

import argparse
import os
import re
from typing import NoReturn

URL = "RESTORE_REPORT_URL"
"""Variable that names the warehouse, whatever engine it is."""

DSN = "TARGET_POSTGRES_SQLALCHEMY_URL"
"""Variable of the PostgreSQL loader, which names it where the first one is not set."""

PASSWORD = re.compile(r"://[^@]*:.*@|password\s*=", re.IGNORECASE)
"""How a URL, or another form of it that libpq reads, has a password in it."""

IS_URL = re.compile(r"[\w+]+://|\w+\s*=")
"""How a URL begins, or a connection string of libpq."""


REPEATING = ("unrecognized arguments", "is neither a command nor", ": invalid ")
"""What is in an error that repeats an argument."""


class Parser(argparse.ArgumentParser):
    """Options of which none is repeated in an error: one may have been a URL with a secret."""

    def error(self, message: str) -> NoReturn:
        """End with a line."""
        if any(part in message for part in REPEATING):
            option = message.partition(": ")[0] if message.startswith("argument ") else "arguments"
            message = f"{option}: there is one that the command does not take, see --help"
        super().error(message)


def add_warehouse(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where the marts are."""
    variables = f"${URL}, or else of ${DSN}"
    parser.add_argument(
        "url",
        nargs="?",
        help="the warehouse, as postgresql://user@host:port/database or duckdb:///folder/file.duckdb"
        f", without a password; by default that of {variables}, which may have one",
    )
    parser.add_argument("--dsn", help="the same, as an option")
    parser.add_argument(
        "--schema",
        default=os.environ.get("DBT_SCHEMA") or "restore_analytics",
        help="schema of the marts (%(default)s)",
    )


def check_warehouse(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Make `dsn` of both; one that cannot be ends the process with a line and exit code 2."""
    if options.url and options.dsn:
        parser.error("the warehouse is named twice: give the URL, or --dsn")
    if options.url and not IS_URL.match(options.url):
        parser.error(f"{options.url} is neither a command nor the URL of a warehouse")
    options.dsn = options.dsn or options.url
    has_user = options.dsn and not options.dsn.startswith("duckdb:")
    if has_user and PASSWORD.search(options.dsn):
        parser.error(
            "the URL takes no password here, as all users of a machine see its command lines: "
            f"set {URL} or {DSN}"
        )


def warehouse_url(options: argparse.Namespace) -> str:
    """Return the URL of the warehouse, from the options or the environment; empty without one."""
    return options.dsn or os.environ.get(URL) or os.environ.get(DSN) or ""
