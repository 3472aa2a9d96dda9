"""The account's request budget, shared by all threads of a sync.

The API gives the account 1000 requests an hour by default, for everything that uses it: deploys, CI
and this tap. The window starts with the first request. Each response says what is left of it
(`x-ratelimit-remaining`) and in how many seconds it resets (`x-ratelimit-reset`).

Knows nothing of HTTP: the client reports what the headers said.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# The API gives whole seconds until the reset; without a margin a wait would end just before it.
_MARGIN = 1.0
# Never hammer a server that refuses without saying for how long: 1 s, 2 s, 4 s … 1 min.
_LONGEST_GUESS = 60.0
# Two windows whose ends differ by less are the same one, seen through whole seconds and latency.
_SAME_WINDOW = 2.0
# A thread can be told to sleep for some centuries and no longer; then it looks again.
_LONGEST_SLEEP = threading.TIMEOUT_MAX


class QuotaWaitTooLongError(Exception):
    """The budget resets only after a longer wait than allowed.

    Attributes:
        seconds: How long it would have taken.
    """

    def __init__(self, seconds: float) -> None:
        """Keep how many seconds the wait would have taken."""
        super().__init__(seconds)
        self.seconds = seconds


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
        remaining: Requests left in this window.
        reset: Seconds until the window ends.
    """

    limit: int | None
    remaining: int
    reset: float


class Quota:
    """One budget for all requests of a sync.

    Before each request `acquire` a place in it, and `release` it with what the response said. Until
    the first response of a window has told what is left, one request flies alone, so that a sync
    that starts when nothing is left spends one 429 at most.
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
                left (None after a refusal without headers).
            clock: Seconds that only go forward.
        """
        self._reserve = reserve
        self._max_wait = max_wait
        self._on_wait = on_wait
        self._clock = clock
        self._changed = threading.Condition()
        self._stopped = False
        self._waiting: deque[object] = deque()
        self._in_flight = 0
        self._spent = 0
        self._known = False  # whether a response of this window has come
        self._remaining: int | None = None  # as long as nothing is said of a limit, there is none
        self._resets_at = 0.0
        self._blocked_until: float | None = None
        self._refusals = 0
        self._waited = 0.0
        self._too_long: float | None = None

    @property
    def remaining(self) -> int | None:
        """Requests left in the window, as the API last said; None when it says nothing."""
        return self._remaining

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

    def acquire(self) -> None:
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
                self._wait_for(turn)
            finally:
                self._waiting.remove(turn)
                if self._waiting:
                    self._changed.notify_all()

    def _wait_for(self, turn: object) -> None:
        while True:
            if self._stopped:
                raise StoppedError
            if self._too_long is not None:
                # The sync ends: no thread is to find that out with a request of its own.
                raise QuotaWaitTooLongError(self._too_long)
            now = self._clock()
            if self._blocked_until is not None and now >= self._blocked_until:
                self._begin_window()
            if self._blocked_until is not None:
                self._changed.wait(min(self._blocked_until - now, _LONGEST_SLEEP))
            elif turn is not self._waiting[0]:
                self._changed.wait()
            elif self._may_send(now):
                self._in_flight += 1
                self._spent += 1
                return
            elif self._in_flight:
                # What is in flight will tell more, or is all that the window has left.
                self._changed.wait()
            else:
                self._block(self._resets_at - now, self._remaining)

    def release(self, allowance: Allowance | None) -> None:
        """Take a request out of flight.

        Args:
            allowance: What its response said of the budget; None if it said nothing, or if there
                was no response.

        Raises:
            ReserveTooLargeError: The reserve leaves nothing of the account's limit.
        """
        with self._changed:
            self._in_flight -= 1
            self._changed.notify_all()
            if allowance is not None:
                self._learn(allowance)
            elif self._remaining is not None:
                # A gateway answered; the request may have counted all the same.
                self._remaining -= 1
            self._known = True
            self._refusals = 0
            self._waited = 0.0

    def refuse(self, retry_after: float | None, allowance: Allowance | None) -> None:
        """Take a request out of flight that was refused with a 429, and make the whole pool wait.

        Args:
            retry_after: Seconds of its `Retry-After`, if it had one.
            allowance: What it said of the budget, if anything.

        Raises:
            QuotaWaitTooLongError: The wait would be longer than `max_wait`, alone or together with
                the waits since the last request that was not refused.
            ReserveTooLargeError: The reserve leaves nothing of the account's limit.
        """
        with self._changed:
            self._in_flight -= 1
            self._changed.notify_all()
            if allowance is not None:
                self._learn(allowance)
            if self._blocked_until is not None:
                return  # Another thread's refusal has stopped the pool already.
            self._refusals += 1
            guess = min(2.0 ** (self._refusals - 1), _LONGEST_GUESS)
            told = (
                retry_after if retry_after is not None else (allowance.reset if allowance else 0.0)
            )
            self._block(max(told, guess), allowance.remaining if allowance else None)

    def _may_send(self, now: float) -> bool:
        if not self._known:
            return self._in_flight == 0
        if self._remaining is None:
            return True
        if now >= self._resets_at + _MARGIN:
            self._begin_window()
            return self._in_flight == 0
        return self._remaining - self._in_flight > self._reserve

    def _begin_window(self) -> None:
        self._blocked_until = None
        self._known = False
        self._remaining = None
        self._changed.notify_all()

    def _learn(self, allowance: Allowance) -> None:
        if allowance.limit is not None and allowance.limit <= self._reserve:
            # It would wait for one window after the other otherwise, for ever.
            raise ReserveTooLargeError(allowance.limit)
        resets_at = self._clock() + allowance.reset
        if self._remaining is None or resets_at > self._resets_at + _SAME_WINDOW:
            self._remaining, self._resets_at = allowance.remaining, resets_at
        else:
            # Responses overtake each other: within a window what is left only falls.
            self._remaining = min(self._remaining, allowance.remaining)

    def _block(self, seconds: float, remaining: int | None) -> None:
        seconds = max(seconds, 0.0)
        if self._waited + seconds > self._max_wait:
            self._too_long = seconds
            raise QuotaWaitTooLongError(seconds)
        self._waited += seconds
        self._blocked_until = self._clock() + seconds + _MARGIN
        self._on_wait(seconds + _MARGIN, remaining)
