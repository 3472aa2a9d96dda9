"""`northflank-restore-report`: what it prints, and what it says when something is wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import timedelta
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from docs.generate import ROOT
from northflank_restore_report.__main__ import COMMANDS, main
from northflank_restore_report.options import DSN, URL
from northflank_restore_report.warehouse import open_warehouse
from tests.report.conftest import one
from tests.transform.warehouse import rows_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.report.conftest import Report
    from tests.transform.warehouse import Postgres

ONE = """\
As of 1 Jul 2026, 06:00 UTC, 1 database:
0 databases need action now.

1. and 5. When was each database last restored successfully, and from which backup?
   database      last restored   took     backup     verdict
   shop/orders   1 Jul 2026      30 min   backup-0   proven

2. Which have not been restored in time?
   None: all have been.

3. How long do restores take, against the target? (365 days)
   type         p50      p95                target   within target
   postgresql   30 min   30 min (slowest)   60 min   1 of 1, 100 %
   all          30 min   30 min (slowest)   60 min   1 of 1, 100 %

4. How often do they fail, and where? (365 days)
   0 of 1 finished restore (0 %); 1 attempt in all

Changed since the last run: not known, no verdict of that time is on record.
Changed since the end of 2026-Q2: not known, no verdict of that time is on record.

It is not known whether the warehouse has all that the API listed: select the stream list_reads.
"""
EMPTY = """\
As of 1 Jul 2026, 06:00 UTC, 0 databases:
0 databases need action now.

1. and 5. When was each database last restored successfully, and from which backup?
   None yet.

2. Which have not been restored in time?
   There is no database yet.

3. How long do restores take, against the target? (365 days)
   None yet.

4. How often do they fail, and where? (365 days)
   There was no restore.

Changed since the last run: not known, no verdict of that time is on record.
Changed since the last closed quarter: not known, no verdict of that time is on record.

It is not known whether the warehouse has all that the API listed: select the stream list_reads.
"""


def printed(report: Report, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    main(["--dsn", report.warehouse.url, "--out", str(folder / "new" / "page.html"), "--answers"])
    return capsys.readouterr().out


@pytest.mark.parametrize(("world", "expected"), [("one", ONE), ("empty", EMPTY)])
def test_answers(
    world: str,
    expected: str,
    report_of: Callable[[str], Report],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert printed(report_of(world), tmp_path, capsys).startswith(expected)


def test_answers_of_many_databases_stay_short(
    report_of: Callable[[str], Report], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = report_of("crowd")
    lines = printed(report, tmp_path, capsys).splitlines()
    (late,) = report.warehouse.query("""
        select count(*) as n from addon_recoverability
        where is_current and is_overdue and verdict not in ('waived', 'out of scope')
    """)
    assert len(lines) < 70
    assert f"   … and {late['n'] - 12} more, see the page" in lines


def test_files_are_named(
    report_of: Callable[[str], Report], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = printed(report_of("one"), tmp_path, capsys)
    assert f"The report: {tmp_path / 'new' / 'page.html'}\n" in out
    made = {path.name for path in (tmp_path / "new").iterdir()}
    assert made == {
        "page.html",
        "addon_recoverability.csv",
        "backup_status.csv",
        "data_problems.csv",
        "evidence_changes.csv",
        "restore_attempts.csv",
        "restore_drill_evidence.csv",
    }


@pytest.fixture(autouse=True)
def _no_warehouse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DSN, raising=False)
    monkeypatch.delenv(URL, raising=False)


def test_the_checkout_still_has_the_command_by_its_old_name() -> None:
    asked = [sys.executable, "-m", "report", "check", "--help"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.stdout.startswith("usage: northflank-restore-report check"), done.stderr


def test_the_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    told = capsys.readouterr().out
    for name, command in COMMANDS.items():
        assert re.search(rf"^  {name} +{command.summary}$", told, re.MULTILINE)


def test_a_word_that_is_no_command_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["pgae"])
    assert end.value.code == 2
    # Not the word itself, which may have been a password.
    assert "there is one that the command does not take" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["{url}"], ["page", "{url}"], ["page", "--dsn", "{url}"]], ids=" ".join
)
def test_the_warehouse_may_be_named_in_each_way(
    words: list[str], report_of: Callable[[str], Report], tmp_path: Path
) -> None:
    report = report_of("one")
    given = [word.format(url=report.warehouse.url) for word in words]
    assert main([*given, "--out", str(tmp_path / "page.html")]) == 0
    assert (tmp_path / "page.html").read_bytes() == report.page.read_bytes()


def test_the_warehouse_may_be_named_by_either_variable(
    report_of: Callable[[str], Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DSN, "postgresql://127.0.0.1:1/another")
    monkeypatch.setenv(URL, report_of("one").warehouse.url)
    assert main(["--out", str(tmp_path / "page.html")]) == 0


def test_a_warehouse_that_is_named_twice_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["postgresql://h/w", "--dsn", "postgresql://h/w"])
    assert end.value.code == 2
    assert "named twice" in capsys.readouterr().err


def failure(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line with which the command fails."""
    capsys.readouterr()  # of the report that was made first
    with pytest.raises(SystemExit) as error:
        main(list(arguments))
    assert capsys.readouterr().out == ""
    assert isinstance(error.value.code, str)
    assert "\n" not in error.value.code
    return error.value.code


