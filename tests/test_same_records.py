"""Records are the same whichever way they take: the tap's, the SDK's, or through files."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from singer_sdk import Stream

from simulator import Fault, World
from tap_northflank_restores.sdk import PagedStream
from tests.support import ALL, Record, Run, company, schemas, selecting, sync
from tests.test_batches import batches, records_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator import Server

pytestmark = pytest.mark.slow

STREAMS = (*ALL, "backup_schedules")
CATALOG = selecting(*STREAMS)
FLATTENING = {"flattening_enabled": True, "flattening_max_depth": 1}


@contextmanager
def the_way_of_the_sdk() -> Iterator[None]:
    """Let the SDK select, conform, map and write each record."""
    with (
        patch.object(PagedStream, "_sync_records", Stream._sync_records),  # noqa: SLF001
        patch.object(
            PagedStream,
            "_generate_record_messages",
            Stream._generate_record_messages,  # noqa: SLF001
        ),
    ):
        yield


@st.composite
def catalogs(draw: st.DrawFn) -> dict[str, Any]:
    """Return a catalog that selects much or little, was cut, or has what the tap does not know."""
    catalog: dict[str, Any] = json.loads(json.dumps(CATALOG))
    # What is said of lists is written beside the records, and has the time.
    catalog["streams"] = [each for each in catalog["streams"] if each["stream"] != "list_reads"]
    for entry in catalog["streams"]:
        properties = entry["schema"]["properties"]
        for each in entry["metadata"]:
            each["metadata"]["selected"] = draw(st.sampled_from([True, True, None, False]))
            if each["breadcrumb"] and draw(st.integers(0, 9)) == 0:
                del each["metadata"]["inclusion"]
        entry["metadata"] = [m for m in entry["metadata"] if draw(st.integers(0, 9))]
        for name in draw(st.sets(st.sampled_from(sorted(properties)), max_size=3)):
            del properties[name]
        if not properties:
            properties["id"] = {"type": "string"}
        for name in ("spec", "config"):
            if name in properties and draw(st.booleans()):
                properties[name].setdefault("properties", {}).pop(
                    draw(st.sampled_from(["type", "source", "size"])), None
                )
                crumb = ["properties", name, "properties", "unheard"]
                entry["metadata"].append({"breadcrumb": crumb, "metadata": {"selected": False}})
        if draw(st.booleans()):
            properties["unheard"] = {"type": "string"}
    return catalog


def odd_company(server: Server) -> None:
    """Let the API say more than the schemas know, at the top and within."""

    def more(body: dict[str, Any]) -> None:
        data = body["data"]
        lists = [[data]] if "spec" in data else data.values()  # an addon's detail is one item
        for items in lists:
            for number, item in enumerate(items):
                item |= {"unheard": "x", "teamId": "of another", "description": number}
                for name in {"spec", "config", "scheduling"} & item.keys():
                    item[name] |= {"unheard": {"of": [number]}, "id": None}

    server.world = World.company(addons=2, months=1)
    server.faults = [Fault("", "change", change=more)]


def records(run: Run) -> dict[str, list[Record]]:
    assert run.exit_code == 0, run.stderr
    return run.records


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    catalog=catalogs(),
    mapped=st.sets(st.sampled_from(STREAMS)),
    flattening=st.sampled_from([{}, {}, FLATTENING, {**FLATTENING, "flattening_max_depth": 3}]),
)
def test_the_tap_s_way_writes_what_the_sdk_s_does(
    server: Server, catalog: dict[str, Any], mapped: set[str], flattening: dict[str, Any]
) -> None:
    odd_company(server)
    values = {"stream_maps": {name: {} for name in mapped}, **flattening}

    ours = sync(server, catalog=catalog, **values)
    with the_way_of_the_sdk():
        theirs = sync(server, catalog=catalog, **values)

    assert schemas(ours) == schemas(theirs)
    if flattening:  # The SDK makes columns of what the schema does not know.
        expected = {
            stream: [{k: v for k, v in record.items() if k in schema} for record in found]
            for stream, found in records(theirs).items()
            for schema in [schemas(theirs)[stream]["properties"]]
        }
    else:
        expected = records(theirs)
    assert records(ours) == expected
    for stream, schema in schemas(ours).items():
        assert all(record.keys() <= schema["properties"].keys() for record in ours.records[stream])


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    catalog=catalogs(),
    values=st.sampled_from(
        [
            {},
            FLATTENING,
            {"stream_maps": {"restores": {"id": "md5(id)", "__filter__": "status != 'failed'"}}},
        ]
    ),
)
def test_files_hold_what_the_messages_do(
    server: Server, catalog: dict[str, Any], values: dict[str, Any]
) -> None:
    odd_company(server)
    plain = sync(server, catalog=catalog, **values)

    with TemporaryDirectory() as folder:
        run = sync(server, catalog=catalog, **values, **batches(Path(folder), 7))
        written: dict[str, list[Record]] = {stream: [] for stream in run.records}
        for message in run.messages:
            if message["type"] == "BATCH":
                written[message["stream"]] += records_of(message)

    assert schemas(run) == schemas(plain)
    assert written == records(plain)


def test_several_streams_of_one_do_not_go_with_files(server: Server, tmp_path: Path) -> None:
    server.world = company()
    maps = {"restores": {}, "copy": {"__source__": "restores"}}

    run = sync(server, stream_maps=maps, **batches(tmp_path, 7))

    assert run.exit_code == 2
    assert run.error == (
        "Setting stream_maps makes several streams of restores, which batch_config does not go "
        "with: unset one of them."
    )
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("arguments", [(), ("--test",)])
def test_a_map_that_fails_is_told_whichever_way(
    server: Server, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    server.world = company()
    maps = {"restores": {"x": "1 / 0"}}
    values = {} if arguments else batches(tmp_path, 7)

    run = sync(server, *arguments, stream_maps=maps, **values)

    assert run.exit_code == 2
    assert run.error.startswith("Setting stream_maps does not fit a record of restores (")
