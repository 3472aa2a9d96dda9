"""Singer messages to standard output, flushed when they matter and not after each record."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TextIO

from singer_sdk.contrib.msgspec import MsgSpecWriter, encoder
from singer_sdk.singerlib.messages import Message, RecordMessage
from typing_extensions import override

from tap_northflank_restores.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class MessageWriter(MsgSpecWriter):
    """Writes messages; a page of records is one write.

    The SDK's writers flush each record, which costs more than the record. Here SCHEMA, STATE and
    BATCH flush, and so does each page: the loader never waits for what has been read.
    """

    @override
    def write_message(self, message: Message) -> None:
        _write(self.format_message(message), flush=not isinstance(message, RecordMessage))

    def write_records(self, stream: str, records: Sequence[dict[str, Any]]) -> None:
        """Write a RECORD message for each record.

        Args:
            stream: The stream's name.
            records: The records, ready for JSON.

        Raises:
            OutputError: They could not be written.
        """
        now = datetime.now(timezone.utc)
        lines = encoder.encode_lines(
            [
                {"type": "RECORD", "stream": stream, "record": record, "time_extracted": now}
                for record in records
            ]
        )
        _write(lines, flush=True)


def flush() -> None:
    """Write what is still in memory.

    Raises:
        OutputError: It could not be written.
    """
    with _told():
        _output().flush()


def _write(data: bytes | bytearray, *, flush: bool) -> None:
    with _told():
        output = _output().buffer
        output.write(data)
        if flush:
            output.flush()


def _output() -> TextIO:
    if sys.stdout is None:  # as `>&-` of a shell leaves it
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return sys.stdout


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise failure(error) from error


def failure(error: OSError) -> OutputError:
    """Return what ends the run when standard output failed with this error."""
    return OutputError(
        f"The messages could not be written ({error.strerror}): the loader ended or the disk "
        "is full. See the loader's log; what it confirmed is not sent again."
    )
