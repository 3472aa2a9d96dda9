"""What makes a record of an item of the API: pure functions of the schema and the selection."""

from __future__ import annotations

from functools import cache, partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from tap_northflank_restores.fitting import fitted, is_text
from tap_northflank_restores.instants import are_in_utc, in_utc

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from singer_sdk.helpers.types import Record
    from singer_sdk.singerlib import SelectionMask

    from tap_northflank_restores.client import Item

    OnMisfit = Callable[[Item, str, str, Any], None]
    Shape = Callable[[Sequence[Item], Mapping[str, Any], OnMisfit], list[Record]]

ITEMS_A_WRITE = 1000
TIME = "a date and time"


def shaper(properties: Mapping[str, Any], selected: SelectionMask, given: Collection[str]) -> Shape:
    """Return what makes records of items of the API, given values and what to call for a misfit.

    Each selected property of the schema is in the record, null if the API leaves it out; what the
    schema does not know is left out. Within an object that may have more properties than the schema
    lists, they stay, unless they are deselected. A time with an offset is written in UTC. What is
    no time is null, as a loader would refuse it and all that comes with it; so is what is of
    another type, see `fitting.py`.

    Args:
        properties: The stream's properties by name, as JSON schemas.
        selected: Whether the stream, a property, or one within another is selected.
        given: Properties that the item does not have, or not reliably: the given values go before
            its own. What is called for a misfit gets the item, the path within it, what should be
            there ("an array") and what is.
    """
    names = [name for name in properties if selected["properties", name]]
    fields = [name for name in names if name not in given]
    times = [name for name in fields if properties[name].get("format") == "date-time"]
    others = [name for name in fields if name not in times]
    is_flat = all(is_text(properties[name]) for name in others)
    # Such as ("properties", "config", "properties", "source").
    inner = [path for path, chosen in selected.items() if len(path) > 2 and not chosen]  # noqa: PLR2004
    pruned = {path[1] for path in inner}.intersection(fields)
    blank: Record = dict.fromkeys([*(name for name in given if name in names), *fields])
    known = tuple(fields)

    def shape(item: Item, record: Record, on_misfit: OnMisfit) -> Record:
        for name in fields:
            record[name] = item.get(name)
        tell = partial(on_misfit, item)
        for name in times:
            record[name] = _moment(record[name], name, tell)
        for name in others:
            record[name] = fitted(record[name], properties[name], name, tell)
        for name in pruned:
            record[name] = _without(record[name], {path[2:] for path in inner if path[1] == name})
        return record

    def shape_all(
        items: Sequence[Item], values: Mapping[str, Any], on_misfit: OnMisfit
    ) -> list[Record]:
        record = {name: values.get(name) for name in blank}
        if is_flat and not pruned and _are_records(items, known, times):
            return [{**record, **item} for item in items]
        return [shape(item, record.copy(), on_misfit) for item in items]

    return shape_all


def _are_records(items: Sequence[Item], known: tuple[str, ...], times: Sequence[str]) -> bool:
    """Tell whether all items are records but for what is missing, as on most pages they are."""
    try:
        msgspec.convert(items, list[_texts(known)])  # type: ignore[misc]
    except msgspec.ValidationError:
        return False
    moments = ([item.get(name) for item in items] for name in times)
    return all(are_in_utc([text for text in each if text is not None]) for each in moments)


@cache
def _texts(names: tuple[str, ...]) -> type[msgspec.Struct]:
    """Return the type of objects that have these properties or some of them, texts or null."""
    fields = {f"field{number}": name for number, name in enumerate(names)}
    return msgspec.defstruct(
        "Texts",
        [(field, str | None, None) for field in fields],
        rename=fields,
        forbid_unknown_fields=True,
    )


def _moment(text: Any, name: str, on_misfit: Callable[[str, str, Any], None]) -> str | None:  # noqa: ANN401
    if not text:
        return None  # No text is no time at all.
    try:
        return in_utc(text)
    except (LookupError, TypeError, ValueError):  # Of an object, the first.
        on_misfit(name, TIME, text)
        return None


def _without(value: Any, paths: set[tuple[str, ...]]) -> Any:  # noqa: ANN401 - any JSON value
    """Return a value without the properties at these paths: `("properties", "source", …)`."""
    if not isinstance(value, dict):
        return value
    return {
        name: _without(inner, {path[2:] for path in paths if path[1:2] == (name,)} - {()})
        for name, inner in value.items()
        if ("properties", name) not in paths
    }


def chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Yield lists of a thousand items, the last one shorter."""
    rest = iter(items)
    while chunk := list(islice(rest, ITEMS_A_WRITE)):
        yield chunk
