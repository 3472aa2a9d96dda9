"""docs/errors.md has each exit code, and each line that the tap may end or warn with."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from docs.generate import ROOT
from tap_northflank_restores.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (?P<code>\d+) \| (?P<name>\w+) \|", re.MULTILINE)
MODULES = sorted((ROOT / "tap_northflank_restores").glob("*.py"))
SAYS = {"msg", "reason", "line"}
LOGS = {"info", "warning", "error"}
VARIES = re.compile(r"…|%\.?\d*[sdf]")


def test_each_exit_code_is_in_the_table() -> None:
    table = {int(row["code"]): row["name"] for row in ROW.finditer(PAGE)}

    assert table == {code.value: code.name.lower() for code in ExitCode}


def test_each_exit_code_has_a_section() -> None:
    sections = set(re.findall(r"^## (\d+): ", PAGE, re.MULTILINE))

    assert sections == {str(code.value) for code in ExitCode if code}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_each_line_is_explained(module: Path) -> None:
    page = " ".join(re.sub(r"^> ?", "", PAGE, flags=re.MULTILINE).split())
    said = {
        part.strip()
        for text in _said(ast.parse(module.read_text(encoding="utf-8")))
        for part in VARIES.split(text)
        if " " in part.strip()
    }

    assert [part for part in said if part not in page] == []


def _said(tree: ast.Module) -> Iterator[str]:
    """Yield what is raised or logged for the user; `…` is where a value goes in."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            if node.targets[0].id in SAYS:
                yield from _text(node.value)
        elif isinstance(node, ast.Call) and node.args:
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name.endswith("Error") or name in LOGS:
                yield from _text(node.args[0])


def _text(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
        yield "".join(map(str, parts))
