"""Draws the wall and CPU seconds of each tool on each workload."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt

from benchmarks.contenders import CONTENDERS, TAP

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from benchmarks.speed import Result

BAR, GAP, LABELS = 14, 4, 100


def draw(results: Iterable[Result], file: Path) -> None:
    """Draw a row a workload, wall on the left and CPU on the right, into an SVG file."""
    chart = alt.vconcat(*(_row(result) for result in results), spacing=18)
    chart = chart.configure_view(stroke=None).configure_title(anchor="start", fontSize=12)
    chart.configure_axis(grid=False, domain=False, ticks=False).save(file)


def _row(result: Result) -> alt.HConcatChart:
    syncs = [sync for sync in result.syncs if not sync.again]
    order = [tool.name for tool in CONTENDERS]
    return alt.hconcat(
        *(
            _bars(
                [{"tool": s.contender, "seconds": round(getattr(s, what), 2)} for s in syncs],
                f"{result.name}: {label}",
                order,
            )
            for what, label in (("wall", "seconds"), ("cpu", "CPU seconds"))
        )
    )


def _bars(data: list[dict[str, object]], title: str, order: list[str]) -> alt.LayerChart:
    base = alt.Chart(
        alt.InlineData(data), title=title, width=300, height=len(data) * (BAR + GAP)
    ).encode(
        y=alt.Y("tool:N", sort=order, title=None, axis=alt.Axis(minExtent=LABELS)),
        x=alt.X("seconds:Q", title=None, axis=alt.Axis(labels=False)),
    )
    bars = base.mark_bar(size=BAR).encode(
        color=alt.condition(alt.datum.tool == TAP.name, alt.value("#0072b2"), alt.value("#b8bcc2"))
    )
    labels = base.mark_text(align="left", dx=4).encode(text=alt.Text("seconds:Q", format=".1f"))
    return alt.LayerChart(layer=[bars, labels])
