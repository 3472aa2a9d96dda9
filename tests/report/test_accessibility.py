"""The page, as axe-core judges it: what keeps people from reading it, or from using it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.report.test_page import DESK, PHONE, opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser

    from tests.report.conftest import Report

GRAVE = {"serious", "critical"}


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("world", ["empty", "company"])
def test_nothing_keeps_people_from_reading_the_page(
    world: str,
    colours: str,
    viewport: dict[str, int],
    browser: Browser,
    report_of: Callable[[str], Report],
) -> None:
    with opened(browser, report_of(world), viewport, color_scheme=colours) as seen:
        found = Axe().run(seen.page).response
    assert len(found["passes"]) > 10
    grave = {
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in found["violations"]
        if violation["impact"] in GRAVE
        for node in violation["nodes"]
    }
    assert grave == set()
