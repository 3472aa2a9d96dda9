"""meltano.yml agrees with the tap, and needs nothing but the package index."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from demo.account import ROOT
from tap_northflank_restores.streams import STREAMS
from tests.support import tap

PROJECT = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
TAP, *INHERITED = PROJECT["plugins"]["extractors"]
OWN = json.loads(tap("--about", "--format=json").stdout)["settings"]["properties"]
KINDS = {"string": "string", "integer": "integer", "boolean": "boolean"} | {
    name: name for name in ("array", "object")
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
    assert hourly.isdisjoint(daily)
    assert {f"{stream.name}.*" for stream in STREAMS} == hourly | daily


def test_backups_are_not_selected() -> None:
    assert TAP["select"] == ["projects.*", "addons.*", "restores.*"]


def test_no_plugin_is_looked_up_at_the_hub() -> None:
    plugins = [plugin for kind in PROJECT["plugins"].values() for plugin in kind]
    own = [plugin for plugin in plugins if "inherit_from" not in plugin]
    assert all(plugin["namespace"] and plugin["pip_url"] for plugin in own)
