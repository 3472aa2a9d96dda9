"""The demo's answers: the models, the report, and the five answers in the terminal."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from demo.account import ROOT
from northflank_restore_report.answers import answers
from northflank_restore_report.csv_files import write_csv_files
from northflank_restore_report.marts import read
from northflank_restore_report.page import page
from northflank_restore_report.warehouse import open_warehouse

if TYPE_CHECKING:
    from collections.abc import Container

    from demo.pipeline import Pipeline

RULES = Path(__file__).with_name("rules")
"""Folder of the seeds of the simulated company: what is waived, and which addons are for drills."""

RULED = ("shop", "cache"), ("shop", "customers"), ("shop", "returns")
"""The addons of these rules: a smaller account has not all of them, and then no rules."""

MARTS = "restore_analytics"
NOTE = "These data are simulated: ./dev demo made them up. No such company or account exists."


def settings(home: Path) -> dict[str, str]:
    """Return the variables that let dbt take its project from `models` in the demo's folder."""
    models = str(home / "models")
    # What dbt keeps to be faster the next time is not in the project, which is made anew.
    target = str(home / "dbt-target")
    return {"DBT_PROJECT_DIR": models, "DBT_PROFILES_DIR": models, "DBT_TARGET_PATH": target}


def compute(
    pipeline: Pipeline, command: str, home: Path, now: str, addons: Container[tuple[str, str]]
) -> None:
    """Run and test the models, with the rules of the simulated company.

    Args:
        pipeline: has the variables of `settings`.
        command: the plugin that does it, and its command.
        home: the demo's folder.
        now: the account's time as ISO 8601.
        addons: the account's, as project and addon.

    Raises:
        DemoError: it failed.
    """
    models = home / "models"
    shutil.rmtree(models, ignore_errors=True)
    shutil.copytree(ROOT / "transform", models, ignore=shutil.ignore_patterns("target", "logs"))
    if all(addon in addons for addon in RULED):
        shutil.copytree(RULES, models / "seeds", dirs_exist_ok=True)
    pipeline.meltano("invoke", command, "--vars", json.dumps({"as_of": now}))


def write(warehouse: str, folder: Path) -> tuple[Path, list[str]]:
    """Write the report of a warehouse into a folder; return the page and the answers' lines."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "report.html"
    with open_warehouse(warehouse, MARTS) as opened:
        findings = read(opened)
        path.write_text(page(findings, NOTE), encoding="utf-8")
        write_csv_files(opened, folder)
    return path, answers(findings)
