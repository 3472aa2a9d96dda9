"""plugin.yml: with it a Meltano project that knows nothing of the tap adds and runs it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from docs.generate import PLUGIN, SOURCE
from simulator import World
from tap_northflank_restores import doctor
from tests.package.process import run
from tests.support import COMMAND

if TYPE_CHECKING:
    from pathlib import Path

    from simulator import Server
    from tests.support import Run

TAP = COMMAND.name


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty Meltano project."""
    folder = tmp_path_factory.mktemp("meltano")
    _meltano(folder, "init", "--no-usage-stats", ".")
    return folder


def test_a_project_adds_the_tap_and_reads_what_it_selects(
    project: Path, dist: Path, server: Server, tmp_path: Path
) -> None:
    server.world = World.company()
    folder = tmp_path / "a folder"
    folder.symlink_to(dist)
    settings = {
        SOURCE: str(next(folder.glob("*.whl"))),
        "TAP_NORTHFLANK_RESTORES_API_URL": server.url,
        "TAP_NORTHFLANK_RESTORES_API_TOKEN": server.token,
    }

    _meltano(project, "add", "--from-ref", str(PLUGIN), TAP, **settings)
    for stream in ("projects", "addons", "restores"):
        _meltano(project, "select", TAP, stream, "*", **settings)
    synced = _meltano(project, "invoke", TAP, **settings)

    settings |= {
        "TAP_NORTHFLANK_RESTORES_PROJECT_IDS": "shop",
        "TAP_NORTHFLANK_RESTORES_TEAM_ID": "",
    }
    settings["TAP_NORTHFLANK_RESTORES_PAGE_SIZE"] = ""
    narrowed = _meltano(project, "invoke", TAP, **settings)

    assert {record["projectId"] for record in narrowed.records["addons"]} == {"shop"}
    assert {name: len(records) for name, records in synced.records.items()} == {
        "projects": len(server.world.projects()),
        "addons": len(server.world.addon_keys()),
        "restores": len(server.served_restores()),
    }


def test_the_doctor_is_a_command_of_the_plugin(project: Path, dist: Path, server: Server) -> None:
    server.world = World.company()
    settings = {
        "UV_FIND_LINKS": str(dist),
        "TAP_NORTHFLANK_RESTORES_API_URL": server.url,
        "TAP_NORTHFLANK_RESTORES_API_TOKEN": server.token,
        "TAP_NORTHFLANK_RESTORES_PROJECT_IDS": "shop",
    }

    told = _meltano(project, "invoke", f"{TAP}:doctor", **settings)

    assert told.stdout.startswith(f"First contact of {TAP}")
    assert {request.path for request in server.requests} >= {"/v1/projects/shop/addons"}
    assert "/v1/projects" not in {request.path for request in server.requests}
    assert 0 < len(server.requests) <= doctor.REQUESTS


def test_the_settings_are_checked_by_meltano(project: Path, dist: Path) -> None:
    """Meltano knows each setting, its default, and which one is required."""
    listed = _meltano(project, "config", "print", TAP, **{SOURCE: str(dist)})
    definition = yaml.safe_load(PLUGIN.read_text(encoding="utf-8"))

    assert json.loads(listed.stdout) == {
        setting["name"]: setting["value"]
        for setting in definition["settings"]
        if "value" in setting
    }
    assert definition["settings_group_validation"] == [["api_token"]]


def _meltano(project: Path, *words: str, **environment: str) -> Run:
    return run(COMMAND.with_name("meltano"), *words, cwd=project, env=environment)
