"""The catalog that the tap writes, as reviewed files, and what it makes of one that is given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from hypothesis import strategies as st
from syrupy.extensions.json import JSONSnapshotExtension

from tap_northflank_restores import catalog as catalogs
from tap_northflank_restores import streams
from tap_northflank_restores.errors import ConfigurationError
from tests.support import company, schemas, selecting, small_world, sync, tap

if TYPE_CHECKING:
    from collections.abc import Callable

    from syrupy.assertion import SnapshotAssertion

    from simulator import Server

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


# What is given with --catalog ------------------------------------------------------------------

KEY = ["projectId", "addonId", "id"]
GOLDEN = Path(__file__).parent / "golden" / "catalog-0.1.0.json"
SINCE = {"addon_details", "list_reads"}  # streams that release 0.1.0 did not have
"""What release 0.1.0 wrote with --discover. Never changed: each later release must read it."""


def given(change: Callable[[dict[str, Any]], object], stream: str = "restores") -> dict[str, Any]:
    """Return the tap's catalog with one entry changed."""
    catalog = selecting(*SELECTED)
    change(entry_of(catalog, stream))
    return catalog


def entry_of(catalog: dict[str, Any], stream: str) -> dict[str, Any]:
    (entry,) = (entry for entry in catalog["streams"] if entry["tap_stream_id"] == stream)
    return entry  # type: ignore[no-any-return]


def root_of(entry: dict[str, Any]) -> dict[str, Any]:
    (metadata,) = (each["metadata"] for each in entry["metadata"] if each["breadcrumb"] == [])
    return metadata  # type: ignore[no-any-return]


def by_hand(entry: dict[str, Any]) -> None:
    for name in ("key_properties", "replication_key", "replication_method"):
        entry.pop(name, None)
    entry["metadata"] = [{"breadcrumb": [], "metadata": {"selected": True}}]


def without_metadata(entry: dict[str, Any]) -> None:
    by_hand(entry)
    del entry["metadata"]


def without_metadata_of_the_stream(entry: dict[str, Any]) -> None:
    entry["metadata"] = [each for each in entry["metadata"] if each["breadcrumb"]]


def cut(entry: dict[str, Any]) -> None:
    properties = entry["schema"]["properties"]
    entry["schema"] = {"properties": {name: properties[name] for name in ("id", "status")}}


def deselected(entry: dict[str, Any]) -> None:
    for each in entry["metadata"]:
        if each["breadcrumb"]:
            each["metadata"] = {"selected": False}


def unsupported(entry: dict[str, Any]) -> None:
    for each in entry["metadata"]:
        if each["breadcrumb"]:
            each["metadata"] = {"inclusion": "unsupported"}


def types_changed(entry: dict[str, Any]) -> None:
    for schema in entry["schema"]["properties"].values():
        schema["type"] = "integer"
    entry["schema"]["required"] = ["backupId"]


def setting(**values: object) -> Callable[[dict[str, Any]], None]:
    return lambda entry: entry.update(values)


def saying(**metadata: object) -> Callable[[dict[str, Any]], None]:
    said = {name.replace("_", "-"): value for name, value in metadata.items()}
    return lambda entry: root_of(entry).update(said)


@pytest.mark.parametrize(
    "change",
    [
        by_hand,
        without_metadata,
        without_metadata_of_the_stream,
        cut,
        deselected,
        unsupported,
        types_changed,
        setting(key_properties=[]),
        setting(key_properties=["id"]),
        setting(key_properties=None, replication_key=None, replication_method=None),
        saying(table_key_properties=["backupId"]),
        setting(is_view=True, table_name="x", database_name="x", row_count=7),
        saying(schema_name="x", forced_replication_method=None, valid_replication_keys=[]),
        saying(forced_replication_method="INCREMENTAL", replication_method="INCREMENTAL"),
        setting(stream=None),
        setting(tap_stream_id=None),
    ],
)
def test_a_catalog_takes_neither_the_key_nor_the_end_of_a_restore_away(
    server: Server, change: Callable[[dict[str, Any]], None]
) -> None:
    server.world = small_world(a=3, b=1)
    catalog = given(lambda _: None)
    change(entry_of(catalog, "restores"))

    first = sync(server, catalog=catalog)
    second = sync(server, catalog=catalog, state=first.state)

    assert first.exit_code == 0
    (schema,) = (
        message
        for message in first.messages
        if message["type"] == "SCHEMA" and message["stream"] == "restores"
    )
    own = schemas(sync(server))["restores"]
    assert schema["key_properties"] == KEY
    assert schema["bookmark_properties"] == ["completedAt"]
    assert schema["schema"]["required"] == KEY
    assert {*KEY, "completedAt"} <= schema["schema"]["properties"].keys()
    assert schema["schema"]["properties"].items() <= own["properties"].items()
    assert len(first.records["restores"]) == 4
    for record in first.records["restores"]:
        assert record.keys() == schema["schema"]["properties"].keys()
        assert all(record[name] for name in (*KEY, "completedAt"))
    assert second.records["restores"] == []


