"""Child processes that never outlive the block that needs them."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

GRACE_SECONDS = 10
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """Ctrl-C, SIGTERM or a closed terminal: all blocks are left, and then the process ends."""

    def __init__(self, number: int) -> None:
        """Keep what the process exits with after this signal."""
        super().__init__(number)
        self.exit_code = 128 + number


def stop_on_signals() -> None:
    """Let the signals that end a process raise `Stopped`; once, as cleaning up takes a moment."""

    def stop(number: int, _: object) -> NoReturn:
        for other in STOPPING:
            signal.signal(other, signal.SIG_IGN)
        raise Stopped(number)

    for number in STOPPING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, stop)


@contextmanager
def child(
    command: Sequence[str], *, cwd: Path, log: Path, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command until the block is left.

    Args:
        command: program and arguments.
        cwd: folder that it runs in.
        log: file that its output is appended to.
        env: its environment; without it that of this process.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - our own commands
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            umask=0o077,  # What it writes may have secrets in it.
            start_new_session=True,  # A terminal's Ctrl-C reaches it through us, once.
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    # Whatever it has started and left behind is still in its group.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
