"""The examples for Kubernetes and docker compose keep to their schemas, and run the image."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import kubernetes_validate
import pytest
import yaml

from demo.account import ROOT
from deploy.entrypoint import COMMANDS, OUTPUT, STATE, WAREHOUSE

if TYPE_CHECKING:
    from pathlib import Path

COMPOSE = ROOT / "deploy" / "compose" / "compose.yml"
CRON_JOBS = ROOT / "deploy" / "kubernetes" / "cronjobs.yml"
USER = "65532:65532"


def cron_jobs() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(CRON_JOBS.read_text(encoding="utf-8")))


def test_the_cron_jobs_keep_to_the_schema_of_kubernetes() -> None:
    for job in cron_jobs():
        for version in ("1.31", "1.37"):
            kubernetes_validate.validate(job, version, strict=True)


def test_the_schema_of_kubernetes_finds_what_is_wrong() -> None:
    job = copy.deepcopy(cron_jobs()[0])
    job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["arguments"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(job, "1.37", strict=True)


def test_the_cron_jobs_run_two_commands_read_only_and_as_the_user_of_the_image() -> None:
    commands = []
    for job in cron_jobs():
        pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        commands += container["args"]
        user = pod["securityContext"]
        assert f"{user['runAsUser']}:{user['runAsGroup']}" == USER
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert [mount["mountPath"] for mount in container["volumeMounts"]] == [str(OUTPUT.parent)]
        policy = job["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]
        assert [rule["onExitCodes"]["containerName"] for rule in policy["rules"]] == [
            container["name"]
        ]
    assert commands == ["refresh", "sync-daily"]
    assert f"USER {USER}\n" in (ROOT / "deploy" / "Containerfile").read_text(encoding="utf-8")


def validate_compose(path: Path) -> int:
    """Return the exit code of check-jsonschema, which brings the schema along."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    return subprocess.run([*command, str(path)], capture_output=True, check=False).returncode  # noqa: S603


def test_the_compose_file_keeps_to_its_schema(tmp_path: Path) -> None:
    assert validate_compose(COMPOSE) == 0
    wrong = tmp_path / "compose.yml"
    text = COMPOSE.read_text(encoding="utf-8")
    wrong.write_text(text.replace("read_only:", "readonly:"), encoding="utf-8")
    assert validate_compose(wrong) == 1


def test_the_compose_file_runs_the_image_closed_and_with_a_state() -> None:
    services = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    jobs = {name: service for name, service in services.items() if "build" in service}
    assert set(jobs) == {"refresh", "sync-daily"}
    for name, job in jobs.items():
        assert job["command"] == [name]
        assert name in COMMANDS
        assert {WAREHOUSE, STATE[0]} <= set(job["environment"])
        assert job["read_only"]
        assert job["volumes"] == [f"report:{OUTPUT}"]
        assert (COMPOSE.parent / job["build"]["context"]).resolve() == ROOT


def test_a_tag_builds_the_image_for_both_architectures_and_signs_what_it_names() -> None:
    text = (ROOT / ".github" / "workflows" / "image.yml").read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["jobs"]
    built = jobs["build"]["strategy"]["matrix"]["include"]
    assert [entry["architecture"] for entry in built] == ["amd64", "arm64"]
    (build,) = [step["run"] for step in jobs["build"]["steps"] if "run" in step]
    for option in ("--file deploy/Containerfile", "--sbom=true", "--provenance=mode=max"):
        assert option in build
    (publish,) = [step["run"] for step in jobs["publish"]["steps"] if "run" in step]
    assert 'cosign sign --yes --recursive "$image@$digest"' in publish
    assert ["id-token" in jobs[job]["permissions"] for job in jobs] == [False, True]


def test_the_page_names_all_commands_and_each_file() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([\w-]+)` \|", page, re.MULTILINE) == list(COMMANDS)
    for name in ("northflank/template.json", "kubernetes/cronjobs.yml", "compose/compose.yml"):
        assert f"`deploy/{name}`" in page
