"""The models as a package: installed into a dbt project that has names and rules of its own."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from northflank_restore_report.csv_files import ORDERED_BY
from northflank_restore_report.evidence_tables import TABLES
from tests.transform.test_lineage import AS_OF, addon, engine, restore
from tests.transform.warehouse import ROOT, DuckDB

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.transform.warehouse import Postgres, Rows, Warehouse

__all__ = ["engine"]

MODELS = ROOT / "transform" / "models"
MARTS = MODELS / "marts"

GIVEN = "--vars", json.dumps({"as_of": f"{AS_OF:%Y-%m-%dT%H:%M:%SZ}"})
"""With the same variables each time, dbt parses only what has changed."""


def account() -> Rows:
    return {
        "projects": [{"id": "shop", "name": "Shop"}, {"id": "drills", "name": "Drills"}],
        "addons": [addon("shop/orders"), addon("shop/carts"), addon("drills/any")],
        "restores": [restore("shop/orders", "o", "b", 5), restore("drills/any", "c", "b", 4)],
    }


@pytest.fixture(scope="module", params=["postgres", "duckdb"])
def host(
    request: pytest.FixtureRequest,
    new_postgres: Callable[[], Postgres],
    tmp_path_factory: pytest.TempPathFactory,
) -> Warehouse:
    """The host's project, built on either engine."""
    warehouse: Warehouse
    if request.param == "postgres":
        warehouse = new_postgres()
    else:
        warehouse = DuckDB(tmp_path_factory.mktemp("duckdb") / "warehouse")
    warehouse.load(account())
    warehouse.host("deps")
    warehouse.host("build", *GIVEN)
    return warehouse


def test_models_and_macros_of_the_host_are_its_own(host: Warehouse) -> None:
    (ours,) = host.query("select * from acme.stg_projects")
    assert ours["project_name"] == "A project of our CRM"
    (attempt,) = host.query("select * from acme.restore_attempts")
    assert attempt == {"restore_key": "A customer who wants his account back"}
    names = host.query("select distinct project_name from recovery.addon_recoverability")
    assert {row["project_name"] for row in names} == {"Shop", "Drills"}


def test_host_reads_marts_and_calls_macros(host: Warehouse) -> None:
    rows = host.query("select * from acme.late_drills where addon_key = 'shop/orders'")
    assert rows == [
        {
            "addon_key": "shop/orders",
            "project_name": "Shop",
            "proven_on": date(2026, 6, 26),
            "quarter": date(2026, 4, 1),
            "target": "20 min",
            "is_for_orders": True,
        }
    ]


def test_host_has_rules_and_variables_of_its_own(host: Warehouse) -> None:
    rows = host.query("select * from recovery.addon_recoverability order by addon_key")
    assert [(row["addon_key"], row["rule"], row["target_minutes"]) for row in rows] == [
        ("drills/any", "default", 45),
        ("shop/carts", "default", 45),
        ("shop/orders", "orders", 20),
    ]
    assert rows[1]["last_success_restored_into"] == "drills/any"
    assert rows[1]["last_success_source_basis"] == "declared"
    tables = "select table_name from information_schema.tables where table_schema = 'recovery'"
    names = {row["table_name"] for row in host.query(tables)}
    # The package's, which are empty.
    assert not names & {"restore_policies", "drill_addons", "restore_attestations"}
    attested = host.query("select restore_key, is_proof from recovery.attestations")
    assert attested == [{"restore_key": "shop/orders/o", "is_proof": True}]
    assert {"verdict_changes", "recoverability_runs"} <= names


@pytest.mark.parametrize("host", ["postgres"], indirect=True)
def test_second_build_and_another_command_pass(host: Warehouse) -> None:
    before = host.query("select * from recovery.restore_attempts order by restore_key")
    host.host("build", *GIVEN, "--select", "package:northflank_restores")
    assert host.query("select * from recovery.restore_attempts order by restore_key") == before


