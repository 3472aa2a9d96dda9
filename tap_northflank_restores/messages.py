"""Singer messages to standard output: a page of records is one write."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from singer_sdk.contrib.msgspec import MsgSpecWriter, encoder
from singer_sdk.singerlib.messages import StateMessage
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
        if isinstance(message, StateMessage):
            # `to_dict` copies all of the state, which takes ten times as long as to encode it.
            output.write(encoder.encode({"type": "STATE", "value": message.value}) + b"\n")
        else:
            output.write(self.format_message(message))

    def write_records(self, stream: str, records: Sequence[dict[str, Any]]) -> None:
        """Write a RECORD message for each record.

        Args:
            stream: The stream's name.
            records: The records, ready for JSON.

        Raises:
            OutputError: They could not be written.
        """
        if not records:
            return
        # What goes around a record is the same for all of them. So it is put around their lines,
        # at half the cost of a message for each; JSON has no line end within a record.
        head = encoder.encode({"type": "RECORD", "stream": stream})[:-1] + b',"record":'
        now = datetime.now(timezone.utc)
        tail = b"," + encoder.encode({"time_extracted": now})[1:] + b"\n"
        lines = encoder.encode_lines(records)[:-1].replace(b"\n", tail + head)
        output.write(head + lines + tail)
