"""`./dev evidence`: the models, then an evidence pack; with `--verify` a look at one alone."""

from __future__ import annotations

import sys

from demo.report import after_models
from northflank_restore_report.__main__ import main as report
from northflank_restore_report.evidence_command import read_options


def main() -> int:
    """Compute and write, or check; return the exit code of what failed first."""
    arguments = sys.argv[1:]
    options = read_options(arguments, prog="./dev evidence")
    if options.verify:
        return report(["evidence", *arguments])
    return after_models(options, "evidence", *arguments)


if __name__ == "__main__":
    sys.exit(main())
