"""Standard output: every byte of it, and whole lines, also where the process has to end."""

from __future__ import annotations

import errno
import io
import logging
import os
import select
import sys
import threading
import time
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any, TextIO

from typing_extensions import override

from tap_northflank_restores.errors import ExitCode, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Buffer

# So many bytes go into a pipe whole or not at all (POSIX asks for 512; Linux has 4096).
PIPE_BUF = getattr(select, "PIPE_BUF", 512)
# How long the end of a line may hold the end of the process while the loader takes nothing, in s.
PATIENCE = 1.0

logger = logging.getLogger("tap-northflank-restores")


class Descriptor(io.RawIOBase):
    """A descriptor that takes all bytes of a write, whatever mode it is in.

    One write(2) may take a part only: when a signal comes while it waits, when the disk is nearly
    full, when somebody who shares the descriptor has set O_NONBLOCK. Python's own raw files return
    the count and leave the rest to a caller who does not look (PYTHONUNBUFFERED); its buffered ones
    raise BlockingIOError.
    """

    def __init__(self, descriptor: int) -> None:
        """Write to this descriptor, and leave it open in the end."""
        self._descriptor = descriptor

    @override
    def fileno(self) -> int:
        return self._descriptor

    @override
    def writable(self) -> bool:
        return True

    @override
    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    @override
    def write(self, data: Buffer, /) -> int:
        left = memoryview(data).cast("B")
        count = len(left)
        while left:
            left = left[self._write_some(left) :]
        return count

    def _write_some(self, data: memoryview) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            ready = select.poll()
            ready.register(self._descriptor, select.POLLOUT)
            ready.poll()
            return 0


class _StandardOutput(Descriptor):
    """Standard output; when the process is to end, it can do so between two lines."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self._line = threading.Lock()  # held while a line is on its way
        self._hastens = False
        self._is_ending = False
        self._writes = 0
        self._may_be_cut = False

    @override
    def write(self, data: Buffer, /) -> int:
        text = bytes(data)
        at = 0
        with as_output_error():
            while at < len(text):
                with self._line:
                    at = self._write_to_a_line_end(text, at)
                while self._is_ending:
                    time.sleep(PATIENCE)  # The thread of `end_process` has the rest.
        return len(text)

    def _write_to_a_line_end(self, text: bytes, at: int) -> int:
        """Write on from this place to the end of a line; return the place behind it."""
        while at < len(text):
            end = len(text)
            if self._hastens and end - at > PIPE_BUF:
                end = at + PIPE_BUF
                end = text.rfind(b"\n", at, end) + 1 or end
            begun = at > 0 and text[at - 1 : at] != b"\n"
            self._may_be_cut = begun or end - at > PIPE_BUF
            at += self._write_some(memoryview(text)[at:end])
            self._writes += 1
            if text[at - 1 : at] == b"\n":
                break
        return at

    def hasten(self) -> None:
        """From now on, write no more at once than one piece of whole lines."""
        # A signal has ended the write that waited for the loader; now the end may come any time.
        self._hastens = True

    def reach_a_line_end(self) -> bool:
        """Let nothing more be written but the rest of a line that has begun.

        Returns:
            Whether the last line is whole. It may not be where the loader takes nothing.
        """
        self._hastens = self._is_ending = True
        writes = self._writes
        while not self._line.acquire(timeout=PATIENCE):
            if writes == self._writes:
                return not self._may_be_cut
            writes = self._writes
        return True


_own: _StandardOutput | None = None


@contextmanager
def own() -> Iterator[None]:
    """Have the whole process write to standard output through here: it is the tap's own.

    Where standard output is no descriptor, as in a test, nothing changes.
    """
    global _own  # noqa: PLW0603 - there is one standard output
    descriptor = descriptor_of(sys.stdout)
    if descriptor is None:
        yield
        return
    _own = _StandardOutput(descriptor)
    # The type asks for a file with a buffer; what counts is that a write takes all.
    file: Any = _own
    with redirect_stdout(io.TextIOWrapper(file, sys.stdout.encoding, sys.stdout.errors)):
        yield


def write(data: bytes | bytearray) -> None:
    """Write whole lines to standard output; they are with the loader when this returns.

    Args:
        data: The lines.

    Raises:
        OutputError: They could not be written.
    """
    with as_output_error():
        stdout = _stdout()
        stdout.flush()  # What was printed before goes first.
        file = stdout.buffer
        descriptor = descriptor_of(stdout)
        if descriptor is not None and not isinstance(file, Descriptor):
            # The tap is a part of another program, which set its output up as it likes.
            file = Descriptor(descriptor)
        left = memoryview(data)
        while left:
            # A raw file of another program may take a part, and may block with None.
            left = left[file.write(left) or 0 :]
        file.flush()


def flush() -> None:
    """Write what is still in memory.

    Raises:
        OutputError: It could not be written.
    """
    with as_output_error():
        _stdout().flush()


def hasten() -> None:
    """Write in small pieces from now on, as the process may have to end soon."""
    if _own is not None:
        _own.hasten()


def end_process(after: float = 0) -> None:
    """End the process with the exit code of an interruption, at the end of a line.

    Does nothing where the process is not the tap's own.

    Args:
        after: Seconds until then.
    """
    if _own is not None:
        threading.Thread(target=_end_process, args=(_own, after), daemon=True).start()


def _end_process(output: _StandardOutput, after: float) -> None:
    time.sleep(after)
    is_whole = output.reach_a_line_end()
    # The log may be what does not go on.
    last_resort = threading.Timer(PATIENCE, os._exit, [ExitCode.INTERRUPTED])
    last_resort.daemon = True
    last_resort.start()
    logger.error(
        "Interrupted without a last state%s. The next run goes on from the state that was stored.",
        "" if is_whole else "; the last line of the output is cut off, as nobody took the rest",
    )
    os._exit(ExitCode.INTERRUPTED)


def _stdout() -> Any:  # noqa: ANN401 - a text file with a buffer, as `sys.stdout` is
    if sys.stdout is None:  # as `>&-` of a shell leaves it
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return sys.stdout


def descriptor_of(file: TextIO | None) -> int | None:
    """Return a file's descriptor; None if there is no file, or if it is one in memory."""
    try:
        return None if file is None else file.fileno()
    except (AttributeError, OSError, ValueError):  # in memory
        return None


@contextmanager
def as_output_error() -> Iterator[None]:
    """Raise OutputError, with its line, for an OSError."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"The messages could not be written ({error.strerror}): the loader ended or the disk "
            "is full. See the loader's log; what it confirmed is not sent again."
        ) from error
