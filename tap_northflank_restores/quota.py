"""The account's request budget, shared by all threads of a sync.

The API gives the account 1000 requests an hour by default, for everything that uses it: deploys, CI
and this tap. The window starts with the first request. Each response says what is left of it
(`x-ratelimit-remaining`) and in how many seconds it resets (`x-ratelimit-reset`).

All that is known of the server's clock is that a response was made between the sending of its
request and its arrival. So the end of a window lies between two times: the sending, and the
arrival, each plus the reset that was told, give or take a rounded second. A response that is slow
widens that and never raises what is left; a window counts as over when it is so for sure.

Knows nothing of HTTP: the client reports what the headers said.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# The API gives whole seconds until the reset, rounded we do not know how.
_MARGIN = 1.0
# Sums of times that should be the same differ by less than this.
_ROUNDING = 1e-6
# The wait where a server refuses and does not say for how long: 1 s, 2 s, 4 s … at most this, in s.
_LONGEST_GUESS = 60.0
# A refusal while requests are left is a throttle. After this time, in s, the sync gives up.
_LONGEST_THROTTLE = 300.0
# The longest sleep that a thread takes, some centuries. After it the thread looks again.
_LONGEST_SLEEP = threading.TIMEOUT_MAX


class QuotaWaitTooLongError(Exception):
    """The API lets requests through again only after a longer wait than allowed.

    Attributes:
        seconds: How long the wait would have been; or, if the API does not say, how long was
            waited in vain.
        used_up: Whether that is because the account's requests are used up.
        told: Whether the API said for how long.
    """

    def __init__(self, seconds: float, *, used_up: bool, told: bool = True) -> None:
        """Keep how long, and why."""
        super().__init__(seconds)
        self.seconds = seconds
        self.used_up = used_up
        self.told = told


class ReserveTooLargeError(Exception):
    """The reserve is as large as the account's whole limit.

    Attributes:
        limit: Requests that the account has in a window.
    """

    def __init__(self, limit: int) -> None:
        """Keep the account's limit."""
        super().__init__(limit)
        self.limit = limit


class StoppedError(Exception):
    """The sync was asked to stop while it waited."""


@dataclass(frozen=True)
class Allowance:
    """What the headers of one response said of the budget.

    Attributes:
        limit: Requests in a window, if said.
        remaining: Requests left in this window, if said.
        reset: Seconds until the window ends.
    """

    limit: int | None
    remaining: int | None
    reset: float


@dataclass(frozen=True)
class Place:
    """A request's place in the budget, from `acquire` until it is given back.

    Attributes:
        sent: When it was given, on the quota's clock.
        unsaid: How many requests had ended by then without a word on what is left.
    """

    sent: float
    unsaid: int


@dataclass
class _Window:
    """What is known of a window of the server's: at least so much is left, and when it ends."""

    remaining: int
    earliest_end: float
    latest_end: float


