"""Links of the Markdown pages lead somewhere: files, headings and commands that exist."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from docs.generate import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOCK = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)(?: \"[^\"]*\")?\)")
HEADING = re.compile(r"^#{1,6} +(?P<title>.+?) *$", re.MULTILINE)
COMMAND = re.compile(r"\./dev (?P<name>[a-z]+)")


def pages() -> Iterator[Path]:
    """Every Markdown file that git knows or would take."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    yield from sorted(ROOT / name for name in listed.stdout.splitlines())


PAGES = list(pages())


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub makes anchors of them."""
    text = re.sub(
        r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )
    titles = (match["title"].lower() for match in HEADING.finditer(text))
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def dead(page: Path, target: str) -> bool:
    """Whether a link leads nowhere; of one to another site only the form is looked at."""
    parts = urlsplit(target)
    if parts.scheme:
        return parts.scheme != "https" or not parts.netloc
    there = (page.parent / parts.path).resolve() if parts.path else page
    if not there.is_relative_to(ROOT) or not there.exists():
        return True
    return bool(parts.fragment) and parts.fragment not in anchors(there)


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = SPAN.sub("", BLOCK.sub("", page.read_text(encoding="utf-8")))
    targets = [match["target"] for match in LINK.finditer(text)]

    assert [target for target in targets if dead(page, target)] == []


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_command_of_dev_exists(page: Path) -> None:
    dev = (ROOT / "dev").read_text(encoding="utf-8")
    there = set(re.findall(r"^([a-z]+)\)", dev, re.MULTILINE))
    named = {match["name"] for match in COMMAND.finditer(page.read_text(encoding="utf-8"))}

    assert named - there == set()
