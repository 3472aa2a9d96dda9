"""Writes the README's pictures from a real demo: `python -m docs.pictures`; takes Chromium."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.text import Text

from docs.generate import ROOT

WIDTH = 100
"""Columns of the terminal."""

SIZE = "1200,1250"
"""Pixels of the report that are shown: the figures and the verdicts."""

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
REPORT = re.compile(r"\S+\.html")
FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
ONLY_ROOT_SEES = "PostgreSQL refuses to run as root"


def demo() -> str:
    """Run the demo and return what it prints."""
    sys.stdout.write("The demo runs; this takes a minute\n")
    run = subprocess.run(
        ["./dev", "demo"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=True,
    )
    return run.stdout


def draw(printed: str, target: Path) -> None:
    """Draw a terminal with the demo's output, as an SVG that loads nothing."""
    lines = [line for line in printed.splitlines() if not line.startswith(ONLY_ROOT_SEES)]
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere)
        console.print(Text("$ ", "bold green") + Text("./dev demo", "bold"))
        for line in lines:
            console.print(Text(line), soft_wrap=True)
        drawn = console.export_svg(title="./dev demo", unique_id="demo")
    target.write_text(FONT.sub("", drawn), encoding="utf-8", newline="\n")


def photograph(report: Path, target: Path) -> None:
    """Take a picture of the top of the report."""
    browser = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if browser is None:
        sys.exit(f"No Chromium found for a picture of {report}")
    with TemporaryDirectory() as profile:
        subprocess.run(  # noqa: S603 - the browser that was found
            [
                browser,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--disable-sync",
                "--disable-background-networking",
                "--disable-component-update",
                "--no-first-run",
                "--hide-scrollbars",
                "--virtual-time-budget=10000",
                f"--user-data-dir={profile}",
                f"--window-size={SIZE}",
                f"--screenshot={target}",
                report.resolve().as_uri(),
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )


def main() -> None:
    """Write both pictures."""
    printed = demo()
    draw(printed, ROOT / "docs" / "demo.svg")
    if found := REPORT.search(printed):
        photograph(ROOT / found[0], ROOT / "docs" / "report.png")
    else:
        sys.exit("The demo names no report to take a picture of")


if __name__ == "__main__":
    main()