class Quota:
    """One budget for all requests of a sync.

    Before each request `acquire` a place in it, and give it back with what came of the request:
    `release` for a response, `refuse` for a 429, `lose` if none came, `withdraw` if it was not
    sent. Until the first response of a window has told what is left, one request flies alone, so
    that a sync that starts when nothing is left spends one 429 at most.

    Attributes:
        max_wait: Longest wait that the API may ask for, in seconds.
    """

    def __init__(
        self,
        *,
        reserve: int = 0,
        max_wait: float = 3600,
        on_wait: Callable[[float, int | None], None] = lambda _seconds, _left: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start with nothing known.

        Args:
            reserve: Requests of each window left to the account's other users.
            max_wait: Longest wait for the window to end, in seconds.
            on_wait: Called once for each wait of the whole pool, with its seconds and the requests
                left (None if unknown).
            clock: Seconds that only go forward.
        """
        self._reserve = reserve
        self.max_wait = max_wait
        self._on_wait = on_wait
        self._clock = clock
        self._changed = threading.Condition()
        self._stopped = False
        self._waiting: deque[object] = deque()
        self._in_flight = 0
        self._spent = 0
        self._alone = True  # whether a response must come before two requests may fly at once
        self._window: _Window | None = None  # as long as nothing is said of a limit, there is none
        self._window_began = -math.inf  # all windows that were known before are over since then
        self._spent_before = 0  # requests sent before that
        self._unsaid = 0  # responses so far without a word on what is left
        # Requests without a response: the server may count them late, in the next window at worst.
        self._lost = 0
        self._lost_before = 0
        self._blocked_until: float | None = None
        self._refusals = 0
        self._waited_since_success = 0.0
        self._too_long: Callable[[], QuotaWaitTooLongError] | None = None

    @property
    def remaining(self) -> int | None:
        """Requests left in the window, as the API last said; None when it says nothing."""
        window = self._window
        return None if window is None else window.remaining

    @property
    def spent(self) -> int:
        """Requests sent so far, refused ones and retries too."""
        return self._spent

    @property
    def waiting(self) -> float:
        """Seconds until the wait that the pool is in ends; 0 when it is not waiting."""
        until = self._blocked_until
        return 0.0 if until is None else max(0.0, until - self._clock())

    def stop(self) -> None:
        """End all waits: `acquire` raises from now on."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def acquire(self) -> Place:
        """Wait until a request may be sent, and count it as in flight.

        First come, first served: the last requests of a window go to the lists that are handed on
        first, and not to pages that nobody will get to read.

        Raises:
            QuotaWaitTooLongError: The window ends only after `max_wait`.
            StoppedError: `stop` was called.
        """
        turn = object()
        with self._changed:
            self._waiting.append(turn)
            try:
                return self._wait_for(turn)
            finally:
                self._waiting.remove(turn)
                if self._waiting:
                    self._changed.notify_all()

    def _wait_for(self, turn: object) -> Place:
        while True:
            if self._stopped:
                raise StoppedError
            if self._too_long is not None:
                # The sync ends: no thread is to find that out with a request of its own.
                raise self._too_long()
            now = self._clock()
            if self._blocked_until is not None and now >= self._blocked_until:
                self._blocked_until = None
                self._alone = True
            if self._blocked_until is not None:
                self._changed.wait(min(self._blocked_until - now, _LONGEST_SLEEP))
            elif turn is not self._waiting[0]:
                self._changed.wait()
            elif self._may_send(now):
                self._in_flight += 1
                self._spent += 1
                return Place(now, self._unsaid)
            elif self._in_flight or self._window is None:
                # What is in flight will tell more, or is all that the window has left.
                self._changed.wait()
            else:
                seconds = self._window.latest_end - _MARGIN - now
                self._block(now, seconds, self._window.remaining, used_up=True)

    def release(
        self, place: Place, allowance: Allowance | None, *, is_success: bool = True
    ) -> None:
        """Give back the place of a request that got a response.

        Args:
            place: As from `acquire`.
            allowance: What the response said of the budget; None if it said nothing.
            is_success: Whether it is the API's regular answer. A gateway's page tells nothing
                about a limit by not mentioning one.

        Raises:
            ReserveTooLargeError: The reserve leaves nothing of the account's limit.
        """
        with self._changed:
            self._end_flight()
            self._learn(place, allowance)
            if is_success:
                self._refusals = 0
                self._waited_since_success = 0.0
                if allowance is None:
                    self._alone = False

    def lose(self) -> None:
        """Give back the place of a request that got no response; it may count all the same."""
        with self._changed:
            self._end_flight()
            self._lost += 1

    def withdraw(self) -> None:
        """Give back the place of a request that did not reach the server."""
        with self._changed:
            self._end_flight()

    def refuse(self, place: Place, retry_after: float | None, allowance: Allowance | None) -> None:
        """Give back the place of a request that got a 429, and make the whole pool wait.

        Args:
            place: As from `acquire`.
            retry_after: Seconds of its `Retry-After`, if it had one.
            allowance: What it said of the budget, if anything.

        Raises:
            QuotaWaitTooLongError: The wait would be longer than `max_wait`, alone or together with
                the waits since the last success. A refusal although requests are left may take
                some minutes at most.
            ReserveTooLargeError: The reserve leaves nothing of the account's limit.
        """
        with self._changed:
            self._end_flight()
            self._learn(place, allowance)
            if self._blocked_until is not None:
                return  # Another thread's refusal has stopped the pool already.
            self._refusals += 1
            left = None if allowance is None else allowance.remaining
            used_up = allowance is not None and (left is None or left <= self._reserve)
            guess = min(2.0 ** (self._refusals - 1), _LONGEST_GUESS)
            seconds = max(retry_after or 0.0, guess)
            now = self._clock()
            if used_up and allowance is not None:
                if retry_after is None or self._reserve:
                    seconds = max(seconds, allowance.reset)
                if self._reserve and self._window is not None:
                    seconds = max(seconds, self._window.latest_end - _MARGIN - now)
                else:
                    # Nobody needs the rest of this window: the API's word on when to ask counts.
                    self._window = None
            told = used_up or retry_after is not None
            self._block(now, seconds, left, used_up=used_up, told=told)

    def _end_flight(self) -> None:
        self._in_flight -= 1
        self._changed.notify_all()

    def _may_send(self, now: float) -> bool:
        if self._window is not None and now + _ROUNDING >= self._window.latest_end:
            self._begin_window(now)
        if self._alone and self._in_flight:
            return False
        return self._window is None or self._left(self._window) > self._reserve

    def _left(self, window: _Window) -> int:
        """Return what is left for sure once all that was sent has been counted."""
        return window.remaining - self._in_flight - self._lost - self._lost_before

    def _begin_window(self, now: float) -> None:
        self._window = None
        self._alone = True
        self._window_began = now
        self._spent_before = self._spent - self._in_flight
        self._lost, self._lost_before = 0, self._lost

    def _learn(self, place: Place, allowance: Allowance | None) -> None:
        if allowance is None:
            self._count_unsaid()
            return
        if allowance.limit is not None and allowance.limit <= self._reserve:
            # It would wait for one window after the other otherwise, for ever.
            raise ReserveTooLargeError(allowance.limit)
        if (remaining := self._remaining(allowance)) is None:
            self._count_unsaid()
            return
        # Those that ended unsaid while this one flew may not be counted in what it says.
        remaining -= self._unsaid - place.unsaid
        now = self._clock()
        told = _Window(
            remaining,
            earliest_end=place.sent + allowance.reset - _MARGIN,
            latest_end=now + allowance.reset + _MARGIN,
        )
        known = self._window
        if known is None:
            if place.sent < self._window_began and told.earliest_end <= self._window_began:
                self._count_unsaid()  # It may tell of a window that is over.
                return
            self._window = told
        elif told.earliest_end > known.latest_end:
            self._window = told  # of a new window
        elif told.latest_end < known.earliest_end:
            return  # of a window before this one
        else:
            known.remaining = min(known.remaining, told.remaining)
            if now < known.earliest_end:  # So it tells of the same window, and of no later one.
                known.earliest_end = max(known.earliest_end, told.earliest_end)
                known.latest_end = min(known.latest_end, told.latest_end)
            else:
                known.latest_end = max(known.latest_end, told.latest_end)
        self._alone = False

    def _remaining(self, allowance: Allowance) -> int | None:
        if allowance.remaining is not None or allowance.limit is None:
            return allowance.remaining
        return allowance.limit - (self._spent - self._spent_before)

    def _count_unsaid(self) -> None:
        self._unsaid += 1
        if self._window is not None:
            self._window.remaining -= 1

    def _block(
        self,
        now: float,
        seconds: float,
        remaining: int | None,
        *,
        used_up: bool,
        told: bool = True,
    ) -> None:
        seconds = max(seconds, 0.0)
        in_vain = self._waited_since_success
        throttled = not told and remaining is not None
        longest = min(self.max_wait, _LONGEST_THROTTLE) if throttled else self.max_wait
        if in_vain + seconds > longest:
            self._too_long = partial(
                QuotaWaitTooLongError, seconds if told else in_vain, used_up=used_up, told=told
            )
            raise self._too_long()
        self._waited_since_success += seconds
        self._blocked_until = now + seconds + _MARGIN
        self._on_wait(seconds + _MARGIN, remaining)