def test_warehouse_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert failure(capsys=capsys).endswith(f"set {URL} or {DSN}")


def test_unreachable_warehouse_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(DSN, "postgresql+psycopg://me:hunter2@127.0.0.1:1/warehouse")
    line = failure(capsys=capsys)
    assert line.startswith("Cannot connect to the warehouse warehouse on 127.0.0.1")
    assert "hunter2" not in line


@pytest.mark.parametrize(
    "url",
    [
        "hunter2",
        "postgresql://a:hunter2@h/?x=y",
        "postgresql://a:x@hunter2@127.0.0.1:1/w",
        "postgresql://a:x@@hunter2@127.0.0.1:1/w",
        "postgresql+psycopg://a:b/hunter2@127.0.0.1:1/w",
        "postgresql://127.0.0.1:hunter2@/w@h/w",
        "postgresql://127.0.0.1:hunter2?host=@127.0.0.1:1/w",
        "postgresql://127.0.0.1:hunter2/x@h:1/w",
        "postgresql://a:hunter2%@127.0.0.1:1/w",
        "postgresql://a:hunter2[@127.0.0.1:1/w",
    ],
)
def test_misspelt_url_is_not_shown(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(DSN, url)
    assert "hunter2" not in failure(capsys=capsys)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hunter2@127.0.0.1:1/warehouse",
        "postgresql+psycopg://me:p@hunter2@h/w",
        "postgresql://me@h/w?password=hunter2",
        "host=h dbname=w password = hunter2",
    ],
)
def test_a_password_on_the_command_line_is_refused(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--dsn", url])
    told = capsys.readouterr().err
    assert end.value.code == 2
    assert told.splitlines()[-1].endswith(f"set {URL} or {DSN}")
    assert "hunter2" not in told


def test_missing_marts_are_named(
    new_postgres: Callable[[], Postgres], capsys: pytest.CaptureFixture[str]
) -> None:
    line = failure("--dsn", new_postgres().url, capsys=capsys)
    assert "does not have the marts" in line
    assert "./dev meltano run dbt-postgres:build" in line


def test_marts_of_two_runs_are_refused(
    new_postgres: Callable[[], Postgres], capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that failed half-way, or is half-way, has left the tables of another beside its own."""
    warehouse, world = new_postgres(), one()
    warehouse.load(rows_of(world))
    warehouse.build("--exclude-resource-type=test", as_of=world.now)
    half_way = ("--exclude", "restore_drill_evidence+", "--exclude-resource-type=test")
    warehouse.build(*half_way, as_of=world.now + timedelta(days=100))
    line = failure("--dsn", warehouse.url, capsys=capsys)
    assert line.startswith("The marts are of two runs")
    assert "./dev meltano run dbt-postgres:build" in line


def test_folder_that_cannot_be_written(
    report_of: Callable[[str], Report], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    out = str(tmp_path / "file" / "page.html")
    line = failure("--dsn", report_of("one").warehouse.url, "--out", out, capsys=capsys)
    assert line.startswith("Cannot write the report")


def test_a_mart_that_is_replaced_during_a_look_is_the_old_one(
    report_of: Callable[[str], Report],
) -> None:
    """As dbt replaces it; without a lock the new table would be seen, and none of its rows."""
    replace = """
        begin;
        create table restore_analytics.anew as select * from restore_analytics.restores_by_day;
        alter table restore_analytics.restores_by_day rename to gone;
        alter table restore_analytics.anew rename to restores_by_day;
        drop table restore_analytics.gone;
        commit;
    """
    built = report_of("one").warehouse
    with open_warehouse(built.url, "restore_analytics") as warehouse:
        with warehouse.select("select 1 from refresh_info") as (_, rows):
            list(rows)
        builder = Thread(target=built.query, args=[replace])
        builder.start()
        builder.join(0.5)
        with warehouse.select("select * from restores_by_day") as (_, rows):
            found = list(rows)
        assert found
        assert builder.is_alive()
    builder.join(10)
    assert len(built.query("select * from restore_analytics.restores_by_day")) == len(found)


@pytest.mark.parametrize(
    "words",
    [
        ["evidence", "user:sword-fish@host/db"],
        ["evidence", "--url=postgresql://u:sword-fish@h/d"],
        ["--url=postgresql://u:sword-fish@h/d"],
        ["page", "user:sword-fish@host/db"],
    ],
)
def test_no_option_that_is_wrong_is_repeated(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert "sword-fish" not in capsys.readouterr().err
