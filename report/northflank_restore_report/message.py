"""Writes the one message that a destination gets: the few facts that matter, and where to look."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from northflank_restore_report import words
from northflank_restore_report.changes import BETTER, DATABASE, GONE, JOB, MARTS, PART, WORSE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from northflank_restore_report.changes import News, State
    from northflank_restore_report.watched import Watched

SHOWN = 10
"""Changes that a message names; of the others it says how many there are."""

LONGEST = 200
"""Characters of a line."""

SIGNS = str.maketrans(
    "<>",
    "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}",
)
"""What some services would read as markup or as a mention."""

MENTION = re.compile(r"(?<![\w.])@(?=\w)")


@dataclass(frozen=True)
class Message:
    """What is sent, and how grave it is: `failure`, `warning`, `success` or `info`."""

    title: str
    body: str
    gravity: str


def of_changes(
    news: Sequence[News], watched: Watched | None, where: str, mask: Callable[[str], str]
) -> Message:
    """Return the message on some changes, of which there is one at least.

    Args:
        news: the changes, the worst first.
        watched: the marts, if they could be read.
        where: where to look: a URL, or words.
        mask: hides secrets; before a line is made short, which might cut one in two.
    """
    lines = _capped([(plain(mask(_line(item))), _heading(item)) for item in news])
    counts = Counter(_heading(item) for item in news)
    title = "Restores: " + ", ".join(f"{number} {name}" for name, number in counts.items())
    changes = {item.change for item in news}
    failed = any(item.state.kind == JOB and item.change == WORSE for item in news)
    grave = "failure" if failed else "warning" if changes != {BETTER} else "success"
    return _message(title, lines, watched, where, grave)


def of_all(
    states: Iterable[State], watched: Watched, where: str, mask: Callable[[str], str]
) -> Message:
    """Return the first message to a destination: how things stand, and the worst of it."""
    bad = [state for state in states if state.now.is_bad]
    order = {JOB: 0, MARTS: 1, DATABASE: 2, PART: 3}
    bad.sort(key=lambda state: (order[state.kind], state.now.rank, state.name))
    lines = _capped([(plain(mask(_now(state))), state.now.condition) for state in bad])
    first = "This destination is new. From now on it is told what changes; now this is so:"
    title = f"Restores: {len(bad)} to act on" if bad else "Restores: nothing to act on"
    return _message(title, [first, *lines], watched, where, "warning" if bad else "info")


def plain(text: str) -> str:
    """Return a text as one short line that no service takes for markup, a mention or a command."""
    text = " ".join(text.split())
    text = "".join(c for c in text if unicodedata.category(c) not in {"Cc", "Cf", "Cs"})
    text = MENTION.sub("\N{FULLWIDTH COMMERCIAL AT}", text.translate(SIGNS))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _message(
    title: str, lines: list[str], watched: Watched | None, where: str, gravity: str
) -> Message:
    if watched:
        counts = Counter(row.verdict for row in watched.current if row.needs_action)
        act = counts.total()
        of = words.count(len(watched.current), "database")
        each = f": {', '.join(f'{n:,} {verdict}' for verdict, n in counts.items())}" if act else ""
        lines += ["", f"Of {of}, {act:,} to act on{each}. As of {words.instant(watched.as_of)}."]
    return Message(title, "\n".join([*lines, f"Where to look: {where}"]), gravity)


def _capped(lines: list[tuple[str, str]]) -> list[str]:
    more = Counter(kind for _, kind in lines[SHOWN:])
    each = ", ".join(f"{number:,} {kind}" for kind, number in more.items())
    return [line for line, _ in lines[:SHOWN]] + (
        [f"… and {more.total():,} more: {each}"] if more else []
    )


def _heading(item: News) -> str:
    if item.change == GONE:
        return "gone"
    if item.change == BETTER:
        return "better"
    return item.state.now.condition


def _line(item: News) -> str:
    """Return a change as a line: `shop/orders: failing, was proven; failed on 1 Jul 2026`."""
    if item.change == GONE:
        before = item.before.condition if item.before else ""
        return f"{item.state.name}: gone, was {before}; {item.state.fact}"
    return _now(item.state, item.before.condition if item.before else None)


def _now(state: State, before: str | None = None) -> str:
    was = f", was {before}" if before and state.kind == DATABASE else ""
    fact = f"; {state.fact}" if state.fact else ""
    stale = "too old" if state.kind == MARTS else "read too long ago"
    now = {"well": "well again", "stale": stale}.get(state.now.condition, state.now.condition)
    return f"{'job ' if state.kind == JOB else ''}{state.name}: {now}{was}{fact}"
