"""Singer messages to standard output: a page of records is one write."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from singer_sdk.contrib.msgspec import MsgSpecWriter, encoder
from typing_extensions import override

from tap_northflank_restores import output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk.singerlib.messages import Message


class MessageWriter(MsgSpecWriter):
    """Writes messages at once: the loader never waits for what has been read.

    The SDK's writers make and flush each record alone, which costs more than the record.
    """

    @override
    def write_message(self, message: Message) -> None:
        output.write(self.format_message(message))

    def write_records(self, stream: str, records: Sequence[dict[str, Any]]) -> None:
        """Write a RECORD message for each record.

        Args:
            stream: The stream's name.
            records: The records, ready for JSON.

        Raises:
            OutputError: They could not be written.
        """
        now = datetime.now(timezone.utc)
        output.write(
            encoder.encode_lines(
                [
                    {"type": "RECORD", "stream": stream, "record": record, "time_extracted": now}
                    for record in records
                ]
            )
        )
