"""The commands of README.md run as printed, in an empty folder with an empty home."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import psycopg
import pytest
import yaml

from demo.pipeline import OURS, loader_url
from demo.postgres import postgres
from docs.generate import ROOT, SOURCE
from simulator import World
from simulator.world import instant
from tests.means import bound_by_permissions, let_in, need_dbt
from tests.pipeline.conftest import Warehouse, passable_folder
from tests.pipeline.test_sync import loaded, source
from tests.support import COMMAND

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from simulator import Server

MELTANO, PIPE = "In your own Meltano project", "Without Meltano"
LOADER = ROOT / "docs" / "target-postgres.yml"
MODELS = ROOT / "docs" / "northflank-models.yml"
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
            bound_by_permissions("bash", "-e", "-c", "\n".join(commands)),
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
        let_in(folder)
        yield Warehouse(server.make("warehouse"))


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A clone with an odd name, into which nobody may write."""
    home = tmp_path_factory.mktemp("clone")
    folder = home / "it's a $clone \N{LATIN SMALL LETTER U WITH DIAERESIS}"
    for name in subprocess.check_output(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        text=True,
    ).splitlines():
        if not name.startswith("tests/") and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    for path in folders:
        path.chmod(0o555)
    yield folder
    for path in folders:
        path.chmod(0o755)


@pytest.fixture
def user(tmp_path: Path, server: Server, warehouse: Warehouse) -> User:
    url = warehouse.dsn if sys.version_info >= (3, 11) else loader_url(warehouse.dsn)
    settings = {
        "TAP_NORTHFLANK_RESTORES_API_URL": server.url,
        "TAP_NORTHFLANK_RESTORES_API_TOKEN": server.token,
        "TARGET_POSTGRES_SQLALCHEMY_URL": url,
    }
    return User(tmp_path, settings)


def in_utc(moment: datetime | None) -> datetime | None:
    """Return the instant in UTC: of two zones, the repeated hour of autumn is never equal."""
    return moment and moment.astimezone(timezone.utc)


def serves_utc(warehouse: Warehouse) -> bool:
    """Whether the server shows times in UTC to who does not ask for a zone."""
    (row,) = warehouse.rows("SELECT current_setting('timezone') AS zone")
    return bool(row["zone"] == "UTC")


def attempts(warehouse: Warehouse) -> dict[str, tuple[object, ...]]:
    """Return the instants of the mart's restores, by key."""
    rows = warehouse.rows("SELECT * FROM restore_analytics.restore_attempts")
    names = "started_at", "ended_at", "counted_at"
    return {row["restore_key"]: tuple(in_utc(row[name]) for name in names) for row in rows}


def truths(server: Server) -> dict[str, tuple[object, ...]]:
    """Return the same of the API's restores."""
    found: dict[str, tuple[object, ...]] = {}
    for item in server.served_restores():
        started, ended = (
            instant(item[name]) if item.get(name) else None
            for name in ("restoreTimestamp", "completedAt")
        )
        key = "/".join(item[name] for name in ("projectId", "addonId", "id"))
        found[key] = started, ended, ended or started
    return found


def backups(warehouse: Warehouse) -> dict[str, object]:
    """Return when the newest backup of each addon was made, by the mart."""
    rows = warehouse.rows("SELECT * FROM restore_analytics.backup_status")
    return {row["addon_key"]: in_utc(row["newest_backup_at"]) for row in rows}


def newest_backups(server: Server) -> dict[str, object]:
    """Return the same by the API."""
    return {
        f"{project}/{addon}": max(
            (
                instant(item["createdAt"])
                for item in server.world.backups(project, addon)
                if item["status"] == "completed"
            ),
            default=None,
        )
        for project, addon in server.world.addon_keys()
    }


def successes(warehouse: Warehouse) -> dict[str, object]:
    """Return when each addon was last restored with success, wherever that was."""
    rows = warehouse.rows("SELECT * FROM restore_analytics.addon_recoverability")
    return {row["addon_key"]: in_utc(row["last_success_at"]) for row in rows}


def last_successes(server: Server) -> dict[str, object]:
    """Return the same by what really happened."""
    found: dict[str, datetime] = {}
    for item in server.world.all_restores():
        if item["status"] == "completed":
            truth = server.world.truth(item["projectId"], item["addonId"], item["id"])
            key = "/".join(truth.source)
            ended = instant(item["completedAt"])
            found[key] = max(found.get(key, ended), ended)
    return dict(found)


def test_the_steps_for_a_meltano_project(
    user: User, server: Server, warehouse: Warehouse, clone: Path
) -> None:
    need_dbt()
    server.world = World.company()
    assert not serves_utc(warehouse)

    *steps, sync, models = blocks(MELTANO, "sh")
    user.succeeds(*steps, sync, models, **{SOURCE: str(clone)})
    first = source(server)
    assert loaded(warehouse) == first
    assert first.total() > 50
    assert attempts(warehouse) == truths(server)

    server.world.advance(days=60)
    *_, again = sync.splitlines()
    (both,) = re.findall(r"`(meltano run [^`]+ northflank-models:build)`", section(MELTANO))
    assert both.startswith(f"{again} ")
    user.succeeds("meltano select tap-northflank-restores backups '*'")
    user.succeeds("meltano install", both)  # in a new shell, which has nothing but .env
    assert loaded(warehouse) == source(server)
    assert Counter(row["id"] for row in warehouse.loaded_last()).total() < 20
    assert attempts(warehouse) == truths(server)
    assert backups(warehouse).items() >= newest_backups(server).items()
    assert successes(warehouse).items() >= last_successes(server).items()
    assert warehouse.rows("SELECT 1 FROM restore_analytics.restore_drill_evidence")

    # The zone decides where rows are inserted rather than copied, as by the loader's default.
    full = again.replace("run", "run --full-refresh", 1)
    user.succeeds(full, TARGET_POSTGRES_USE_COPY="false")
    assert loaded(warehouse) == source(server)


def test_the_steps_without_meltano(
    user: User, server: Server, warehouse: Warehouse, clone: Path
) -> None:
    server.world = World.company()
    state = user.folder / "state.json"
    user.succeeds(*blocks(PIPE, "sh"), **{SOURCE: str(clone)})
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


def test_the_definition_of_the_models_is_that_of_this_repository() -> None:
    definition = yaml.safe_load(MODELS.read_text(encoding="utf-8"))
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    (own,) = (one for one in project["plugins"]["utilities"] if one["name"] == "dbt-postgres")

    assert {name: definition[name] for name in ("executable", "env", "settings")} == {
        name: own[name] for name in ("executable", "env", "settings")
    }
    assert {
        name: command | {"args": command["args"].replace(f"${SOURCE}/", "")}
        for name, command in definition["commands"].items()
    } == own["commands"]
