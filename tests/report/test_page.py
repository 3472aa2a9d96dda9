"""The page in a browser: what it shows, that it fits, and that it asks nobody for anything."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from northflank_restore_report import words
from northflank_restore_report.marts import VERDICTS, read
from northflank_restore_report.page import SIGNS, page
from northflank_restore_report.warehouse import open_warehouse
from tests.report.conftest import NASTY, WORLDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.report.conftest import Report

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1200, "height": 900}
CHARTS = {"coverage", "activity", "durations"}


class Seen:
    """A page in a browser, and what happened while it was there."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("dialog", lambda dialog: self.complaints.append(dialog.message))

    def rows(self, section: str) -> list[str]:
        """Return the texts of the rows that are shown in a section's table."""
        found = self.page.locator(
            f"section[aria-labelledby={section}] tbody tr:not(.hidden):not(.over)"
        )
        return found.all_inner_texts()

    def evaluate(self, script: str) -> object:
        return self.page.evaluate(script)


@contextmanager
def opened(
    browser: Browser, report: Report, viewport: dict[str, int], **how: str
) -> Iterator[Seen]:
    """Open a report from disk and wait until its charts are drawn, or are not."""
    size = {"width": viewport["width"], "height": viewport["height"]}
    with browser.new_context(
        viewport=size,  # type: ignore[arg-type]
        is_mobile=viewport is PHONE,
        **how,  # type: ignore[arg-type]
    ) as context:
        seen = Seen(context.new_page())
        seen.page.goto(report.page.as_uri())
        seen.page.wait_for_selector("html[data-charts]", state="attached")
        yield seen


@pytest.fixture
def desk(browser: Browser, report_of: Callable[[str], Report]) -> Iterator[Seen]:
    """The report of the company on a desk."""
    with opened(browser, report_of("company"), DESK) as seen:
        yield seen


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("world", WORLDS)
def test_page_is_drawn_and_fits_and_asks_for_nothing(
    world: str,
    viewport: dict[str, int],
    browser: Browser,
    report_of: Callable[[str], Report],
    tmp_path: Path,
) -> None:
    report = report_of(world)
    with opened(browser, report, viewport) as seen:
        assert seen.evaluate("document.documentElement.dataset.charts") == "drawn"
        marks = seen.evaluate("""Object.fromEntries(
            [...document.querySelectorAll('.chart')].map(
                (chart) => [chart.id, chart.querySelectorAll('svg .role-mark path').length]
            )
        )""")
        assert isinstance(marks, dict)
        assert set(marks) == (set() if world == "empty" else CHARTS)
        assert all(marks.values())
        assert seen.requests == [report.page.as_uri()]
        assert seen.complaints == []
        assert seen.evaluate("document.documentElement.scrollWidth") == viewport["width"]
        picture = seen.page.screenshot(path=tmp_path / "page.png", full_page=True)
        assert picture.startswith(b"\x89PNG")


def test_no_byte_can_come_from_the_network(desk: Seen) -> None:
    outcome = desk.evaluate("""
        fetch('https://example.invalid/').then(() => 'reached', (error) => 'refused')
    """)
    assert outcome == "refused"
    assert any("Content Security Policy" in complaint for complaint in desk.complaints)


def test_only_the_scripts_and_styles_of_the_page_run(desk: Seen) -> None:
    policy = desk.page.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content")
    assert policy
    assert "unsafe" not in policy
    desk.evaluate("""
        for (const [name, text] of [
            ['script', 'document.documentElement.dataset.slipped = 1'],
            ['style', 'h1 { letter-spacing: 77px; }'],
        ]) {
            const element = document.createElement(name);
            element.textContent = text;
            document.head.append(element);
        }
        document.querySelector('h1').insertAdjacentHTML(
            'beforeend', '<b style="letter-spacing: 78px" onclick="slipped()">b</b>'
        );
    """)
    assert desk.evaluate("document.documentElement.dataset.slipped ?? null") is None
    spacing = "getComputedStyle(document.querySelector('h1')).letterSpacing"
    assert desk.evaluate(spacing) != "77px"
    assert desk.evaluate(spacing.replace("'h1'", "'h1 b'")) != "78px"
    assert len(desk.complaints) >= 3


def test_a_chart_shows_its_figures_under_the_pointer(desk: Seen) -> None:
    desk.page.locator("#activity svg .mark-area path, #activity svg .mark-rect path").last.hover()
    tip = desk.page.locator("#vg-tooltip-element")
    tip.wait_for(state="visible")
    assert tip.evaluate("tip => getComputedStyle(tip).position") == "fixed"
    assert "restores" in tip.inner_text().lower()
    assert desk.complaints == []


