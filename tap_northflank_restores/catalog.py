"""What a catalog selects. Schema, key and replication stay the tap's own, whatever it says of them.

Without the key a loader appends where it should merge, and without a key's column it fails. So only
the selection is taken from a catalog; what it asks for and a stream cannot do is an error.
"""

from __future__ import annotations

import json
import logging
from typing import Any

import msgspec
from singer_sdk.singerlib import Catalog, CatalogEntry, Metadata, MetadataMapping, Schema
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, REPLICATION_INCREMENTAL

from tap_northflank_restores.errors import ConfigurationError, did_you_mean, shown
from tap_northflank_restores.streams import SCHEMAS, STREAMS, NorthflankStream

Breadcrumb = tuple[str, ...]

logger = logging.getLogger("tap-northflank-restores")


class _Metadata(msgspec.Struct, rename="kebab"):
    inclusion: str | None = None
    selected: bool | None = None
    selected_by_default: bool | None = None
    replication_method: str | None = None
    forced_replication_method: str | None = None
    replication_key: str | None = None
    table_key_properties: list[str] | None = None

    def selects(self, *, by_default: bool) -> bool:
        """Tell whether this selects a stream or property, as the SDK and Meltano take it."""
        if self.inclusion == Metadata.InclusionType.UNSUPPORTED:
            return False
        if self.inclusion == Metadata.InclusionType.AUTOMATIC:
            return True
        for said in (self.selected, self.selected_by_default):
            if said is not None:
                return said
        return by_default


class _Item(msgspec.Struct):
    breadcrumb: Breadcrumb
    metadata: _Metadata


class _Schema(msgspec.Struct):
    properties: dict[str, Any]


class _Entry(msgspec.Struct):
    schema: _Schema
    tap_stream_id: str | None = None
    stream: str | None = None
    stream_alias: str | None = None
    metadata: list[_Item] | None = None
    key_properties: list[str] | None = None
    replication_key: str | None = None
    replication_method: str | None = None


class _Given(msgspec.Struct):
    streams: list[Any]


def read(given: object) -> Catalog:
    """Return the tap's own catalog with the selection of another.

    Args:
        given: A Singer catalog, as the SDK has it or as JSON: `{"streams": […]}`.

    Raises:
        ConfigurationError: It is no catalog, or asks for what a stream cannot do.
    """
    entries = _entries(given.to_dict() if isinstance(given, Catalog) else given)
    catalog = Catalog()
    for stream in STREAMS:
        catalog.add_stream(_applied(stream, entries.get(stream.name)))
    if not any(entry.metadata.root.selected for entry in catalog.values()):
        logger.warning("The catalog selects no stream: nothing is read.")
    return catalog


def _entries(given: object) -> dict[str, _Entry]:
    entries: dict[str, _Entry] = {}
    names = [stream.name for stream in STREAMS]
    for each in _converted(given, _Given, "").streams:
        called = each.get("tap_stream_id") or each.get("stream") if isinstance(each, dict) else None
        entry = _converted(each, _Entry, f"stream {shown(called)}: ")
        name = entry.tap_stream_id or entry.stream
        if name is None:
            raise ConfigurationError(_no_catalog("a stream without tap_stream_id"))
        if name not in names:
            hint = did_you_mean(name, names)
            logger.warning(
                "The catalog has the stream %s, which the tap does not have%s", shown(name), hint
            )
            continue
        if name in entries:
            msg = f"The catalog has the stream {name} twice. Remove one of its entries."
            raise ConfigurationError(msg)
        for other in (entry.stream, entry.stream_alias):
            if other not in {None, name}:
                stream_maps = json.dumps({name: {"__alias__": other}})
                raise ConfigurationError(
                    f"The catalog calls the stream {name} {shown(other)}, and a catalog cannot "
                    f"rename a stream. Call it {name} there, and set stream_maps to {stream_maps}."
                )
        entries[name] = entry
    return entries