RULES = "database_rules", "int_northflank__restore_policies", "int_northflank__policy_periods"
DRILLS = "int_northflank__drill_declarations", "int_northflank__declared_sources"
WRONG = {
    "value": ("'r' as rule, -5 as rto_minutes", "the rule r has rto_minutes '-5'; it takes"),
    "words": ("'r' as rule, 'soon' as rpo_hours", "the rule r has rpo_hours 'soon'; it takes"),
    "scope": ("'r' as rule, 'maybe' as in_scope", "has in_scope 'maybe'; it takes true or false"),
    "day": ("'r' as rule, '1 May 2026' as valid_from", "has valid_from '1 May 2026'; it takes"),
    "column": ("'r' as rule, 1 as rto", "unknown column 'rto'; the columns are rule, project"),
    "nameless": ("'shop' as project", "the column rule is missing"),
    "unnamed": ("'' as rule", "a rule needs a name, other than default"),
    "waiver": ("'r' as rule, 'new' as waiver_reason", "a waiver needs both"),
    "twice": ("'r' as rule, 'orders' as addon union all select 'r', 'carts'", "have the name r"),
    "same": ("'r' as rule union all select 's'", "the rules r and s match the same addons"),
    "nothing": ("'r' as rule, 'oders' as addon", "the rule r matches no addon of the warehouse"),
}


@pytest.mark.parametrize("host", ["postgres"], indirect=True)
@pytest.mark.parametrize("name", WRONG)
def test_wrong_rule_of_the_host_is_named(name: str, host: Warehouse) -> None:
    values, line = WRONG[name]
    model = host.project / "integration_tests" / "models" / "database_rules.sql"
    before = model.read_text()
    model.write_text(f"select {values}")
    printed = host.host("run", *GIVEN, "--select", *RULES, succeeds=False)
    model.write_text(before)
    assert line in printed
    assert "acme.database_rules: " in printed


@pytest.mark.parametrize("host", ["duckdb"], indirect=True)
@pytest.mark.parametrize(
    ("lines", "line"),
    [
        ("drills,any,shop,oders", "there is no addon shop/oders in the warehouse"),
        ("drills,any,shop,", "a value is missing in the line drills,any,shop,"),
        ("drills,any,shop,o*", "the source must be one addon, without a star"),
        ("drills,any,shop,orders\ndrills,any,shop,carts", "drills/any is declared twice"),
    ],
)
def test_wrong_declaration_of_the_host_is_named(lines: str, line: str, host: Warehouse) -> None:
    seed = host.project / "integration_tests" / "seeds" / "drill_addons.csv"
    before = seed.read_text()
    seed.write_text(f"{before.splitlines()[0]}\n{lines}\n")
    select = ("build", *GIVEN, "--select", "acme.drill_addons", *DRILLS)
    printed = host.host(*select, "--exclude-resource-type=test", succeeds=False)
    seed.write_text(before)
    assert f"acme.drill_addons: {line}" in printed


FREE = "'shop' as project, 'orders' as addon, 'passed' as result, 'Ada' as checked_by"
ON = "date '2026-06-27' as checked_on"
WRONG_CHECKS = {
    "column": (f"{FREE}, 'o' as restore_id", "the column checked_on is missing"),
    "neither": (f"{FREE}, {ON}", "a line has either restore_id, or drilled_on"),
    "day": (f"{FREE}, {ON}, '1 June' as drilled_on", "has drilled_on '1 June'; it takes a day"),
    "before": (f"{FREE}, {ON}, '2026-06-28' as drilled_on", "it takes no day before drilled_on"),
    "times": (
        f"{FREE}, {ON}, 'o' as restore_id, 5 as minutes",
        "has minutes '5'; it takes nothing",
    ),
    "minutes": (f"{FREE}, {ON}, '2026-06-02' as drilled_on, 0 as minutes", "has minutes '0'; it"),
    "result": (
        f"{FREE.replace('passed', 'ok')}, {ON}, 'o' as restore_id",
        "the attestation of shop/orders/o has result 'ok'; it takes passed or failed",
    ),
    "restore": (f"{FREE}, {ON}, 'x' as restore_id", "there is no restore shop/orders/x in the"),
    "addon": (
        f"{FREE.replace('orders', 'oders')}, {ON}, '2026-06-02' as drilled_on",
        "there is no addon shop/oders in the warehouse",
    ),
}