def test_the_bar_is_divided_as_the_verdicts_are(desk: Seen) -> None:
    shares = desk.evaluate("""Object.fromEntries(
        [...document.querySelectorAll('.bar span')].map(
            (span) => [span.className, getComputedStyle(span).flexGrow]
        )
    )""")
    heads = desk.page.locator(".verdicts li").all_inner_texts()
    counts = {text.split(maxsplit=2)[2].replace(" ", "-"): text.split()[0] for text in heads}
    assert shares == {verdict: n for verdict, n in counts.items() if n != "0"}


def test_names_are_text_whatever_they_say(desk: Seen) -> None:
    names = desk.page.locator("section[aria-labelledby=databases] tbody th").all_inner_texts()
    assert any(name.startswith(NASTY) for name in names)
    assert desk.page.locator("img").count() == 0
    assert desk.complaints == []


def test_verdicts_are_those_of_the_marts(desk: Seen, report_of: Callable[[str], Report]) -> None:
    rows = report_of("company").warehouse.query("""
        select verdict, reason from addon_recoverability
        where is_current order by verdict_rank, last_success_at nulls first, addon_key
    """)
    reasons = [text.splitlines()[0] for text in desk.page.locator("td.why").all_inner_texts()]
    assert reasons == [words.sentence(row["reason"]) for row in rows]
    expected = [row["verdict"] for row in rows]
    shown = desk.page.locator("td.verdict").all_inner_texts()
    assert [text.split(maxsplit=1)[1] for text in shown] == expected
    heads = desk.page.locator(".verdicts li").all_inner_texts()
    counts = {text.split(maxsplit=2)[2]: int(text.split()[0]) for text in heads}
    assert {verdict: n for verdict, n in counts.items() if n} == Counter(expected)


def test_evidence_grid_is_that_of_the_marts(desk: Seen, report_of: Callable[[str], Report]) -> None:
    rows = report_of("company").warehouse.query("""
        select addon_key, quarter, evidence, is_current from restore_drill_evidence
    """)
    grid = desk.page.locator("table.grid tbody tr")
    shown = {
        (row.locator("th").inner_text().split(",")[0], *title.split(", ")[0].split(": "))
        for row in grid.all()
        for title in row.locator(".cell").evaluate_all("cells => cells.map(c => c.title)")
    }
    assert shown == {(row["addon_key"], row["quarter"], row["evidence"]) for row in rows}
    deleted = [text for text in grid.locator("th").all_inner_texts() if text.endswith(", deleted")]
    assert len(deleted) == len({row["addon_key"] for row in rows if not row["is_current"]}) > 0


def test_restores_over_time_end_with_the_last_one(
    desk: Seen, report_of: Callable[[str], Report]
) -> None:
    months = report_of("company").warehouse.query("""
        select to_char(month, 'Mon YYYY') as name
        from (select min(day) as first_day, max(day) as last_day from daily_restore_activity) as d,
            generate_series(date_trunc('month', first_day), last_day, '1 month') as month
    """)
    labels = desk.page.locator("#activity [aria-label^=X-axis] .role-axis-label text")
    shown = [text for text in labels.all_text_contents() if text]
    assert len(shown) > 3
    assert set(shown) <= {month["name"] for month in months}


def test_words_are_not_broken_on_a_phone(
    browser: Browser, report_of: Callable[[str], Report]
) -> None:
    """A word in two lines has two boxes."""
    with opened(browser, report_of("company"), PHONE) as seen:
        broken = seen.evaluate(r"""[...document.querySelectorAll('tbody th')].flatMap((th) => {
            const texts = document.createTreeWalker(th, NodeFilter.SHOW_TEXT);
            const range = document.createRange();
            const found = [];
            while (texts.nextNode()) {
                for (const word of texts.currentNode.data.matchAll(/\b\w{1,20}\b/g)) {
                    range.setStart(texts.currentNode, word.index);
                    range.setEnd(texts.currentNode, word.index + word[0].length);
                    if (range.getClientRects().length > 1) found.push(word[0]);
                }
            }
            return found;
        })""")
        assert isinstance(broken, list)
        assert [word for word in broken if word not in NASTY] == []  # It is wider than a phone.