def _applied(stream: type[NorthflankStream], given: _Entry | None) -> CatalogEntry:
    schema = SCHEMAS.get_schema(stream.name)
    key, method = stream.replication_key, REPLICATION_FULL_TABLE
    metadata = MetadataMapping.get_standard_metadata(
        schema=schema,
        key_properties=stream.primary_keys,
        valid_replication_keys=[key] if key else None,
        selected_by_default=stream.selected_by_default,
    )
    metadata.root.selected = False
    if given:
        said = {item.breadcrumb: item.metadata for item in given.metadata or ()}
        # As with the SDK, a stream is selected where nothing at all is said of it.
        root = said.get((), _Metadata(selected=True))
        metadata.root.selected = root.selects(by_default=False)
        _select_properties(metadata, given.schema.properties, said)
        if metadata.root.selected:
            method = _replication_method(stream, given, root)
            _warn_of_what_is_not_taken(stream, given, root, schema["properties"])
    return CatalogEntry(
        tap_stream_id=stream.name,
        stream=stream.name,
        schema=Schema.from_dict(schema),
        metadata=metadata,
        key_properties=stream.primary_keys,
        replication_key=key if method == REPLICATION_INCREMENTAL else None,
        replication_method=method,
    )


def _select_properties(
    metadata: MetadataMapping, listed: dict[str, Any], said: dict[Breadcrumb, _Metadata]
) -> None:
    for breadcrumb, own in metadata.items():
        if breadcrumb and own.inclusion != Metadata.InclusionType.AUTOMATIC:
            chosen = said.get(breadcrumb, _Metadata()).selects(by_default=True)
            own.selected = chosen and _lists(listed, breadcrumb)
    for breadcrumb, item in said.items():
        # Properties that only the API knows, within an object that may have them.
        if breadcrumb not in metadata and not item.selects(by_default=True):
            metadata[breadcrumb] = Metadata(selected=False)


def _lists(properties: object, breadcrumb: Breadcrumb) -> bool:
    """Tell whether a schema has a property: one that lists properties selects just these."""
    for name in breadcrumb[1::2]:
        if not isinstance(properties, dict) or not properties:
            return True
        if name not in properties:
            return False
        inner = properties[name]
        properties = inner.get("properties") if isinstance(inner, dict) else None
    return True


def _replication_method(stream: type[NorthflankStream], given: _Entry, root: _Metadata) -> str:
    own = REPLICATION_INCREMENTAL if stream.replication_key else REPLICATION_FULL_TABLE
    # What a user sets, what a tap forces, and what Meltano makes of the first.
    method = root.replication_method or root.forced_replication_method or given.replication_method
    takes = dict.fromkeys([own, REPLICATION_FULL_TABLE])
    if method is not None and method not in takes:
        raise ConfigurationError(
            f"The catalog sets the replication-method of {stream.name} to {shown(method)}: it "
            f"takes {' or '.join(takes)}."
        )
    method = method or own
    key = root.replication_key or given.replication_key
    if key not in {None, stream.replication_key} and method == own:
        takes_key = (
            f"{stream.replication_key}, or the replication-method {REPLICATION_FULL_TABLE}"
            if stream.replication_key
            else "none, as it is sent in full with each sync"
        )
        raise ConfigurationError(
            f"The catalog sets the replication-key of {stream.name} to {shown(key)}: it takes "
            f"{takes_key}."
        )
    return method


def _warn_of_what_is_not_taken(
    stream: type[NorthflankStream], given: _Entry, root: _Metadata, properties: dict[str, Any]
) -> None:
    key = given.key_properties or root.table_key_properties
    if key and sorted(key) != sorted(stream.primary_keys):
        logger.warning(
            "The catalog sets the key of %s to %s, which has no effect: it is %s.",
            stream.name,
            shown(", ".join(key)),
            ", ".join(stream.primary_keys),
        )
    changed = [
        name
        for name, schema in given.schema.properties.items()
        if name in properties and _changes_type(schema, properties[name])
    ]
    if changed:
        logger.warning(
            "The catalog changes the type of properties of %s, which has no effect: %s.",
            stream.name,
            ", ".join(changed),
        )
    if unknown := sorted(given.schema.properties.keys() - properties.keys()):
        logger.warning(
            "The catalog lists properties of %s that the tap does not have, and they are left "
            "out: %s.",
            stream.name,
            shown(", ".join(unknown)),
        )


def _changes_type(schema: object, own: dict[str, Any]) -> bool:
    if not isinstance(schema, dict) or "type" not in schema:
        return False
    types, own_types = (
        sorted(map(str, each if isinstance(each, list) else [each]))
        for each in (schema["type"], own["type"])
    )
    return types != own_types or schema.get("format") != own.get("format")


def _converted(value: object, kind: type[Any], where: str) -> Any:  # noqa: ANN401 - as msgspec
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ConfigurationError(_no_catalog(f"{where}{error}")) from error


def _no_catalog(reason: str) -> str:
    return f"The catalog is not a Singer catalog ({reason}). Make one with --discover."
