"""The command `northflank-restore-report`: hands over to the command that its first word names.

Without such a word it is `page`, so that `northflank-restore-report URL` writes the page.
"""

from __future__ import annotations

import sys
from importlib import import_module
from io import TextIOWrapper
from typing import NamedTuple

from northflank_restore_report.errors import ReportError

PROG = "northflank-restore-report"


class Command(NamedTuple):
    """A command: where it is, and what it does.

    Attributes:
        module: what is imported when the command is called. Its `main(arguments, prog)` reads the
            arguments, does what they say and returns the exit code. A `ReportError` that it raises
            ends the process with its line and exit code 1.
        summary: what it does, for the help.
        extra: the extra of this distribution that it needs; empty for none.
    """

    module: str
    summary: str
    extra: str = ""


COMMANDS = {
    "page": Command("northflank_restore_report.page_command", "write the page and the CSV files"),
    "evidence": Command(
        "northflank_restore_report.evidence_command", "write an evidence pack, or check one"
    ),
    "alerts": Command(
        "northflank_restore_report.alerts", "tell people, once, what has become worse", "alerts"
    ),
    "check": Command("northflank_restore_report.check", "fail if a database is worse than allowed"),
    "metrics": Command(
        "northflank_restore_report.metrics", "write a file for Prometheus", "metrics"
    ),
}
"""The commands by their names; `page` is the one that is meant where none is named."""


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code; what goes wrong is one line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # Where a locale lacks a sign, there is a `?`.
    words = sys.argv[1:] if arguments is None else arguments
    name = words[0] if words and words[0] in COMMANDS else "page"
    given = words[1:] if words and words[0] in COMMANDS else words
    prog = PROG if given is words else f"{PROG} {name}"
    command = COMMANDS[name]
    try:
        exit_code: int = import_module(command.module).main(given, prog=prog)
    except ReportError as error:
        sys.exit(str(error))
    except ModuleNotFoundError as error:
        if not command.extra or (error.name or "").startswith("northflank_restore_report"):
            raise
        sys.exit(f"{prog} needs an extra: pip install 'northflank-restore-report[{command.extra}]'")
    return exit_code


def overview() -> str:
    """Return the commands and what each does, for the help of all."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join([f"{PROG} COMMAND --help tells of each command:", *lines])


if __name__ == "__main__":
    sys.exit(main())
