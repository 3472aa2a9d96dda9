"""The wheel: the package and nothing else, and it works where nothing else is installed."""

from __future__ import annotations

import json
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest
from uv import find_uv_bin

from simulator import World
from tests.package.process import run
from tests.support import COMMAND, command_line

if TYPE_CHECKING:
    from pathlib import Path

    from simulator import Server
    from tests.support import Run

PACKAGE = "tap_northflank_restores"


@pytest.fixture(scope="module")
def package() -> set[str]:
    """The files of the package that git knows."""
    return set(run("git", "ls-files", "--", PACKAGE).stdout.splitlines())


@pytest.fixture(scope="module", params=["lowest-direct", "highest"])
def installed(
    request: pytest.FixtureRequest,
    dist: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The command, in an environment of its own with the lowest or highest versions allowed."""
    folder = tmp_path_factory.mktemp(request.param)
    (wheel,) = dist.glob("*.whl")
    venv = folder / "venv"
    run(find_uv_bin(), "venv", "--python", sys.executable, venv)
    # A version without a wheel for this Python is not one that the tap can promise.
    options = ["--no-build", "--resolution", request.param, "--python", venv]
    run(find_uv_bin(), "pip", "install", *options, wheel)
    return venv / COMMAND.parent.name / COMMAND.name


def test_the_wheel_has_the_package_and_nothing_else(dist: Path, package: set[str]) -> None:
    (wheel,) = dist.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}

    assert names == package
    assert f"{PACKAGE}/py.typed" in names
    assert f"{PACKAGE}/schemas/restores.json" in names


def test_the_source_archive_has_the_package_and_what_builds_it(
    dist: Path, package: set[str]
) -> None:
    (archive,) = dist.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}

    assert names - package == {".gitignore", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}
    assert package <= names


def test_it_says_what_it_is(installed: Path) -> None:
    about = json.loads(_run(installed, "--about", "--format=json").stdout)

    assert about["name"] == COMMAND.name
    assert set(about["settings"]["properties"]) >= {"api_token", "project_ids", "concurrency"}


def test_it_syncs_and_then_sends_nothing_again(installed: Path, server: Server) -> None:
    server.world = World.company()

    with command_line(server) as words:
        first = _run(installed, *words)
    with command_line(server, state=first.state) as words:
        second = _run(installed, *words)

    assert len(first.records["restores"]) == len(server.served_restores())
    assert second.records["restores"] == []
    assert second.state == first.state


def _run(command: Path, *words: str) -> Run:
    # No module may be found that the wheel does not bring.
    return run(command, *words, cwd=command.parent, without=["PYTHON"])
