"""The account's requests in a window of time, and the headers that tell of them."""

from __future__ import annotations

import math
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.behaviour import Behaviour


_WHOLE: dict[str, Callable[[float], int]] = {
    "up": math.ceil,
    "down": math.floor,
    "nearest": round,
}


class Spent(NamedTuple):
    """What one request did to the quota."""

    allowed: bool
    headers: dict[str, str]


class Quota:
    """Counts requests in windows, each of which starts with its first request."""

    def __init__(self) -> None:
        """Start without a window."""
        self._used = 0
        self._resets = 0.0

    def spend(self, behaviour: Behaviour) -> Spent:
        """Count a request, and those that others make with it."""
        limit = behaviour.rate_limit
        if limit is None:
            return Spent(allowed=True, headers={})
        now = time.monotonic()
        if now >= self._resets:
            self._used = 0
            self._resets = now + behaviour.rate_window
        allowed = self._used < limit
        self._used += behaviour.rate_others + allowed
        seconds = _WHOLE[behaviour.rate_rounding](round(self._resets - now, 3))
        headers: dict[str, str] = {}
        if behaviour.rate_headers:
            headers["x-ratelimit-limit"] = str(limit)
            headers["x-ratelimit-remaining"] = str(max(0, limit - self._used))
            headers["x-ratelimit-reset"] = str(seconds)
        if not allowed and behaviour.retry_after == "seconds":
            headers["retry-after"] = str(seconds)
        if not allowed and behaviour.retry_after == "date":
            clock = time.time() + behaviour.clock_ahead
            headers["date"] = formatdate(clock, usegmt=True)
            headers["retry-after"] = formatdate(clock + seconds, usegmt=True)
        return Spent(allowed, headers)
