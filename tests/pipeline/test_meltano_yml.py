"""meltano.yml agrees with the tap, and needs nothing but the package index."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from uv import find_uv_bin

from demo.account import ROOT
from docs.generate import DOCTOR
from simulator import World
from tap_northflank_restores.streams import STREAMS
from tests.support import tap

if TYPE_CHECKING:
    from pathlib import Path

    from simulator import Server
    from tests.pipeline.conftest import Sync

PROJECT = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
TAP, *INHERITED = PROJECT["plugins"]["extractors"]
OWN = json.loads(tap("--about", "--format=json").stdout)["settings"]["properties"]
# Meltano shows a traceback for a text that is no list or number; the tap says a line.
KINDS = {"array": "string", "integer": "string"} | {
    name: name for name in ("string", "boolean", "object")
}


def kind(schema: dict[str, Any]) -> str:
    """Return Meltano's name for the type of a setting."""
    (name,) = set(schema["type"]) - {"null"}
    return "date_iso8601" if schema.get("format") == "date-time" else KINDS[name]


@pytest.mark.parametrize("setting", TAP["settings"], ids=lambda setting: str(setting["name"]))
def test_a_setting_is_as_the_tap_has_it(setting: dict[str, Any]) -> None:
    schema = OWN[setting["name"]]
    assert setting["kind"] == kind(schema)
    assert setting.get("value") == schema.get("default")
    assert setting.get("sensitive", False) == schema.get("secret", False)


def test_no_setting_of_the_tap_is_missing() -> None:
    listed = {setting["name"] for setting in TAP["settings"]}
    rarely_used = {"faker_config", "flattening_max_key_length", "flattening_separator"}
    assert set(OWN) - rarely_used <= listed


def test_the_others_differ_in_what_they_select_and_in_nothing_else() -> None:
    assert all(plugin["inherit_from"] == TAP["name"] for plugin in INHERITED)
    assert all(set(plugin) == {"name", "inherit_from", "select"} for plugin in INHERITED)
    hourly, daily = (set(plugin["select"]) for plugin in (TAP, INHERITED[0]))
    assert hourly & daily == {"list_reads.*"}  # Each job says of its own lists.
    assert {f"{stream.name}.*" for stream in STREAMS} == hourly | daily


def test_backups_are_not_selected() -> None:
    assert TAP["select"] == ["projects.*", "addons.*", "restores.*", "list_reads.*"]


BUILT_HERE = {
    "tap-northflank-restores",
    "northflank-restore-report",
    "target-duckdb-with-sync-start",
}
"""The distributions of this repository, which are installed from the checkout."""


@pytest.mark.parametrize("kind", PROJECT["plugins"])
def test_what_is_installed_is_what_the_locks_say(kind: str, plugins: Path) -> None:
    for name in (
        *("tap-northflank-restores", "target-postgres", "target-duckdb"),
        *("dbt-postgres", "dbt-duckdb", "restore-report"),
    ):
        venv = plugins / kind / name / "venv"
        if not venv.exists():
            continue
        file = "tap" if kind == "extractors" else name
        text = (ROOT / "requirements" / f"{file}.txt").read_text(encoding="utf-8")
        listed = [find_uv_bin(), "pip", "list", "--format=json", "--python", str(venv)]
        found = json.loads(subprocess.check_output(listed, stderr=subprocess.DEVNULL))  # noqa: S603
        installed = {(package["name"], package["version"]) for package in found}
        own = {package for package in installed if package[0] in BUILT_HERE}
        assert (
            installed - own - set(re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE)) == set()
        )


def test_the_doctor_is_the_command_of_plugin_yml() -> None:
    assert TAP["commands"] == {"doctor": DOCTOR}


def test_meltano_runs_the_doctor_with_the_settings(pipeline: Sync, server: Server) -> None:
    server.world = World.company()

    pipeline.meltano("invoke", "tap-northflank-restores:doctor")

    assert "First contact of tap-northflank-restores" in pipeline.log.read_text(encoding="utf-8")
    assert 0 < len(server.requests) <= 20


def test_no_plugin_is_looked_up_at_the_hub() -> None:
    plugins = [plugin for kind in PROJECT["plugins"].values() for plugin in kind]
    own = [plugin for plugin in plugins if "inherit_from" not in plugin]
    assert all(plugin["namespace"] and plugin["pip_url"] for plugin in own)
