"""The report of a DuckDB file is that of a PostgreSQL with the same rows; its errors are lines."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import duckdb
import psycopg
import pytest

from northflank_restore_report.__main__ import main
from northflank_restore_report.csv_files import ORDERED_BY
from tests.report.duckdb_copy import INSTANT, copy_marts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.report.conftest import Report

HOLD = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
connection.execute("create table if not exists held (n int)")
print("held", flush=True)
sys.stdin.read()
"""


def line(*arguments: str) -> str:
    """Return the one line with which the command ends."""
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    assert isinstance(end.value.code, str)
    assert "\n" not in end.value.code
    return end.value.code


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DuckDB file with a schema of marts that has none of them."""
    path = tmp_path_factory.mktemp("duckdb") / "empty.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute("create schema restore_analytics")
    return path


@pytest.mark.parametrize("instant", [INSTANT, "timestamp"])
def test_the_same_rows_give_the_same_report(
    instant: str,
    report_of: Callable[[str], Report],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = report_of("company")
    url = copy_marts(report.warehouse, tmp_path / "copy.duckdb", instant)
    capsys.readouterr()
    main([report.warehouse.url, "--out", str(tmp_path / "page.html"), "--answers"])
    printed = capsys.readouterr().out
    monkeypatch.setenv("TZ", "America/New_York")
    main([url, "--out", str(tmp_path / "page.html"), "--answers"])
    assert capsys.readouterr().out == printed

    made = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "from the DuckDB database <b>copy.duckdb</b>" in made
    expected = report.page.read_text(encoding="utf-8")
    (name,) = set(re.findall(r"warehouse_\d+ on this machine", expected))
    expected = expected.replace(f"PostgreSQL database <b>{name}", "DuckDB database <b>copy.duckdb")
    assert made == expected.replace(name, "copy.duckdb")
    for mart in ORDERED_BY:
        written = (tmp_path / f"{mart}.csv").read_bytes()
        assert written == (report.folder / f"{mart}.csv").read_bytes(), mart


def test_nothing_is_written_into_the_file(
    report_of: Callable[[str], Report], tmp_path: Path
) -> None:
    path = tmp_path / "copy.duckdb"
    url = copy_marts(report_of("one").warehouse, path)
    path.chmod(0o400)
    before = path.read_bytes()
    main([url, "--out", str(tmp_path / "out" / "page.html")])
    assert path.read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} == {"copy.duckdb", "out"}


def test_a_path_is_relative_after_three_slashes(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    assert "does not have the marts" in line("duckdb:///empty.duckdb")
    monkeypatch.chdir(tmp_path)
    assert line("duckdb:///empty.duckdb").startswith(f"There is no file {tmp_path}/empty.duckdb")


@pytest.mark.parametrize("url", ["duckdb:", "duckdb://", "duckdb:///", "duckdb://host/file"])
def test_a_misspelt_url_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTORE_REPORT_URL", url)
    assert line().startswith("The warehouse's URL is none such as postgresql://")


def test_missing_marts_are_told(file: Path) -> None:
    told = line(f"duckdb:///{file}")
    assert told.startswith("The schema restore_analytics of empty.duckdb does not have the marts")
    assert "./dev meltano run dbt-duckdb:build" in told
    assert "does not have the marts" in line(f"duckdb:///{file}", "--schema", """it's "odd\"""")


def test_a_file_that_another_process_writes_is_told(file: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(file)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as holder:  # noqa: S603
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        told = line(f"duckdb:///{file}")
        holder.communicate("")
    assert told.startswith(f"Cannot open the DuckDB file {file}: ")
    assert "lock" in told


@pytest.mark.parametrize("content", [b"", b"no database" * 2000], ids=["empty", "text"])
def test_a_file_that_is_no_database_is_told(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a:b@c.duckdb"
    path.write_bytes(content)
    assert line(f"duckdb:///{path}").startswith(f"Cannot open the DuckDB file {path}: ")


def test_a_file_of_a_newer_duckdb_is_told(file: Path, tmp_path: Path) -> None:
    path = tmp_path / "newer.duckdb"
    content = bytearray(file.read_bytes())
    assert content[8:12] == b"DUCK"
    content[12] = 250  # the version of the storage
    path.write_bytes(content)
    told = line(f"duckdb:///{path}")
    assert told.startswith(f"Cannot open the DuckDB file {path}: ")


def test_without_its_driver_the_extra_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    assert "pip install 'northflank-restore-report[duckdb]'" in line(f"duckdb:///{file}")


def test_a_mart_that_cannot_be_read_in_time_is_told(report_of: Callable[[str], Report]) -> None:
    url = report_of("one").warehouse.url
    with psycopg.connect(url) as connection:
        connection.execute("lock table restore_analytics.restore_attempts")
        told = line(f"{url}&options=-c%20lock_timeout%3D1")
    assert told.startswith("Cannot read the warehouse warehouse_")
    assert "lock timeout" in told
