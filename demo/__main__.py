"""`./dev demo`: runs the steps; what goes wrong is one line, and nothing is left running."""

from __future__ import annotations

import argparse
import logging
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from demo import DemoError
from demo.process import Stopped, stop_on_signals

if TYPE_CHECKING:
    from demo.warehouses import Kind


def read_options() -> tuple[Kind, list[str]]:
    """Return the warehouse and the simulator's options.

    Help, or a wrong option, ends the process before anything is touched.

    Raises:
        DemoError: the demo gives this option to the simulator itself.
    """
    from demo.warehouses import KINDS  # noqa: PLC0415 - as below
    from simulator.__main__ import arguments  # noqa: PLC0415 - as below

    own = argparse.ArgumentParser(prog="./dev demo", add_help=False, allow_abbrev=False)
    own.add_argument(
        "--warehouse",
        choices=KINDS,
        default="postgres",
        help="what is loaded: an embedded PostgreSQL, or one DuckDB file (%(default)s)",
    )
    options, rest = own.parse_known_args()
    if {"-h", "--help"} & set(rest):
        sys.stdout.write(f"{own.format_help()}\nand the options of the simulated account:\n\n")
    sys.argv[1:] = rest
    if arguments().ready_file:
        raise DemoError("The demo has a --ready-file of its own")
    return KINDS[options.warehouse], rest


def main() -> None:
    """Run the demo to its end, or to a signal."""
    stop_on_signals()
    logging.disable()  # What libraries log when they are interrupted is nothing for a user.
    try:
        from demo.steps import demo  # noqa: PLC0415 - takes long enough to be interrupted

        kind, simulator = read_options()
        with ExitStack() as stack:
            demo(stack, *simulator, kind=kind)
    except DemoError as error:
        sys.exit(f"\n{error}")
    except Stopped as stopped:
        sys.stdout.write("\nStopped, and nothing is left running.\n")
        sys.exit(stopped.exit_code)


if __name__ == "__main__":
    main()
