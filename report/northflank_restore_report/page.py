"""Makes the page: one HTML file with all that it needs inside, and nothing from the network."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import vl_convert
from markupsafe import Markup, escape

from northflank_restore_report import charts, words
from northflank_restore_report.marts import COUNTED, EVIDENCE, NEED_ACTION, TESTED, VERDICTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from northflank_restore_report.marts import Addon, Findings, Quarter

HERE = Path(__file__).parent

SIGNS = {
    "no backup": "∅",
    "stale backup": "◷",
    "never tested": "○",
    "failing": "✕",
    "not validated": "◇",
    "overdue": "◆",
    "slow": "▲",
    "proven": "✓",
    "within target": "✓",
    "over target": "▲",
    "time not known": "?",
    "only failures": "✕",
    "not tested": "○",
    "not yet": "·",
    "waived": "≈",
    "out of scope": "□",
    "deleted": "\N{MINUS SIGN}",
}
"""A sign for each verdict and each evidence, so that colour alone tells nothing."""

QUARTERS_SHOWN = 13
"""Columns of the evidence grid; older quarters are in the CSV file."""

WORST_SHOWN = 10

PROBLEMS_SHOWN = 50

PROJECTS_FROM = 50
"""Databases from which on each project is summed up too."""

UNBROKEN = re.compile(r"\d+ [A-Z][a-z]{2} \d{4}|[\d.]+ (?:min|days|h|s)\b")
"""What is not to be broken in two at the end of a line."""


@dataclass(frozen=True)
class Failures:
    """How often restores of some addons failed in a year."""

    name: str
    attempts: int
    successes: int
    failures: int

    @property
    def rate(self) -> str:
        """Failures among the restores that succeeded or failed."""
        return words.share(self.failures, self.successes + self.failures)


def failures_by(addons: Iterable[Addon], name: Callable[[Addon], str]) -> list[Failures]:
    """Add up the failures of a year by what `name` gives, the most failures first."""
    attempts: Counter[str] = Counter()
    successes: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    for addon in addons:
        attempts[name(addon)] += addon.attempts_365d
        successes[name(addon)] += addon.successes_365d
        failures[name(addon)] += addon.failures_365d
    found = [Failures(n, attempts[n], successes[n], failures[n]) for n in attempts if attempts[n]]
    return sorted(found, key=lambda row: (-row.failures, -row.attempts, row.name))


@dataclass(frozen=True)
class Project:
    """What the databases of a project add up to."""

    name: str
    databases: int
    need_action: int
    proven: int


def projects(findings: Findings) -> list[Project]:
    """Add up the databases of each project, those with the most to do first."""
    found: dict[str, list[Addon]] = {}
    for addon in findings.current:
        found.setdefault(addon.project_id, []).append(addon)
    summed = [
        Project(
            name=addons[0].project_name,
            databases=len(addons),
            need_action=sum(addon.needs_action for addon in addons),
            proven=sum(addon.verdict == "proven" for addon in addons),
        )
        for addons in found.values()
    ]
    return sorted(summed, key=lambda row: (-row.need_action, row.name))


def page(findings: Findings, note: str = "") -> str:
    """Return the report as HTML.

    Args:
        findings: what it shows.
        note: what a reader must know of the data first, such as that they are simulated.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        day=words.day,
        instant=words.instant,
        duration=words.duration,
        days_ago=words.days_ago,
        age=words.age,
        slug=lambda text: text.replace(" ", "-"),
        unbroken=unbroken,
        breakable=breakable,
    )
    environment.globals.update(count=words.count, share=words.share, signs=SIGNS)
    verdicts = Counter(addon.verdict for addon in findings.current)
    style = _inline(
        (HERE / "page.css").read_text(encoding="utf-8") + _widths(verdicts) + _foot(findings)
    )
    library = _inline(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
    script = _inline((HERE / "page.js").read_text(encoding="utf-8"))
    every_quarter = _quarters(findings)
    quarters = every_quarter[-QUARTERS_SHOWN:]
    return environment.get_template("page.html").render(
        **findings._asdict(),
        note=note,
        current=findings.current,
        need_action=sum(addon.needs_action for addon in findings.current),
        too_old=findings.too_old,
        turned=[findings.since_last_run, findings.since_quarter],
        completeness=findings.completeness,
        unsure=[row for row in findings.readings if row.reading != "started"],
        problems_shown=PROBLEMS_SHOWN,
        projects=projects(findings) if len(findings.current) > PROJECTS_FROM else [],
        deleted=findings.deleted,
        verdicts=verdicts,
        verdict_names=VERDICTS[:-1],
        needing=NEED_ACTION,
        evidence_names=EVIDENCE,
        figures=figures(findings),
        quarters_shown=quarters,
        quarters_before=len(every_quarter) - len(quarters),
        grid=_grid(findings.quarters, quarters),
        failures_by_type=failures_by(findings.addons, lambda addon: addon.database_type),
        failures_by_addon=[
            row
            for row in failures_by(findings.addons, lambda addon: addon.addon_key)[:WORST_SHOWN]
            if row.failures
        ],
        charts=_charts(findings),
        policy=_policy(scripts=[library, script], styles=[style]),
        style=style,
        library=library,
        script=script,
    )


def _inline(code: str) -> Markup:
    """Return code as the content of an element of the page."""
    return Markup(f"\n{code}\n")  # noqa: S704 - it is our own, and the library's


def _widths(verdicts: Counter[str]) -> str:
    """Return the style that divides the bar among the verdicts."""
    return "\n".join(
        f".bar .{name.replace(' ', '-')} {{ flex: {verdicts[name]} 1 0; }}" for name in VERDICTS
    )


def _foot(findings: Findings) -> str:
    """Return the style of what stands at the foot of each page on paper."""
    day = words.day(findings.info.as_of)
    return (
        f'@page {{ @bottom-left {{ content: "Restore report, {day}"; font: 8pt sans-serif; }} '
        '@bottom-right { content: counter(page) " / " counter(pages); font: 8pt sans-serif; } }'
    )


def _policy(*, scripts: Iterable[str], styles: Iterable[str]) -> Markup:
    """Return the policy by which a browser takes these scripts and styles, and nothing else."""

    def hashes(codes: Iterable[str]) -> str:
        digests = (hashlib.sha256(code.encode()).digest() for code in codes)
        return " ".join(f"'sha256-{b64encode(digest).decode()}'" for digest in digests)

    policy = f"default-src 'none'; script-src {hashes(scripts)}; style-src {hashes(styles)}"
    return Markup(f"{policy}; img-src data:")  # noqa: S704 - it has no characters to be escaped


def unbroken(text: str) -> Markup:
    """Return a text as HTML that keeps dates and durations on one line."""
    text = str(escape(words.sentence(text)))
    return Markup(UNBROKEN.sub(r'<span class="nowrap">\g<0></span>', text))  # noqa: S704


def breakable(key: str) -> Markup:
    """Return an addon's key as HTML that may be broken after its slash, before any other place."""
    return escape(key).replace("/", Markup("/<wbr>"))


def figures(findings: Findings) -> dict[str, Any]:
    """Return the figures at the head of the page; texts with units."""
    judged = findings.judged
    succeeded = sum(addon.successes_90d for addon in findings.addons)
    failed = sum(addon.failures_90d for addon in findings.addons)
    overall = next((row for row in findings.durations if row.database_type is None), None)
    quarters = _quarters(findings)
    counted = [row for row in findings.quarters if row.evidence in COUNTED]
    now = [row for row in counted if quarters and row.quarter == quarters[-1]]
    before = [row for row in counted if quarters[1:] and row.quarter == quarters[-2]]
    return {
        "proven": words.share(sum(addon.verdict == "proven" for addon in judged), len(judged)),
        "of": len(judged),
        "succeeded": succeeded,
        "finished": succeeded + failed,
        "success_rate": words.share(succeeded, succeeded + failed),
        "overall": overall,
        "within": words.share(overall.within_target, overall.restores) if overall else words.NONE,
        "quarter": quarters[-1] if quarters else None,
        "quarter_tested": _tested(now),
        "quarter_of": len(now),
        "quarter_before": quarters[-2] if quarters[1:] else None,
        "before_share": words.share(_tested(before), len(before)),
    }


def _quarters(findings: Findings) -> list[str]:
    """Return the names of the quarters in the order of time."""
    starts = {row.quarter: row.quarter_start for row in findings.quarters}
    return sorted(starts, key=starts.__getitem__)


def _tested(quarters: list[Quarter]) -> int:
    return sum(row.evidence in TESTED for row in quarters)


def _grid(quarters: Iterable[Quarter], shown: list[str]) -> dict[str, dict[str, Quarter]]:
    """Return the evidence by addon and quarter."""
    grid: dict[str, dict[str, Quarter]] = {}
    for row in quarters:
        if row.quarter in shown:
            grid.setdefault(row.addon_key, {})[row.quarter] = row
    return grid


def _charts(findings: Findings) -> str:
    """Return the charts as JSON, by the id of their place; it is safe inside a script element."""
    drawn: dict[str, charts.Spec] = {}
    if findings.quarters:
        drawn["coverage"] = charts.coverage_by_quarter(findings.quarters)
    if findings.days:
        drawn["activity"] = charts.restores_over_time(findings.days)
    if findings.durations:
        drawn["durations"] = charts.durations_against_target(findings.durations)
    return json.dumps(drawn).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
