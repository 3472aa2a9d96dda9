"""The commands of README.md run as printed, in an empty folder with an empty home."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import psycopg
import pytest
import yaml

from demo.pipeline import OURS, loader_url
from demo.postgres import postgres
from docs.generate import ROOT, SOURCE
from simulator import World
from tests.pipeline.conftest import Warehouse, passable_folder
from tests.pipeline.test_sync import loaded, source
from tests.support import COMMAND

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from simulator import Server

MELTANO, PIPE = "In your own Meltano project", "Without Meltano"
LOADER = ROOT / "docs" / "target-postgres.yml"
SECONDS = 400
pytestmark = pytest.mark.timeout(900)  # most of it is fetching from the package index


def section(title: str) -> str:
    """Return the text of one section of README.md."""
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    (found,) = re.findall(rf"^## {re.escape(title)}\n(.*?)^## ", page, re.DOTALL | re.MULTILINE)
    return str(found)


def blocks(title: str, language: str) -> list[str]:
    """Return the code blocks of a section that are in this language."""
    fence = re.compile(rf"^```{language}\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    return fence.findall(section(title))


class User:
    """Somebody with an empty home and an empty folder, who types what the page prints."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        """Take what the user puts into `.env` for the examples of the page."""
        self.folder = folder / "project"
        self.folder.mkdir()
        (folder / "home").mkdir()
        self.env = {
            name: value
            for name, value in os.environ.items()
            if not OURS.match(name) and name not in {"VIRTUAL_ENV", "PYTHONPATH"}
        }
        self.env |= {
            "HOME": str(folder / "home"),
            "PATH": f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}",
            "no_proxy": "127.0.0.1",
        }
        (example,) = blocks(MELTANO, "ini")
        named = dict(line.split("=", 1) for line in example.splitlines())
        assert set(named) <= set(settings)
        lines = (f"{name}='{value}'\n" for name, value in settings.items())
        (self.folder / ".env").write_text("".join(lines), encoding="utf-8")

    def types(self, *commands: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run commands in a new shell, to its end."""
        return subprocess.run(  # noqa: S603 - what the page prints
            ["bash", "-e", "-c", "\n".join(commands)],  # noqa: S607
            cwd=self.folder,
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=SECONDS,
            check=False,
        )

    def succeeds(self, *commands: str, **env: str) -> None:
        """Run commands that must succeed."""
        done = self.types(*commands, **env)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.fixture
def warehouse() -> Iterator[Warehouse]:
    """A database of a server whose zone is not UTC."""
    with passable_folder() as folder, postgres(folder / "postgres") as server:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET timezone = 'America/New_York'")
            connection.execute("SELECT pg_reload_conf()")
        yield Warehouse(server.make("warehouse"))


@pytest.fixture
def user(tmp_path: Path, server: Server, warehouse: Warehouse) -> User:
    url = warehouse.dsn if sys.version_info >= (3, 11) else loader_url(warehouse.dsn)
    settings = {
        "TAP_NORTHFLANK_RESTORES_API_URL": server.url,
        "TAP_NORTHFLANK_RESTORES_API_TOKEN": server.token,
        "TARGET_POSTGRES_SQLALCHEMY_URL": url,
    }
    return User(tmp_path, settings)


def in_utc(warehouse: Warehouse) -> bool:
    """Whether the server shows times in UTC to who does not ask for a zone."""
    (row,) = warehouse.rows("SELECT current_setting('timezone') AS zone")
    return bool(row["zone"] == "UTC")


def test_the_steps_for_a_meltano_project(user: User, server: Server, warehouse: Warehouse) -> None:
    server.world = World.company()
    assert not in_utc(warehouse)

    user.succeeds(*blocks(MELTANO, "sh"), **{SOURCE: str(ROOT)})
    first = source(server)
    assert loaded(warehouse) == first
    assert first.total() > 50

    server.world.advance(days=60)
    *_, again = blocks(MELTANO, "sh")[-1].splitlines()
    user.succeeds("meltano install", again)  # in a new shell, which has nothing but .env
    assert loaded(warehouse) == source(server)
    assert Counter(row["id"] for row in warehouse.loaded_last()).total() < 20
    assert warehouse.rows("SELECT 1 FROM pg_tables WHERE tablename = 'backups'") == []

    # The zone decides where rows are inserted rather than copied, as by the loader's default.
    full = again.replace("run", "run --full-refresh", 1)
    user.succeeds(full, TARGET_POSTGRES_USE_COPY="false")
    assert loaded(warehouse) == source(server)


def test_the_steps_without_meltano(user: User, server: Server, warehouse: Warehouse) -> None:
    server.world = World.company()
    state = user.folder / "state.json"
    user.succeeds(*blocks(PIPE, "sh"), **{SOURCE: str(ROOT)})
    assert loaded(warehouse) == source(server)

    # The loader dies: the state stays at what it has confirmed.
    server.world.advance(days=60)
    before = state.read_text()
    stop = "ALTER TABLE northflank.restores ADD CONSTRAINT stop CHECK (id = '') NOT VALID"
    with psycopg.connect(warehouse.dsn, autocommit=True) as connection:
        connection.execute(stop)
        *_, again = blocks(PIPE, "sh")
        assert user.types(again).returncode != 0
        assert loaded(warehouse) != source(server)
        assert json.loads(state.read_text())["bookmarks"].get("restores") == json.loads(before)[
            "bookmarks"
        ].get("restores")
        connection.execute("ALTER TABLE northflank.restores DROP CONSTRAINT stop")

    user.succeeds(again)
    assert loaded(warehouse) == source(server)
    sent = len(warehouse.loaded_last())
    assert 0 < sent < 20

    user.succeeds(again)
    assert len(warehouse.loaded_last()) == sent  # as nothing has changed

    # A state that was cut off is none.
    loader = user.folder / "target" / "bin" / "target-postgres"
    loader.write_text("""#!/bin/sh\ncat >/dev/null\nprintf '{"whole": 1}\\n{"cut'\nexit 9\n""")
    assert user.types(again).returncode == 9
    assert json.loads(state.read_text()) == {"whole": 1}


def test_the_definition_of_the_loader_is_that_of_this_repository() -> None:
    definition = yaml.safe_load(LOADER.read_text(encoding="utf-8"))
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    (own,) = (one for one in project["plugins"]["loaders"] if one["name"] == definition["name"])
    locked = (ROOT / "requirements" / "target_postgres.py").read_text(encoding="utf-8")
    (pinned,) = re.findall(r"meltanolabs-target-postgres==[\d.]+", locked)

    assert {k: definition[k] for k in own if k != "pip_url"} == {
        k: v for k, v in own.items() if k != "pip_url"
    }
    assert pinned in definition["pip_url"]
    assert pinned in section(PIPE)