@pytest.mark.parametrize("host", ["postgres"], indirect=True)
@pytest.mark.parametrize("name", WRONG_CHECKS)
def test_wrong_attestation_of_the_host_is_named(name: str, host: Warehouse) -> None:
    values, line = WRONG_CHECKS[name]
    model = host.project / "integration_tests" / "models" / "checked_restores.sql"
    before = model.read_text()
    model.write_text(f"select {values}")
    models = "checked_restores", "int_northflank__restore_attestations", "int_northflank__attested"
    printed = host.host("run", *GIVEN, "--select", *models, succeeds=False)
    model.write_text(before)
    assert line in printed
    assert "acme.checked_restores: " in printed


@pytest.mark.parametrize("host", ["postgres"], indirect=True)
def test_misspelt_name_of_the_rules_is_an_error(host: Warehouse) -> None:
    given = json.dumps({"restore_policies": "database_rules"})
    printed = host.host("parse", "--vars", given, succeeds=False)
    assert "The variable restore_policies is 'database_rules'; it takes a project and" in printed


@pytest.mark.parametrize("host", ["postgres"], indirect=True)
def test_wrong_variable_stops_the_package_and_nothing_else(host: Warehouse) -> None:
    given = "--vars", json.dumps({"rto_minutes": -5})
    printed = host.host("run", *given, "--select", "package:northflank_restores", succeeds=False)
    assert "The variable rto_minutes is '-5'; it takes a number" in printed
    host.host("run", *given, "--select", "stg_projects")