@pytest.mark.parametrize("stream", ["addons", "projects", "backups", "backup_schedules"])
@pytest.mark.parametrize("change", [by_hand, cut, deselected, unsupported, types_changed])
def test_the_key_of_each_stream_is_the_tap_s(
    server: Server, stream: str, change: Callable[[dict[str, Any]], None]
) -> None:
    server.world = company()
    catalog = selecting(stream)
    (properties := entry_of(catalog, stream)["schema"]["properties"]).setdefault(
        "status", properties["id"]
    )
    change(entry_of(catalog, stream))

    run = sync(server, catalog=catalog)

    assert run.exit_code == 0
    (schema,) = (message for message in run.messages if message["type"] == "SCHEMA")
    assert schema["key_properties"] == entry_of(selecting(stream), stream)["key_properties"]
    assert all(set(schema["key_properties"]) <= record.keys() for record in run.records[stream])


@pytest.mark.parametrize(
    ("stream", "change", "said"),
    [
        *(
            (
                "restores",
                change,
                f"sets the replication-method of restores to {method!r}: it takes ",
            )
            for method in ("LOG_BASED", "incremental", "full_table", "FULL")
            for change in (
                setting(replication_method=method),
                saying(replication_method=method),
                saying(forced_replication_method=method),
            )
        ),
        (
            "addons",
            saying(replication_method="INCREMENTAL"),
            "sets the replication-method of addons to 'INCREMENTAL': it takes FULL_TABLE.",
        ),
        (
            "restores",
            saying(replication_key="restoreTimestamp"),
            "sets the replication-key of restores to 'restoreTimestamp': it takes completedAt",
        ),
        (
            "addons",
            setting(replication_key="updatedAt"),
            "sets the replication-key of addons to 'updatedAt': it takes none",
        ),
        ("restores", setting(stream="drills"), "calls the stream restores 'drills'"),
        ("restores", setting(stream_alias="drills"), "calls the stream restores 'drills'"),
        ("restores", setting(schema=[]), "is not a Singer catalog (stream 'restores': "),
        ("restores", setting(schema={}), "is not a Singer catalog (stream 'restores': "),
        ("restores", setting(schema={"properties": []}), "is not a Singer catalog (stream 'resto"),
        ("restores", setting(key_properties="id"), "is not a Singer catalog (stream 'restores': "),
        ("restores", setting(metadata={}), "is not a Singer catalog (stream 'restores': "),
        ("restores", saying(selected="false"), "is not a Singer catalog (stream 'restores': "),
        ("restores", saying(selected=0), "is not a Singer catalog (stream 'restores': "),
        ("restores", setting(tap_stream_id="addons", stream=None), "has the stream addons twice."),
    ],
)
def test_what_a_catalog_cannot_mean_ends_with_one_line_that_names_the_stream(
    server: Server, stream: str, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    run = sync(server, catalog=given(change, stream))

    assert run.exit_code == 2
    assert run.error.startswith(f"The catalog {said}")
    assert "Traceback" not in run.stderr
    assert run.stdout == ""
    assert run.requests == []


def test_a_stream_that_is_not_selected_may_say_what_it_likes_of_its_replication(
    server: Server,
) -> None:
    change = saying(selected=False, replication_method="LOG_BASED", replication_key="x")

    run = sync(server, catalog=given(change))

    assert run.exit_code == 0
    assert run.logged("WARNING") == []


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        (
            setting(tap_stream_id="restore", stream="restore"),
            (
                "The catalog has the stream 'restore', which the tap does not have; did you mean "
                "restores?"
            ),
        ),
        (
            setting(key_properties=["id"]),
            (
                "The catalog sets the key of restores to 'id', which has no effect: it is "
                "projectId, addonId, id."
            ),
        ),
        (
            types_changed,
            (
                "The catalog changes the type of properties of restores, which has no effect: "
                "teamId, projectId, addonId, id, status, restoreTimestamp, completedAt, backupId."
            ),
        ),
        (
            lambda entry: entry["schema"]["properties"]["backupId"].update(format="uuid"),
            (
                "The catalog changes the type of properties of restores, which has no effect: "
                "backupId."
            ),
        ),
        (
            lambda entry: entry["schema"]["properties"].update(endedAt={}, by={"type": "string"}),
            (
                "The catalog lists properties of restores that the tap does not have, and they are "
                "left out: 'by, endedAt'."
            ),
        ),
    ],
)
def test_what_has_no_effect_is_warned_of(
    server: Server, change: Callable[[dict[str, Any]], None], warning: str
) -> None:
    server.world = small_world(a=1)

    run = sync(server, catalog=given(change))

    assert run.exit_code == 0
    assert run.logged("WARNING") == [warning]
    assert len(run.records["addons"]) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda each: (
        st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=5), each, max_size=3)
    ),
    max_leaves=5,
)


