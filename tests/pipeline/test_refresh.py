"""The models and the report, run by Meltano in environments of their own."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from demo import DemoError
from demo.account import ROOT
from demo.pipeline import Pipeline
from northflank_restore_report.pack import verify
from simulator import World
from tests.alerts.support import receiving
from tests.means import need_dbt

if TYPE_CHECKING:
    from pathlib import Path

    from simulator import Server
    from tests.pipeline.conftest import Sync, Warehouse


def test_a_sync_is_followed_by_models_and_report(
    server: Server, pipeline: Sync, warehouse: Warehouse, tmp_path: Path
) -> None:
    need_dbt()
    server.world = World.company()
    pipeline.meltano("run", "sync", "dbt-postgres:build")
    verdicts = warehouse.rows("SELECT * FROM restore_analytics.addon_recoverability")
    assert len(verdicts) == len(server.world.addon_keys())
    attempts = warehouse.rows("SELECT * FROM restore_analytics.restore_attempts")
    assert len(attempts) == server.world.restore_count()

    page = tmp_path / "report" / "page.html"
    pipeline.meltano("invoke", "restore-report:page", "--out", str(page))
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")

    file = tmp_path / "northflank.prom"
    with receiving() as receiver:
        urls = receiver.destination("ops", "tok3n-of-ops")
        pipeline.env |= {"NORTHFLANK_ALERTS_URLS": urls, "NORTHFLANK_METRICS_FILE": str(file)}
        pipeline.meltano("run", "tell")
        pipeline.meltano("run", "tell")
        (body,) = receiver.bodies()
    act = sum(row["needs_action"] for row in verdicts)
    assert f", {act} to act on: " in body
    there = sum(row["is_current"] for row in verdicts)
    assert file.read_text(encoding="utf-8").count("database_needs_action{") == there
    assert "tok3n-of-ops" not in pipeline.log.read_text()

    pack = tmp_path / "report" / "pack.zip"
    period = ("--from", "2026-04-01", "--to", "2026-06-30")
    pipeline.meltano("invoke", "restore-report:evidence", *period, "--out", str(pack))
    assert verify(pack).manifest["from"] == "2026-04-01"


def test_schemas_are_those_of_the_environment(
    server: Server, pipeline: Sync, warehouse: Warehouse, tmp_path: Path
) -> None:
    need_dbt()
    server.world = World.company()
    pipeline.env |= {"TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": "Raw tables", "DBT_SCHEMA": "marts"}
    pipeline.meltano("run", "sync", "dbt-postgres:build")
    (info,) = warehouse.rows("SELECT * FROM marts.refresh_info")
    assert info["attempts"] == server.world.restore_count() > 0
    assert info["source_schema"] == "Raw tables"

    page = tmp_path / "report" / "page.html"
    pipeline.meltano("invoke", "restore-report:page", "--out", str(page))
    assert "schema Raw tables" in page.read_text(encoding="utf-8")


def test_the_demo_takes_no_settings_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"DBT_SCHEMA", "PGHOST", "TARGET_POSTGRES_SQLALCHEMY_URL", "MELTANO_ENVIRONMENT"}
    for name in names:
        monkeypatch.setenv(name, "the user's")
    assert names.isdisjoint(Pipeline(tmp_path, {}).env)


def test_the_job_does_one_after_the_other() -> None:
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    (job,) = (job for job in project["jobs"] if job["name"] == "refresh")
    steps = " ".join(job["tasks"])
    assert steps == (
        "tap-northflank-restores target-postgres dbt-postgres:build restore-report:page"
    )
    jobs = {job["name"]: " ".join(job["tasks"]) for job in project["jobs"]}
    assert jobs["refresh-and-tell"] == f"{steps} {jobs['tell']}"


def test_a_model_that_fails_is_told_and_ends_the_job(pipeline: Sync, warehouse: Warehouse) -> None:
    need_dbt()
    with pytest.raises(DemoError, match="dbt-postgres:build"):
        pipeline.meltano("invoke", "dbt-postgres:build", "--vars", "{as_of: soon}")
    assert "it takes an ISO 8601 time" in pipeline.log.read_text()
    assert not warehouse.rows("SELECT 1 FROM restore_analytics.refresh_info")


def test_a_report_without_a_warehouse_ends_with_a_line(pipeline: Sync) -> None:
    need_dbt()
    env = {**pipeline.env, "TARGET_POSTGRES_SQLALCHEMY_URL": "", "MELTANO_CLI_LOG_FORMAT": "plain"}
    done = subprocess.run(
        [sys.executable, "-m", "demo.report"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "Which warehouse? Set TARGET_POSTGRES_SQLALCHEMY_URL" in said.splitlines()[-1]
    assert "completed" not in said
