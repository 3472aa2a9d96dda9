"""The report's wheel: its package and nothing else, and it works where nothing else is."""

from __future__ import annotations

import sys
import zipfile
from typing import TYPE_CHECKING

import duckdb
import pytest
import yaml
from uv import find_uv_bin

from docs.generate import ROOT
from tests.package.conftest import BUILD
from tests.package.process import run

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = "northflank_restore_report"
COMMAND = "northflank-restore-report"
MODELS = ROOT / "transform" / "models"
UNSAID = {"change_number": "integer"}
"""Types of columns of the history, which has no contract, that are no text."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as the tap's is."""
    folder = tmp_path_factory.mktemp("report-dist")
    run(find_uv_bin(), *BUILD, "--package", COMMAND, "--wheel", "--out-dir", folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module", params=["lowest-direct", "highest"])
def installed(
    request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The command, in an environment of its own with the lowest or highest versions allowed."""
    venv = tmp_path_factory.mktemp(request.param) / "venv"
    run(find_uv_bin(), "venv", "--python", sys.executable, venv)
    options = ["--no-build", "--resolution", request.param, "--python", venv]
    run(find_uv_bin(), "pip", "install", *options, f"{COMMAND}[duckdb] @ {wheel.as_uri()}")
    return venv / "bin" / COMMAND


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DuckDB file with the marts of an account that has nothing yet, as the contracts say."""
    path = tmp_path_factory.mktemp("marts") / "warehouse.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute("create schema restore_analytics")
        connection.execute("set schema = 'restore_analytics'")
        for file in ("marts/marts.yml", "history/history.yml"):
            for mart in yaml.safe_load((MODELS / file).read_text(encoding="utf-8"))["models"]:
                types = {
                    column["name"]: _type_of(column.get("data_type"), column["name"])
                    for column in mart["columns"]
                }
                columns = ", ".join(f'"{name}" {kind}' for name, kind in types.items())
                connection.execute(f"create table {mart['name']} ({columns})")
        connection.execute(
            "insert into refresh_info by name select timestamptz '2026-07-01 06:00:00+00' as as_of,"
            " 'northflank' as source_schema, 0 as attempts, 0 as undated_attempts,"
            " 0 as later_attempts, 0 as ambiguous_attempts, 60 as default_target_minutes,"
            " 90 as overdue_after_days, 'warehouse' as database_name, false as backups_loaded"
        )
    return path


def _type_of(declared: str | None, name: str) -> str:
    """Return the type of a column, which the contract may choose by the engine."""
    if declared is None:
        return UNSAID.get(name, "text")
    return declared.rpartition(" else ")[2].strip(" '}")


def test_the_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    listed = run("git", "ls-files", "--", f"report/{PACKAGE}").stdout.splitlines()
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == {name.removeprefix("report/") for name in listed}
    assert f"{PACKAGE}/page.html" in names


def test_it_reads_a_warehouse(installed: Path, warehouse: Path, tmp_path: Path) -> None:
    # No module may be found that the wheel does not bring.
    done = run(
        installed,
        f"duckdb:///{warehouse}",
        "--out",
        tmp_path / "page.html",
        "--answers",
        cwd=tmp_path,
        without=["PYTHON", "DBT_"],
    )
    assert done.stdout.startswith("As of 1 Jul 2026, 06:00 UTC, 0 databases:")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "from the DuckDB database <b>warehouse.duckdb</b>" in page
    assert (tmp_path / "restore_attempts.csv").exists()
