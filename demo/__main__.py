"""`./dev demo`: runs the steps; what goes wrong is one line, and nothing is left running."""

from __future__ import annotations

import logging
import sys
from contextlib import ExitStack

from demo import DemoError
from demo.process import Stopped, stop_on_signals


def check_options(options: list[str]) -> None:
    """End with help, or with what is wrong with an option, before anything is touched.

    Raises:
        DemoError: the demo gives this option to the simulator itself.
    """
    from simulator.__main__ import arguments  # noqa: PLC0415 - as above

    if {"-h", "--help"} & set(options):
        sys.stdout.write("./dev demo takes the options of the simulated account.\n\n")
    if arguments().ready_file:
        raise DemoError("The demo has a --ready-file of its own")


def main() -> None:
    """Run the demo to its end, or to a signal."""
    stop_on_signals()
    logging.disable()  # What libraries log when they are interrupted is nothing for a user.
    try:
        from demo.steps import demo  # noqa: PLC0415 - takes long enough to be interrupted

        check_options(sys.argv[1:])
        with ExitStack() as stack:
            demo(stack, *sys.argv[1:])
    except DemoError as error:
        sys.exit(f"\n{error}")
    except Stopped as stopped:
        sys.stdout.write("\nStopped, and nothing is left running.\n")
        sys.exit(stopped.exit_code)


if __name__ == "__main__":
    main()
