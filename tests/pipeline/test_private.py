"""What a sync writes to disk with secrets in it is its user's alone, and does not stay."""

from __future__ import annotations

import os
import signal
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
import pytest

from demo import DemoError
from demo.pipeline import loader_url
from simulator import Fault
from tests.means import need_dbt
from tests.pipeline.conftest import descendants
from tests.support import small_world

if TYPE_CHECKING:
    from pathlib import Path

    from simulator import Request, Server, World
    from tests.pipeline.conftest import Sync, Warehouse

PASSWORD = "a-password-that-nobody-reads"  # noqa: S105 - the server asks for none


@pytest.fixture(autouse=True)
def _usual_umask() -> None:
    os.umask(0o022)


@pytest.fixture
def sync(pipeline: Sync, warehouse: Warehouse) -> Sync:
    """A pipeline whose warehouse has a password."""
    url = loader_url(warehouse.dsn).replace("//postgres@", f"//postgres:{PASSWORD}@")
    pipeline.env["TARGET_POSTGRES_SQLALCHEMY_URL"] = url
    return pipeline


def with_secrets(folder: Path, *secrets: str) -> set[Path]:
    """Return the files in a folder that hold one of some texts."""
    found = set()
    for place, folders, names in os.walk(folder):
        # The plugins' environments are links to those of all tests.
        folders[:] = [
            name for name in folders if name not in {"extractors", "loaders", "utilities"}
        ]
        for name in names:
            with suppress(FileNotFoundError):  # It may be removed while we look.
                path = folder.joinpath(place, name)
                content = path.read_bytes()
                if any(secret.encode() in content for secret in secrets):
                    found.add(path)
    return found


def open_to_others(paths: set[Path]) -> list[str]:
    """Return those that others may read or write."""
    return [str(path) for path in paths if stat.S_IMODE(path.stat().st_mode) & 0o077]


def killed(server: Server, sync: Sync, home: Path) -> set[Path]:
    """Kill a sync while it reads; return the files with secrets that it leaves."""
    seen: set[Path] = set()
    running: list[int] = []

    def kill(request: Request, _: World) -> None:
        if running and request.page_of == "restores":
            seen.update(with_secrets(home, server.token, PASSWORD))
            programs = descendants(running[0])
            os.kill(running.pop(), signal.SIGKILL)
            for program in programs.values():
                with suppress(psutil.NoSuchProcess):
                    program.kill()

    server.before_response = kill
    with sync.start("run", "sync") as meltano:
        running.append(meltano.pid)
        assert meltano.wait() == -signal.SIGKILL
    server.before_response = None
    return seen


def test_no_file_with_a_secret_is_open_to_others(
    server: Server, sync: Sync, tmp_path: Path
) -> None:
    server.world = small_world(a=3, b=2)
    seen: list[Path] = []
    opened: list[str] = []

    def look(request: Request, _: World) -> None:
        if request.page_of == "restores":
            found = with_secrets(tmp_path, server.token, PASSWORD)
            seen.extend(found)
            opened.extend(open_to_others(found))

    server.before_response = look
    sync.meltano("run", "sync")
    assert {path.parent.name for path in seen} == {"tap-northflank-restores", "target-postgres"}
    assert opened == []
    assert with_secrets(tmp_path, server.token, PASSWORD) == set()

    server.before_response = None
    server.faults = [Fault("/addons/b/", "status", status=403)]
    with pytest.raises(DemoError):
        sync.meltano("--log-level=debug", "run", "sync")
    # At DEBUG Meltano logs what it was told in the environment; that is the user's choice.
    assert open_to_others(with_secrets(tmp_path, server.token, PASSWORD)) == []


def test_what_a_killed_run_left_is_removed_by_the_next_one(
    server: Server, sync: Sync, warehouse: Warehouse, tmp_path: Path
) -> None:
    server.world = small_world(a=3, b=2)
    left = killed(server, sync, tmp_path)
    assert len(left) == 2
    assert open_to_others(left) == []
    assert with_secrets(tmp_path, server.token, PASSWORD) == left

    sync.meltano("run", "--force", "sync")
    assert warehouse.count("restores") == 5
    assert with_secrets(tmp_path, server.token, PASSWORD) == set()


def test_what_a_run_that_goes_on_has_written_is_left_to_it(
    server: Server, sync: Sync, warehouse: Warehouse, tmp_path: Path
) -> None:
    server.world = small_world(a=3, b=2)
    seen: set[Path] = set()
    running: list[int] = []

    def start_another(request: Request, _: World) -> None:
        if running and request.page_of == "restores":
            running.pop()
            before = with_secrets(tmp_path, server.token, PASSWORD)
            sync.meltano("config", "print", "target-jsonl")
            seen.update(before & with_secrets(tmp_path, server.token, PASSWORD))

    server.before_response = start_another
    with sync.start("run", "sync") as meltano:
        running.append(meltano.pid)
        assert meltano.wait() == 0
    assert len(seen) == 2
    assert warehouse.count("restores") == 5


def test_settings_and_state_that_are_open_to_everybody_are_closed(
    sync: Sync, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "meltano.yml").write_text("version: 1\n")
    env, run = project / ".env", project / ".meltano" / "run"
    env.write_text("SECRET=x\n")
    env.chmod(0o644)
    run.mkdir(parents=True)
    run.chmod(0o755)
    sync.env |= {
        "MELTANO_PROJECT_ROOT": str(project),
        "MELTANO_SYS_DIR_ROOT": str(project / ".meltano"),
    }
    sync.meltano("--version")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (env, run)] == [0o600, 0o700]
    env.chmod(0o640)  # A group was let in on purpose.
    sync.meltano("--version")
    assert stat.S_IMODE(env.stat().st_mode) == 0o640


def test_models_and_report_leave_no_secret(server: Server, sync: Sync, tmp_path: Path) -> None:
    need_dbt()
    server.world = small_world(a=3)
    sync.env["DBT_TARGET_PATH"], sync.env["DBT_LOG_PATH"] = str(tmp_path / "t"), str(tmp_path / "l")
    out = tmp_path / "output" / "report.html"
    sync.meltano("run", "sync", "dbt-postgres:build")
    sync.meltano("invoke", "restore-report:page", "--out", str(out))
    assert (tmp_path / "l" / "dbt.log").exists()
    assert out.exists()
    assert with_secrets(tmp_path, server.token, PASSWORD) == set()
    assert open_to_others({*out.parent.iterdir(), *(tmp_path / "l").iterdir()}) == []
