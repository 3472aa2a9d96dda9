"""No value stops a load: each record is what its schema says, whatever the API has in its place."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator import Fault, World
from tap_northflank_restores import schemas, streams
from tap_northflank_restores.fitting import fitted
from tests.support import selecting, sync

if TYPE_CHECKING:
    from simulator import Server
    from tests.support import Run

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
SCHEMAS = resources.files(schemas)
OWN = {"id", "projectId", "addonId", "teamId"}


def places(schema: dict[str, Any], *path: str) -> list[tuple[str, ...]]:
    """Return the paths of the properties of a schema that an item of the API has."""
    found = []
    for name, inner in schema.get("properties", {}).items():
        if path or name not in OWN:
            found += [(*path, name), *places(inner, *path, name)]
    return found


PLACES = [
    (stream.name, path)
    for stream in streams.STREAMS
    if stream.name != "list_reads"  # The tap makes its items, not the API.
    for path in places(json.loads((SCHEMAS / f"{stream.name}.json").read_text()))
]


def put(server: Server, stream: str, path: tuple[str, ...], value: object) -> None:
    """Let the API have a value at a place of each item of a stream."""

    def change(body: dict[str, Any]) -> None:
        data = body["data"]
        items = [data] if stream == "addon_details" else next(iter(data.values()))
        for item in items:
            for name in path[:-1]:
                if not isinstance(item.get(name), dict):
                    item[name] = {}
                item = item[name]  # noqa: PLW2901 - one step down
            item[path[-1]] = value

    ends = {"projects": "/projects$", "addons": "/addons$", "addon_details": "/addons/[^/]+$"}
    match = ends.get(stream, f"/{stream.replace('_', '-')}$")
    server.faults = [Fault(match, "change", change=change)]


def misfits(run: Run) -> list[str]:
    """Return what a loader would refuse the records for."""
    schemas = {}
    found = []
    for message in run.messages:
        if message["type"] == "SCHEMA":
            schemas[message["stream"]] = jsonschema.Draft202012Validator(message["schema"])
        elif message["type"] == "RECORD":
            errors = schemas[message["stream"]].iter_errors(message["record"])
            found += [f"{error.json_path}: {error.message}" for error in errors]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("look", [{}, {"flattening_enabled": True, "flattening_max_depth": 3}])
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.sampled_from(PLACES), value=JSON)
def test_each_record_is_what_its_schema_says(
    server: Server, look: dict[str, Any], place: tuple[str, tuple[str, ...]], value: object
) -> None:
    stream, path = place
    server.world = World.company(addons=4, months=6)
    put(server, stream, path, value)

    run = sync(server, catalog=selecting(stream), **look)

    assert run.exit_code == 0, run.stderr
    assert run.records[stream]
    assert misfits(run) == []


TEXT = {"type": ["string", "null"]}
WHOLE = {"type": ["integer", "null"]}


@pytest.mark.parametrize(
    ("value", "schema", "sent"),
    [
        # Nothing is lost where a text is asked for.
        (5, TEXT, "5"),
        (True, TEXT, "true"),
        ({"a": [1, "x"]}, TEXT, '{"a":[1,"x"]}'),
        ("", TEXT, ""),
        (None, TEXT, None),
        # The documents have the same number as a text and as a number.
        ("7", WHOLE, 7),
        ("-7", WHOLE, -7),
        (7.0, WHOLE, 7),
        (7.5, WHOLE, None),
        (True, WHOLE, None),
        ("7 days", WHOLE, None),
        ("\u0667", WHOLE, None),
        (2**63 - 1, WHOLE, 2**63 - 1),
        (2**63, WHOLE, None),
        ("x", {"type": ["array", "null"], "items": TEXT}, None),
        (["x", 5], {"type": ["array", "null"], "items": TEXT}, ["x", "5"]),
        ([1, "x", None], {"type": ["array", "null"], "items": {"type": "integer"}}, [1]),
        ([1], {"type": ["object", "null"]}, None),
        ({"n": "x", "m": 5}, {"type": "object", "properties": {"n": WHOLE}}, {"n": None, "m": 5}),
        (0, {"type": ["boolean", "null"]}, None),
    ],
    ids=str,
)
def test_what_a_value_becomes(value: object, schema: dict[str, Any], sent: object) -> None:
    assert fitted(value, schema, "x", lambda *_: None) == sent


def test_a_value_that_does_not_fit_is_told_once(server: Server) -> None:
    server.world = World.fan_out(1, 3, 0)
    put(server, "addons", ("tags",), "prod")

    run = sync(server)

    assert run.exit_code == 0
    assert [record["tags"] for record in run.records["addons"]] == [None] * 3
    assert run.logged("WARNING") == [
        "addons/p0/a0: tags is not an array: 'prod'. Null is sent in its place, here and in others."
    ]
