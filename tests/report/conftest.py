"""Fixtures: warehouses of each size with their marts, and a browser."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

from northflank_restore_report.__main__ import main
from simulator import World
from tests.means import missing
from tests.transform.conftest import installed, new_postgres  # noqa: F401 - fixtures
from tests.transform.warehouse import rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.transform.warehouse import Postgres

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

NASTY = '</script><img src="https://example.invalid/x" onerror="alert(1)">'
"""A name that would run in a page that does not escape it."""

FORMULA = '=HYPERLINK("https://example.invalid","open me")'
"""A name that would run in a spreadsheet."""


@dataclass(frozen=True)
class Report:
    """A report, as the command writes it.

    Attributes:
        warehouse: what it was made from.
        folder: where the page and the CSV files are.
    """

    warehouse: Postgres
    folder: Path

    @property
    def page(self) -> Path:
        return self.folder / "report.html"


def empty() -> World:
    return World()


def one() -> World:
    world = World()
    world.add_project("shop")
    world.add_addon("shop", "orders")
    world.add_restore("shop", "orders")
    return world


def company() -> World:
    """Two units of the simulated company, and what somebody made of their names."""
    world = World.company(addons=24)
    world.projects()[0]["name"] = NASTY
    addon = world.add_addon("shop", "odd", name=NASTY, type=NASTY)
    world.add_restore("shop", "odd", backupId=NASTY)
    world.add_restore("shop", "odd", status="hibernating")
    world.add_addon("shop", "formula", name=FORMULA)
    world.add_restore("shop", "formula", backupId="-1+2")
    world.add_addon("shop", "long", name="long" * 60, type="x" * 90)
    assert addon["id"] == "odd"
    return world


def crowd() -> World:
    return World.company(addons=2000, months=12)


WORLDS = {make.__name__: make for make in (empty, one, company, crowd)}


@pytest.fixture(scope="session")
def report_of(
    new_postgres: Callable[[], Postgres],  # noqa: F811 - the fixture
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Report]:
    """What makes the report of one of `WORLDS`, once."""

    @cache
    def make(name: str) -> Report:
        world = WORLDS[name]()
        warehouse = new_postgres()
        warehouse.load(rows_of(world))
        warehouse.build("--exclude-resource-type=test", as_of=world.now)
        folder = tmp_path_factory.mktemp("reports") / name
        main(["--dsn", warehouse.url, "--out", str(folder / "report.html")])
        return Report(warehouse, folder)

    return make


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The Chromium of this machine; without one, what needs it is skipped, and fails in CI."""
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if not found:
        missing(f"No Chromium on PATH, under none of these names: {', '.join(CHROMIUM)}")
    with sync_playwright() as playwright:
        # A container often has neither what the sandbox needs nor a graphics card.
        chromium = playwright.chromium.launch(
            executable_path=found,
            chromium_sandbox=False,
            args=["--disable-gpu", "--disable-quic", "--disable-background-networking"],
        )
        yield chromium
        chromium.close()