def test_host_without_a_line_about_the_package(warehouse: Postgres, tmp_path: Path) -> None:
    """A project with a model stg_projects, and the package out of git, in the same schema."""
    warehouse.load(account())
    acme = warehouse.project / "integration_tests"
    shutil.rmtree(acme)
    repository = tmp_path / "repository"
    shutil.copytree(warehouse.project, repository / "transform")
    for command in (
        ["init", "--quiet"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@localhost", "commit", "--quiet", "--message=a"],
    ):
        subprocess.run(["git", "-C", repository, *command], check=True)  # noqa: S603, S607
    (acme / "models").mkdir(parents=True)
    package = {"git": f"file://{repository}", "subdirectory": "transform", "warn-unpinned": False}
    (acme / "packages.yml").write_text(json.dumps({"packages": [package]}))
    (acme / "dbt_project.yml").write_text("{name: acme, profile: northflank_restores}\n")
    ours = "select 'shop' as project_id, 'A project of our CRM' as project_name, now() as loaded_at"
    (acme / "models" / "stg_projects.sql").write_text(ours)
    warehouse.host("deps")
    warehouse.host("build", *GIVEN)
    names = warehouse.query("select distinct project_name from acme.addon_recoverability")
    assert {row["project_name"] for row in names} == {"Shop", "Drills"}
    (row,) = warehouse.query("select project_name from acme.stg_projects")
    assert row == {"project_name": "A project of our CRM"}


def test_loader_of_the_host_has_names_of_its_own(engine: Warehouse) -> None:
    """Another schema, another table, columns in snake case, and a table that is somebody else's."""
    engine.load(account())
    for statement in (
        "create schema northflank_raw",
        "create table northflank_raw.nf_restores as select * from northflank.restores",
        "create table northflank_raw.addons as select * from northflank.addons",
        "create table northflank_raw.projects as select id, name from northflank.projects",
        "create table northflank_raw.backups as select 'a backup of our own' as what",
        *(
            f'alter table northflank_raw.{table} rename column "{name}" to {snake}'
            for table, name, snake in (
                ("nf_restores", "projectId", "project_id"),
                ("nf_restores", "addonId", "addonid"),
                ("nf_restores", "completedAt", "completed_at"),
                ("nf_restores", "restoreTimestamp", "restore_timestamp"),
                ("addons", "projectId", "project_id"),
            )
        ),
        "drop table northflank.restores",
    ):
        engine.query(statement)
    settings: dict[str, Any] = {
        "northflank_schema": "northflank_raw",
        "northflank_identifiers": {"restores": "nf_restores"},
        "northflank_streams": {"backups": False, "addons": True},
    }
    engine.build(as_of=AS_OF, **settings)
    attempts = engine.mart("restore_analytics.restore_attempts", "restore_key")
    row = attempts["shop/orders/o"]
    assert (row["duration_minutes"], row["project_name"], row["backup_known"]) == (20, "Shop", None)
    (info,) = engine.query("select * from restore_analytics.refresh_info")
    assert (info["source_schema"], info["backups_loaded"]) == ("northflank_raw", False)

    given = "--vars", json.dumps({**settings, "northflank_streams": {"backup_schedules": True}})
    printed = engine.dbt("run", *given, "--select", "staging", succeeds=False)
    assert "There is no table northflank_raw.backup_schedules to read" in printed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("northflank_streams", {"backup": False}),
        ("northflank_streams", {"backups": "off"}),
        ("northflank_identifiers", "nf_restores"),
    ],
)
@pytest.mark.parametrize("host", ["postgres"], indirect=True)
def test_misspelt_variable_of_the_sources_is_named(
    name: str, value: object, host: Warehouse
) -> None:
    printed = host.host("run", "--vars", json.dumps({name: value}), succeeds=False)
    assert f"The variable {name} is '" in printed
    assert "it takes an object by stream, such as {" in printed


def test_restores_cannot_be_left_out(host: Warehouse) -> None:
    given = json.dumps({"northflank_streams": {"restores": False}})
    assert "cannot leave out restores" in host.host("run", "--vars", given, succeeds=False)


def test_column_of_another_type_breaks_the_contract(host: Warehouse) -> None:
    model = host.project / "models" / "marts" / "load_freshness.sql"
    before = model.read_text()
    model.write_text(before.replace("    stale_after_hours,", "    'long' as stale_after_hours,"))
    select = ("--select", "northflank_restores.marts.load_freshness")
    printed = host.host("run", *GIVEN, *select, succeeds=False)
    model.write_text(before)
    assert "This model has an enforced contract that failed" in printed
    assert "stale_after_hours" in printed


def test_each_mart_has_a_contract() -> None:
    for mart in yaml.safe_load((MARTS / "marts.yml").read_text())["models"]:
        assert mart["config"]["contract"] == {"enforced": True}
        assert all(column["data_type"] for column in mart["columns"])


def test_exposure_has_each_table_that_the_report_reads() -> None:
    (report,) = yaml.safe_load((MARTS / "exposures.yml").read_text())["exposures"]
    named = {re.findall(r"'(\w+)'", ref)[1] for ref in report["depends_on"]}
    queries = (ROOT / "report" / "northflank_restore_report" / "marts.py").read_text()
    models = {
        path.stem for folder in ("marts", "history") for path in MODELS.glob(f"{folder}/*.sql")
    }
    selected = set(re.findall(r"\bfrom (\w+)", queries)) | set(ORDERED_BY)
    assert named == models & (selected | {table.name for table in TABLES})


def test_the_version_that_the_marts_tell_is_that_of_the_package() -> None:
    project = yaml.safe_load((ROOT / "transform" / "dbt_project.yml").read_text())
    told = (ROOT / "transform" / "macros" / "package_version.sql").read_text()
    assert f"\n    {project['version']}\n" in told
