"""How the report writes times, durations and shares."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

NONE = "\N{EN DASH}"
"""Written for what there is not."""

MINUTES_WITHOUT_HOURS = 120
TENTHS_BELOW = 10
HOURS_WITHOUT_DAYS = 48


def day(moment: date | datetime | None) -> str:
    """Write a day, such as 1 Jul 2026."""
    return f"{moment.day} {moment:%b %Y}" if moment else NONE


def instant(moment: datetime | None) -> str:
    """Write an instant in UTC, such as 1 Jul 2026, 06:00 UTC."""
    return f"{day(moment)}, {moment:%H:%M} UTC" if moment else NONE


def duration(minutes: float | None) -> str:
    """Write a duration in the units that people would say: 45 s, 4.5 min, 31 min, 2 h 18 min."""
    if minutes is None:
        return NONE
    if minutes < 1:
        return f"{minutes * 60:.0f} s"
    if minutes < TENTHS_BELOW:
        return f"{minutes:.1f} min".replace(".0 min", " min")
    if round(minutes) < MINUTES_WITHOUT_HOURS:
        return f"{minutes:.0f} min"
    hours, rest = divmod(round(minutes), 60)
    return f"{hours:,} h {rest} min" if rest else f"{hours:,} h"


def share(part: float, whole: float) -> str:
    """Write a part of a whole in percent; never 0 % or 100 % of what is neither."""
    if not whole:
        return NONE
    percent = 100 * part / whole
    if 0 < percent < 1:
        return "< 1 %"
    if 99 < percent < 100:  # noqa: PLR2004 - percent
        return "> 99 %"
    return f"{percent:.0f} %"


def count(number: int, singular: str, plural: str | None = None) -> str:
    """Write a number of things: 1 database, 2,000 databases."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def days_ago(days: int | None) -> str:
    """Write how long ago something was: today, 1 day ago, 90 days ago."""
    if days is None:
        return "never"
    return "today" if days == 0 else f"{count(days, 'day')} ago"


def age(hours: float | None) -> str:
    """Write an age: hours up to two days, then days."""
    if hours is None:
        return NONE
    if hours < HOURS_WITHOUT_DAYS:
        return f"{hours:.0f} h" if hours >= 1 else duration(hours * 60)
    return count(round(hours / 24), "day")


def sentence(text: str) -> str:
    """Write the days and minutes of a reason of the marts as all others.

    A reason may have an id or a user's words in it, so what only looks like a day stays.
    """
    text = re.sub(r"(?<![\w/-])\d{4}-\d\d-\d\d(?![\w-])", _day, text)
    return re.sub(r"\b(\d{1,9}(?:\.\d+)?) min\b", lambda found: duration(float(found[1])), text)


def _day(found: re.Match[str]) -> str:
    try:
        return day(date.fromisoformat(found[0]))
    except ValueError:
        return found[0]
