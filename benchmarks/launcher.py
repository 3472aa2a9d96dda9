"""Runs one command and tells what it cost; a small process of its own, so that its size is not
mistaken for the command's: a child's peak memory starts at that of the process it is forked from.

Usage: python -I -S launcher.py RESULT_FILE STDOUT_FILE TIMEOUT COMMAND [ARGUMENT...]
"""  # noqa: D205

import json
import os
import signal
import sys
import time


def main(result: str, stdout: str, timeout: str, *command: str) -> None:
    """Write wall seconds, user+system seconds, peak memory and exit code as JSON."""
    with open(stdout, "wb") as output:  # noqa: PTH123 - pathlib would be most of this process
        started = time.monotonic()
        child = os.posix_spawnp(
            command[0],
            command,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, output.fileno(), 1)],
        )
    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.alarm(int(timeout))
    _, status, usage = os.wait4(child, 0)
    wall = time.monotonic() - started
    signal.alarm(0)
    unit = 1 if sys.platform == "darwin" else 1024
    measured = {
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "memory": usage.ru_maxrss * unit,
        "exit_code": os.waitstatus_to_exitcode(status),
    }
    with open(result, "w") as file:  # noqa: PTH123
        json.dump(measured, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
