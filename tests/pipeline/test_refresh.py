"""The models and the report, run by Meltano in environments of their own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
import yaml
from packaging.requirements import Requirement

from demo import DemoError
from demo.account import ROOT
from demo.pipeline import Pipeline
from simulator import World
from tests.means import need_dbt

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from pathlib import Path

    from simulator import Server
    from tests.pipeline.conftest import Sync, Warehouse

PROJECT = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
GROUPS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]


def requirements(texts: list[str]) -> dict[str, str]:
    """Return names and versions, such as `jinja2` and `>=3.1`."""
    found = [Requirement(text) for text in texts]
    return {requirement.name: str(requirement.specifier) for requirement in found}


def pip_url(name: str) -> dict[str, str]:
    """Return what Meltano installs for a utility."""
    (plugin,) = (p for p in PROJECT["plugins"]["utilities"] if p["name"] == name)
    return requirements(plugin["pip_url"].split())


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
    (job,) = (job for job in PROJECT["jobs"] if job["name"] == "refresh")
    steps = " ".join(job["tasks"])
    assert steps == (
        "tap-northflank-restores target-postgres dbt-postgres:build restore-report:page"
    )


def test_a_model_that_fails_is_told_and_ends_the_job(pipeline: Sync, warehouse: Warehouse) -> None:
    need_dbt()
    with pytest.raises(DemoError, match="dbt-postgres:build"):
        pipeline.meltano("invoke", "dbt-postgres:build", "--vars", "{as_of: soon}")
    assert "it takes an ISO 8601 time" in pipeline.log.read_text()
    assert not warehouse.rows("SELECT 1 FROM restore_analytics.refresh_info")


def test_environments_are_those_of_the_lock() -> None:
    assert pip_url("restore-report") == requirements(GROUPS["report"])
    locked = requirements(GROUPS["transform"])
    assert {name: "~=1.11.0" for name in locked if name != "dbt-duckdb"} == pip_url("dbt-postgres")
    assert locked["dbt-core"] == locked["dbt-postgres"] == "<1.12,>=1.11"
