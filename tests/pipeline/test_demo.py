"""`./dev demo`: its numbers, and that it leaves nothing running however it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest
import yaml

from demo import DemoError, steps, table, warehouses
from demo.account import ROOT
from demo.postgres import postgres
from northflank_restore_report.marts import in_utc
from northflank_restore_report.pack import verify
from northflank_restore_report.warehouse import open_warehouse
from tests.means import need_dbt, need_old_duckdb
from tests.pipeline.conftest import descendants, passable_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DEMO = """
import sys
from functools import partial
from pathlib import Path
import demo.steps
from demo.__main__ import main
home, plugins = map(Path, sys.argv[1:])
del sys.argv[1:]
demo.steps.demo = partial(demo.steps.demo, home=home, plugins=plugins)
main()
"""


def running(home: Path) -> list[list[str]]:
    """Return the processes that use this folder."""
    return [
        process.info["cmdline"]
        for process in psutil.process_iter(["cmdline"])
        if any(str(home) in part for part in process.info["cmdline"] or [])
    ]


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """The folder of all demos here."""
    with passable_folder() as folder:
        yield folder


def test_its_numbers_are_the_simulators(
    home: Path, plugins: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    need_dbt()
    with ExitStack() as stack:
        steps.demo(stack, home=home, plugins=plugins)
    shown = capsys.readouterr().out
    (line,) = re.findall(r"^all .*", shown, re.MULTILINE)
    account, sent, warehouse, account_then, sent_then, warehouse_then = map(int, line.split()[1:])
    assert account == sent == warehouse > 50
    assert account_then == warehouse_then > account
    assert account_then - account <= sent_then < 20
    assert f"{account} restores\n" in shown  # as the simulator said before the first sync
    assert re.search(r"^As of .*, \d+ databases:$", shown, re.MULTILINE)
    assert f"\n  {home / 'report' / 'report.html'}\n" in shown
    assert (home / "report" / "restore_drill_evidence.csv").exists()
    page = (home / "report" / "report.html").read_text(encoding="utf-8")
    assert "These data are simulated" in page
    assert "Restored elsewhere:" in shown
    for verdict in ("stale backup", "waived"):
        assert re.search(rf"<li><b>[1-9]\d*</b> <span class=\"{verdict.replace(' ', '-')}\">", page)
    assert "1 message, and 0 when asked again" in shown
    assert re.search(r"^   analytics/clickstream: stale backup, was slow; ", shown, re.MULTILINE)
    assert re.search(
        r"^So is a copy in which one byte was changed .* refused$", shown, re.MULTILINE
    )
    assert verify(home / "report" / "evidence-2026-04-01-2026-06-30.zip").manifest["files"]
    assert not running(home)


OF_THE_RUN = {
    # When something was loaded or computed, by the clock of this machine.
    *("age_hours", "backups_read_at", "last_read_at", "last_seen_at", "loaded_at", "read_at"),
    "refreshed_at",
    "engine",
}
"""Columns of the marts in which two runs of the demo differ."""


def all_marts(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of each mart, without what differs from run to run, in an order."""
    marts = yaml.safe_load((ROOT / "transform/models/marts/marts.yml").read_text(encoding="utf-8"))
    found = {}
    with open_warehouse(url, "restore_analytics") as warehouse:
        for name in (mart["name"] for mart in marts["models"]):
            columns = [c for c in warehouse.columns(name) if c not in OF_THE_RUN]
            query = f"select {', '.join(columns)} from {name}"  # noqa: S608 - names of ours
            with warehouse.select(query) as (_, rows):
                plain = [
                    tuple(in_utc(v) if isinstance(v, datetime) else v for v in r) for r in rows
                ]
            found[name] = sorted(plain, key=str)
    return found


