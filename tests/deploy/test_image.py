"""The image: two syncs as another user, answers, exit codes, SIGTERM, and what it has in it."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

import psutil
import pytest

from deploy.entrypoint import TAP
from simulator import World
from tests.deploy.image import MARK, USER

if TYPE_CHECKING:
    from pathlib import Path

    from simulator import Request, Server
    from tests.deploy.conftest import Database
    from tests.deploy.image import Container

pytestmark = pytest.mark.timeout(1500)  # The first of them builds the image.

ADDONS, RESTORES = 30, 200
INTERRUPTED = 130
"""The tap's exit code after SIGTERM, see docs/errors.md."""


def run(command: list[str]) -> tuple[int, str]:
    """Run a command to its end, and return its exit code and what it logged."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)  # noqa: S603
    return done.returncode, done.stderr


def lives(program: psutil.Process) -> bool:
    """Return whether a program can still do something."""
    try:
        return bool(program.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def restores_of(server: Server) -> set[tuple[object, ...]]:
    """Return what the account has, as `KEY` has it of the warehouse."""
    return {
        (item["projectId"], item["addonId"], item["id"], item["status"])
        for item in server.served_restores()
    }


def test_the_second_sync_sends_nothing_and_the_answers_follow(
    container: Container,
    server: Server,
    database: Database,
    settings: dict[str, str],
    output: Path,
) -> None:
    server.world = World.company()
    expected = restores_of(server)

    code, log = run(container.isolated(settings, "sync"))
    assert code == 0, log
    assert database.restores() == expected
    loaded = database.loads()
    assert loaded == [len(expected)]

    code, log = run(container.closed(settings, output, "refresh"))
    assert code == 0, log
    assert database.loads() == loaded
    code, log = run(container.closed(settings, output, "sync-daily"))
    assert code == 0, log
    assert database.rows("SELECT 1 FROM northflank.backups")
    for command in ("transform", "report"):
        (output / "report.html").unlink()
        code, log = run(container.closed(settings, output, command))
        assert code == 0, log
        assert (output / "report.html").stat().st_uid == USER
    assert database.rows("SELECT 1 FROM restore_analytics.addon_recoverability")


@pytest.mark.parametrize(
    ("setting", "value", "exit_code", "line"),
    [
        ("TAP_NORTHFLANK_RESTORES_API_TOKEN", "wrong", 3, "401"),
        ("TAP_NORTHFLANK_RESTORES_PAGE_SIZE", "many", 2, "page_size"),
        (
            "TARGET_POSTGRES_SQLALCHEMY_URL",
            "postgresql://postgres:wrong@127.0.0.1:1/none",
            1,
            "Connection refused",
        ),
    ],
    ids=["tap refused", "tap wrongly set", "loader"],
)
def test_the_exit_code_is_that_of_the_tap_or_of_meltano(  # noqa: PLR0917 - fixtures, and a case
    container: Container,
    server: Server,
    settings: dict[str, str],
    output: Path,
    setting: str,
    value: str,
    exit_code: int,
    line: str,
) -> None:
    server.world = World.company()
    code, log = run(container.closed({**settings, setting: value}, output, "sync"))
    assert code == exit_code, log
    assert line in log


def test_sigterm_ends_a_sync_with_the_last_state_of_the_tap(
    container: Container,
    server: Server,
    database: Database,
    settings: dict[str, str],
    output: Path,
) -> None:
    server.world = World.fan_out(projects=1, addons=ADDONS, restores=RESTORES)
    settings["TAP_NORTHFLANK_RESTORES_CONCURRENCY"] = "1"
    settings["TARGET_POSTGRES_BATCH_SIZE_ROWS"] = "500"
    began: list[subprocess.Popen[bytes]] = []

    def in_the_middle(request: Request, _: World) -> None:
        if began and request.page_of == "restores" and database.count():
            began.pop().terminate()

    server.before_response = in_the_middle
    server.behaviour.latency = 0.05
    with subprocess.Popen(container.closed(settings, output, "sync")) as process:  # noqa: S603
        began.append(process)
        assert process.wait(timeout=120) == INTERRUPTED
    assert not began
    (first,) = database.loads()
    assert 0 < first < ADDONS * RESTORES

    server.before_response = None
    server.behaviour.latency = 0
    code, log = run(container.closed(settings, output, "sync"))
    assert code == 0, log
    assert database.restores() == restores_of(server)
    # Of what was loaded, at most the addon that was being read is sent again.
    assert sum(database.loads()) == ADDONS * RESTORES
    assert database.loads()[-1] <= ADDONS * RESTORES - first + RESTORES


def test_a_tap_that_does_not_end_is_killed_and_nothing_is_left(
    container: Container, server: Server, settings: dict[str, str], output: Path
) -> None:
    server.world = World.company()
    settings["TAP_NORTHFLANK_RESTORES_CONCURRENCY"] = "1"
    began: list[subprocess.Popen[bytes]] = []
    programs: list[psutil.Process] = []

    def in_the_middle(_request: Request, _world: World) -> None:
        if began:
            process = began.pop()
            programs.extend(psutil.Process(process.pid).children(recursive=True))
            (tap,) = [program for program in programs if TAP in " ".join(program.cmdline()[:2])]
            tap.suspend()
            process.terminate()

    server.before_response = in_the_middle
    with subprocess.Popen(container.closed(settings, output, "sync")) as process:  # noqa: S603
        began.append(process)
        assert process.wait(timeout=120) == 128 + signal.SIGKILL  # Meltano waited for the tap.
    assert len(programs) >= 3  # Meltano, the tap, and the loader
    assert [program for program in programs if lives(program)] == []


def test_the_image_has_its_own_user_no_installer_and_nothing_of_the_build(
    container: Container,
) -> None:
    user, _, group = container.configuration["User"].partition(":")
    assert int(user) > 0
    assert int(group) > 0
    assert MARK not in container.inspected
    app = container.root / "app"
    assert not list(container.root.glob("run/secrets"))
    assert not list(app.glob(".venv/bin/uv*"))
    assert not list(app.glob(".env*"))
    assert not list(app.glob("report/**/__pycache__"))
    assert sorted(path.name for path in (app / "deploy").iterdir()) == ["entrypoint.py"]
    marked = subprocess.run(  # noqa: S603
        ["grep", "--recursive", "--files-with-matches", MARK, str(app)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    assert (marked.returncode, marked.stdout) == (1, "")
