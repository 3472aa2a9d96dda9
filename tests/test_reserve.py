"""`rate_limit_reserve` holds exactly: random servers, latencies, losses; a clock of their own."""

from __future__ import annotations

import heapq
import math
from functools import partial
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tap_northflank_restores.quota import Allowance, Place, Quota

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow

ROUND: dict[str, Callable[[float], int]] = {"up": math.ceil, "down": math.floor, "nearest": round}
TIMEOUT = 8.0
"""Seconds after which the client gives a request up."""


class SleepsError(Exception):
    """A request waits for time to go by, or for another request (`seconds` is None)."""

    def __init__(self, seconds: float | None) -> None:
        """Keep how long."""
        super().__init__(seconds)
        self.seconds = seconds


class Condition:
    """Takes the place of `threading.Condition`, and says that one would wait instead of waiting."""

    def __enter__(self) -> None:
        """Enter; there is one thread."""

    def __exit__(self, *_: object) -> None:
        """Leave."""

    def notify_all(self) -> None:
        """Nobody waits."""

    def wait(self, seconds: float | None = None) -> None:
        """Do not wait."""
        raise SleepsError(seconds)


class Server:
    """Counts requests in windows, each of which starts with its first request."""

    def __init__(self, limit: int, window: float, rounding: str) -> None:
        """Start without a window."""
        self.limit = limit
        self.window = window
        self._whole = ROUND[rounding]
        self._resets = -math.inf
        self._used = 0
        self.ours: list[int] = []
        self.refused = 0

    def take(self, now: float, *, others: int = 0) -> Allowance:
        """Count a request of ours, and those of others before it."""
        if now >= self._resets:
            self._resets = now + self.window
            self._used = 0
            self.ours.append(0)
        self._used = min(self.limit, self._used + others)
        if self._used < self.limit:
            self._used += 1
            self.ours[-1] += 1
        else:
            self.refused += 1
        reset = self._whole(round(self._resets - now, 3))
        return Allowance(self.limit, self.limit - self._used, reset)


class Life:
    """Workers that send requests through one quota to a server, event after event."""

    def __init__(self, server: Server, reserve: int, workers: int, trips: list[Any]) -> None:
        """Start at some time; `trips` are (seconds there, seconds back, what comes of it)."""
        self.now = 1000.0
        self.server = server
        self.blind = 0
        """Requests that told nothing when nothing was known: they cannot be reckoned with."""
        self._idle = workers
        self._trips = trips
        self._order = count()
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        namespace = SimpleNamespace(Condition=Condition)
        with patch("tap_northflank_restores.quota.threading", namespace):
            self.quota = Quota(reserve=reserve, max_wait=1e9, clock=lambda: self.now)

    def run(self) -> None:
        """Make all trips."""
        while self._trips or self._events:
            wake = self._send_what_may_be()
            if wake is not None and (not self._events or wake < self._events[0][0]):
                self.now = wake
                continue
            assert self._events, "nothing flies, and nothing may be sent: for ever"
            self.now, _, happens = heapq.heappop(self._events)
            happens()

    def _send_what_may_be(self) -> float | None:
        while self._idle and self._trips:
            try:
                place = self.quota.acquire()
            except SleepsError as error:
                return None if error.seconds is None else self.now + error.seconds
            self._idle -= 1
            if self.quota.remaining is None and self._trips[-1][2] in {"lost", "unsaid"}:
                self.blind += 1
            self._fly(place, *self._trips.pop())
        return None

    def _at(self, time: float, happens: Callable[[], object]) -> None:
        heapq.heappush(self._events, (time, next(self._order), happens))

    def _fly(self, place: Place, there: float, back: float, fate: str) -> None:
        sent = self.now

        def arrive() -> None:
            before = self.server.refused
            allowance = self.server.take(self.now, others=fate == "others")
            refused = self.server.refused > before
            if fate == "lost":
                return
            told = None if fate == "unsaid" else allowance
            land = partial(self._refuse if refused else self._land, place, told)
            self._at(min(self.now + back, sent + 2 * TIMEOUT), land)

        self._at(sent + there, arrive)
        if fate == "lost":  # perhaps before it arrives at the server
            self._at(sent + back, self._lose)

    def _land(self, place: Place, told: Allowance | None) -> None:
        self._idle += 1
        self.quota.release(place, told, is_success=told is not None)

    def _refuse(self, place: Place, told: Allowance | None) -> None:
        self._idle += 1
        self.quota.refuse(place, None, told)

    def _lose(self) -> None:
        self._idle += 1
        self.quota.lose()


latency = st.floats(0, 6, allow_nan=False).map(lambda seconds: round(seconds, 2))
trips = st.lists(
    st.tuples(
        latency,
        latency,
        st.sampled_from(["answered", "answered", "answered", "others", "lost", "unsaid"]),
    ),
    min_size=1,
    max_size=120,
)


@settings(max_examples=600, deadline=None)
@given(
    limit=st.integers(1, 30),
    spared=st.integers(1, 30),
    window=st.sampled_from([1.0, 2.5, 7.0, 20.0, 61.3, 3600.0]),
    rounding=st.sampled_from(sorted(ROUND)),
    workers=st.integers(1, 16),
    trips=trips,
)
# One answer of 4 s: its headers are older than those that came before it.
@example(
    limit=60,
    spared=40,
    window=61.3,
    rounding="up",
    workers=8,
    trips=[(0.01, 0.01, "answered")] * 100 + [(0.01, 4.0, "answered")] * 4,
)
# A request that the client has given up counts in the next window.
@example(
    limit=3,
    spared=2,
    window=7.0,
    rounding="up",
    workers=1,
    trips=[(0, 0, "answered"), (0, 0, "answered"), (11, 1, "lost"), (0, 0, "answered")],
)
# One without headers ends while another flies that does not count it.
@example(
    limit=10,
    spared=4,
    window=61.3,
    rounding="up",
    workers=2,
    trips=[
        (0.1, 0.1, "answered"),
        (0.1, 0.1, "answered"),
        (1, 1.0001, "answered"),
        (2, 0, "unsaid"),
        (0, 0, "answered"),
    ],
)
def test_no_window_of_the_servers_has_more_of_ours_than_the_reserve_leaves(
    *, limit: int, spared: int, window: float, rounding: str, workers: int, trips: list[Any]
) -> None:
    spared = min(limit, spared)
    server = Server(limit, window, rounding)
    flawless = all(fate == "answered" for *_, fate in trips)

    life = Life(server, limit - spared, workers, list(trips))
    life.run()

    assert max(server.ours) <= spared + life.blind
    assert sum(server.ours) + server.refused >= len(trips)
    if flawless:
        assert server.refused == 0
