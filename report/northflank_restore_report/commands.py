"""The commands beside the report: `alerts`, `check` and `metrics`, each with what it needs only."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {"alerts": "alerts", "check": "", "metrics": "metrics"}
"""The extra of this distribution that each needs."""


def command(arguments: Sequence[str]) -> bool:
    """Run the command that the first argument names, and return whether it names one."""
    name = arguments[0] if arguments else ""
    if name not in COMMANDS:
        return False
    try:
        module = import_module(f"northflank_restore_report.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("northflank_restore_report"):
            raise
        sys.exit(
            f"The command {name} needs the extra of that name: "
            f"pip install 'northflank-restore-report[{COMMANDS[name]}]'"
        )
    module.run(arguments[1:])
    return True
