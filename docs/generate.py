"""Writes what the code already says into the pages, and plugin.yml: `./dev docs`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
import textwrap
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import yaml
from click.testing import CliRunner

from simulator import World, serve
from tap_northflank_restores import doctor, settings
from tap_northflank_restores.streams import STREAMS
from tap_northflank_restores.tap import TapNorthflankRestores

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = ROOT / "plugin.yml"
HUB = ROOT / "docs" / "hub.yml"
DECISIONS = ROOT / "docs" / "decisions.md"
PACKED_DECISIONS = ROOT / "report" / "northflank_restore_report" / "decisions.txt"
"""The same as a text, which the report's distribution puts into an evidence pack."""
PAGES = (
    ROOT / "README.md",
    ROOT / "docs" / "settings.md",
    ROOT / "docs" / "state.md",
    ROOT / "docs" / "streams.md",
)

PLUGIN_HEAD = (
    "# For `meltano add --from-ref`. Written by `./dev docs` from the tap's own settings.\n"
)
DOCTOR = {
    # Not the script: a checkout that Meltano has installed before there was one lacks it.
    "executable": "python",
    # Meltano hands the settings on as variables.
    "args": f"-m {doctor.__name__} --config ENV",
    "description": "Ask the account a few questions, and tell how the API behaves.",
}
SOURCE = "TAP_NORTHFLANK_RESTORES_SOURCE"
"""Variable that says what pip installs the tap from, until the tap is on PyPI."""

HUB_HEAD = """\
# The entry for hub.meltano.com, once the tap is on PyPI. Written by `./dev docs`. When it is
# submitted, `variant` becomes the owner of the repository, and `repo` its address.
"""
DECISION_COLUMNS = 4
KINDS = {"string", "integer", "boolean", "array", "object"}
BLOCK = re.compile(
    r"(?P<head><!-- (?P<name>[a-z-]+): written by \./dev docs -->\n).*?(?P<foot><!-- end -->)",
    re.DOTALL,
)


@cache
def about() -> dict[str, Any]:
    """Return what the tap says about itself, the settings of the SDK too."""
    run = CliRunner().invoke(TapNorthflankRestores.cli, ["--about", "--format=json"])
    answer: dict[str, Any] = json.loads(run.stdout)
    return answer


@cache
def catalog() -> dict[str, dict[str, Any]]:
    """Return the catalog's entries by stream."""
    run = CliRunner().invoke(TapNorthflankRestores.cli, ["--discover"])
    return {entry["stream"]: entry for entry in json.loads(run.stdout)["streams"]}


def is_selected(stream: str) -> bool:
    """Whether a stream is selected by default."""
    (root,) = (item for item in catalog()[stream]["metadata"] if item["breadcrumb"] == [])
    return bool(root["metadata"]["selected-by-default"])


def plugin() -> str:
    """Return plugin.yml: what Meltano has to know of the tap."""
    tap = about()
    definition = {
        "name": tap["name"],
        "namespace": tap["name"].replace("-", "_"),
        "label": "Northflank restores",
        "description": tap["description"],
        "pip_url": f'"${SOURCE}"',  # Meltano splits it at blanks.
        "executable": tap["name"],
        "supported_python_versions": tap["supported_python_versions"],
        "capabilities": sorted(tap["capabilities"]),
        "settings_group_validation": [[*settings.SCHEMA["required"]]],
        "commands": {"doctor": DOCTOR},
        "settings": [_setting(*item) for item in tap["settings"]["properties"].items()],
    }
    return PLUGIN_HEAD + yaml.safe_dump(definition, sort_keys=False, width=100)


def hub() -> str:
    """Return the entry for Meltano's Hub: plugin.yml, and what the Hub shows and selects."""
    definition: dict[str, Any] = yaml.safe_load(plugin())
    del definition["supported_python_versions"]  # The Hub's schema does not have it.
    definition |= {
        "pip_url": definition["name"],
        "variant": definition["name"],
        "domain_url": "https://northflank.com/docs/v1/api/introduction",
        "keywords": ["api", "backup", "database", "meltano_sdk", "restore"],
        "maintenance_status": "beta",
        "quality": "unknown",  # The Hub's maintainers rate it.
        "select": [f"{name}.*" for name in catalog() if is_selected(name)],
    }
    return HUB_HEAD + yaml.safe_dump(dict(sorted(definition.items())), width=100)


