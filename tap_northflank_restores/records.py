"""What makes a record of an item of the API: pure functions of the schema and what is selected."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tap_northflank_restores.instants import in_utc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from singer_sdk.helpers.types import Record

    from tap_northflank_restores.client import Item

RECORDS_A_WRITE = 1000


def shaper(properties: Mapping[str, Any], constants: Mapping[str, Any]) -> Callable[[Item], Record]:
    """Return what makes a record of an item of the API.

    Each property is in the record, null if the API leaves it out; what is not among the properties
    is left out. A time with an offset is written in UTC.

    Args:
        properties: The JSON schema of each property that the record is to have.
        constants: Values that the item does not have, or not reliably; they go before its own.
    """
    constants = {name: value for name, value in constants.items() if name in properties}
    fields = [name for name in properties if name not in constants]
    times = [name for name in fields if properties[name].get("format") == "date-time"]

    def shape(item: Item) -> Record:
        record = {**constants, **{name: item.get(name) for name in fields}}
        for name in times:
            text = record[name]
            if isinstance(text, str) and text[-1:] != "Z":
                # What is no time is for the loader to refuse; no text is no time at all.
                with suppress(ValueError, OverflowError):
                    record[name] = in_utc(text) if text else None
        return record

    return shape


def chunks(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Yield lists of a thousand records, the last one shorter."""
    chunk: list[Record] = []
    for record in records:
        chunk.append(record)
        if len(chunk) == RECORDS_A_WRITE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
