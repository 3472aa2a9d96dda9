"""What `./dev docs` writes is as it would write it now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from docs import generate
from tap_northflank_restores import client

if TYPE_CHECKING:
    from pathlib import Path

HUB_KEYS = {
    *("capabilities", "commands", "description", "domain_url", "executable", "keywords", "label"),
    *("maintenance_status", "name", "namespace", "pip_url", "quality", "select", "settings"),
    *("settings_group_validation", "variant"),
}
"""What an entry may have here, of the Hub's schema."""
AGAIN = "is not what the code says: run ./dev docs and commit what it writes"


def relative(path: Path) -> str:
    return path.relative_to(generate.ROOT).as_posix()


@pytest.mark.parametrize("page", generate.PAGES, ids=relative)
def test_a_page_says_what_the_code_says(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert generate.page(text) == text, f"{relative(page)} {AGAIN}"


def test_the_decisions_in_a_pack_are_those_of_the_page() -> None:
    text = generate.PACKED_DECISIONS.read_text(encoding="utf-8")
    lines = generate.DECISIONS.read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ") and "| Held by |" not in line]

    assert generate.decisions() == text, f"{relative(generate.PACKED_DECISIONS)} {AGAIN}"
    said = " ".join(text.split())
    assert said.count(" Why: ") == len([row for row in rows if "---" not in row]) > 20


def test_the_definition_for_meltano_has_the_settings_of_the_tap() -> None:
    text = generate.PLUGIN.read_text(encoding="utf-8")

    assert generate.plugin() == text, f"{relative(generate.PLUGIN)} {AGAIN}"


def test_the_entry_for_the_hub_is_that_of_the_tap() -> None:
    text = generate.HUB.read_text(encoding="utf-8")
    entry = yaml.safe_load(text)
    definition = yaml.safe_load(generate.PLUGIN.read_text(encoding="utf-8"))
    project = yaml.safe_load((generate.ROOT / "meltano.yml").read_text(encoding="utf-8"))
    tap, *_ = project["plugins"]["extractors"]

    assert generate.hub() == text, f"{relative(generate.HUB)} {AGAIN}"
    assert entry["settings"] == definition["settings"]
    assert sorted([*entry["select"], "list_reads.*"]) == sorted(tap["select"])
    assert set(entry) <= HUB_KEYS
    assert entry["maintenance_status"] in {"active", "beta", "development", "inactive", "unknown"}
    assert entry["quality"] in {"gold", "silver", "bronze", "unknown"}


def test_every_block_is_in_a_page() -> None:
    texts = [page.read_text(encoding="utf-8") for page in generate.PAGES]
    names = {match["name"] for text in texts for match in generate.BLOCK.finditer(text)}

    assert names == set(generate.BLOCKS)


@pytest.mark.parametrize("name", ["namespace", "executable", "capabilities"])
def test_the_checkouts_own_meltano_project_agrees_with_the_definition(name: str) -> None:
    definition = yaml.safe_load(generate.PLUGIN.read_text(encoding="utf-8"))
    project = yaml.safe_load((generate.ROOT / "meltano.yml").read_text(encoding="utf-8"))
    tap, *_ = project["plugins"]["extractors"]

    assert tap[name] == definition[name]


@pytest.mark.parametrize(
    "permission", [client.LIST_PROJECTS_PERMISSION, client.READ_ADDONS_PERMISSION]
)
def test_the_readme_asks_for_the_permissions_that_an_error_names(permission: str) -> None:
    assert permission in (generate.ROOT / "README.md").read_text(encoding="utf-8")
