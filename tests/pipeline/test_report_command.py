"""`./dev report` and `./dev evidence`: the models are computed where the report reads."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from demo import evidence, report
from northflank_restore_report.options import DSN, URL

FILE = "TARGET_DUCKDB_PATH"
POSTGRES, DUCKDB = "postgresql://me@h/w", "duckdb:////data/w.duckdb"


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str]]]:
    """What Meltano is called with, in which environment."""
    calls: list[tuple[list[str], dict[str, str]]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        calls.append((command[2:], dict(os.environ)))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    for name in (DSN, URL, FILE, "DBT_SCHEMA", "MELTANO_ENVIRONMENT"):
        monkeypatch.setenv(name, "")  # So that what the command sets ends with the test.
        monkeypatch.delenv(name)
    return calls


@pytest.mark.parametrize("name", ["page", "evidence"])
@pytest.mark.parametrize(
    ("given", "environment", "models", "expected"),
    [
        ([], {DSN: POSTGRES}, "dbt-postgres:build", {DSN: POSTGRES}),
        ([], {}, "dbt-postgres:build", {}),
        ([POSTGRES], {DSN: "another"}, "dbt-postgres:build", {DSN: POSTGRES}),
        ([], {URL: POSTGRES, DSN: "another"}, "dbt-postgres:build", {DSN: POSTGRES}),
        ([DUCKDB], {DSN: POSTGRES}, "dbt-duckdb:build", {URL: DUCKDB, FILE: "/data/w.duckdb"}),
        ([], {URL: DUCKDB}, "dbt-duckdb:build", {URL: DUCKDB, FILE: "/data/w.duckdb"}),
    ],
)
def test_models_are_computed_where_the_report_reads(
    *,
    name: str,
    given: list[str],
    environment: dict[str, str],
    models: str,
    expected: dict[str, str],
    ran: list[tuple[list[str], dict[str, str]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    main, own = report.main, ["--answers"]
    if name == "evidence":
        main, own = evidence.main, []
        given = [*given, "--from", "2026-04-01", "--to", "2026-06-30"]
    monkeypatch.setattr(sys, "argv", ["dev", *given])
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert main() == 0
    first, second = ran
    assert first[0] == ["demo.meltano", "invoke", models]
    run = ["northflank_restore_report", name]
    if models == "dbt-postgres:build":
        run = ["demo.meltano", "invoke", f"restore-report:{name}"]
    assert second[0] == [*run, *own, *given]
    for _, env in ran:
        assert {variable: env[variable] for variable in expected} == expected
        assert (URL in env) == (URL in expected)
