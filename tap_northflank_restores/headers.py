"""What the headers of a response say of the quota and of waiting, read at their most careful. Pure.

Gateways double headers (`3, 3`), quote them, write decimals, or add a policy (`3;w=3600`). What can
be read is read; of several values the one counts that spends and hurries least.
"""

from __future__ import annotations

import math
import re
from datetime import timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from tap_northflank_restores.quota import Allowance

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

# The length of a window as documented, for when the headers do not say when it ends.
WINDOW = 3600.0
# What is longer than a month is no number of seconds until a reset, but perhaps a date.
_LONGEST_WINDOW = 31 * 86_400.0

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def allowance(headers: Mapping[str, str]) -> Allowance | None:
    """Return what a response says of the quota; None if it says nothing of it.

    A limit of 0 or less is none that a request could meet, so it counts as not said. A reset that
    is missing or no time is taken for a whole window. What is left may remain unknown.
    """
    limit, remaining, reset = (
        headers.get(f"x-ratelimit-{name}") for name in ("limit", "remaining", "reset")
    )
    if limit is None and remaining is None and reset is None:
        return None
    resets = [number for number in _numbers(reset) if 0 <= number <= _LONGEST_WINDOW]
    limits = [number for number in _numbers(limit) if number >= 1]
    left = _numbers(remaining)
    return Allowance(
        limit=_smallest(limits),
        # No more can be left than there is.
        remaining=_smallest([*left, *limits]) if left else None,
        reset=max(resets, default=WINDOW),
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return `Retry-After` in seconds; it is a number of seconds or a date (RFC 9110, 10.2.3).

    A date counts from the response's own `Date`, as the clocks of two machines may differ by days.
    Without that it stands for the reset of the quota, if the response tells of it.
    """
    value = headers.get("Retry-After")
    if value is None:
        return None
    if (until := moment(value)) is None:
        numbers = _numbers(value)
        return max(0.0, *numbers) if numbers else None
    if (now := moment(headers.get("Date"))) is not None:
        return max(0.0, (until - now).total_seconds())
    beside = allowance(headers)
    return None if beside is None else beside.reset


def _numbers(value: str | None) -> list[float]:
    """Return the finite numbers in a header, which may have come several times."""
    numbers = []
    for part in (value or "").split(","):
        text = part.partition(";")[0].strip().strip("\"'").strip()
        if _NUMBER.fullmatch(text) and math.isfinite(number := float(text)):
            numbers.append(number)
    return numbers


def _smallest(numbers: Iterable[float]) -> int | None:
    smallest = min(numbers, default=None)
    return None if smallest is None else math.floor(smallest)


def moment(value: str | None) -> datetime | None:
    """Return a date of HTTP, which is always in GMT; None if there is none."""
    try:
        found = parsedate_to_datetime(value or "")
        return found.replace(tzinfo=timezone.utc) - (found.utcoffset() or timedelta())
    except (ValueError, OverflowError, TypeError):
        return None
