"""The catalog: a change of a stream, a field or a key shows as a change of a reviewed file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from syrupy.extensions.json import JSONSnapshotExtension

from tap_northflank_restores import streams
from tests.support import tap

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

STREAMS = sorted(stream.name for stream in streams.STREAMS)
SELECTED = {"addons", "projects", "restores"}


@pytest.fixture(scope="module")
def catalog() -> dict[str, dict[str, Any]]:
    """The catalog's entries by stream."""
    entries = json.loads(tap("--discover").stdout)["streams"]
    return {entry["tap_stream_id"]: entry for entry in entries}


def test_the_streams_are_these(catalog: dict[str, Any]) -> None:
    assert list(catalog) == STREAMS


@pytest.mark.parametrize("stream", STREAMS)
def test_the_catalog_of_a_stream_is_the_reviewed_one(
    catalog: dict[str, Any], stream: str, snapshot: SnapshotAssertion
) -> None:
    assert catalog[stream] == snapshot(extension_class=JSONSnapshotExtension)


@pytest.mark.parametrize("stream", STREAMS)
def test_no_list_but_that_of_restores_costs_requests_for_each_addon_by_default(
    catalog: dict[str, Any], stream: str
) -> None:
    (root,) = (item for item in catalog[stream]["metadata"] if item["breadcrumb"] == [])

    assert root["metadata"]["selected-by-default"] is (stream in SELECTED)
    assert root["metadata"]["selected"] is (stream in SELECTED)


@pytest.mark.parametrize("stream", STREAMS)
def test_each_property_is_described_and_no_status_is_limited_to_known_values(
    catalog: dict[str, Any], stream: str
) -> None:
    schemas = list(_properties(catalog[stream]["schema"]))

    assert schemas
    assert [path for path, schema in schemas if not schema.get("description")] == []
    assert [path for path, schema in schemas if "enum" in schema] == []


@pytest.mark.parametrize("stream", STREAMS)
def test_only_the_key_may_not_be_null(catalog: dict[str, Any], stream: str) -> None:
    properties = catalog[stream]["schema"]["properties"]

    assert sorted(catalog[stream]["key_properties"]) == sorted(
        name for name, schema in properties.items() if "null" not in schema["type"]
    )


def _properties(schema: dict[str, Any], path: str = "") -> Any:
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}/{name}", inner
        yield from _properties(inner, f"{path}/{name}")