def test_quarters_that_are_left_out_are_told(
    report_of: Callable[[str], Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_warehouse(report_of("company").warehouse.url, "restore_analytics") as warehouse:
        findings = read(warehouse)
    assert "The grid has the last" not in page(findings)
    quarters = {row.quarter for row in findings.quarters}
    monkeypatch.setattr("northflank_restore_report.page.QUARTERS_SHOWN", 2)
    told = f"The grid has the last 2 quarters; the {len(quarters) - 2} before are in"
    assert told in page(findings)


def test_headline_figures(desk: Seen, report_of: Callable[[str], Report]) -> None:
    (expected,) = report_of("company").warehouse.query("""
        select
            count(*) filter (where outcome = 'succeeded') as succeeded,
            count(*) filter (where outcome in ('succeeded', 'failed')) as finished
        from restore_attempts, refresh_info
        where counted_at between as_of - interval '90 days' and as_of
    """)
    text = desk.page.locator(".figures").inner_text()
    assert "{succeeded} of {finished} finished".format(**expected) in text


def test_signs_tell_verdicts_apart_without_colour(desk: Seen) -> None:
    signs = desk.page.locator(".verdicts .sign").all_inner_texts()
    assert len(set(signs)) == len(signs) == 8
    assert len({SIGNS[name] for name in VERDICTS[:-1]}) == len(VERDICTS) - 1
    keys = desk.page.locator(".key .cell").all_inner_texts()
    assert len(set(keys)) == len(keys) == 9


def test_databases_that_need_action_are_the_headline(
    desk: Seen, report_of: Callable[[str], Report]
) -> None:
    (row,) = report_of("company").warehouse.query("""
        select count(*) filter (where needs_action) as act, count(*) as all
        from addon_recoverability where is_current
    """)
    text = desk.page.locator(".headline").inner_text()
    assert text == f"{row['act']} databases need action now, of {row['all']} databases."


def test_cell_says_what_it_stands_for_by_touch_and_keyboard(desk: Seen) -> None:
    section = desk.page.locator("section[aria-labelledby=evidence]")
    first = section.locator("tbody tr").first.locator(".cell").last
    first.click()
    detail = section.locator(".detail")
    title = first.get_attribute("title")
    assert title is not None
    assert detail.inner_text().endswith(title)
    section.locator(".scroll").focus()
    desk.page.keyboard.press("ArrowDown")
    second = section.locator("tbody tr").nth(1)
    assert detail.inner_text().startswith(second.locator("th").inner_text())


def test_charts_have_labels_of_their_own(desk: Seen) -> None:
    labels = desk.page.locator("[aria-roledescription=visualization]").evaluate_all(
        "found => found.map(chart => chart.getAttribute('aria-label'))"
    )
    assert len(set(labels)) == 3
    assert not any("Vega" in str(label) for label in labels)


def test_long_table_is_cut_short_and_can_be_searched(
    browser: Browser, report_of: Callable[[str], Report]
) -> None:
    report = report_of("crowd")
    (counts,) = report.warehouse.query("""
        select count(*) as all,
            count(*) filter (where verdict = 'slow' and database_type = 'mongodb') as slow
        from addon_recoverability where is_current
    """)
    with opened(browser, report, DESK) as seen:
        section = seen.page.locator("section[aria-labelledby=databases]")
        assert len(seen.rows("databases")) == len(seen.rows("evidence")) == 50
        assert (
            section.locator("output").inner_text() == f"Showing the first 50 of {counts['all']:,}"
        )
        section.get_by_role("searchbox").fill("slow mongodb")
        assert f"of {counts['slow']} found" in section.locator("output").inner_text()
        assert all("mongodb" in row and "slow" in row for row in seen.rows("databases"))
        section.get_by_role("button", name="Show all").click()
        assert len(seen.rows("databases")) == counts["slow"]
        section.get_by_role("searchbox").fill("nothing has this name")
        assert seen.rows("databases") == []
        assert section.locator("output").inner_text() == "0 found"


def test_without_scripts_every_row_is_there(
    browser: Browser, report_of: Callable[[str], Report]
) -> None:
    report = report_of("crowd")
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(report.page.as_uri())
        rows = page.locator("section[aria-labelledby=databases] tbody tr:visible").count()
    (current,) = report.warehouse.query(
        "select count(*) as n from addon_recoverability where is_current"
    )
    assert rows == current["n"]


def test_print_is_light_and_keeps_to_its_pages(
    browser: Browser, report_of: Callable[[str], Report]
) -> None:
    with opened(browser, report_of("crowd"), DESK, color_scheme="dark") as seen:
        background = "getComputedStyle(document.body).backgroundColor"
        assert seen.evaluate(background) != "rgb(255, 255, 255)"
        seen.page.emulate_media(media="print")
        assert seen.evaluate(background) == "rgb(255, 255, 255)"
        assert not seen.page.get_by_role("searchbox").first.is_visible()
        shown = seen.page.locator("section[aria-labelledby=databases] tbody tr:visible").count()
        paper = seen.page.pdf(prefer_css_page_size=True)
    (expected,) = report_of("crowd").warehouse.query("""
        select count(*) filter (where verdict <> 'proven') as unproven, count(*) as all
        from addon_recoverability where is_current
    """)
    # Everything that is not proven is on paper; of the rest no more than the page's first.
    assert expected["unproven"] <= shown <= max(expected["unproven"], 50) < expected["all"]
    assert paper.count(b"/Type /Page\n") <= 12 + expected["unproven"] / 15
