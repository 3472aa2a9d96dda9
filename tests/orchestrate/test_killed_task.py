"""A task that is killed: its Meltano ends with it, and its secrets go with the next run."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest

from simulator import World, serve
from tests.means import need_dbt
from tests.orchestrate.support import shard_of, sync

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from simulator import Request
    from tests.orchestrate.support import Production

TASK = """
import json, os, sys
os.umask(0o022)
from northflank.meltano import Meltano
Meltano(json.loads(sys.argv[1])).run(sys.argv[2])
"""

WAITING = "SELECT 1 FROM pg_locks WHERE NOT granted"


def task_of(job: str, settings: Mapping[str, str]) -> list[str]:
    """Return the command of a task that runs a job."""
    return [sys.executable, "-c", TASK, json.dumps(dict(settings)), job]


def with_secret(folder: Path, secret: str) -> list[Path]:
    """Return the files of the runs' own folders that hold a text."""
    files = (file for run in folder.glob("northflank-meltano-*/run") for file in run.glob("**/*"))
    return [file for file in files if file.is_file() and secret in file.read_text()]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_a_killed_task_leaves_no_meltano_and_no_secret(
    production: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_dbt()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    world = World.fan_out(projects=1, addons=4, restores=3)
    tasks: list[subprocess.Popen[bytes]] = []
    below: list[psutil.Process] = []
    left: list[Path] = []

    def kill(request: Request, _: World) -> None:
        if tasks and request.page_of == "restores":
            below.extend(psutil.Process(tasks[0].pid).children(recursive=True))
            left.extend(with_secret(tmp_path, server.token))
            os.kill(tasks.pop().pid, signal.SIGKILL)

    with serve(world) as server:
        server.before_response = kill
        with subprocess.Popen(task_of("sync", shard_of(server))) as task:  # noqa: S603
            tasks.append(task)
            assert task.wait() == -signal.SIGKILL
        gone, alive = psutil.wait_procs(below, timeout=60)
        assert len(gone) > 2
        assert alive == []
        assert len(left) == 1
        assert [stat.S_IMODE(file.stat().st_mode) & 0o077 for file in left if file.exists()] in (
            [0],
            [],  # Meltano had the time to remove it.
        )

        # The next try is not refused, and sweeps.
        server.before_response = None
        sync(shard_of(server), "")
    assert len(production.rows("restores")) == world.restore_count()
    assert list(tmp_path.glob("northflank-meltano-*")) == []

    # The models wait for the warehouse, which would keep an orphan for ever.
    with (
        psycopg.connect(production.warehouse) as holder,
        psycopg.connect(production.warehouse, autocommit=True) as look,
    ):
        holder.execute("LOCK TABLE northflank.restores")
        with subprocess.Popen(task_of("transform", {})) as task:  # noqa: S603
            while task.poll() is None and not look.execute(WAITING).fetchall():
                time.sleep(0.1)
            below = psutil.Process(task.pid).children(recursive=True)
            os.kill(task.pid, signal.SIGKILL)
        gone, alive = psutil.wait_procs(below, timeout=60)
        assert len(gone) > 1
        assert alive == []


def test_the_folder_of_a_run_that_goes_on_is_left_to_it(
    production: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    world = World.fan_out(projects=1, addons=2, restores=3)
    kept: list[bool] = []

    def start_another(request: Request, _: World) -> None:
        if not kept and request.page_of == "restores":
            (folder,) = tmp_path.glob("northflank-meltano-*")
            kept.append(True)
            with serve(World()) as other:
                sync(shard_of(other), "other")
            kept.append(folder.exists())

    with serve(world) as server:
        server.before_response = start_another
        sync(shard_of(server), "")
    assert kept == [True, True]
    assert len(production.rows("restores")) == world.restore_count()
