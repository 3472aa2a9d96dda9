"""The charts, made with Altair: small, aggregated, and told apart by more than colour."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import altair as alt

from northflank_restore_report import words
from northflank_restore_report.marts import EVIDENCE, OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from northflank_restore_report.marts import Day, Durations, Quarter

# The palette of Okabe and Ito, which people with any colour vision tell apart.
GREEN, VERMILLION, ORANGE, SKY, BLUE = "#009e73", "#d55e00", "#e69f00", "#56b4e9", "#0072b2"
# As in the rest of the page, one hue stands for what has to be done: lightness tells its kinds.
LIGHT_GREEN, LIGHT_ORANGE, BROWN = "#9ad6c3", "#f4b183", "#7a2f00"
GREY, PALE, PALEST = "#8a8f98", "#c9ccd1", "#e4e6e9"

OUTCOME_COLOURS = dict(zip(OUTCOMES, (GREEN, VERMILLION, ORANGE, SKY, GREY), strict=True))
EVIDENCE_COLOURS = dict(
    zip(
        EVIDENCE,
        (GREEN, LIGHT_ORANGE, LIGHT_GREEN, ORANGE, BROWN, VERMILLION, PALE, GREY, PALEST),
        strict=True,
    )
)

DOWNWARDS = {"failed", "aborted"}
"""Outcomes drawn below the axis."""

WEEKS_UP_TO = timedelta(days=200)
"""Spans up to this are drawn by week, up to the next one by month, and longer ones by quarter."""
MONTHS_UP_TO = timedelta(days=365 * 6)

HOURS_FROM = 300
"""Durations beyond this many minutes are drawn in hours."""

WHOLE_NUMBERS = "datum.value % 1 ? '' : format(abs(datum.value), ',d')"
"""Labels of an axis that counts; what hangs below the line is counted too."""

Spec = dict[str, Any]


def restores_over_time(days: Sequence[Day]) -> Spec:
    """Draw the attempts by outcome: what went wrong hangs below the line."""
    span = days[-1].day - days[0].day
    unit = "week" if span <= WEEKS_UP_TO else "month" if span <= MONTHS_UP_TO else "quarter"
    # Periods in which nothing happened have a place too, and none is shown that has not begun.
    every_day = (days[0].day + timedelta(days=n) for n in range(span.days + 1))
    periods = list(dict.fromkeys(_period(day, unit) for day in every_day))
    counts: Counter[tuple[str, str]] = Counter()
    for day in days:
        for outcome in OUTCOMES:
            counts[_period(day.day, unit), outcome] += getattr(day, outcome)
    there = [
        outcome for outcome in OUTCOMES if any(n for (_, o), n in counts.items() if o == outcome)
    ]
    rows = [
        {
            "period": period,
            "outcome": outcome,
            "restores": n,
            "drawn": -n if outcome in DOWNWARDS else n,
            "order": OUTCOMES.index(outcome),
        }
        for (period, outcome), n in counts.items()
        if n
    ]
    chart = (
        alt.Chart(alt.InlineData(rows))
        .mark_bar(width=_width(len(periods)))
        .encode(
            x=alt.X(
                "period:O",
                title=None,
                axis=alt.Axis(labelAngle=0, labelOverlap="parity", labelSeparation=8, grid=False),
                scale=alt.Scale(domain=periods, paddingInner=0.25),
            ),
            y=alt.Y(
                "drawn:Q",
                title=f"Restores a {unit}",
                axis=alt.Axis(labelExpr=WHOLE_NUMBERS),
            ),
            color=_colour("outcome", there, OUTCOME_COLOURS),
            order="order:Q",
            tooltip=[
                alt.Tooltip("period:O", title="Week of" if unit == "week" else unit.capitalize()),
                alt.Tooltip("outcome:N", title="Outcome"),
                alt.Tooltip("restores:Q", title="Restores", format=",d"),
            ],
        )
    )
    zero = alt.Chart(alt.InlineData([{"zero": 0}])).mark_rule().encode(y="zero:Q")
    return _spec(alt.layer(chart, zero), f"Restores a {unit}, by outcome", height=240)


def durations_against_target(durations: Sequence[Durations]) -> Spec:
    """Draw for each type of database where 90 of 100 restores lie, and the target."""
    of_types = [row for row in durations if row.database_type is not None]
    longest = max(max(row.p95_minutes, row.longest_target_minutes) for row in of_types)
    unit, minutes = ("hours", 60) if longest > HOURS_FROM else ("minutes", 1)
    rows = [
        {
            "type": row.database_type,
            "p05": row.p05_minutes / minutes,
            "p25": row.p25_minutes / minutes,
            "p50": row.p50_minutes / minutes,
            "p75": row.p75_minutes / minutes,
            "p95": row.p95_minutes / minutes,
            "target": row.shortest_target_minutes / minutes,
            "longest": row.longest_target_minutes / minutes,
            "median": words.duration(row.p50_minutes),
            "late": words.duration(row.p95_minutes),
            "within": f"{row.within_target:,} of {row.restores:,}",
        }
        for row in of_types
    ]
    base = alt.Chart(alt.InlineData(rows)).encode(
        y=alt.Y("type:N", title=None, sort=None, axis=alt.Axis(grid=False, ticks=False)),
        tooltip=[
            alt.Tooltip("type:N", title="Type"),
            alt.Tooltip("median:N", title="Half took up to"),
            alt.Tooltip("late:N", title="95 of 100 took up to"),
            alt.Tooltip("within:N", title="Within target"),
        ],
    )
    time = alt.X(
        "p05:Q",
        title=f"{unit.capitalize()} from start to end (square-root scale)",
        scale=alt.Scale(type="sqrt", domainMin=0, domainMax=1.05 * longest / minutes, nice=False),
        axis=alt.Axis(format=",~r", tickCount=6),
    )
    target = base.mark_tick(thickness=3, size=28, color=VERMILLION)
    layers = alt.layer(
        base.mark_bar(height=4, color=SKY).encode(x=time, x2="p95:Q"),
        base.mark_bar(height=14, color=BLUE).encode(x="p25:Q", x2="p75:Q"),
        base.mark_point(shape="circle", size=70, filled=True, color="white", opacity=1).encode(
            x="p50:Q", stroke=alt.value(BLUE), strokeWidth=alt.value(2)
        ),
        target.encode(x="target:Q"),
        target.encode(x="longest:Q"),
    )
    return _spec(
        layers, "Durations by type of database, against the target", height=40 * len(rows) + 20
    )


def coverage_by_quarter(quarters: Sequence[Quarter]) -> Spec:
    """Draw how many databases were tested in each quarter."""
    counts = Counter((row.quarter, row.evidence) for row in quarters)
    totals = Counter(row.quarter for row in quarters)
    there = [evidence for evidence in EVIDENCE if any(e == evidence for _, e in counts)]
    rows = [
        {
            "quarter": quarter,
            "evidence": evidence,
            "databases": n,
            "share": words.share(n, totals[quarter]),
            "order": EVIDENCE.index(evidence),
        }
        for (quarter, evidence), n in counts.items()
    ]
    chart = (
        alt.Chart(alt.InlineData(rows))
        .mark_bar(width=_width(len(totals)))
        .encode(
            x=alt.X(
                "quarter:O",
                title=None,
                axis=alt.Axis(labelAngle=0, labelOverlap="parity", labelSeparation=8, grid=False),
                scale=alt.Scale(paddingInner=0.25),
            ),
            y=alt.Y("databases:Q", title="Databases", axis=alt.Axis(labelExpr=WHOLE_NUMBERS)),
            color=_colour("evidence", there, EVIDENCE_COLOURS),
            order="order:Q",
            tooltip=[
                alt.Tooltip("quarter:O", title="Quarter"),
                alt.Tooltip("evidence:N", title="Evidence"),
                alt.Tooltip("databases:Q", title="Databases", format=",d"),
                alt.Tooltip("share:N", title="Share"),
            ],
        )
    )
    return _spec(chart, "Databases by evidence, in each quarter", height=200)


def _period(day: date, unit: str) -> str:
    """Return the name of the week (its Monday), the month or the quarter of a day."""
    if unit == "week":
        return words.day(day - timedelta(days=day.weekday()))
    return f"{day:%b %Y}" if unit == "month" else f"{day.year}-Q{(day.month + 2) // 3}"


def _width(bars: int) -> alt.RelativeBandSize:
    """Return the width of one of some bars: few ones do not become blocks."""
    return alt.RelativeBandSize(min(0.8, bars / 10))


def _colour(field: str, domain: list[str], colours: dict[str, str]) -> alt.Color:
    return alt.Color(
        f"{field}:N",
        title=None,
        scale=alt.Scale(domain=domain, range=[colours[name] for name in domain]),
    )


def _spec(chart: alt.TopLevelMixin, description: str, height: int) -> Spec:
    """Return a Vega-Lite specification that takes the width of its place on the page.

    Args:
        chart: what is drawn.
        description: its label for who does not see it.
        height: in pixels.
    """
    finished = chart.properties(
        description=description,
        width="container",
        height=height,
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
    ).configure(
        background="transparent",
        view=alt.ViewConfig(stroke=None),
        legend=alt.LegendConfig(
            orient="top",
            direction="horizontal",
            columns=3,
            labelFontSize=12,
            symbolType="square",
            symbolSize=120,
        ),
        axis=alt.AxisConfig(
            domain=False,
            tickSize=4,
            labelPadding=4,
            labelFontSize=12,
            titleFontSize=12,
            titleFontWeight="normal",
        ),
        font="system-ui, sans-serif",
    )
    spec: Spec = finished.to_dict()
    return spec
