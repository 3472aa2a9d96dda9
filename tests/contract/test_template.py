"""The Northflank template is held to the types of Northflank's own client.

The client types the body of each endpoint, and a template's node has that body as its `spec`. It
types a template's `spec` as anything, and a job's `deployment` too: the former is looked at node by
node, the latter as that of a deployment service, which takes the same.
"""

from __future__ import annotations

import copy
import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from demo.account import ROOT
from deploy.entrypoint import COMMANDS, STATE, SYNCS, WAREHOUSE
from tap_northflank_restores.settings import SETTINGS
from tests.contract.test_official_client import HERE, node, program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TEMPLATE: dict[str, Any] = json.loads(
    (ROOT / "deploy" / "northflank" / "template.json").read_text(encoding="utf-8")
)

BODIES = {
    "Project": "CreateProjectData",
    "Addon": "CreateAddonData",
    "SecretGroup": "CreateSecretData",
    "CronJob": "CreateJobCronData",
}
"""The client's type for the `spec` of each kind of node that makes something."""

DEPLOYMENT = """
type OfService = Extract<CreateServiceDeploymentData["deployment"], { external: unknown }>;
type Deployment = Omit<OfService, "instances">;
"""

__all__ = ["node"]


def nodes(step: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a node and all that are in it, in the order in which they run."""
    yield step
    for inner in step["spec"].get("steps", []):
        yield from nodes(inner)


def typed(template: dict[str, Any]) -> str:
    """Return a program that is right if the template is."""
    types = ", ".join(["CreateTemplateData", "CreateServiceDeploymentData", *BODIES.values()])
    lines = [
        f"import type {{ {types} }} from '@northflank/js-client';",
        DEPLOYMENT,
        f"const template: CreateTemplateData = {json.dumps(template)};",
    ]
    for number, found in enumerate(nodes(template["spec"])):
        if body := BODIES.get(found["kind"]):
            lines.append(f"const node{number}: {body} = {json.dumps(found['spec'])};")
        if found["kind"] == "CronJob":
            deployment = json.dumps(found["spec"]["deployment"])
            lines.append(f"const deployment{number}: Deployment = {deployment};")
    return "\n".join([*lines, ""])


@pytest.fixture
def check(node: list[str], tmp_path: Path) -> Callable[[dict[str, Any]], str]:
    """Compile, and return what the compiler says."""
    del node  # It has installed the client and the compiler.

    def check(template: dict[str, Any]) -> str:
        (tmp_path / "template.ts").write_text(typed(template), encoding="utf-8")
        if not (tmp_path / "node_modules").exists():
            (tmp_path / "node_modules").symlink_to(HERE / "node_modules")
        compiler = HERE / "node_modules" / "typescript" / "bin" / "tsc"
        options = ["--noEmit", "--strict", "--skipLibCheck"]
        options += ["--module", "nodenext", "--moduleResolution", "nodenext"]
        done = subprocess.run(  # noqa: S603 - the command is ours
            [*program("node"), str(compiler), *options, "template.ts"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return done.stdout + done.stderr

    return check


def of_kind(template: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [found["spec"] for found in nodes(template["spec"]) if found["kind"] == kind]


def test_the_template_fits_the_types_of_the_client(
    check: Callable[[dict[str, Any]], str],
) -> None:
    assert check(TEMPLATE) == ""


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("Project", {"name": 1}),
        ("Addon", {"version": 16}),
        ("Addon", {"backups": []}),
        ("SecretGroup", {"secretType": "all"}),
        ("CronJob", {"schedule": 10}),
        ("CronJob", {"deployment": {"external": {"image": "x"}}}),
    ],
)
def test_the_types_find_what_is_wrong(
    check: Callable[[dict[str, Any]], str], kind: str, change: dict[str, Any]
) -> None:
    template = copy.deepcopy(TEMPLATE)
    of_kind(template, kind)[0].update(change)
    assert re.search(r"template\.ts.* error TS\d+", check(template))


def test_the_template_makes_a_project_a_database_settings_and_two_jobs() -> None:
    assert TEMPLATE["apiVersion"] == "v1.2"
    kinds = [found["kind"] for found in nodes(TEMPLATE["spec"])]
    making = [kind for kind in kinds if kind != "Workflow"]
    assert making == ["Project", "Addon", "Condition", "SecretGroup", "CronJob", "CronJob"]
    commands = [
        spec["deployment"]["docker"]["customCommand"] for spec in of_kind(TEMPLATE, "CronJob")
    ]
    assert commands == ["refresh", "sync-daily"]
    assert set(commands) <= set(COMMANDS) & SYNCS


def test_the_jobs_get_the_settings_that_there_are() -> None:
    (group,) = of_kind(TEMPLATE, "SecretGroup")
    jobs = [spec["name"] for spec in of_kind(TEMPLATE, "CronJob")]
    restricted = [(job["id"], job["type"]) for job in group["restrictions"]["nfObjects"]]
    assert restricted == [(job, "job") for job in jobs]
    prefix = "TAP_NORTHFLANK_RESTORES_"
    names = [setting.name for setting in SETTINGS]
    variables = set(group["secrets"]["variables"])
    assert variables <= {f"{prefix}{name.upper()}" for name in names}
    assert f"{prefix}API_TOKEN" in variables
    ((link,),) = [dependency["keys"] for dependency in group["addonDependencies"]]
    assert link["aliases"] == [WAREHOUSE, STATE[0]]


def test_each_reference_has_what_it_names_before_it() -> None:
    seen: set[str] = set()
    for found in nodes(TEMPLATE["spec"]):
        own = {key: value for key, value in found["spec"].items() if key != "steps"}
        assert set(re.findall(r"\$\{refs\.(\w+)", json.dumps(own))) <= seen
        seen |= {found["ref"]} if "ref" in found else set()
    arguments = set(re.findall(r"\$\{args\.(\w+)\}", json.dumps(TEMPLATE["spec"])))
    assert arguments == set(TEMPLATE["arguments"])
    assert TEMPLATE["arguments"]["apiToken"] == ""