@hypothesis.settings(deadline=None)
@hypothesis.given(st.data())
def test_whatever_stands_in_a_catalog_it_is_read_or_refused_in_one_line(
    data: st.DataObject,
) -> None:
    made: Any = selecting(*STREAMS)
    node: Any = made
    while True:
        at = data.draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
        if not isinstance(node[at], (dict, list)) or not node[at] or data.draw(st.booleans()):
            break
        node = node[at]
    node[at] = data.draw(JSON)

    try:
        catalog = catalogs.read(made)
    except ConfigurationError as error:
        line = str(error)
    else:
        line = "read"
        assert list(catalog) == STREAMS
        assert catalog["restores"].key_properties == KEY

    assert len(line.splitlines()) == 1


@pytest.mark.parametrize("catalog", [{"streams": []}, None])
def test_a_catalog_that_selects_nothing_is_warned_of(server: Server, catalog: Any) -> None:
    server.world = small_world(a=1)

    run = sync(server, catalog=catalog or selecting())

    assert run.exit_code == 0
    assert run.logged("WARNING") == ["The catalog selects no stream: nothing is read."]
    assert run.requests == []


@pytest.mark.parametrize("stream", sorted(set(STREAMS) - SINCE))
def test_the_catalog_of_an_old_release_selects_what_it_selected(
    server: Server, stream: str
) -> None:
    server.world = company()
    catalog = json.loads(GOLDEN.read_text(encoding="utf-8"))
    for entry in catalog["streams"]:
        root_of(entry)["selected"] = entry["tap_stream_id"] == stream

    run = sync(server, catalog=catalog)

    assert run.exit_code == 0
    assert run.logged("WARNING") == []
    assert list(run.records) == [stream]
    old = entry_of(catalog, stream)
    assert schemas(run)[stream]["properties"].keys() >= old["schema"]["properties"].keys()
    now = sync(server, catalog=selecting(stream))
    assert [
        {name: record[name] for name in old["schema"]["properties"]}
        for record in now.records[stream]
    ] == run.records[stream]


def test_a_property_that_an_old_catalog_does_not_list_is_not_sent(server: Server) -> None:
    server.world = small_world(a=1)
    catalog = given(lambda entry: entry["schema"]["properties"].pop("backupId"))

    run = sync(server, catalog=catalog)

    assert "backupId" not in schemas(run)["restores"]["properties"]
    assert "backupId" not in run.records["restores"][0]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_a_file_with_a_byte_order_mark_or_in_utf_16_is_read(
    server: Server, tmp_path: Path, encoding: str
) -> None:
    """PowerShell writes such files: `tap --discover > catalog.json`."""
    server.world = small_world(a=2)
    state = sync(server).state
    words = []
    for name, value in (("catalog", selecting("restores")), ("state", state)):
        path = tmp_path / name
        path.write_text(json.dumps(value), encoding=encoding)
        words += [f"--{name}", str(path)]

    run = sync(server, *words)

    assert run.exit_code == 0
    assert run.records == {"restores": []}
