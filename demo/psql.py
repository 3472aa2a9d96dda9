"""`./dev psql`: PostgreSQL's own client on what the demo loaded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from demo import DemoError
from demo.postgres import postgres, program
from demo.process import Stopped, stop_on_signals
from demo.steps import HOME
from demo.warehouses import DATA, DATABASE


def main() -> int:
    """Start the server, run psql with the arguments given to us, and stop the server."""
    if not (HOME / DATA).exists():
        sys.exit("There is nothing to look at yet: run ./dev demo first.")
    stop_on_signals()
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is for psql: it ends a query.
    # Tables are found without the name of their schema.
    os.environ["PGOPTIONS"] = "-c search_path=northflank,restore_analytics,public"
    try:
        with postgres(HOME / DATA) as server:
            command = [str(program("psql")), server.dsn(DATABASE), *sys.argv[1:]]
            return subprocess.run(command, check=False).returncode  # noqa: S603
    except DemoError as error:
        sys.exit(str(error))
    except Stopped as stopped:
        return stopped.exit_code


if __name__ == "__main__":
    sys.exit(main())