def test_one_duckdb_file_shows_the_same(
    home: Path, plugins: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """This follows the test above, whose warehouse it looks at."""
    need_dbt()
    need_old_duckdb()
    with postgres(home / warehouses.DATA) as server:
        expected = all_marts(server.dsn(warehouses.DATABASE))
    with ExitStack() as stack:
        steps.demo(stack, home=home, plugins=plugins, kind=warehouses.DUCKDB)
    shown = capsys.readouterr().out
    assert "After both syncs it was equal to the account" in shown
    assert "the DuckDB database" in (home / "report" / "report.html").read_text(encoding="utf-8")
    made = all_marts(f"duckdb:///{home / warehouses.FILE}")
    assert set(made) == set(expected)
    for name, rows in expected.items():
        assert made[name] == rows, name
    shown_there = {cell for row in made["addon_recoverability"] for cell in row}
    assert {"waived", "stale backup", "deleted"} <= shown_there
    assert not running(home)

    # The loader's DuckDB is an old one: rows that are there are written anew, too.
    dbt = plugins / "utilities" / "dbt-duckdb" / "venv" / "bin" / "python"
    env = {"DBT_TARGET": "duckdb", "TARGET_DUCKDB_PATH": str(home / warehouses.FILE)}
    command = [str(dbt), "transform/run.py", "build", "--exclude-resource-type=test"]
    command += ["--vars", "{as_of: 2026-09-01}"]
    paths = {"DBT_TARGET_PATH": str(home / "again"), "DBT_LOG_PATH": str(home / "again")}
    done = subprocess.run(  # noqa: S603 - our own
        command, cwd=ROOT, env=os.environ | env | paths, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    again = all_marts(f"duckdb:///{home / warehouses.FILE}")
    assert len(again["restore_attempts"]) == len(made["restore_attempts"])
    assert again["restore_attempts"] != made["restore_attempts"]  # The demo's rules were not given.


def test_the_loader_of_duckdb_needs_an_older_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warehouses, "LAST_PYTHON", (3, 9))
    with pytest.raises(DemoError, match="UV_PYTHON"), ExitStack() as stack:
        steps.demo(stack, kind=warehouses.DUCKDB)


def test_it_starts_afresh_and_notices_a_row_that_is_missing(
    home: Path, plugins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    after_sync = table.after_sync
    seen = []

    def one_less(world: Mapping[str, object], dsn: str, *before: table.Sync) -> table.Sync:
        seen.append(after_sync(world, dsn, *before))
        with psycopg.connect(dsn) as connection:
            connection.execute("""
                DELETE FROM northflank.restores
                WHERE id = (SELECT min(id) FROM northflank.restores WHERE status = 'completed')
            """)
        return after_sync(world, dsn, *before)

    monkeypatch.setattr(table, "after_sync", one_less)
    with pytest.raises(DemoError, match="differs"), ExitStack() as stack:
        steps.demo(stack, home=home, plugins=plugins)
    assert seen[0].equal
    assert sum(seen[0].sent.values()) == seen[0].rows["restores"][0]
    assert not running(home)


def test_with_an_account_that_does_not_start_the_last_warehouse_stays(
    home: Path, plugins: Path
) -> None:
    with postgres(home / warehouses.DATA) as server, psycopg.connect(server.dsn()) as connection:
        connection.autocommit = True
        connection.execute("DROP DATABASE IF EXISTS warehouse WITH (FORCE)")
        connection.execute("CREATE DATABASE warehouse")
        connection.execute("COMMENT ON DATABASE warehouse IS 'the last one'")
    with pytest.raises(DemoError, match="does not start"), ExitStack() as stack:
        steps.demo(stack, "--addons=many", home=home, plugins=plugins)
    with postgres(home / warehouses.DATA) as server, psycopg.connect(server.dsn()) as connection:
        (kept,) = connection.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s",
            ["warehouse"],
        ).fetchall()
    assert kept == ("the last one",)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing_running(home: Path, plugins: Path, number: signal.Signals) -> None:
    with subprocess.Popen(  # noqa: S603 - the demo itself
        [sys.executable, "-c", DEMO, str(home), str(plugins)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as demo:
        assert demo.stdout
        started: dict[str, psutil.Process] = {}
        while "target-postgres" not in started:
            assert demo.poll() is None, demo.stdout.read()
            started = descendants(demo.pid)
        demo.send_signal(number)
        demo.send_signal(number)  # Who presses Ctrl-C once does so twice.
        assert demo.wait(60) == 128 + number
        assert demo.stdout.read().endswith("Stopped, and nothing is left running.\n")
    assert {"meltano", "postgres"} < set(started)
    assert [name for name, process in started.items() if process.is_running()] == []
    assert not running(home)
