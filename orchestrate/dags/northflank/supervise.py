"""Runs a program for a task on Linux, and ends all of it when the task is gone, or asks for it.

Meltano leaves a dbt that it runs to itself, and a task that is killed has no time to end anything.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress
from threading import Timer

import psutil

SET_PDEATHSIG, SET_CHILD_SUBREAPER = 1, 36
"""Of prctl(2): the signal that tells that the task is gone; orphans become children of ours."""

GRACE_SECONDS = 60
"""How long what runs may take to end when it is asked to."""


stopping = False


def below() -> list[psutil.Process]:
    """Return all that runs below this process."""
    return psutil.Process().children(recursive=True)


def send(number: signal.Signals) -> None:
    """Send a signal to all of it."""
    for process in below():
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def stop(*_: object) -> None:
    """Ask all of it to end, and after a while end it by force."""
    global stopping  # noqa: PLW0603 - a signal tells it
    stopping = True
    send(signal.SIGTERM)
    timer = Timer(GRACE_SECONDS, send, [signal.SIGKILL])
    timer.daemon = True
    timer.start()


def main(task: int, command: list[str]) -> int:
    """Run a command to its end, with all that it has started.

    Args:
        task: the process id of the task.
        command: what to run.

    Returns:
        The exit code of the command.
    """
    libc = ctypes.CDLL(None)
    libc.prctl(SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, stop)
    libc.prctl(SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != task:  # It was gone before the signal was set.
        return 1
    # It inherits the lock on its folder, which we hold for as long as anything of it lives.
    process = psutil.Popen(command, close_fds=False)
    if stopping:  # The signal came before there was anything to end.
        stop()
    code: int = process.wait()
    if left := below():
        stop()
        psutil.wait_procs(left)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
