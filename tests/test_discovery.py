"""What works without an account, and the dry run that asks little of a large one."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from simulator import World
from tap_northflank_restores import streams
from tests.support import COMMAND, command_line, ended, process, sync, tap

if TYPE_CHECKING:
    from simulator import Server

STREAMS = sorted(stream.name for stream in streams.STREAMS)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--discover"],
        ["--about"],
        ["--about", "--format", "json"],
        ["--about", "--format", "markdown"],
        ["--version"],
        ["--help"],
    ],
    ids=" ".join,
)
def test_no_token_is_needed_and_no_request_made(server: Server, arguments: list[str]) -> None:
    run = sync(server, *arguments, api_token=None)

    assert run.exit_code == 0
    assert run.requests == []
    assert run.logged("ERROR") == []


def test_discover_without_any_settings_prints_the_catalog_alone() -> None:
    run = tap("--discover")

    assert [entry["stream"] for entry in json.loads(run.stdout)["streams"]] == STREAMS


def test_about_lists_the_settings_and_what_the_tap_can_do() -> None:
    about = json.loads(tap("--about", "--format", "json").stdout)

    assert {"api_token", "addons", "stream_maps", "batch_config"} <= set(
        about["settings"]["properties"]
    )
    assert {"catalog", "state", "discover", "batch", "stream-maps"} <= set(about["capabilities"])


def test_version_is_that_of_the_installed_package() -> None:
    with process(["--version"]) as running:
        run = ended(running)

    assert run.exit_code == 0
    assert f"{COMMAND.name} v{version(COMMAND.name)}," in run.stdout


@pytest.mark.parametrize("shape", [(1, 1, 1), (40, 3, 250), (1, 400, 5), (5, 40, 30)])
@pytest.mark.parametrize("page_size", [1, 10])
def test_a_dry_run_makes_a_handful_of_requests_however_large_the_account(
    server: Server, shape: tuple[int, int, int], page_size: int
) -> None:
    projects, addons, restores = shape
    server.world = World.fan_out(projects, addons, restores)

    run = sync(server, "--test", page_size=page_size)

    assert run.exit_code == 0
    assert len(run.requests) <= 3 * len(STREAMS)
    assert "The test went well" in run.stderr.splitlines()[-1]
    assert server.max_in_flight == 1
    assert [message["stream"] for message in run.messages if message["type"] == "SCHEMA"] == STREAMS
    assert {stream: len(records) for stream, records in run.records.items()} == {
        **dict.fromkeys(STREAMS, 0),
        "addon_details": 1,
        "addons": 1,
        "projects": 1,
        "restores": 1,
    }


def test_a_dry_run_of_an_account_whose_first_projects_are_empty_stays_small(
    server: Server,
) -> None:
    server.world = World()
    for number in range(50):
        server.world.add_project(f"empty-{number}")

    run = sync(server, "--test")

    assert run.exit_code == 0
    assert len(run.requests) <= 3 * len(STREAMS)


def test_a_dry_run_of_named_addons_lists_nothing(server: Server) -> None:
    server.world = World.fan_out(2, 20, 3)

    run = sync(server, "--test", addons=[f"p1/a{number}" for number in range(20)])

    assert run.exit_code == 0
    lists = {stream.replace("_", "-") for stream in STREAMS}
    lists -= {"projects", "addons", "list-reads"}
    assert {request.page_of for request in run.requests} == lists
    assert len(run.requests) <= 3 * len(STREAMS)


def test_a_dry_run_of_named_projects_looks_at_a_few(server: Server) -> None:
    server.world = World.fan_out(50, 0, 0)

    run = sync(server, "--test", project_ids=[f"p{number}" for number in range(50)])

    assert run.exit_code == 0
    assert len(run.requests) == 3


def test_a_dry_run_shows_a_wrong_token(server: Server) -> None:
    run = sync(server, "--test", api_token="wrong")  # noqa: S106 - it opens nothing

    assert run.exit_code == 3
    assert len(run.requests) == 1
    assert "The test went well" not in run.stderr


def test_a_dry_run_for_the_schemas_makes_no_request(server: Server) -> None:
    run = sync(server, "--test=schema")

    assert run.exit_code == 0
    assert list(run.records) == STREAMS
    assert run.requests == []
    assert "The test went well" not in run.stderr


def test_a_process_discovers_without_settings() -> None:
    with command_line(None, "--discover") as words, process(words) as running:
        run = ended(running)

    assert run.exit_code == 0
    assert len(json.loads(run.stdout)["streams"]) == len(STREAMS)
