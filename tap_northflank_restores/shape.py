"""What the rows of a stream look like, as a fingerprint: a change of it sends all of them again."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec

from tap_northflank_restores.bookmark import SHAPE_LENGTH

if TYPE_CHECKING:
    from collections.abc import Collection

    from singer_sdk import Stream

# The keywords of a schema that decide what is in a row.
_OF_A_SCHEMA = ("type", "format", "properties", "items")
_SETTINGS = ("team_id", "stream_map_config", "faker_config", "flattening_enabled")


def shape_of(stream: Stream, *, others: Collection[str]) -> bytes:
    """Return a fingerprint of what decides how an item of the API looks as a row.

    That is the schema as it is sent (with the selection, the flattening and the stream maps), the
    maps themselves, and the settings that become values.

    Args:
        stream: The stream.
        others: The names of the tap's other streams, whose maps do not matter.
    """
    maps = stream.config.get("stream_maps") or {}
    parts = {
        "sent": [
            (each.stream_alias, each.transformed_key_properties, _bare(each.transformed_schema))
            for each in stream.stream_maps
        ],
        "selected": sorted(
            ".".join(path) for path, selected in stream.mask.items() if selected and path
        ),
        "maps": {name: value for name, value in maps.items() if name not in others},
        "settings": [stream.config.get(name) for name in _SETTINGS],
    }
    encoded = msgspec.json.encode(parts, order="sorted", enc_hook=_plain)
    return blake2b(encoded, digest_size=SHAPE_LENGTH).digest()


def _bare(schema: Any) -> Any:  # noqa: ANN401 - a JSON schema
    """Leave out the words of a schema that describe, and the order in what has none."""
    if not isinstance(schema, dict):
        return schema
    bare = {name: schema[name] for name in _OF_A_SCHEMA if name in schema}
    if isinstance(types := bare.get("type"), list):
        bare["type"] = sorted(types)
    if isinstance(properties := bare.get("properties"), dict):
        bare["properties"] = {name: _bare(each) for name, each in properties.items()}
    if "items" in bare:
        bare["items"] = _bare(bare["items"])
    return bare


def _plain(value: Any) -> Any:  # noqa: ANN401 - what a configuration may hold
    return (
        dict(value)
        if hasattr(value, "keys")
        else list(value)
        if hasattr(value, "__iter__")
        else str(value)
    )