def _setting(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    (kind,) = KINDS.intersection(schema["type"])
    if kind in {"array", "integer"}:
        # Meltano shows a traceback for a text that is none; the tap reads it, or says a line.
        kind = "string"
    setting = {
        "name": name,
        "kind": "date_iso8601" if schema.get("format") == "date-time" else kind,
        "value": schema.get("default"),
        "label": schema.get("title"),
        "description": schema.get("description"),
        "sensitive": schema.get("secret"),
    }
    return {key: value for key, value in setting.items() if value is not None}


def streams() -> Iterator[str]:
    """Yield the table of the streams."""
    rows = []
    for name, entry in catalog().items():
        keys = ", ".join(f"`{key}`" for key in entry["key_properties"])
        incremental = entry["replication_method"] == "INCREMENTAL"
        rows.append(
            [
                f"[`{name}`](docs/streams.md#{name})",
                _doc(name),
                keys,
                "what is new or changed" if incremental else "everything",
                "yes" if is_selected(name) else "no",
            ]
        )
    yield from _table(["Stream", "What it has", "Key", "Each sync sends", "By default"], rows)


def _doc(name: str) -> str:
    (stream,) = (stream for stream in STREAMS if stream.name == name)
    sentence, _, _ = (stream.__doc__ or "").partition("\n")
    return sentence.partition(":")[0].rstrip(".") + "."


def stream_fields() -> Iterator[str]:
    """Yield a section for each stream, with its fields."""
    for name, entry in catalog().items():
        schema = entry["schema"]
        incremental = entry["replication_method"] == "INCREMENTAL"
        keys = ", ".join(f"`{key}`" for key in entry["key_properties"])
        selected = "" if is_selected(name) else " Not selected by default."
        yield from ["", f"## {name}", "", f"{schema['description']}{selected}", ""]
        yield f"- Key: {keys}"
        if incremental:
            key = entry["replication_key"]
            yield f"- Replication: INCREMENTAL on `{key}`, see [state](state.md)"
        else:
            yield "- Replication: FULL_TABLE"
        yield ""
        yield from _table(["Field", "Type", "Meaning"], _fields(schema))
    yield ""


def _fields(schema: dict[str, Any], path: str = "") -> Iterator[list[str]]:
    for name, field in schema["properties"].items():
        types = [field["type"]] if isinstance(field["type"], str) else field["type"]
        kind = field.get("format") or types[0]
        yield [
            f"`{path}{name}`",
            f"{kind} or null" if "null" in types else kind,
            field["description"],
        ]
        yield from _fields({"properties": {}} | field, f"{path}{name}.")
        yield from _fields({"properties": {}} | field.get("items", {}), f"{path}{name}[].")


def own_settings() -> Iterator[str]:
    """Yield the table of the tap's own settings."""
    rows = []
    for setting in settings.SETTINGS:
        default = "" if setting.default is None else f"`{setting.default}`"
        rows.append(
            [
                f"`{setting.name}`",
                setting.kind.takes,
                "required" if setting.required else default,
                setting.description,
            ]
        )
    yield from _table(["Setting", "Takes", "Default", "Meaning"], rows)


def sdk_settings() -> Iterator[str]:
    """Yield the table of the settings that every tap of the SDK has."""
    own = {setting.name for setting in settings.SETTINGS}
    rows = [
        [f"`{name}`", schema.get("description") or schema.get("title") or ""]
        for name, schema in about()["settings"]["properties"].items()
        if name not in own
    ]
    yield from _table(["Setting", "Meaning"], rows)


def state_example() -> Iterator[str]:
    """Yield what the state has for one addon after a sync of the simulated company."""
    command = Path(sysconfig.get_path("scripts")) / TapNorthflankRestores.name
    with serve(World.company()) as server, TemporaryDirectory() as folder:
        config = Path(folder) / "config.json"
        addon = {"projectId": "payments", "addonId": "ledger"}
        addons = ["/".join(addon.values())]
        values = {"api_url": server.url, "api_token": server.token, "addons": addons}
        config.write_text(json.dumps(values), encoding="utf-8")
        run = subprocess.run(  # noqa: S603 - the tap itself
            [command, "--config", config], capture_output=True, check=True, encoding="utf-8"
        )
    state = json.loads(run.stdout.splitlines()[-1])["value"]["bookmarks"]["restores"]
    yield from ["```json", *json.dumps(state, indent=2).splitlines(), "```"]


BLOCKS = {
    "state-example": state_example,
    "streams": streams,
    "stream-fields": stream_fields,
    "own-settings": own_settings,
    "sdk-settings": sdk_settings,
}


def _table(heads: list[str], rows: Iterable[list[str]]) -> Iterator[str]:
    for row in (heads, ["---"] * len(heads), *rows):
        cells = (" ".join(cell.replace("|", "\\|").split()) for cell in row)
        yield f"| {' | '.join(cells)} |"


def page(text: str) -> str:
    """Return a page with its generated blocks written anew."""

    def block(match: re.Match[str]) -> str:
        lines = "\n".join(BLOCKS[match["name"]]())
        return f"{match['head']}{lines}\n{match['foot']}"

    return BLOCK.sub(block, text)


def decisions() -> str:
    """Return docs/decisions.md as a text for readers who have nothing else of this repository."""
    lines = ["What the figures assume, why, and how it is changed", "=" * 51]
    for line in DECISIONS.read_text(encoding="utf-8").splitlines():
        plain = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", line).replace("`", "")
        cells = [cell.strip() for cell in plain.strip("| ").split(" | ")]
        if plain.startswith("## "):
            lines += ["", plain[3:], "-" * len(plain[3:])]
        elif (
            plain.startswith("| ")
            and len(cells) == DECISION_COLUMNS
            and cells[0] not in {"Decision", "---"}
        ):
            decision, why, change, _ = cells
            said = f"{decision} Why: {why}"
            if change != "\N{EN DASH}":
                said += f" To change it: {change.rstrip('.')}."
            lines += ["", *textwrap.wrap(said, 96, break_on_hyphens=False)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write all, and say what has changed."""
    wanted = {path: page(path.read_text(encoding="utf-8")) for path in PAGES}
    wanted |= {PLUGIN: plugin(), HUB: hub(), PACKED_DECISIONS: decisions()}
    for path, text in wanted.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8", newline="\n")
            sys.stdout.write(f"{path.relative_to(ROOT)} written\n")


if __name__ == "__main__":
    main()
